"""How scico and mbirjax are called.

A class imports its library when an operator is made, since a worker process finds
only the library of its own environment.
"""

import pathlib

import numpy as np
from operators import AbsentError, Operator


class Scico(Operator):
    """Its detectors must be wider than a projected pixel: sqrt(2) pixels, its default.

    It sums the pixels that a detector sees, hence the division by the pitch. Its
    methods are compiled inside. They are not compiled again here: a compiled first
    `fbp` would leave tracers in the operator.
    """

    pitch = np.sqrt(2)

    def __init__(self, size, angles, threads):
        import jax
        import jax.numpy as jnp
        from scico.linop.xray import XRayTransform2D

        # It stores a position and a weight of every pixel for every angle.
        require_memory(3.5 * 8 * size**2 * len(angles))
        operator = XRayTransform2D((size, size), angles, det_count=size + 1)

        def loss(image, sinogram):
            return jnp.sum((operator.project(image) - sinogram) ** 2) / 2

        self.own_image = jnp.asarray
        self.wait = jax.block_until_ready
        self.radon, self.fbp = operator.project, operator.fbp
        self.adjoint = operator.back_project
        self.gradient = jax.grad(loss)

    def own_sinogram(self, sinogram):
        return self.own_image(np.float32(sinogram * self.pitch))

    def host_sinogram(self, sinogram):
        return np.asarray(sinogram) / self.pitch


class Mbirjax(Operator):
    """Images of a stack are slices of a volume; a model is made for each number."""

    batches = True

    def __init__(self, size, angles, threads):
        import mbirjax

        self._mbirjax = mbirjax  # before JAX: it makes a device of every core
        import jax
        import jax.numpy as jnp

        self._jnp = jnp
        self._size, self._angles = size, angles
        self._models = {}
        self.wait = jax.block_until_ready

    def _model(self, slices):
        if slices not in self._models:
            shape = (len(self._angles), slices, int(np.ceil(np.sqrt(2) * self._size)))
            model = self._mbirjax.ParallelBeamModel(shape, self._angles)
            recon = (self._size, self._size, slices)
            model.set_params(recon_shape=recon, use_ror_mask=False, verbose=0)
            self._models[slices] = model
        return self._models[slices]

    def own_image(self, image):
        stack = image if image.ndim == 3 else image[None]
        return self._jnp.asarray(np.moveaxis(stack, 0, -1))

    def own_sinogram(self, sinogram):
        return self._jnp.asarray(sinogram[:, None])

    def host_image(self, image):
        return np.asarray(image)[..., 0]

    def host_sinogram(self, sinogram):
        return np.asarray(sinogram)[:, 0]

    def radon(self, image):
        return self._model(image.shape[2]).forward_project(image, output_sharded=True)

    def fbp(self, sinogram):
        return self._model(sinogram.shape[1]).fbp_recon(sinogram, output_sharded=True)

    def adjoint(self, sinogram):
        return self._model(sinogram.shape[1]).back_project(
            sinogram, output_sharded=True
        )

    def degrade_stack(self, images):
        return self.degrade(images)


def require_memory(size):
    """Refuses an operator whose working memory, in bytes, is not free."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) for line in lines if "MemAvailable" in line)
    if size > 1024 * free:
        free_gb = 1024 * free / 1e9
        raise AbsentError(f"needs {size / 1e9:.1f} GB, {free_gb:.1f} GB are free")
