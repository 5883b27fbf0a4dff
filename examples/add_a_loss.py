# %% [markdown]
# # Add a loss and a metric
#
# A loss term is a function `(predictions, targets) -> number`, a metric one that gives
# a number for each image. A line in a dictionary gives them a name that a configuration
# can use; nothing of the package changes.

# %%
import json
import tempfile

import jax.numpy as jnp
import matplotlib.pyplot as plt
from etils import epath

from sisr_jax import losses, metrics
from sisr_jax.config import files, parse
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report


def steepness(predictions, targets):
    """Mean squared error of the differences between neighbouring lines."""
    return jnp.mean(jnp.diff(predictions - targets, axis=2) ** 2)


def worst_pixel(predictions, targets):
    return jnp.max(jnp.abs(predictions - targets), axis=(1, 2, 3))


losses.TERMS["steepness"] = steepness
metrics.METRICS["worst_pixel"] = worst_pixel

# %% [markdown]
# The quickest variant of a configuration that comes with the package, with both of
# them.

# %%
values = files.load("us_srresnet:quicktest").to_dict()
values["loss"]["terms"] = (("steepness", 5.0),)
values["evaluation"]["metrics"] = ("worst_pixel",)
config = parse(values)  # an unknown name or key would be an error here

workdir = epath.Path(tempfile.mkdtemp())
train(prepare(config, workdir))
print(report(config, workdir))

# %%
records = [json.loads(line) for line in (workdir / "metrics.jsonl").open()]
figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
for name in ("loss/generator", "loss/steepness"):
    found = [(each["step"], each[name]) for each in records if name in each]
    axis.semilogy(*zip(*found, strict=True), ".-", label=name)
axis.set_xlabel("step")
axis.legend()
figure.savefig("add_a_loss.png", dpi=80)
