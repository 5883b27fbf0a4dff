"""Single files: images of every format, tables of splits, recordings, archives."""

import numpy as np

from experiments.reliability.fuzzing import peers
from experiments.reliability.fuzzing.seeds import write_seeds
from experiments.reliability.fuzzing.targets import Target
from sisr_jax.data.collections.archive import Folder, open_archive
from sisr_jax.data.formats.headers import Header
from sisr_jax.data.formats.matlab import read_mat
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.data.persons import find_patient
from sisr_jax.data.splits import read_assignments

IMAGES = ("png", "jpeg", "tiff", "npy", "npz", "dicom", "frames", "nifti")
FORMATS = (*IMAGES, "csv", "mat", "tar")
# From stored to physical values, where a file does not say it.
RESCALE = (1.0, -32768.0)
_MAX_IMAGES = 8
_MAX_BYTES = 2**20
_ARRAYS = ("iq", "dtce")


class FileTarget(Target):
    """Files of one format."""

    def __init__(self, folder, kind):
        super().__init__(folder)
        self._kind = kind
        self._use = {"csv": _use_csv, "mat": _use_mat, "tar": _use_tar}.get(
            kind, _use_image
        )
        self.keep(write_seeds(folder, kind))

    def use(self, path):
        return self._use(path)

    def fault(self, path, answer):
        return peers.difference(self._kind, path, answer)


def _use_image(path):
    find_patient(path, root=path.parent)
    header = check_file(path)
    assert isinstance(header, Header)
    count = min(header.count, _MAX_IMAGES)
    images = list(read_images(path, range(count), RESCALE))
    for image in images:
        assert image.shape == header.shape
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
    return header, images


def _use_csv(path):
    assignments = read_assignments(path, root=path.parent)
    assert all(file.is_file() for file in assignments)
    return {
        str(file.relative_to(path.parent)): a.split for file, a in assignments.items()
    }


def _use_mat(path):
    data = Folder(path.parent).read(path.name, max_bytes=_MAX_BYTES)
    return read_mat(data, _ARRAYS, label=str(path))


def _use_tar(path):
    archive = open_archive(path)
    return {name: archive.read(name, max_bytes=_MAX_BYTES) for name in archive.members}
