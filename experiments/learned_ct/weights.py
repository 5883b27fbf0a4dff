"""Packs the weights of a cascade into a small file: a byte for each of a kernel.

    python -m experiments.learned_ct.weights CACHE/RUN x16.npz

A network's correction need not be exact to 2^-8, where half the error stays anyway.
"""

import argparse
import pathlib
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

_SCALE = "scale"


def pack(params: Any) -> dict[str, np.ndarray]:
    """Flat arrays by path: kernels as int8 with a scale for each output channel."""
    packed = {}
    for path, value in flatten_dict(params, sep="/").items():
        if value.ndim < 2:
            packed[path] = np.asarray(value, np.float32)
            continue
        largest = np.abs(value).max(tuple(range(value.ndim - 1)))
        scale = np.maximum(largest, 1e-12) / 127
        packed[path] = np.rint(value / scale).astype(np.int8)
        packed[f"{path}/{_SCALE}"] = scale.astype(np.float32)
    return packed


def unpack(packed: dict[str, np.ndarray]) -> Any:
    """The parameters of `pack`, float32."""
    flat = {}
    for path, value in packed.items():
        if path.endswith(f"/{_SCALE}"):
            continue
        scale = packed.get(f"{path}/{_SCALE}", np.float32(1))
        flat[path] = value.astype(np.float32) * scale
    return unflatten_dict(flat, sep="/")


def load_stages(run: pathlib.Path) -> Any:
    """Parameters of a `Cascade` from what a run of `train` saved."""
    paths = sorted(run.glob("weights_*.npz"))
    return {
        f"stage_{number}": unflatten_dict(dict(np.load(path)), sep="/")
        for number, path in enumerate(paths)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="folder of a run of train")
    parser.add_argument("output", type=pathlib.Path)
    arguments = parser.parse_args()
    packed = pack(load_stages(arguments.run))
    np.savez_compressed(arguments.output, **packed)


if __name__ == "__main__":
    main()
