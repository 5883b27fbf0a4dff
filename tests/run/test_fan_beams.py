"""Fan beams through a run: every network learns from them, on any number of devices."""

import csv
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from trees import same

from sisr_jax.config import ConfigError, parse
from sisr_jax.config.kept import read_config
from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.hosts.mesh import make_mesh, replicated, to_devices
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report
from sisr_jax.tomography import FanBeamCT
from sisr_jax.train.steps import compile_step
from sisr_jax.train.task import build_task, fresh_state
from sisr_jax.types import Batch

SRRESNET = {
    **{"kind": "srresnet", "width": 4, "num_blocks": 1, "num_shuffles": 1},
    **{"norm": "none", "global_skip": True},
}
NETWORKS = {
    "srresnet": SRRESNET,
    "unet": {"kind": "unet", "widths": (4, 8), "num_blocks": 1},
    "cascade": {
        **{"kind": "cascade", "num_stages": 1, "shared": False, "num_steps": 2},
        **{"num_last_steps": 2, "widths": (4,), "num_blocks": 1},
        "start_weights": (1.0,),
    },
    "unrolled": {
        **{"kind": "unrolled", "num_iterations": 1, "width": 4, "memory": 2},
        "num_steps": 2,
    },
}


def config_with(network, steps=1):
    values = importlib.import_module("configs.ct_fan_cascade").get_config("quicktest")
    values = values.to_dict()
    values["generator"] = NETWORKS[network]
    values["phases"] = {"generator": steps, "discriminator": 0, "adversarial": 0}
    return parse(values)


def test_a_table_that_no_memory_holds_is_refused():
    values = importlib.import_module("configs.ct_fan_cascade").get_config("quicktest")
    values = values.to_dict()
    values["degradation"] |= {"num_detectors": 2**16, "num_angles": 2**16}
    values["degradation"]["detector_pitch_mm"] = 0.0144
    with pytest.raises(
        ConfigError, match=r"num_angles = 65536: expected at most 1,073"
    ):
        parse(values)


def batch_of(config):
    shape = config.data.batch_size, *config.data.shape, 1
    hr = np.random.default_rng(0).uniform(0.2, 0.8, shape)
    return Batch(
        hr.astype(np.float32),
        np.ones(len(hr), bool),
        np.arange(len(hr), dtype=np.int32),
    )


def one_step(config, count):
    task, mesh = build_task(config), make_mesh(count)
    with jax.set_mesh(mesh):
        state = fresh_state(task, replicated(mesh))
        before = jax.device_get(state.generator.params)
        step = compile_step(task, "generator", mesh)
        placed = jax.device_put(task, replicated(mesh))
        state, metrics = step(placed, state, to_devices(batch_of(config), mesh))
    assert not same(before, jax.device_get(state.generator.params))
    return jax.device_get(metrics)


def test_the_configuration_is_the_scanner():
    config = config_with("srresnet")
    section, operator = config.degradation, modality_of(config).degrade(config).operator
    assert isinstance(operator, FanBeamCT)
    rays = operator.rays
    for name in (
        *("pixel_mm", "source_to_origin_mm", "source_to_detector_mm", "num_detectors"),
        *("detector_pitch_mm", "detector", "detector_offset_mm"),
    ):
        assert getattr(rays, name) == getattr(section, name), name
    assert rays.size == 32
    kept = np.arange(0, section.num_angles, section.factor)
    np.testing.assert_allclose(rays.angles, kept * 2 * np.pi / section.num_angles)


def test_baselines_are_reconstructions_of_what_was_measured():
    config = config_with("srresnet")
    modality = modality_of(config)
    baselines = modality.baselines(config)
    rows, columns = np.mgrid[:32, :32] - 15.5
    hr = jnp.float32(0.8 * (np.hypot(rows, columns) < 11))[None, ..., None]
    seen = modality.degrade(config).measure(jax.random.key(0), hr)
    images = jax.jit(lambda baselines, seen: baselines(seen))(baselines, seen)
    assert set(images) == set(baselines.names)
    assert baselines.names[-1] == baselines.primary
    error = {
        name: float(jnp.sqrt(jnp.mean((jnp.clip(image, 0, 1) - hr) ** 2)))
        for name, image in images.items()
    }
    assert error[baselines.primary] < 0.1 * min(error["Sparse FBP"], error["Hann FBP"])
    assert max(error.values()) < 0.2


def test_devices_do_not_matter():
    config = config_with("srresnet")
    one, four = (one_step(config, count) for count in (1, 4))
    for metric, value in one.items():
        np.testing.assert_allclose(four[metric], value, rtol=2e-4, err_msg=metric)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["unet", "cascade", "unrolled"])
def test_every_network_learns_from_a_fan(network):
    metrics = one_step(config_with(network), 1)
    assert np.isfinite(metrics["loss/pixel"])
    assert metrics["skipped/total"] == 0


@pytest.mark.slow
def test_a_run_trains_resumes_and_is_evaluated(tmp_path):
    workdir = epath.Path(tmp_path)
    train(prepare(config_with("unet", steps=2), workdir))
    config = config_with("unet", steps=4)
    state = train(prepare(config, workdir))
    assert int(state.step) == 4
    assert read_config(workdir) == config
    text = report(config, workdir)
    assert protocol_of(config).id in text
    (table,) = (workdir / "evaluation").glob("step_4/per_image.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    baselines = modality_of(config).baselines(config)
    assert {row["method"] for row in rows} == {*baselines.names, "U-Net"}
    assert all(float(row["residual"]) < 1 for row in rows)


def test_a_fan_keeps_its_factor():
    section = config_with("srresnet").degradation
    assert section.every(18) is section
    with pytest.raises(ConfigError, match=r"factor = 9: expected 18, as in training"):
        section.every(9)
