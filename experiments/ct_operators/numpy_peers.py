"""How scikit-image, imops and the ASTRA toolbox are called, on NumPy arrays.

A class imports its library when an operator is made, since a worker process finds
only the library of its own environment.
"""

import numpy as np
from operators import Operator


class ScikitImage(Operator):
    """Its sinograms are `[detector, angle]`; what it calls unfiltered is no adjoint."""

    centre = 256
    has_adjoint = False
    dtype = np.float32

    def __init__(self, size, angles, threads):
        from skimage import transform

        self._transform = transform
        self._size, self._degrees = size, np.rad2deg(angles)

    def own_image(self, image):
        return np.asarray(image, self.dtype)

    def own_sinogram(self, sinogram):
        return np.asarray(sinogram, self.dtype).T

    def host_sinogram(self, sinogram):
        return sinogram.T

    def radon(self, image):
        return self._transform.radon(image, self._degrees, circle=False)

    def fbp(self, sinogram, name="ramp"):
        return self._transform.iradon(
            sinogram, self._degrees, self._size, filter_name=name, circle=False
        )

    def adjoint(self, sinogram):
        return self.fbp(sinogram, None) * (2 * len(self._degrees) / np.pi)


class ScikitImageFloat64(ScikitImage):
    dtype = np.float64


class Imops(Operator):
    """Works within the circle of the image, so the image is padded to its diagonal."""

    centre = 256
    batches = True

    def __init__(self, size, angles, threads):
        import imops

        self._imops, self._degrees, self._size = imops, np.rad2deg(angles), size
        self._options = {"axes": (-2, -1), "theta": self._degrees}
        self._options["num_threads"] = threads
        self._side = int(np.ceil(np.sqrt(2) * size))
        self._before = self._side // 2 - size // 2

    def own_sinogram(self, sinogram):
        return np.ascontiguousarray(np.swapaxes(sinogram, -1, -2))

    def host_sinogram(self, sinogram):
        return np.swapaxes(sinogram, -1, -2)

    def radon(self, image):
        after = self._side - self._size - self._before
        pad = [(0, 0)] * (image.ndim - 2) + [(self._before, after)] * 2
        return self._imops.radon(np.pad(image, pad), **self._options)

    def fbp(self, sinogram):
        image = self._imops.inverse_radon(sinogram, **self._options)
        kept = slice(self._before, self._before + self._size)
        return image[..., kept, kept]

    def degrade_stack(self, images):
        return self.degrade(images)


class Astra(Operator):
    """Joseph's projector on CPU; arrays go in and out of the toolbox at every call."""

    def __init__(self, size, angles, threads):
        import astra

        volume = astra.create_vol_geom(size, size)
        detectors = int(np.ceil(np.sqrt(2) * size))
        rays = astra.create_proj_geom("parallel", 1.0, detectors, angles)
        projector = astra.create_projector("linear", rays, volume)
        self._astra = astra
        self._image = astra.data2d.create("-vol", volume)
        self._sinogram = astra.data2d.create("-sino", rays)
        self._programs = {}
        for name, image in ("FP", "Volume"), ("FBP", "Reconstruction"), ("BP", None):
            program = astra.astra_dict(name)
            program["ProjectorId"] = projector
            program["ProjectionDataId"] = self._sinogram
            program[f"{image or 'Reconstruction'}DataId"] = self._image
            if name == "FBP":
                program["FilterType"] = "ram-lak"
            self._programs[name] = astra.algorithm.create(program)

    def _run(self, name, source, target, array):
        self._astra.data2d.store(source, array)
        self._astra.algorithm.run(self._programs[name])
        return self._astra.data2d.get(target)

    def radon(self, image):
        return self._run("FP", self._image, self._sinogram, image)

    def fbp(self, sinogram):
        return self._run("FBP", self._sinogram, self._image, sinogram)

    def adjoint(self, sinogram):
        return self._run("BP", self._sinogram, self._image, sinogram)
