"""Every notebook runs and draws its picture; the scripts have the same cells."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from docs.generate.notebooks import FOLDER, colab_address, notebook
from docs.generate.scripts import ALSO_NEEDS, NAMES, cells, title

ROOT = pathlib.Path(__file__).parents[1]
MOST_BYTES = 100_000

each = pytest.mark.parametrize("name", NAMES)


def code_of(name):
    """A notebook as a script: its only magic installs what is here already."""
    found = json.loads((ROOT / FOLDER / f"{name}.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]
    code[0] = re.sub(r"^%pip install .*$", "", code[0], flags=re.MULTILINE)
    return "\n\n".join(code) + "\n"


@pytest.mark.slow
@each
def test_notebook_draws_its_picture(name, tmp_path):
    for package in ALSO_NEEDS.get(name, ()):
        pytest.importorskip(package, reason=f"the example needs {package}")
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    environment.pop("MPLBACKEND", None)  # it must find that there is no screen
    script = tmp_path / "notebook.py"
    script.write_text(code_of(name))
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5_000


def test_example_says_what_it_needs(tmp_path):
    (tmp_path / "equinox.py").write_text("raise ModuleNotFoundError('equinox')\n")
    environment = dict(os.environ, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "operator_in_equinox.py"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "this example needs Equinox: pip install equinox\n"


def test_badge_leads_to_the_notebook_of_a_fork_or_to_where_it_is_uploaded():
    colab = "https://colab.research.google.com/"
    assert colab_address("fan_beam", "") == colab
    expected = f"{colab}github/a/b/blob/main/{FOLDER}/fan_beam.ipynb"
    assert colab_address("fan_beam", "https://github.com/a/b") == expected
    with pytest.raises(ValueError, match="expected https://github"):
        colab_address("fan_beam", "https://example.org/a/b")


def test_every_script_has_its_place_in_the_gallery():
    assert sorted(NAMES) == sorted(path.stem for path in ROOT.glob("examples/*.py"))
    assert all((ROOT / "docs" / "pictures" / f"{name}.png").exists() for name in NAMES)
    assert len({title(name) for name in NAMES}) == len(NAMES)


@each
def test_notebook_is_what_the_script_makes(name):
    text = (ROOT / FOLDER / f"{name}.ipynb").read_text()
    assert text == notebook(name), "run `python -m docs.generate.notebooks`"
    assert len(text.encode()) < MOST_BYTES
    found, needs = json.loads(text)["cells"], ALSO_NEEDS.get(name, ())
    assert all(not cell.get("outputs") for cell in found)
    badge, install, *rest = ("".join(cell["source"]) for cell in found)
    assert f"{FOLDER}/{name}.ipynb" in badge
    assert f"%pip install --quiet {' '.join(['sisr-jax', *needs])}\n" in install
    assert "jax.devices()" in install
    assert rest == [cell.source for cell in cells(name)]
    compile(code_of(name), name, "exec")
