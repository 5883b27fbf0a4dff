"""Writes examples/notebooks/*.ipynb from examples/*.py.

    python -m docs.generate.notebooks

A notebook has no output. Before the cells of its script it has a badge that opens it in
Colab and a cell that installs the package beside the JAX that is there already.
"""

import json
import tomllib
from typing import Any

from docs.generate.scripts import ALSO_NEEDS, NAMES, ROOT, cells

FOLDER = "examples/notebooks"

_COLAB = "https://colab.research.google.com"
_GITHUB = "https://github.com/"
_INSTALL = """\
# Keeps the JAX of the runtime, which fits its TPU or GPU.
%pip install --quiet {packages}
import jax

print(jax.devices())"""


def repository() -> str:
    """What `pyproject.toml` says of where this is published; empty if nothing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project.get("urls", {}).get("Repository", "")


def colab_address(name: str, repository: str) -> str:
    """Where Colab opens the notebook of an example, or where it takes an upload.

    Raises:
        ValueError: If Colab cannot read from there.
    """
    if not repository:
        return f"{_COLAB}/"
    if not repository.startswith(_GITHUB):
        raise ValueError(f"Repository = {repository!r}: expected {_GITHUB}OWNER/NAME")
    place = repository.removeprefix(_GITHUB).rstrip("/")
    return f"{_COLAB}/github/{place}/blob/main/{FOLDER}/{name}.ipynb"


def notebook(name: str) -> str:
    """The notebook of an example, as the text of its file."""
    place = repository()
    address = colab_address(name, place)
    badge = f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({address})"
    if not place:
        badge += f" and upload `{FOLDER}/{name}.ipynb` there."
    install = _INSTALL.format(
        packages=" ".join(["sisr-jax", *ALSO_NEEDS.get(name, ())])
    )
    first = [_cell(0, badge, is_text=True), _cell(1, install, is_text=False)]
    rest = [
        _cell(number, cell.source, is_text=cell.is_text)
        for number, cell in enumerate(cells(name), start=2)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": first + rest,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, source: str, *, is_text: bool) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "markdown" if is_text else "code",
        "id": f"cell-{number}",
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    return cell if is_text else cell | {"execution_count": None, "outputs": []}


def main() -> None:
    """Writes all of them."""
    for name in NAMES:
        (ROOT / FOLDER / f"{name}.ipynb").write_text(notebook(name))


if __name__ == "__main__":
    main()
