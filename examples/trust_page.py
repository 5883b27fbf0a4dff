# %% [markdown]
# # Reading the trust page
#
# `sisr_jax.enhance --report` draws a page about the middle image of each file: what it
# was made of, how much of it the measurement does not determine, where the truth is
# supposed to be, and what it leaves unexplained of the measurement. Here the input is a
# sinogram that was measured, in an npz file; one of its views is damaged.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.tomography import ParallelBeam, radon

SIZE = 256
beam = ParallelBeam(size=SIZE, num_angles=1000).every(16)
truth = ((ct_phantom(seed=0, index=3, size=SIZE) + 1000) / 2000).clip(0, 1)
sound = np.asarray(radon(truth, beam))
damaged = sound.copy()
damaged[20] *= 1.02  # the tube was 2 % brighter in one view

# %%
folder = Path(tempfile.mkdtemp())
(folder / "views").mkdir()
for name, sinogram in {"sound": sound, "damaged": damaged}.items():
    file = folder / "views" / f"{name}.npz"
    np.savez(file, sinogram=sinogram, angles=beam.angles, size=SIZE)
command = ["sisr_jax.enhance", "views", "restored", "--format=.tif", "--report"]
subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True)

# %% [markdown]
# How to read it:
#
# * **measured and not explained**: the views that do not fit the image. A share of some
#   hundred-thousandths is usual for these weights, says their card; the command warns
#   above 20 times that. One bright line is a view that is wrong, not an image that is.
# * **not determined by the measurement**: what came from the weights. If what you look
#   for is there, look at a scan with more views.
# * **half the width of the interval**: where the truth is supposed to be, for 90 % of a
#   patient's pixels on average; not of every patient, and not at every place.

# %%
figure, axes = plt.subplots(1, 2, figsize=(16, 9), layout="constrained")
for axis, name in zip(axes, ("sound", "damaged"), strict=True):
    axis.imshow(plt.imread(folder / "restored" / f"{name}.tif.report.png"))
    axis.set_title(name)
    axis.axis("off")
figure.savefig("trust_page.png", dpi=80)
