"""What a user asks for."""

from pathlib import Path
from typing import NamedTuple


class Request(NamedTuple):
    """Files to restore, and how.

    Attributes:
        input: A file, or a folder of files.
        output: A file, or a folder.
        model: Name or folder of the weights.
        simulate: Measure complete images by every so many-th view or column; or None.
        views: Views of a scan, and every how many-th of them the images are
            back-projections of; or None.
        columns: Every how many-th column the images hold, and the first of them; or
            None.
        png_rescale: From stored PNG and unsigned TIFF values to physical ones.
        format: Ending of the files of a folder; None: as they have.
        anonymise: Leave out of DICOM what identifies a person.
        report: Draw a page about the middle image of each file.
        overwrite: Replace files that are there.
    """

    input: Path
    output: Path
    model: str
    simulate: int | None
    views: tuple[int, int] | None
    columns: tuple[int, int] | None
    png_rescale: tuple[float, float]
    format: str | None
    anonymise: bool
    report: bool
    overwrite: bool

    @property
    def is_folder(self) -> bool:
        """Whether all files of a folder are asked for."""
        return self.input.is_dir()

    @property
    def is_measured(self) -> bool:
        """Whether images stand for what was measured of them."""
        return any(
            each is not None for each in (self.simulate, self.views, self.columns)
        )
