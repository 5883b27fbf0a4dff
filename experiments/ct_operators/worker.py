"""One implementation in a process of its own: a JSON line in, a JSON line out.

    python worker.py NAME FOLDER SIZE THREADS

The folder holds the input images as .npy and takes the results. Requests:
`{"do": "time", "with": [OPERATION]}`, `{"do": "check", "with": []}` and
`{"do": "degrade", "with": [SOURCE, TARGET]}`.
"""

import gc
import importlib
import importlib.metadata
import json
import os
import pathlib
import re
import sys
import time

import numpy as np
from operators import AbsentError

# Module and class, and the distribution whose version is reported.
IMPLEMENTATIONS = {
    "ours": ("operators", "Ours", "sisr-jax"),
    "ours-uniform": ("operators", "OursUniform", "sisr-jax"),
    "ours-reference": ("operators", "OursReference", "sisr-jax"),
    "scikit-image": ("numpy_peers", "ScikitImage", "scikit-image"),
    "scikit-image-float64": ("numpy_peers", "ScikitImageFloat64", "scikit-image"),
    "imops": ("numpy_peers", "Imops", "imops"),
    "astra": ("numpy_peers", "Astra", "astra-toolbox"),
    "scico": ("jax_peers", "Scico", "scico"),
    "mbirjax": ("jax_peers", "Mbirjax", "mbirjax"),
    "deepinv": ("torch_peers", "Deepinv", "deepinv"),
    "torchskradon": ("torch_peers", "Torchskradon", "torchskradon"),
}


# One call of some milliseconds says more of the moment than of the library.
SHORTEST_TURN_SECONDS = 0.2

# Of the 1000 angles over 180 degrees.
EVERY = {63: 16, 1000: 1}


class Bench:
    """The operators of one implementation and their inputs, made when needed."""

    def __init__(self, name, make, folder, size, threads):
        self._name, self._make, self._folder = name, make, folder
        self._size, self._threads = size, threads
        self._operators, self._sinograms = {}, {}
        self._phantom = np.load(
            folder / f"phantom_{make.centre}.npy", allow_pickle=False
        )

    def operator(self, views):
        if views not in self._operators:
            angles = np.deg2rad(np.linspace(0, 180, 1000, endpoint=False))
            angles = angles[:: EVERY[views]]
            self._operators[views] = self._make(self._size, angles, self._threads)
        return self._operators[views]

    def sinogram(self, views):
        """Of the phantom, in the library's own form."""
        if views not in self._sinograms:
            operator = self.operator(views)
            sinogram = operator.radon(operator.own_image(self._phantom))
            operator.wait(sinogram)
            self._sinograms[views] = sinogram
        return self._sinograms[views]

    def time(self, operation):
        """Seconds of the calls of one turn, and the megabytes that the first needed."""
        verb, views, count = re.fullmatch(
            r"([a-z]+)(\d+)(?:_batch(\d+))?", operation
        ).groups()
        operator = self.operator(int(views))
        if verb == "adjoint" and not operator.has_adjoint:
            raise AbsentError("no adjoint")
        if count:
            verb, image = "degrade_stack", np.stack([self._phantom] * int(count))
        else:
            image = self._phantom
        image = operator.own_image(image)
        inputs = {
            "fbp": lambda: (self.sinogram(int(views)),),
            "adjoint": lambda: (self.sinogram(int(views)),),
            # Away from the minimum, where there would be nothing to add up.
            "gradient": lambda: (image, 0.9 * self.sinogram(int(views))),
        }.get(verb, lambda: (image,))()
        operator.wait(inputs)
        gc.collect()
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak
        before = memory("VmRSS")

        def call():
            start = time.perf_counter()
            operator.wait(getattr(operator, verb)(*inputs))
            return time.perf_counter() - start

        seconds = [call()]
        needed = max(0.0, memory("VmHWM") - before)
        while sum(seconds) < SHORTEST_TURN_SECONDS:
            seconds.append(call())
        return {"seconds": seconds, "megabytes": needed}

    def check(self):
        """Stores the sinogram and the reconstructions of the phantom."""
        few = self.operator(63)
        sinogram = few.host_sinogram(self.sinogram(63))
        self._store("sinogram63", sinogram)
        self._store("fbp63", few.host_image(few.fbp(self.sinogram(63))))
        result = {"centre": few.centre, "pitch": few.pitch}
        try:
            result["adjoint_error"] = self._adjoint_error(few, sinogram.shape)
        except AbsentError:
            pass
        try:
            many = self.operator(1000)
            self._store("fbp1000", many.host_image(many.fbp(self.sinogram(1000))))
        except AbsentError as absent:
            result["no_fbp1000"] = str(absent)
        return result

    def degrade(self, source, target):
        """Degrades a stack of images one by one."""
        few = self.operator(63)
        images = np.load(source, allow_pickle=False)
        degraded = [few.host_image(few.degrade(few.own_image(x))) for x in images]
        np.save(target, np.stack(degraded))
        return {}

    def _adjoint_error(self, operator, shape):
        """|<A x, y> - <x, A' y>| / (|A x| |y|) for x without a mean."""
        random = np.random.default_rng(0)
        image = random.uniform(size=(self._size, self._size))
        image = np.float32(image - image.mean())
        sinogram = np.float32(random.uniform(size=shape))
        back = operator.adjoint(operator.own_sinogram(sinogram))
        projected = operator.host_sinogram(operator.radon(operator.own_image(image)))
        # A detector pitch other than 1 is in the library's own inner product.
        left = np.vdot(np.float64(projected), np.float64(sinogram)) * operator.pitch**2
        right = np.vdot(np.float64(image), np.float64(operator.host_image(back)))
        scale = np.linalg.norm(np.float64(projected)) * np.linalg.norm(sinogram)
        return abs(left - right) / (scale * operator.pitch**2)

    def _store(self, what, array):
        np.save(self._folder / f"{self._name}_{what}.npy", array)


def memory(field):
    """A line of this process's status, in megabytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def main(name, folder, size, threads):
    # What libraries print goes to the error stream, not between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module, function, distribution = IMPLEMENTATIONS[name]
    make = getattr(importlib.import_module(module), function)
    bench = Bench(name, make, pathlib.Path(folder), int(size), int(threads))

    def begin():
        bench.operator(63)
        return {"version": importlib.metadata.version(distribution)}

    def answer(action, *arguments):
        try:
            result = action(*arguments)
        except AbsentError as absent:
            result = {"absent": str(absent)}
        except Exception as error:  # whatever a library raises is a result
            first = (str(error).splitlines() or [""])[0]
            result = {"error": f"{type(error).__name__}: {first[:200]}"}
        answers.write(json.dumps(result) + "\n")

    actions = {"time": bench.time, "check": bench.check, "degrade": bench.degrade}
    answer(begin)
    for line in sys.stdin:
        request = json.loads(line)
        answer(actions[request["do"]], *request["with"])


if __name__ == "__main__":
    main(*sys.argv[1:])
