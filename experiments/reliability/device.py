"""A disk in a file, which can fail as a real one does; for the superuser alone."""

import pathlib
import subprocess

_OPTIONS = "loop,errors=remount-ro"


def mount(folder: pathlib.Path, num_bytes: int) -> None:
    """Makes an ext4 file system beside a folder and mounts it there."""
    with _image(folder).open("wb") as file:
        file.truncate(num_bytes)
    _run("mkfs.ext4", "-q", _image(folder))
    _run("mount", "-o", _OPTIONS, _image(folder), folder)


def fail(folder: pathlib.Path) -> None:
    """An error of the disk: from now on the kernel keeps it read-only."""
    command = ["findmnt", "--noheadings", "--output", "SOURCE", folder]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    name = pathlib.Path(found.stdout.strip()).name
    pathlib.Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("experiment")


def repair(folder: pathlib.Path) -> None:
    """Checks the file system and mounts it again, to be written to."""
    _run("umount", folder)
    # Without `check`: 1 says that errors were corrected.
    subprocess.run(["e2fsck", "-fy", _image(folder)], capture_output=True)
    _run("mount", "-o", _OPTIONS, _image(folder), folder)


def _image(folder):
    return folder.with_suffix(".image")


def _run(*command):
    subprocess.run(command, check=True)
