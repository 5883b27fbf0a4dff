"""What the wheel holds, and that it works where there is no clone."""

import email
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import pytest

import sisr_jax

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


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


def test_readme_says_how_large_the_wheel_is(wheel):
    (stated,) = re.findall(r"\(`pip wheel --no-deps \.`, ([0-9.]+) MB", README)
    size = pathlib.Path(wheel.filename).stat().st_size
    assert float(stated) == pytest.approx(size / 1e6, abs=0.1)


@pytest.mark.slow
def test_wheel_made_of_the_sdist_trains_where_there_is_no_clone(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-d", tmp_path]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    subprocess.run([*build, "-t", "wheel"], cwd=source, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.whl")

    # An environment of its own; what the package needs is read from this one, of which
    # no .pth file counts there: not the one that makes the clone importable.
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = ["pip", "install", "--quiet", "--no-deps", "--no-index", path]
    subprocess.run([python, "-m", *install], check=True, capture_output=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*words):
        done = subprocess.run(
            [python, *words],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    script = "import sisr_jax.inference as i; print(i.__file__, *i.available())"
    place, *weights = run("-c", script).split()
    assert pathlib.Path(place).is_relative_to(packages)
    assert "sparse-view-ct" in weights
    short = ["--config.phases.generator=1", "--workdir=run"]
    table = run("-m", "sisr_jax.main", "--config=us_srresnet:quicktest", *short)
    assert "SRResNet" in table
    assert (elsewhere / "run" / "config.json").exists()


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


@pytest.mark.parametrize("is_link", [False, True])
def test_make_empties_no_environment_of_somebody_else(tmp_path, is_link):
    folder = place = tmp_path / "theirs"
    folder.mkdir()
    (folder / "own").touch()
    if is_link:
        # Through a link, what is at its end would be emptied.
        (folder / ".made").touch()
        place = tmp_path / "link"
        place.symlink_to(folder)
    command = ["make", f"VENV={place}", "PYTHON=false", f"{place}/.installed"]
    # Without the options of a `make test` around it.
    own = {key: each for key, each in os.environ.items() if key != "MAKEFLAGS"}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{place}: a link, or not made by this Makefile; remove it" in done.stderr
    assert (folder / "own").exists()
