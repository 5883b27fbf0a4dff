"""What the wheel holds, and that it works where there is no clone."""

import email
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

import sisr_jax

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("sisr_jax-*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_the_package_its_types_and_the_configurations(wheel):
    files = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in files} == {"sisr_jax"}
    assert "sisr_jax/py.typed" in files
    expected = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "sisr_jax").rglob("*.py")
    } | {f"sisr_jax/configs/{path.name}" for path in (ROOT / "configs").glob("*.py")}
    assert {name for name in files if name.endswith(".py")} == expected


def test_wheel_says_what_it_is(wheel):
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["Version"] == sisr_jax.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    scripts = wheel.read(f"{info}/entry_points.txt").decode()
    assert "sisr-jax = sisr_jax.__main__:main" in scripts


def test_wheel_finds_its_configurations_beside_a_users_own(wheel, tmp_path):
    wheel.extractall(tmp_path / "site")
    mine = tmp_path / "configs"
    mine.mkdir()
    (mine / "__init__.py").write_text("raise ImportError('of the user')\n")
    script = (
        "import sys; sys.path.insert(0, 'site')\n"
        "from sisr_jax.config import files, parse\n"
        "assert files.__file__.endswith('site/sisr_jax/config/files.py'), files\n"
        "for name in files.shipped_names():\n"
        "    parse(files.load(name + ':demo').to_dict())\n"
        "    print(name)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    shipped = sorted(path.stem for path in (ROOT / "configs").glob("??_*.py"))
    assert found.stdout.split() == shipped


def test_citation_and_changelog_know_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {sisr_jax.__version__}\n" in citation
    assert f"\n## [{sisr_jax.__version__}] - 20" in (ROOT / "CHANGELOG.md").read_text()


def test_workflow_runs_the_checks_with_actions_that_cannot_move():
    (path,) = (ROOT / ".github" / "workflows").glob("*.yml")
    text = path.read_text()
    assert re.search(r"- run: \.ci/run$", text, re.MULTILINE)
    used = re.findall(r"uses: (.*)", text)
    assert len(used) == 2
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}  # v[0-9.]+", action), action


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_pages_name_what_is_there(page):
    text = (ROOT / page).read_text()
    for name in re.findall(r"`((?:\w+/)+\w+\.\w+)`", text):
        assert (ROOT / name).exists() or (ROOT / "sisr_jax" / name).exists(), name
    rooms = {line.strip() for line in text.splitlines() if line.startswith("      ")}
    for line in rooms:
        for name in re.findall(r"(\w+/|\w+\.py)(?=  |$)", line):
            assert (ROOT / "sisr_jax" / name).exists(), name
