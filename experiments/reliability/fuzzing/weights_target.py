"""A file of weights, which anyone may have sent."""

import json
import struct

import numpy as np
from etils import epath

from experiments.reliability.fuzzing.targets import FOREIGN, AloneError, Target
from sisr_jax.inference.weights_file import read_weights, write_weights

_TYPES = {"F16": np.float16, "F32": np.float32, "I8": np.int8}


class WeightsTarget(Target):
    """Read for a network whose arrays are known."""

    specials = Target.specials | FOREIGN

    def __init__(self, folder):
        super().__init__(folder)
        random = np.random.default_rng(0)
        self._params = {
            "Conv_0": {
                "kernel": random.normal(size=(3, 3, 4, 2)).astype(np.float32),
                "bias": random.normal(size=2).astype(np.float32),
            }
        }
        paths = []
        for numbers in (1, 1000):
            paths.append(folder / f"weights_{numbers}.safetensors")
            write_weights(epath.Path(paths[-1]), self._params, narrow_from=numbers)
        self.keep(paths)

    def use(self, path):
        return read_weights(epath.Path(path), self._params)["Conv_0"]

    def fault(self, path, answer):
        for name, value in _by_hand(path).items():
            if not np.array_equal(answer[name.removeprefix("Conv_0/")], value):
                return f"{name} is not what the file says"
        return ""


def _by_hand(path):
    """The arrays as the format is described: length, JSON, bytes."""
    try:
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
        arrays = {}
        for name, entry in header.items():
            if name != "__metadata__":
                first, last = entry["data_offsets"]
                flat = np.frombuffer(data[first:last], _TYPES[entry["dtype"]])
                arrays[name] = flat.reshape(entry["shape"])
    except Exception as error:
        raise AloneError(f"{type(error).__name__}: {error}") from error
    scales = {name: arrays.pop(name) for name in list(arrays) if name.endswith("scale")}
    return {
        name: array * scales.get(f"{name}.scale", np.float32(1))
        for name, array in arrays.items()
    }
