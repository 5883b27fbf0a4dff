"""How the PyTorch peers, deepinv and torchskradon, are called.

A class imports its library when an operator is made, since a worker process finds
only the library of its own environment.
"""

import importlib

import numpy as np
from operators import AbsentError, Operator


class Torch(Operator):
    """What the two PyTorch peers share: `[image, channel, ...]`, detector first."""

    batches = True

    def __init__(self, size, angles, threads):
        import torch

        torch.set_num_threads(threads)
        self._torch, self._size = torch, size
        self._degrees = torch.from_numpy(np.rad2deg(angles)).float()

    def own_image(self, image):
        side = image.shape[-1]
        return self._torch.from_numpy(np.float32(image)).reshape(-1, 1, side, side)

    def own_sinogram(self, sinogram):
        turned = np.ascontiguousarray(np.float32(sinogram).T)
        return self._torch.from_numpy(turned)[None, None]

    def host_image(self, image):
        return image[0, 0].numpy()

    def host_sinogram(self, sinogram):
        return sinogram[0, 0].numpy().T

    def degrade_stack(self, images):
        return self.degrade(images)

    def gradient(self, image, sinogram):
        image = image.clone().requires_grad_()
        loss = ((self.radon(image) - sinogram) ** 2).sum() / 2
        return self._torch.autograd.grad(loss, image)[0]


class Deepinv(Torch):
    """With the back-projection of scikit-image as adjoint, which is the faster one."""

    centre = 256

    def __init__(self, size, angles, threads):
        super().__init__(size, angles, threads)
        if len(angles) > 100:
            raise AbsentError("its two sampling grids would take 4.2 GB each")
        self._declare_missing_operators()
        from deepinv.physics import Tomography

        physics = Tomography(
            angles=self._degrees,
            img_width=size,
            parallel_computation=False,
            adjoint_via_backprop=False,
            normalize=False,
        )
        self.radon, self.fbp, self.adjoint = physics.A, physics.fbp, physics.A_adjoint

    def _declare_missing_operators(self):
        """Lets torchvision, which deepinv imports but does not use here, be imported.

        Its released wheel needs the CUDA libraries to load its own operators and
        cannot be imported beside a CPU wheel of PyTorch without the names of two.
        """
        try:
            importlib.import_module("torchvision")
        except RuntimeError:
            self._library = self._torch.library.Library("torchvision", "DEF")
            for name in "nms", "qnms":
                self._library.define(f"{name}(Tensor a, Tensor b, float c) -> Tensor")


class Torchskradon(Torch):
    """A differentiable scikit-image; the adjoint is its reverse mode."""

    centre = 256

    def __init__(self, size, angles, threads):
        super().__init__(size, angles, threads)
        from torchskradon import functional

        self._functional = functional

    def radon(self, image):
        return self._functional.skradon(image, theta=self._degrees, circle=False)

    def fbp(self, sinogram):
        return self._functional.skiradon(
            sinogram, theta=self._degrees, output_size=self._size, circle=False
        )

    def adjoint(self, sinogram):
        image = self._torch.zeros(len(sinogram), 1, self._size, self._size)
        image.requires_grad_()
        return self._torch.autograd.grad(self.radon(image), image, sinogram)[0]
