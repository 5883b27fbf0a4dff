# %% [markdown]
# # Degrade and reconstruct in ten lines
#
# A CT scanner that measures 63 views instead of 1000 irradiates less and moves faster.
# What it costs is streaks. `radon` projects an image, `fbp` brings it back: both are
# matrix products, so they run on a TPU, a GPU or a CPU, and inside `jit`, `vmap` and
# `grad`.

# %%
import matplotlib.pyplot as plt

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.metrics import psnr
from sisr_jax.tomography import ParallelBeam, fbp, radon

# %% [markdown]
# Images are in [0, 1] of a fixed window, here [-1000, 1000] HU: never scaled by their
# own minimum and maximum, which streaks would set.

# %%
truth = ((ct_phantom(seed=0, index=3, size=256) + 1000) / 2000).clip(0, 1)
every_view = ParallelBeam(size=256, num_angles=1000)

images = {"truth": truth}
for factor in (4, 16, 32):
    beam = every_view.every(factor)
    sinogram = radon(truth, beam)  # [views, detectors]
    images[f"{beam.num_angles} views"] = fbp(sinogram, beam, filter_name="hann")

# %% [markdown]
# The fewer the views, the more of the image is streaks.

# %%
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (name, image) in zip(axes, images.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=0.4, vmax=0.65)
    axis.axis("off")
    score = "" if name == "truth" else f", {psnr(image, truth, data_range=1.0):.1f} dB"
    axis.set_title(name + score)
figure.savefig("degrade_and_reconstruct.png", dpi=80)
