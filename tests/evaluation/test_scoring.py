import collections

import jax
import numpy as np
import pytest

from sisr_jax.data.sources import open_source
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.scoring import HR, score_protocol, score_split
from sisr_jax.parallel import make_mesh
from sisr_jax.train.task import build_task

pytestmark = pytest.mark.usefixtures("quick_compilation")


def source_of(config):
    return open_source(config.data, "test", seed=config.seed)


def test_every_method_has_every_image_once_and_its_numbers(load_config):
    config = load_config("us_srgan")
    protocol = protocol_of(config)
    evaluation = score_protocol(
        config,
        protocol,
        source_of(config),
        make_mesh(),
        more_methods={"Zeros": lambda columns: columns.repeat(4, axis=2) * 0.0},
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
    alone = score_protocol(
        config, protocol_of(config), *arguments, more_methods={}, num_examples=1
    )
    for a, b in zip(run.scores, alone.scores, strict=True):
        assert a[:2] == b[:2]
        assert a.protocol == b.protocol
        assert a.psnr == pytest.approx(b.psnr, abs=1e-3)


def test_the_originals_protocol_is_far_lower_on_the_same_images(load_config):
    config = load_config("ct_srgan")
    means = []
    for family in ("physical", "seed"):
        evaluation = score_protocol(
            config,
            protocol_of(config, family),
            source_of(config),
            make_mesh(),
            more_methods={},
            num_examples=1,
        )
        means.append(np.mean([score.psnr for score in evaluation.scores[:3]]))
    assert means[0] > means[1] + 5
