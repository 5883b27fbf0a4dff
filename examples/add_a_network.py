# %% [markdown]
# # Add a network
#
# A generator is a Linen module that is called with the first estimate, with what was
# measured, and with the operator that measured it. Here: gradient steps on the data
# term, with a small network behind each (Gregor and LeCun 2010 unrolled iterations like
# this). Operators are differentiable, so nothing else is needed to learn through them.

# %%
import csv
import dataclasses
import tempfile
from typing import ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp
import matplotlib.pyplot as plt
from etils import epath

from sisr_jax.config import GENERATORS, files, parse
from sisr_jax.config.checks import check
from sisr_jax.models import GENERATORS as NETWORKS
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report


class LearnedGradient(nn.Module):
    """Steps of learned lengths, three convolutions behind each."""

    num_steps: int
    width: int

    @nn.compact
    def __call__(self, estimate, measurement, operator, *, train):
        image = estimate
        for number in range(self.num_steps):
            missing = measurement - operator(image[..., 0])
            step = operator.T(operator.precondition(missing))[..., None]
            length = self.param(f"length_{number}", nn.initializers.constant(0.5), ())
            image = image + length * step
            features = jnp.concatenate([image, step], -1)
            for _ in range(2):
                features = nn.relu(nn.Conv(self.width, (3, 3))(features))
            # Nothing at first: training begins with plain gradient steps.
            image += nn.Conv(1, (3, 3), kernel_init=nn.initializers.zeros)(features)
        return image


# %% [markdown]
# Its section of a configuration has a type for every value and rules with one clear
# line of error each. `sees` says that crops, which have no measurement, will not do.


# %%
@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedGradientSection:
    """What `config.generator` may say of it."""

    kind: Literal["learned_gradient"]
    num_steps: int
    width: int
    names: ClassVar = ("Learned gradient", "Learned gradient, adversarial")
    sees: ClassVar = frozenset({"estimate", "measurement"})
    multiple: ClassVar = 1

    def check(self, data, degradation):
        check(self.num_steps > 0, "generator.num_steps", self.num_steps, "at least 1")
        check(data.patch == data.shape, "data.patch", data.patch, "whole images")


GENERATORS["learned_gradient"] = LearnedGradientSection
NETWORKS["learned_gradient"] = lambda config: LearnedGradient(
    config.generator.num_steps, config.generator.width
)

# %% [markdown]
# From here on it is a network like those of the package: it trains, resumes, is scored
# beside the baselines, and takes part in an adversarial phase.

# %%
values = files.load("ct_cascade:quicktest").to_dict()
values["generator"] = {"kind": "learned_gradient", "num_steps": 4, "width": 24}
values["data"]["num_phantoms"] = (64, 4, 16)
values["data"]["batch_size"] = 4
values["phases"] = {"generator": 300, "discriminator": 0, "adversarial": 0}
values["optimizer"]["generator"]["learning_rate"] = 2e-3
values["ema_decay"] = 0.95
values["evaluation"]["every_steps"] = 100
values["checkpoint"]["every_steps"] = 100
values["log"]["every_steps"] = 20
config = parse(values)
workdir = epath.Path(tempfile.mkdtemp())
train(prepare(config, workdir))
print(report(config, workdir))

# %% [markdown]
# A training of half a minute on phantoms of 32 x 32 pixels shows that everything fits,
# and no more than that: `sparse_view_ct` is about results.

# %%
evaluation = workdir / "evaluation" / "step_300"
with (evaluation / "table.csv").open() as file:
    rows = list(csv.DictReader(file))
names = [row["method"].split(" (")[0] for row in rows]
psnr = [float(row["psnr"]) for row in rows]
figure, axes = plt.subplots(
    1, 2, figsize=(13, 4), width_ratios=(1, 2), layout="constrained"
)
bars = axes[0].barh(names, psnr)
axes[0].bar_label(bars, fmt="%.1f", label_type="center", color="white")
axes[0].invert_yaxis()
axes[0].set_xlabel("PSNR [dB], 16 test images")
drawn = plt.imread(str(evaluation / "figure.png"))
axes[1].imshow(drawn[: len(drawn) // 4])  # the first test image and a close-up
axes[1].axis("off")
figure.savefig("add_a_network.png", dpi=80)
