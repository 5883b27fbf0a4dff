"""What is damaged, how it is read, and what of the answer can be told to be wrong."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from experiments.reliability.fuzzing.mutations import mutate, mutate_json


class AloneError(Exception):
    """An independent reader refuses what the package accepted."""


# Every so many mutants of a file come the special ones.
_PERIOD = 40
# A folder that somebody packed may have them in place of any file.
FOREIGN = {
    9: os.mkfifo,
    10: lambda path: path.symlink_to("/dev/zero"),
    11: lambda path: path.symlink_to(path),
    12: lambda path: path.mkdir(),
    13: lambda path: path.symlink_to("/dev/null"),
}


class Target:
    """A folder of valid files, of which each case damages one.

    Attributes:
        folder: The folder; nothing outside it is read or written.
        files: Those that are damaged.
        is_read_only: Whether reading may write nothing.
        specials: What else than a damaged file may be in its place, by its turn.
    """

    is_read_only = True
    specials: ClassVar[dict[int, Callable[[Path], object]]] = {
        7: lambda path: None,  # nothing
        8: lambda path: path.write_bytes(b""),
    }

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: list[Path] = []
        self._kept: dict[Path, bytes] = {}

    def keep(self, files):
        """Takes the folder as it is now for the valid one, `files` to be damaged."""
        self.files = list(files)
        self._kept = {path: path.read_bytes() for path in _files_in(self.folder)}

    def original(self, path):
        return self._kept[path]

    def damage(self, number: int, seed: int) -> Path:
        """Puts mutant `number` of one of the files in its place."""
        path = self.files[number % len(self.files)]
        data, turn = self._kept[path], number // len(self.files)
        path.unlink()
        special = self.specials.get(turn % _PERIOD)
        if special is not None:
            special(path)
        elif turn % 4 and _is_json(data):
            path.write_bytes(mutate_json(data, turn, seed=seed))
        elif data:
            path.write_bytes(mutate(data, turn, seed=seed))
        return path

    def use(self, path: Path) -> Any:
        """Everything that the package does with a damaged file."""
        raise NotImplementedError  # every kind of target has its own

    def fault(self, path: Path, answer: Any) -> str:
        """What of an accepted answer is silently wrong; empty if nothing is.

        Raises:
            AloneError: If an independent reader refuses the file.
        """
        raise NotImplementedError  # every kind of target has its own

    def restore(self) -> list[Path]:
        """Makes the folder valid again; returns what was written beside it."""
        extra = [path for path in _files_in(self.folder) if path not in self._kept]
        for path in extra:
            path.unlink()
        for path, data in self._kept.items():
            if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
                _remove(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        return extra


def _files_in(folder):
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_json(data):
    if data[:1] != b"{":
        return False
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False
