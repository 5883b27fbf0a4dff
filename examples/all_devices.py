# %% [markdown]
# # All chips of a TPU VM, of Colab, or of this machine
#
# Nothing has to be said about devices: a step is one program over all of them, and a
# restorer deals out its batch. Without an accelerator, four parts of the processor
# stand in for four chips, so that the same program can be seen to run. On a VM,
# `pip install "sisr-jax[tpu,gcs]"` first; the scripts of `experiments/tpu/vm` rent one
# and set it up.

# %%
import json
import math
import tempfile

import jax

try:
    jax.config.update("jax_num_cpu_devices", 4)  # of no effect where there is a TPU
except RuntimeError:
    print("a notebook that has used JAX keeps the devices it has")

import matplotlib.pyplot as plt
import numpy as np
from etils import epath

from sisr_jax.config import files, parse
from sisr_jax.data import ct_phantom
from sisr_jax.inference import load
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

devices = jax.devices()
print(len(devices), devices[0].device_kind)

# %% [markdown]
# Give a bucket, `gs://BUCKET/FOLDER`, for `workdir` where a disk does not outlive its
# machine, as on Colab and on a VM that can be taken back: checkpoints, records and
# tables are all there. The global batch is what is stated, 2 images for each chip here.
# For networks that fill a matrix unit take `ct_srgan:tpu`, 256 images of 8 chips.

# %%
workdir = epath.Path(tempfile.mkdtemp())


def configuration(steps):
    """A training of seconds, of so many steps of its first phase."""
    values = files.load("ct_cascade:quicktest").to_dict()
    values["data"]["batch_size"] = 2 * len(devices)
    values["phases"] = {"generator": steps, "discriminator": 0, "adversarial": 0}
    values["optimizer"]["generator"]["learning_rate"] = 3e-3
    values["checkpoint"]["every_steps"] = 60
    values["evaluation"]["every_steps"] = 60
    values["log"]["every_steps"] = 5
    return parse(values)


state = train(prepare(configuration(60), workdir))
leaf = jax.tree.leaves(state.generator.params)[0]
print("weights are on", len(leaf.sharding.device_set), "devices")

# %% [markdown]
# The machine is taken away and comes back, perhaps with another number of chips: the
# same command goes on from the newest checkpoint. Here the last phase is made longer.

# %%
train(prepare(configuration(120), workdir))
records = [json.loads(line) for line in (workdir / "metrics.jsonl").open()]
losses = [(r["step"], r["loss/pixel"]) for r in records if "loss/pixel" in r]

# %% [markdown]
# Weights in the box, and 8 slices at once: each device restores its share.

# %%
SIZE = 128
hu = np.stack([ct_phantom(seed=8, index=index, size=SIZE) for index in range(8)])
truth = ((hu + 1000) / 2000).clip(0, 1).astype(np.float32)
A = ParallelBeamCT(ParallelBeam(size=SIZE, num_angles=50))
found = load("sparse-view-ct")(measurement=np.asarray(A(truth)), operator=A)
shares = sorted(
    found.image.addressable_shards, key=lambda part: part.index[0].start or 0
)

figure, axes = plt.subplots(
    1, 1 + len(shares), figsize=(3 + 2.2 * len(shares), 2.6), layout="constrained"
)
axes[0].plot(*zip(*losses, strict=True))
axes[0].axvline(60, color="grey", linestyle="dashed")
axes[0].set_title("loss, resumed at 60")
for axis, part in zip(axes[1:], shares, strict=True):
    axis.imshow(np.asarray(part.data)[0], cmap="gray")
    axis.set_title(f"{part.device}: {math.prod(part.data.shape[:-2])} slices")
    axis.axis("off")
figure.savefig("all_devices.png", dpi=80)
