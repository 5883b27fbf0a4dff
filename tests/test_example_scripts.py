"""Every example runs as it stands and draws its picture; the notebooks are of them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from docs.generate.notebooks import FOLDER, notebook
from docs.generate.scripts import NAMES, cells, title

ROOT = pathlib.Path(__file__).parents[1]
MOST_BYTES = 100_000

each = pytest.mark.parametrize("name", NAMES)


@pytest.mark.slow
@each
def test_example_draws_its_picture(name, tmp_path):
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    environment.pop("MPLBACKEND", None)  # it must find that there is no screen
    script = ROOT / "examples" / f"{name}.py"
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


def test_every_script_has_its_place_in_the_gallery():
    assert sorted(NAMES) == sorted(path.stem for path in ROOT.glob("examples/*.py"))
    assert all((ROOT / "docs" / "pictures" / f"{name}.png").exists() for name in NAMES)
    assert len({title(name) for name in NAMES}) == len(NAMES)


@each
def test_notebook_is_what_the_script_makes(name):
    text = (ROOT / FOLDER / f"{name}.ipynb").read_text()
    assert text == notebook(name), "run `python -m docs.generate.notebooks`"
    assert len(text.encode()) < MOST_BYTES
    found = json.loads(text)["cells"]
    assert all(not cell.get("outputs") for cell in found)
    badge, install, *rest = ("".join(cell["source"]) for cell in found)
    assert f"/{FOLDER}/{name}.ipynb" in badge
    assert "%pip install" in install
    assert "jax.devices()" in install
    assert rest == [cell.source for cell in cells(name)]
