"""What a worker asks of every implementation, and how ours is called.

An operator is made for one image side, one list of angles in radians and a number
of threads. `own_*` takes NumPy arrays (one image `[row, column]`, one sinogram
`[angle, detector]`, or a stack of them) to what the library wants, `host_*` takes
them back.
"""

import functools

import numpy as np


class AbsentError(Exception):
    """The implementation cannot do the operation; the message says why."""


class Operator:
    """What the implementations share. The rotation centre is that of the image.

    Attributes:
        centre: Pixel index of the rotation centre in a 512x512 image.
        pitch: Detector pitch in pixels.
        batches: Whether a stack of images is one call.
        has_adjoint: Whether the library offers `adjoint` as the transpose.
    """

    centre = 255.5
    pitch = 1.0
    batches = False
    has_adjoint = True

    def own_image(self, image):
        return image

    def own_sinogram(self, sinogram):
        return sinogram

    def host_image(self, image):
        return np.asarray(image)

    def host_sinogram(self, sinogram):
        return np.asarray(sinogram)

    def wait(self, result):
        """Returns when the result is computed."""

    def radon(self, image):
        raise NotImplementedError("every peer has its own")

    def fbp(self, sinogram):
        raise NotImplementedError("every peer has its own")

    def degrade(self, image):
        return self.fbp(self.radon(image))

    def degrade_stack(self, images):
        return [self.degrade(image) for image in images]

    def adjoint(self, sinogram):
        raise AbsentError("no adjoint")

    def gradient(self, image, sinogram):
        """Of half the squared norm of `radon(image) - sinogram`, by hand."""
        if not self.has_adjoint:
            raise AbsentError("no adjoint")
        return self.adjoint(self.radon(image) - sinogram)


class Ours(Operator):
    """sisr_jax, every operation as one compiled call.

    The matrices are an argument of the compiled functions, as they are meant to be:
    one copy for all of them.
    """

    centre = 256
    batches = True
    method = "matmul"
    weights = "gaps"

    def __init__(self, size, angles, threads):
        import jax
        import jax.numpy as jnp

        from sisr_jax import tomography as ct

        beam = ct.ParallelBeam(size, angles=angles)
        rays = beam if self.method == "reference" else ct.plan(beam)
        static = (0,) if self.method == "reference" else ()

        def radon(rays, image):
            return ct.radon(image, rays, method=self.method)

        def fbp(rays, sinogram):
            options = {"method": self.method, "weights": self.weights}
            return ct.fbp(sinogram, rays, **options)

        def back_project(rays, sinogram):
            return ct.back_project(sinogram, rays, method=self.method)

        def degrade(rays, image):
            return fbp(rays, radon(rays, image))

        def loss(rays, image, sinogram):
            return jnp.sum((radon(rays, image) - sinogram) ** 2) / 2

        def compiled(function):
            return functools.partial(jax.jit(function, static_argnums=static), rays)

        self.own_image = self.own_sinogram = jnp.asarray
        self.wait = jax.block_until_ready
        self.radon, self.fbp = compiled(radon), compiled(fbp)
        self.adjoint = compiled(back_project)
        self.degrade = self.degrade_stack = compiled(degrade)
        self.gradient = compiled(jax.grad(loss, argnums=1))


class OursUniform(Ours):
    """With the weights of scikit-image, which are the same for every view."""

    weights = "uniform"


class OursReference(OursUniform):
    method = "reference"
