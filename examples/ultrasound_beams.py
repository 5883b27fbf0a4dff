# %% [markdown]
# # Ultrasound: fewer scan lines, in the sector they are drawn in
#
# A probe that fires every fourth line gives four times the frames. The lines that are
# left out were never measured: there is no anti-alias filter. What the screen shows is
# a sector, into which scan conversion draws the lines (beams).

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

from sisr_jax.data.phantoms.ultrasound import ultrasound_phantom
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.metrics import psnr
from sisr_jax.operators import check_adjoint
from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.ultrasound import (
    CartesianGrid,
    LateralDecimation,
    PolarGrid,
    ScanConversion,
)

FACTOR = 4
beams = ultrasound_phantom(seed=0, index=2, shape=(256, 128)) / 255  # depth, line
kept = LateralDecimation(FACTOR)(beams)  # [256, 32]

# %% [markdown]
# **Half a pixel.** Kept line `k` lies at line `4 k`. An image library that widens a
# picture takes it for the mean of lines `4 k` to `4 k + 3`, and shifts everything by
# 1.5 lines.

# %%
columns = kept[..., None]  # [height, width, channels]
images = {
    "all lines": beams,
    "bicubic, half-pixel centres": half_pixel_columns(columns, factor=FACTOR)[..., 0],
    "cubic, lines in their places": aligned_columns(
        columns, factor=FACTOR, interpolation="cubic"
    )[..., 0],
}

# %% [markdown]
# **The sector.** A curved array: 40 mm of radius, 70 degrees wide, 100 mm deep.

# %%
turn = np.deg2rad(70)
polar = PolarGrid.equispaced(
    *beams.shape,
    first_radius=40.0,
    radial_step=100 / 255,
    first_angle=-turn / 2,
    angle_step=turn / 127,
)
screen = CartesianGrid(shape=(240, 340), spacing=(0.5, 0.5), origin=(30.0, -85.0))
S = ScanConversion(polar, screen)
print("not adjoint by", check_adjoint(S, jax.random.key(0)))

# %% [markdown]
# It is a linear operator as CT is, so the same solver takes it back: beams from what
# was saved of the screen.

# %%
recovered = conjugate_gradient(S(beams), S, num_steps=30)
near = np.abs(np.asarray(recovered) - beams)
print(f"beams from the screen: mean error {near.mean():.3f} of the range")

figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for axis, (name, image) in zip(axes, images.items(), strict=True):
    axis.imshow(S(image), cmap="gray", vmin=0, vmax=1)
    axis.axis("off")
    score = "" if image is beams else f", {psnr(image, beams, data_range=1.0):.1f} dB"
    axis.set_title(name + score)
figure.savefig("ultrasound_beams.png", dpi=80)
