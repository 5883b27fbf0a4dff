"""The peers' operators, which map `[1, 1, ...]` tensors."""

import importlib

import astra
import numpy as np
import protocol
import torch

# deepinv imports torchvision, which is not used here. The released wheel of that cannot
# load its own operators beside a CPU wheel of PyTorch, and cannot be imported without
# the names of two.
try:
    importlib.import_module("torchvision")
except RuntimeError:
    _LIBRARY = torch.library.Library("torchvision", "DEF")
    for _name in "nms", "qnms":
        _LIBRARY.define(f"{_name}(Tensor a, Tensor b, float c) -> Tensor")
Tomography = importlib.import_module("deepinv.physics").Tomography


class Deepinv:
    """Rotates by `grid_sample`, all views at once, and sums; `[..., detector, view]`.

    The adjoint is exact, by reverse mode, or the back-projection of scikit-image.
    """

    def __init__(self, *, exact: bool) -> None:
        physics = Tomography(
            angles=torch.from_numpy(np.rad2deg(protocol.radians())).float(),
            img_width=protocol.SIZE,
            adjoint_via_backprop=exact,
            normalize=False,
        )
        self.project, self.back_project = physics.A, physics.A_adjoint


class Astra:
    """Joseph's projector on the CPU and its transpose; `[..., view, detector]`."""

    def __init__(self) -> None:
        size, angles = protocol.SIZE, protocol.radians()
        volume = astra.create_vol_geom(size, size)
        detectors = int(np.ceil(np.sqrt(2) * size))
        rays = astra.create_proj_geom("parallel", 1.0, detectors, angles)
        self._projector = astra.create_projector("linear", rays, volume)
        self._image = astra.data2d.create("-vol", volume)
        self._views = astra.data2d.create("-sino", rays)
        forward = self._program("FP", "Volume")
        backward = self._program("BP", "Reconstruction")

        def project(x: torch.Tensor) -> torch.Tensor:
            return _run(forward, self._image, self._views, x)

        def back_project(y: torch.Tensor) -> torch.Tensor:
            return _run(backward, self._views, self._image, y)

        self.project = _linear(project, back_project)
        self.back_project = _linear(back_project, project)

    def _program(self, kind: str, image: str) -> int:
        options = {
            "ProjectorId": self._projector,
            "ProjectionDataId": self._views,
            f"{image}DataId": self._image,
        }
        return astra.algorithm.create(astra.astra_dict(kind) | options)


def _run(program: int, source: int, target: int, x: torch.Tensor) -> torch.Tensor:
    astra.data2d.store(source, x[0, 0].numpy())
    astra.algorithm.run(program)
    return torch.from_numpy(astra.data2d.get(target))[None, None]


def _linear(function, transpose):
    """A function that reverse mode differentiates by its transpose."""

    class Linear(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return function(x)

        @staticmethod
        def backward(ctx, gradient):
            return transpose(gradient)

    return Linear.apply
