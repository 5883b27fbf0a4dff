"""Files that are written whole or not at all, folders that are moved."""

import contextlib
import errno
import os
import re
from collections.abc import Callable

from etils import epath

from sisr_jax.errors import InputError
from sisr_jax.storage.failures import reporting

# Of `write_whole`, by which a file is called until it is complete.
_UNFINISHED = re.compile(r"\..+\.\d+\.tmp", re.DOTALL)


def is_remote(path: epath.PathLike) -> bool:
    """Whether a path is an object of a bucket, not a file of this machine."""
    return str(path).startswith("gs://")


def absolute(path: epath.Path) -> epath.Path:
    """The path from the root; a bucket's are always."""
    return path if is_remote(path) else path.resolve()


def write_whole(path: epath.Path, content: bytes | str) -> None:
    """Writes a file and its folders, replacing an old one in one move.

    An object of a bucket appears when its upload is complete, so it is written
    directly: renaming one is a copy and a removal, which a kill can cut in half. A
    local file is written under another name first. A kill, or a power failure, leaves
    the old file, or none if there was none.

    Raises:
        InputError: If a folder, pipe, device or broken link has its name.
        StorageError: Naming the file, if the storage fails.
    """
    # Renamed onto, `/dev/null` would be a file from now on.
    check_file(path)
    data = content.encode() if isinstance(content, str) else content
    with reporting(f"{path}: writing"):
        if is_remote(path):
            import fsspec  # comes with gcsfs, which a disk does not need

            # One request that may be repeated, where an opened file makes several.
            fsspec.filesystem("gcs").pipe_file(str(path), data)
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            # Renamed before its content is on the disk, it could come back empty.
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def append(path: epath.Path, content: str) -> None:
    """Adds to the end of a local file, and returns once the disk holds it.

    A kill leaves a beginning of what is added.

    Raises:
        InputError: If a folder, pipe, device or broken link has its name.
        StorageError: Naming the file, if the storage fails.
    """
    check_file(path)
    with reporting(f"{path}: writing"), path.open("ab") as file:
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())


def is_unfinished(name: str) -> bool:
    """Whether a kill may have left a file of this name, never complete, for good."""
    return _UNFINISHED.fullmatch(name) is not None


def sync(path: epath.PathLike) -> None:
    """Returns once the disk holds a local file, or the names in a local folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: epath.PathLike) -> None:
    """Returns once the disk holds a local folder with everything in it."""
    for place, _, names in os.walk(folder):
        for name in names:
            sync(os.path.join(place, name))
        sync(place)


def move_folder(source: epath.Path, target: epath.Path) -> None:
    """Moves a folder to a name that is not in use.

    In a bucket each object is copied, then all are removed: a kill in between
    leaves the source, whole or in part.

    Raises:
        StorageError: Naming the folder, if the storage fails.
    """
    with reporting(f"{source}: moving to {target}"):
        if not is_remote(source):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            return
        _copy_objects(source, target)
        source.rmtree()


def replace_folder(target: epath.Path, write: Callable[[epath.Path], None]) -> None:
    """Makes a local folder, all of it or nothing, in the place of an old one.

    A kill leaves the old folder, or between two renames of it none, and hidden ones
    beside it.

    Args:
        target: The folder.
        write: Fills the empty folder that it is given.

    Raises:
        StorageError: Naming the folder, if the storage fails.
    """
    target = target.resolve()
    made, old = (
        target.with_name(f".{target.name}.{os.getpid()}.{kind}")
        for kind in ("tmp", "old")
    )
    with reporting(f"{target}: writing"):
        try:
            made.mkdir(parents=True)
            write(made)
            sync_tree(made)
            if target.exists():
                target.rename(old)
            made.rename(target)
            sync(target.parent)
        finally:
            if old.exists() and not target.exists():
                old.rename(target)
            for left in (made, old):
                if left.exists():
                    left.rmtree()


def _copy_objects(source: epath.Path, target: epath.Path) -> None:
    for path in source.iterdir():
        if path.is_dir():
            _copy_objects(path, target / path.name)
        else:
            path.copy(target / path.name, overwrite=True)


def check_file(path: epath.PathLike) -> None:
    """Refuses a folder, pipe, device or broken link where a local file should be.

    A folder that somebody packed may hold them. Opening a pipe waits for ever, and some
    devices have no end. That there is nothing at all is left to the reader.

    Raises:
        InputError: If there is something, and it is no file.
    """
    # For `epath`, a pipe is a file.
    if not is_remote(path) and os.path.lexists(path) and not os.path.isfile(path):
        raise InputError(f"{path}: a folder, pipe, device or broken link, not a file")


def check_files(folder: epath.PathLike) -> None:
    """As `check_file`, of everything below a local folder."""
    if not is_remote(folder):
        for place, _, names in os.walk(folder):
            for name in names:
                check_file(os.path.join(place, name))


def names_in(folder: epath.Path) -> list[str]:
    """Names in a folder, sorted; none if there is no such folder.

    Raises:
        InputError: If it is a link to itself, or longer than a name can be.
    """
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{folder}: a link to itself") from error
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{folder}: {error.strerror}") from error
        raise
