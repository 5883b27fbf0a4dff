"""One implementation of a fan beam, in a process and an environment of its own.

    python peers.py NAME

A line `OPERATION` in (`forward`, `transpose` or `gradient`, then the number of views
and of images), a line of JSON out: seconds, or what went wrong. `store VIEWS SOURCE
TARGET` projects an image of a file into another. The scanner is the one of the Helsinki
Tomography Challenge 2022.
"""

import importlib.metadata
import json
import os
import sys
import time

import numpy as np

SIZE, DETECTORS, PITCH = 512, 560, 0.2
SOURCE_ORIGIN, SOURCE_DETECTOR = 410.66, 553.74
PIXEL = PITCH * SOURCE_ORIGIN / SOURCE_DETECTOR
THREADS = 2


def angles_of(views):
    return np.arange(views) * 2 * np.pi / views


class Ours:
    """One compiled call; the ray table is an argument."""

    distribution = "sisr-jax"

    def __init__(self, views):
        import jax
        import jax.numpy as jnp

        from sisr_jax.tomography import FanBeam, FanBeamCT

        fan = FanBeam(
            size=SIZE,
            pixel_mm=PIXEL,
            source_to_origin_mm=SOURCE_ORIGIN,
            source_to_detector_mm=SOURCE_DETECTOR,
            num_detectors=DETECTORS,
            detector_pitch_mm=PITCH,
            angles=angles_of(views),
        )
        self.operator = FanBeamCT(fan)

        def loss(x, operator, y):
            return jnp.sum((operator(x) - y) ** 2) / 2

        self.call = jax.jit(lambda operator, x: operator(x))
        self.back = jax.jit(lambda operator, y: operator.T(y))
        self.descent = jax.jit(jax.grad(loss))
        self.wait, self.own = jax.block_until_ready, jnp.asarray

    def forward(self, x):
        return self.wait(self.call(self.operator, x))

    def transpose(self, y):
        return self.wait(self.back(self.operator, y))

    def gradient(self, x, y):
        return self.wait(self.descent(x, self.operator, y))


class Astra:
    """Of ASTRA on the CPU, one image after the other."""

    distribution = "astra-toolbox"
    kind = "line_fanflat"

    def __init__(self, views):
        import astra

        self.astra = astra
        volume = astra.create_vol_geom(SIZE, SIZE)
        geometry = astra.create_proj_geom(
            "fanflat",
            PITCH / PIXEL,
            DETECTORS,
            # Its source is on the other side, and so is the end of its detector.
            angles_of(views) + np.pi,
            SOURCE_ORIGIN / PIXEL,
            (SOURCE_DETECTOR - SOURCE_ORIGIN) / PIXEL,
        )
        self.projector = astra.create_projector(self.kind, geometry, volume)
        self.own = np.asarray

    def forward(self, x):
        return np.stack([self._kept(self.astra.create_sino, each) for each in x])

    def transpose(self, y):
        make = self.astra.create_backprojection
        return np.stack([self._kept(make, each) for each in y])

    def gradient(self, x, y):
        return self.transpose(self.forward(x) - y)

    def _kept(self, function, values):
        handle, result = function(values, self.projector)
        result = result.copy()
        self.astra.data2d.delete(handle)
        return result

    def stored(self, sinogram):
        """In the unit and order of ours."""
        return sinogram[..., ::-1] * PIXEL


class AstraStrip(Astra):
    """Of strips as wide as the detectors."""

    kind = "strip_fanflat"


class Deepinv:
    """Its PyTorch sampling, and automatic differentiation."""

    distribution = "deepinv"

    def __init__(self, views):
        import torch
        from deepinv.physics import Tomography

        torch.set_num_threads(THREADS)
        self.torch = torch
        # Lengths in units of the image's side.
        side = SIZE * PIXEL
        self.physics = Tomography(
            angles=torch.as_tensor(np.rad2deg(angles_of(views)), dtype=torch.float32),
            img_width=SIZE,
            fan_beam=True,
            fan_parameters={
                "pixel_spacing": 1 / SIZE,
                "source_radius": SOURCE_ORIGIN / side,
                "detector_radius": (SOURCE_DETECTOR - SOURCE_ORIGIN) / side,
                "n_detector_pixels": DETECTORS,
                "detector_spacing": PITCH / side,
            },
            normalize=False,
        )

    def own(self, x):
        return self.torch.as_tensor(np.array(x))[:, None]

    def forward(self, x):
        return self.physics.A(x)

    def transpose(self, y):
        return self.physics.A_adjoint(y)

    def gradient(self, x, y):
        x = x.clone().requires_grad_(True)
        loss = ((self.physics.A(x) - y) ** 2).sum() / 2
        return self.torch.autograd.grad(loss, x)[0]


PEERS = {"ours": Ours, "astra": Astra, "astra-strip": AstraStrip, "deepinv": Deepinv}


class Bench:
    """Operators and inputs, made when they are needed first."""

    def __init__(self, name):
        self._make, self._operators = PEERS[name], {}

    def operator(self, views):
        if views not in self._operators:
            self._operators[views] = self._make(views)
        return self._operators[views]

    def time(self, verb, views, count):
        operator = self.operator(int(views))
        random = np.random.default_rng(0)
        x = operator.own(random.random((int(count), SIZE, SIZE), np.float32))
        inputs = (x,) if verb == "forward" else (operator.forward(x),)
        if verb == "gradient":
            inputs = x, 0.9 * operator.forward(x)
        start = time.perf_counter()
        getattr(operator, verb)(*inputs)
        return {"seconds": (time.perf_counter() - start) / int(count)}

    def store(self, views, source, target):
        operator = self.operator(int(views))
        image = np.load(source, allow_pickle=False)
        sinogram = np.asarray(operator.forward(operator.own(image[None])))[0]
        stored = getattr(operator, "stored", np.asarray)
        np.save(target, stored(sinogram))
        return {}


def main(name):
    # What libraries print goes to the error stream, not between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    bench = Bench(name)
    for line in sys.stdin:
        verb, *arguments = line.split()
        try:
            if verb == "version":
                version = importlib.metadata.version(bench._make.distribution)
                answer = {"version": version}
            elif verb == "store":
                answer = bench.store(*arguments)
            else:
                answer = bench.time(verb, *arguments)
        except Exception as error:  # whatever a library raises is a result
            first = (str(error).splitlines() or [""])[0]
            answer = {"error": f"{type(error).__name__}: {first[:200]}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
