"""Restored images of an evaluation, one file each, in the units of the window."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath

from sisr_jax.data.transforms import from_unit_range
from sisr_jax.storage.files import write_whole

FOLDER = "images"


class RestoredImages:
    """Writes `images/INDEX_METHOD.npy`: float32, `[height, width]`, HU for CT.

    INDEX is the image's place in its split, that of `per_image.csv`; a name of a file
    could be a patient's.
    """

    def __init__(
        self,
        folder: epath.Path | None,
        methods: Sequence[str],
        window: tuple[float, float],
    ) -> None:
        """Writes nothing yet.

        Args:
            folder: Of the evaluation; None on processes that write nothing.
            methods: Whose images are written.
            window: Values that [0, 1] stands for.
        """
        self._folder, self._methods, self._window = folder, methods, window

    def save(self, index: int, images: Mapping[str, np.ndarray]) -> None:
        """Writes the images of one index.

        Raises:
            StorageError: If the storage fails.
        """
        if self._folder is None:
            return
        for method in self._methods:
            file = io.BytesIO()
            plane = from_unit_range(images[method][..., 0], self._window)
            np.save(file, plane, allow_pickle=False)
            name = f"{index:05d}_{method.replace(' ', '_')}.npy"
            write_whole(self._folder / FOLDER / name, file.getvalue())
