import collections
import csv

import jax
import numpy as np
import pytest

from sisr_jax.data.sources import CachedSource, open_source
from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.scoring import HR, score_protocol, score_split
from sisr_jax.evaluation.table import write_csv
from sisr_jax.hosts.mesh import make_mesh
from sisr_jax.train.task import build_task


def source_of(config):
    return open_source(config.data, "test", seed=config.seed)


@jax.tree_util.register_static
class WithZeros:
    """The baselines of ultrasound and one more."""

    def __init__(self, baselines):
        self._baselines = baselines
        self.names = (*baselines.names, "Zeros")

    def __call__(self, measurement):
        columns = measurement.values[..., None]
        zeros = {"Zeros": columns.repeat(4, axis=2) * 0.0}
        return self._baselines(measurement) | zeros


def test_every_method_has_every_image_once_and_its_numbers(load_config):
    config = load_config("us_srgan")
    protocol = protocol_of(config)
    evaluation = score_protocol(
        config,
        "physical",
        source_of(config),
        make_mesh(),
        baselines=WithZeros(modality_of(config).baselines(config)),
        num_examples=2,
    )
    names = [score.image for score in evaluation.scores]
    assert collections.Counter(names) == dict.fromkeys(names, 4)
    methods = list(dict.fromkeys(score.method for score in evaluation.scores))
    expected = [
        "Bicubic (half-pixel)",
        "Linear (aligned)",
        "Bicubic (aligned)",
        "Zeros",
    ]
    assert methods == expected
    assert {score.protocol for score in evaluation.scores} == {protocol.id}
    assert [score.patient for score in evaluation.scores[:3]] == ["1", "2", "3"]
    images = {name: each.shape for name, each in evaluation.examples.items()}
    assert images == dict.fromkeys([*expected, HR], (2, 32, 32, 1))
    zeros = evaluation.scores[-3]
    hr = evaluation.examples[HR][0]
    assert zeros.psnr == pytest.approx(-10 * np.log10(np.mean(hr**2)), abs=1e-3)
    assert zeros.more["residual"] == pytest.approx(1.0)


def test_a_report_and_a_comparison_give_the_same_numbers(load_config):
    config = load_config("ct_srgan")
    arguments = (source_of(config), make_mesh())
    run = score_split(
        build_task(config), {}, *arguments, key=jax.random.key(0), num_examples=1
    )
    alone = score_protocol(config, "physical", *arguments, num_examples=1)
    for a, b in zip(run.scores, alone.scores, strict=True):
        assert a[:2] == b[:2]
        assert a.protocol == b.protocol
        assert a.psnr == pytest.approx(b.psnr, abs=1e-3)


def test_the_originals_protocol_is_far_lower_on_the_same_images(load_config):
    config = load_config("ct_srgan")
    means = []
    for family in ("physical", "original"):
        evaluation = score_protocol(
            config,
            family,
            source_of(config),
            make_mesh(),
            num_examples=1,
        )
        means.append(np.mean([score.psnr for score in evaluation.scores[:3]]))
    assert means[0] > means[1] + 5


class WithRecords:
    """Phantoms with what DeepLesion keeps beside a slice."""

    def __init__(self, source):
        self._source = source

    def __len__(self):
        return len(self._source)

    def __getitem__(self, index):
        return self._source[index]

    def name(self, index):
        return self._source.name(index)

    def details(self, index):
        boxes = np.array([[8.0, 8.0, 23.0, 23.0]] * (index != 1)).reshape(-1, 4)
        return {"boxes": boxes, "patient_index": [11, 4, 11][index]}


def test_records_bring_patients_and_lesions_into_the_csv(load_config, tmp_path):
    config = load_config("ct_srgan")
    evaluation = score_protocol(
        config,
        "physical",
        CachedSource(WithRecords(source_of(config)), max_bytes=2**20),
        make_mesh(),
        num_examples=1,
    )
    write_csv(tmp_path / "per_image.csv", evaluation.scores)
    with (tmp_path / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["patient"] for row in rows[:3]] == ["1", "2", "1"]
    names = {"rmse", "psnr_mask", "ssim_mask", "rmse_mask", "residual", "protocol"}
    names |= {"psnr_soft", "psnr_lung", "psnr_bone"}
    names |= {"psnr_lesions", "ssim_lesions", "rmse_lesions"}
    assert names <= set(rows[0])
    assert [row["psnr_lesions"] == "nan" for row in rows[:3]] == [False, True, False]
    assert all(float(row["psnr_lesions"]) > 5 for row in rows if row["patient"] == "1")


def test_the_originals_ultrasound_is_scored_at_its_size(load_config):
    config = load_config("us_srgan")
    evaluation = score_protocol(
        config,
        "original",
        source_of(config),
        make_mesh(),
        num_examples=1,
    )
    assert evaluation.examples[HR].shape == (1, 512, 512, 1)
    assert {row.more.keys() >= {"ms_ssim"} for row in evaluation.scores} == {True}
