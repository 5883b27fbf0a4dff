from pathlib import Path

from experiments.reliability.fuzzing.images import ramp, write_dicom, write_png
from sisr_jax.config import Data

__all__ = ["cut", "make_config", "ramp", "write_dicom", "write_png"]


def make_config(**changes):
    values = {
        "source": "ct_phantoms",
        "path": "",
        "target": "image",
        "splits_csv": "",
        "split_by": "patient",
        "shape": (16, 16),
        "fit": "exact",
        "patch": (8, 8),
        "crops_per_image": 1,
        "window": (-1000.0, 1000.0),
        "png_rescale": (1.0, -32768.0),
        "num_phantoms": (7, 3, 5),
        "batch_size": 4,
        "num_threads": 2,
    }
    return Data(**(values | changes))


def cut(path: Path, keep: float = 0.6) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path
