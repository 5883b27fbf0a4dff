"""Configuration files: those that come with the package by name, any other by path.

In a clone the shipped files are the folder `configs`; a wheel carries the same folder
as `sisr_jax/configs`, because `configs` is a name that many projects use.
"""

import contextlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sisr_jax.config.checks import ConfigError

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
# What shipped files call their folder when they import from it.
_FOLDER_NAME = "configs"


def shipped_names() -> list[str]:
    """Names of the configurations that come with the package, sorted."""
    files = (path.stem for path in _shipped_folder().glob("*.py"))
    return sorted(name for name in files if name not in ("__init__", "common"))


def load(reference: str) -> Any:
    """Loads what `--config=REFERENCE` names.

    Args:
        reference: `NAME` of a shipped configuration or `FILE.py`, either with
            `:VARIANT`, which is passed to the file's `get_config`.

    Returns:
        The file's `ml_collections.ConfigDict`, not yet checked.

    Raises:
        ConfigError: If there is no such configuration, or the file fails; the line
            says where in it.

    Examples:
        >>> load("ct_srgan:demo").data.shape
        (128, 128)
    """
    name, *variant = reference.split(":", 1)
    is_shipped = not name.endswith(".py")
    if is_shipped and name not in shipped_names():
        names = ", ".join(shipped_names())
        raise ConfigError(f"config {name!r}: expected FILE.py or one of {names}")
    path = _shipped_folder() / f"{name}.py" if is_shipped else Path(name)
    if not os.path.isfile(path):  # of any name, also one no file can have
        raise ConfigError(f"config {name!r}: no such file")
    try:
        with _shipped_importable() if is_shipped else contextlib.nullcontext():
            return _import_file(path).get_config(*variant)
    except Exception as error:
        raise ConfigError(f"config {reference!r}{_line_in(path, error)}") from error


def _shipped_folder() -> Path:
    return next(folder for folder in _FOLDERS if folder.is_dir())


@contextlib.contextmanager
def _shipped_importable() -> Iterator[None]:
    """Lets shipped files import each other, whatever the user's `configs` is."""

    def is_in_folder(name: str) -> bool:
        return name.split(".")[0] == _FOLDER_NAME

    before = {
        name: sys.modules.pop(name) for name in [*sys.modules] if is_in_folder(name)
    }
    try:
        _import_file(_shipped_folder() / "__init__.py", _FOLDER_NAME)
        yield
    finally:
        for name in filter(is_in_folder, [*sys.modules]):
            del sys.modules[name]
        sys.modules.update(before)


def _import_file(path: Path, name: str = "_sisr_jax_config_file") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _line_in(path: Path, error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    where = f", line {lines[-1]}" if lines else ""
    return f"{where}: {type(error).__name__}: {' '.join(str(error).split())}"
