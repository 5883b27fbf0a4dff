"""Which files are read, and where those that are restored go."""

import os
from pathlib import Path

from etils import epath

from sisr_jax.data.files import list_files
from sisr_jax.data.formats.readers import find_reader, has_image_name, suffix_of
from sisr_jax.data.formats.writers import WRITTEN
from sisr_jax.enhancement.request import Request
from sisr_jax.errors import InputError
from sisr_jax.storage.files import check_file
from sisr_jax.storage.folder import check_possible

# Of the 255 bytes that a name may have, what a file needs that is not yet complete.
_LONGEST_NAME = 230


def files_of(path: Path) -> tuple[list[Path], list[str]]:
    """Image files, and a line for each that cannot be used.

    Raises:
        InputError: If there is nothing, or neither a file nor a folder.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not path.is_dir():
        check_file(path)
        return [path], []
    listing = list_files(path)
    files, problems = [], [*listing.unreadable, *listing.problems.values()]
    for file in listing.files:
        try:
            files += [file] if find_reader(file) else []
        except InputError as error:
            problems.append(str(error))
    return files, problems


def real(path: Path) -> Path:
    """Without links."""
    return Path(os.path.realpath(path))


def check_places(request: Request) -> None:
    """Refuses places where something would be lost, or nothing can be written.

    Raises:
        InputError: Naming the place.
    """
    source, target = real(request.input), real(request.output)
    if request.format is not None and request.format.lower() not in WRITTEN:
        raise InputError(
            f"--format={request.format}: expected one of {', '.join(WRITTEN)}"
        )
    if request.is_folder:
        if target.is_relative_to(source) or source.is_relative_to(target):
            raise InputError(
                f"{request.output}: inside of {request.input}, or around it: expected "
                "another folder"
            )
        if os.path.lexists(request.output) and not target.is_dir():
            raise InputError(
                f"{request.output}: a file or broken link, expected a folder"
            )
    else:
        if request.format:
            raise InputError(f"--format={request.format}: needs a folder as INPUT")
        if not request.output.parent.is_dir():
            raise InputError(f"{request.output.parent}: no such folder")
        check_possible(epath.Path(request.output.parent), "OUT")
        for place in places_of(request.output, request):
            if place.is_dir():
                raise InputError(f"{place}: a folder, expected a file")
            check_file(place)
            if place.exists() and (real(place) == source or not request.overwrite):
                raise InputError(f"{place}: is there; --overwrite replaces it")


def target_of(path: Path, request: Request) -> Path:
    """Where a file is written to.

    Raises:
        InputError: If its name is too long.
    """
    target = request.output
    if request.is_folder:
        target = target / path.relative_to(request.input)
        if request.format:
            # A DICOM file often has a piece of an identifier where others have theirs.
            end = len(suffix_of(path)) if has_image_name(path) else 0
            name = target.name[: len(target.name) - end]
            target = target.with_name(name + request.format)
    for place in places_of(target, request):
        if (length := len(os.fsencode(place.name))) > _LONGEST_NAME:
            raise InputError(
                f"{place}: a name of {length} bytes, expected at most {_LONGEST_NAME}"
            )
    return target


def places_of(target: Path, request: Request) -> list[Path]:
    """All that is written for a file."""
    return [target, *([report_of(target)] if request.report else [])]


def report_of(target: Path) -> Path:
    """The page about a file."""
    return target.with_name(f"{target.name}.report.png")
