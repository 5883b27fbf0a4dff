"""What the guide to extending promises, done from outside the package.

A network, a loss term, a metric and a phase are named by a configuration like those of
the package, train, are saved, restored and evaluated.
"""

import csv
import dataclasses
import json
import typing

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from etils import epath

from configs import ct_srgan
from sisr_jax import losses, metrics, models
from sisr_jax.config import GENERATORS, parse
from sisr_jax.config.checks import check
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToySection:
    kind: typing.Literal["toy"]
    step: float
    names = ("Toy", "Toy GAN")

    def check(self, data, degradation):
        check(self.step > 0, "generator.step", self.step, "a positive step")


class Toy(nn.Module):
    """A learned step along the gradient of the data term: it needs the measurement."""

    step: float

    @nn.compact
    def __call__(self, estimate, measurement, operator, *, train):
        rate = self.param("rate", nn.initializers.constant(self.step), ())
        residual = operator(estimate[..., 0]) - measurement
        return estimate - rate * operator.T(operator.precondition(residual))[..., None]


def steepness(predictions, targets):
    return jnp.mean(jnp.square(jnp.diff(predictions - targets, axis=1)))


def worst_pixel(predictions, targets):
    return jnp.max(jnp.abs(predictions - targets), axis=(1, 2, 3))


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setitem(GENERATORS, "toy", ToySection)
    monkeypatch.setitem(models.GENERATORS, "toy", lambda c: Toy(c.generator.step))
    monkeypatch.setitem(losses.TERMS, "steepness", steepness)
    monkeypatch.setitem(metrics.METRICS, "worst_pixel", worst_pixel)


def values(**generator):
    config = ct_srgan.get_config("quicktest").to_dict()
    config["data"]["patch"] = config["data"]["shape"]
    config["generator"] = {"kind": "toy", "step": 0.1, **generator}
    config["loss"]["terms"] = (("steepness", 0.5),)
    config["evaluation"]["metrics"] = ("worst_pixel",)
    return config


def test_names_of_a_configuration_reach_what_is_outside(toys, tmp_path):
    config, workdir = parse(values()), epath.Path(tmp_path)
    state = train(prepare(config, workdir))
    assert jax.tree.leaves(state.generator.params) != [jnp.float32(0.1)]
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    assert any("loss/steepness" in json.loads(line) for line in lines)
    text = report(config, workdir)  # restores the newest checkpoint
    assert "Toy GAN" in text
    table = next((workdir / "evaluation").glob("step_*/per_image.csv"))
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert all(0 < float(row["worst_pixel"]) <= 1 for row in rows)


def test_rules_of_its_section_count(toys):
    with pytest.raises(ValueError, match=r"config\.generator\.step = -1\.0: expected"):
        parse(values(step=-1.0))
    with pytest.raises(ValueError, match=r"config\.generator\.width: unknown key"):
        parse(values(width=3))
