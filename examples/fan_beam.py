# %% [markdown]
# # Fan beams, in millimetres
#
# Scanners in hospitals have one source and an arc of detectors, so rays of a view
# diverge. `FanBeam` takes the numbers of a data sheet; `FanBeamCT` is the operator,
# with an exact transpose and filtered back-projection.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.metrics import psnr
from sisr_jax.operators import check_adjoint
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import FanBeam, FanBeamCT
from sisr_jax.tomography.noise import WATER_PER_MM

SIZE = 128
fan = FanBeam(
    size=SIZE,
    pixel_mm=3.0,
    source_to_origin_mm=595.0,
    source_to_detector_mm=1085.0,
    num_detectors=256,
    detector_pitch_mm=4.0,
    detector="arc",
    angles=2 * np.pi * np.arange(360) / 360,
)
print(fan, f"rays {fan.pitch_at_origin_mm:.2f} mm apart at the centre")

# %% [markdown]
# An image for it is attenuation in 1/mm; a measurement is `-log` of the share of
# photons that pass, and has no unit. HU are attenuation relative to water and air.

# %%
hu = ct_phantom(seed=0, index=5, size=SIZE).clip(-1000, None)
attenuation = WATER_PER_MM * (1 + hu / 1000)
sparse = FanBeamCT(fan.every(8))  # 45 views
print("not adjoint by", check_adjoint(sparse, jax.random.key(0)))
y = sparse(attenuation)
whole = FanBeamCT(fan)


def as_hu(attenuation):
    return 1000 * (attenuation / WATER_PER_MM - 1)


# %%
images = {
    "360 views, FBP": whole.fbp(whole(attenuation)),
    "45 views, FBP": sparse.fbp(y),
    "45 views, total variation": total_variation(
        y, sparse, weight=2e-6, bounds=(0.0, 0.06), num_iterations=60
    ),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
axes[0].imshow(y, cmap="gray", aspect="auto")
axes[0].set(title="measurement", xlabel="detector", ylabel="view")
for axis, (name, image) in zip(axes[1:], images.items(), strict=True):
    score = psnr(as_hu(image), hu, data_range=2000.0)
    axis.imshow(as_hu(image), cmap="gray", vmin=-200, vmax=300)
    axis.set_title(f"{name}, {score:.1f} dB")
    axis.axis("off")
figure.savefig("fan_beam.png", dpi=80)
