"""The files below a folder, each once, and what of the folder cannot be read.

Names that start with a dot are left out, linked folders are not entered. A file that
has several names, by links of either kind, has the first one.
"""

import os
from pathlib import Path
from typing import NamedTuple

from sisr_jax.errors import InputError


class Listing(NamedTuple):
    """What lies below a folder.

    Attributes:
        files: Sorted, each file once.
        aliases: Further names of a file that is listed, and its first one.
        unreadable: A line for each folder that cannot be read.
        problems: A line for each file that cannot be used by its name or link.
    """

    files: list[Path]
    aliases: dict[Path, Path]
    unreadable: list[str]
    problems: dict[Path, str]


def list_files(root: Path) -> Listing:
    """Lists a folder of any depth.

    Folders that cannot be read, links that lead nowhere and names that cannot be
    printed or stored as UTF-8 are problems.

    Args:
        root: The folder.
    """
    found: list[Path] = []
    unreadable: list[str] = []
    problems: dict[Path, str] = {}
    waiting = [root]
    while waiting:  # no recursion: folders nest deeper than it may
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                visible = [e for e in entries if not e.name.startswith(".")]
        except OSError as error:
            unreadable.append(f"{folder}: folder cannot be read ({error.strerror})")
            continue
        for entry in visible:
            path = folder / entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file():
                    found.append(path)
                elif entry.is_symlink() and not path.exists():
                    problems[path] = f"{path}: a link that leads nowhere"
            except OSError as error:
                problems[path] = f"{path}: cannot be opened ({error.strerror})"
    for path in found:
        if not _is_clean(str(path.relative_to(root))):
            problems[path] = (  # escaped, as it could not be printed
                f"{str(path)!r}: the name holds control characters or is not UTF-8; "
                "rename it"
            )
    first: dict[tuple[int, int | str], Path] = {}
    aliases: dict[Path, Path] = {}
    files: list[Path] = []
    for path in sorted(path for path in found if path not in problems):
        name = first.setdefault(identity(path), path)
        if name == path:
            files.append(path)
        else:
            aliases[path] = name
    return Listing(files, aliases, sorted(unreadable), problems)


def identity(path: Path) -> tuple[int, int | str]:
    """What is equal for all names of a file.

    Some network drives do not number their files; there, the path without links.

    Args:
        path: A name.

    Raises:
        InputError: If it cannot be looked at.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
    return status.st_dev, status.st_ino or os.path.realpath(path)


def _is_clean(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 come as lone surrogates
        return False
    return not any(letter < " " or "\x7f" <= letter < "\xa0" for letter in name)
