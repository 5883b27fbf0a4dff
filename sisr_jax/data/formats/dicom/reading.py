"""DICOM: grey slices and frames, rescaled to physical units.

One file holds one slice, or all frames of an enhanced image or of a cine loop.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sisr_jax.data.formats.dicom.frames import decode_frame, stored_values
from sisr_jax.data.formats.dicom.groups import (
    GROUP_ELEMENTS,
    find_place,
    levels_of,
    read_spacing,
    words_of,
)
from sisr_jax.data.formats.dicom.layout import LAYOUT_ELEMENTS, Layout, layout_of
from sisr_jax.data.formats.dicom.opening import Opened, check_elements, open_dicom
from sisr_jax.data.formats.dicom.padding import (
    PADDING_ELEMENTS,
    fill_padding,
    find_padding,
)
from sisr_jax.data.formats.dicom.values import VALUE_ELEMENTS, transform_of
from sisr_jax.data.formats.headers import Decoded, Header, to_physical
from sisr_jax.errors import InputError

_ELEMENTS = (
    "Modality",
    "SOPClassUID",
    "ImageType",
    *LAYOUT_ELEMENTS,
    *GROUP_ELEMENTS,
    *VALUE_ELEMENTS,
    *PADDING_ELEMENTS,
)
_LOCALIZERS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM"}
# Of images that were converted, whatever took them.
_OTHER = "OT"
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def check_dicom(path: Path) -> Header:
    """Header of what `read_dicom` will be able to read.

    The pixel values are skipped, not read. Localizers of CT and screen captures filed
    with it are no slices: `Header.left_out` says so.

    Raises:
        InputError: If the file is not DICOM, has no pixels or coloured ones, an absurd
            size, rescale or spacing, is cut off, or is compressed with a codec that is
            not installed.
    """
    with open_dicom(path, elements=_ELEMENTS) as opened:
        check_elements(path, opened.header)
        reason = _left_out(opened.header)
        if reason:
            shape = opened.header.get("Rows") or 0, opened.header.get("Columns") or 0
            return Header("DICOM", shape, "", left_out=reason)
        return _check(path, opened)[0]


def read_dicom(
    path: Path, indices: Sequence[int], rescale: tuple[float, float]
) -> Iterator[Decoded]:
    """Frames in physical units (HU for CT), padding replaced by air.

    Raises:
        InputError: As `check_dicom`, or if the pixels cannot be decoded.
    """
    with open_dicom(path, elements=_ELEMENTS) as opened:
        check_elements(path, opened.header)
        reason = _left_out(opened.header)
        if reason:
            raise InputError(f"{path}: {reason} among slices of CT, expected a slice")
        header, layout, levels = _check(path, opened)
        modality = opened.header.get("Modality")
        for index in indices:
            if not 0 <= index < layout.frames:
                raise InputError(f"{path}: no frame {index}, it has {layout.frames}")
            words = decode_frame(path, opened, layout, index)
            values = stored_values(words, layout)
            padding = find_padding(words, values, opened.header)
            transform = transform_of(path, levels[index], dtype=layout.dtype)
            physical = values if transform is None else transform(values)
            image, filled = fill_padding(physical, padding, modality=modality)
            yield to_physical(image, header, path=path, rescale=rescale, padding=filled)


def _check(path: Path, opened: Opened) -> tuple[Header, Layout, list[list[Any]]]:
    dataset = opened.header
    modality = dataset.get("Modality") or ""
    layout = layout_of(path, opened, modality=modality)
    levels = levels_of(path, dataset, frames=layout.frames)
    spacings = set()
    for frame in levels:
        transform_of(path, frame, dtype=layout.dtype)
        spacings.add(read_spacing(path, frame))
    series, position = find_place(path, levels[0])
    header = Header(
        "DICOM",
        layout.shape,
        layout.dtype.name,
        count=layout.frames,
        series=series,
        position=position,
        spacing=spacings.pop() if len(spacings) == 1 else None,
        taken_by="" if modality == _OTHER else modality,
    )
    return header, layout, levels


def _left_out(dataset: Any) -> str:
    if dataset.get("Modality") != "CT":
        return ""
    if _LOCALIZERS & {each.upper() for each in words_of(dataset.get("ImageType"))}:
        return "localizer"
    captured = str(dataset.get("SOPClassUID") or "").startswith(_SECONDARY_CAPTURE)
    return "screen capture" if captured else ""
