"""Every number has a range, and what lies outside is refused with it."""

import dataclasses
import math
import typing
from typing import Annotated, get_args, get_origin

import pytest

from sisr_jax.config import Config, ConfigError, parse
from sisr_jax.config.files import load
from sisr_jax.config.ranges import Names, Range

SIZE = "1 to 65,536"
INTENSITY = r"-1,000,000,000 to 1,000,000,000"
STEPS = "0 to 500,000,000"
COUNT = "1 to 1,000,000,000"
ADAM = "optimizer.generator"


def _parse(name, path, value):
    values = load(name).to_dict()
    *sections, key = path.split(".")
    section = values
    for part in sections:
        section = section[part]
    assert key in section
    section[key] = value
    return parse(values)


@pytest.mark.parametrize(
    ("path", "value", "item", "expected"),
    [
        (f"{ADAM}.learning_rate", -1.0, "", "above 0, at most 1"),
        (f"{ADAM}.learning_rate", 0.0, "", "above 0, at most 1"),
        (f"{ADAM}.learning_rate", math.inf, "", "above 0, at most 1"),
        (f"{ADAM}.learning_rate", 1e38, "", "above 0, at most 1"),
        (f"{ADAM}.learning_rate", math.nan, "", "float"),
        (f"{ADAM}.learning_rate", 10**400, "", "float"),
        (f"{ADAM}.warmup_steps", -5, "", STEPS),
        (f"{ADAM}.every_steps", 0, "", COUNT),
        (f"{ADAM}.beta1", 1.0, "", "0 or more, below 1"),
        (f"{ADAM}.beta2", -3.0, "", "0 or more, below 1"),
        (f"{ADAM}.beta2", 1, "", "0 or more, below 1"),
        (f"{ADAM}.clip_norm", -2.0, "", "0 to 1,000,000,000"),
        (f"{ADAM}.clip_norm", math.inf, "", "0 to 1,000,000,000"),
        (f"{ADAM}.final_fraction", -3.0, "", "0 to 1"),
        (f"{ADAM}.final_fraction", 2.0, "", "0 to 1"),
        (f"{ADAM}.decay_rate", -3.0, "", "above 0, at most 1"),
        (f"{ADAM}.decay_rate", 0.0, "", "above 0, at most 1"),
        ("optimizer.discriminator.beta1", -0.1, "", "0 or more, below 1"),
        ("loss.adversarial_weight", math.inf, "", "0 to 1,000,000"),
        ("loss.adversarial_weight", -1.0, "", "0 to 1,000,000"),
        ("loss.terms", (("gradient_difference", -1.0),), "[0][1]", "0 to 1,000,000"),
        ("data.window", (-math.inf, 255.0), "[0]", INTENSITY),
        ("data.window", (0.0, 1e39), "[1]", INTENSITY),
        ("data.png_rescale", (1.0, -math.inf), "[1]", INTENSITY),
        ("data.png_rescale", (0.0, 0.0), "", "a slope of at least 1e-09"),
        ("data.png_rescale", (1e-30, 0.0), "", "a slope of at least 1e-09"),
        ("data.window", (1e8, 1e8 + 1), "", "low < high, further apart than"),
        ("data.window", (255.0, 0.0), "", "low < high"),
        ("data.shape", (0, 32), "[0]", SIZE),
        ("data.patch", (32, -1), "[1]", SIZE),
        ("data.shape", (10**6, 10**6), "[0]", SIZE),
        ("data.num_phantoms", (8, 0, 3), "[1]", "1 to 1,000,000"),
        ("data.num_phantoms", (8, 3, -3), "[2]", "1 to 1,000,000"),
        ("data.num_phantoms", (8, 10**9, 3), "[1]", "1 to 1,000,000"),
        ("data.batch_size", 10**7, "", "1 to 1,048,576"),
        ("data.crops_per_image", 0, "", "1 to 1,024"),
        ("data.num_threads", 100_000, "", "1 to 256"),
        ("data.num_threads", 0, "", "1 to 256"),
        ("degradation.num_angles", 10**6, "", SIZE),
        ("degradation.factor", 0, "", SIZE),
        ("degradation.views", (-1, 3), "[0]", "0 to 65,536"),
        ("generator.width", 0, "", "1 to 4,096"),
        ("generator.num_blocks", 0, "", "1 to 1,000"),
        ("generator.num_shuffles", 17, "", "0 to 16"),
        ("discriminator.width", 0, "", "1 to 4,096"),
        ("seed", -1, "", "0 or more, below 4,294,967,296"),
        ("seed", 2**32, "", "0 or more, below 4,294,967,296"),
        ("ema_decay", 1.0, "", "0 or more, below 1"),
        ("phases.adversarial", 10**12, "", STEPS),
        ("phases.generator", -1, "", STEPS),
        ("evaluation.batch_size", 0, "", "1 to 1,048,576"),
        ("evaluation.num_validation", -1, "", "0 to 1,000,000,000"),
        ("evaluation.num_figure", 0, "", "1 to 64"),
        ("checkpoint.keep_last", 0, "", "1 to 1,000"),
        ("log.every_steps", 0, "", COUNT),
        ("safety.saturated_real", 1.5, "", "0 to 1"),
        ("safety.max_skipped_in_a_row", 0, "", COUNT),
        ("mesh.model", 0, "", "1 to 4,096"),
    ],
)
def test_impossible_number_is_refused_with_its_range(path, value, item, expected):
    with pytest.raises(ConfigError) as caught:
        _parse("ct_srgan", path, value)
    found = value
    for index in item.strip("[]").split("]["):
        found = found[int(index)] if index else found
    message = str(caught.value)
    assert message.startswith(f"config.{path}{item} = {found!r}: expected {expected}")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{ADAM}.learning_rate", 1),
        (f"{ADAM}.beta1", 0.0),
        (f"{ADAM}.clip_norm", 0.0),
        (f"{ADAM}.final_fraction", 1.0),
        ("loss.adversarial_weight", 0),
        ("data.window", (-1024.0, 3071.0)),
        ("data.window", (0.0, 1e-6)),
        ("data.window", (0.0, 1e9)),
        ("data.png_rescale", (-1.0, 255.0)),
        ("data.num_threads", 256),
        ("seed", 2**32 - 1),
        ("evaluation.num_validation", 0),
    ],
)
def test_ends_of_ranges_and_real_values_are_accepted(path, value):
    _parse("ct_srgan", path, value)


def _leaves(section, path):
    hints = typing.get_type_hints(section, include_extras=True)
    for field in dataclasses.fields(section):
        kinds = field.metadata.get("kinds", {None: hints[field.name]})
        for hint in kinds.values():
            if dataclasses.is_dataclass(hint):
                yield from _leaves(hint, f"{path}.{field.name}")
            else:
                yield from _scalars(hint, f"{path}.{field.name}")


def _scalars(hint, path):
    if get_origin(hint) is tuple:
        for item in get_args(hint):
            yield from _scalars(item, path)
    elif hint is not Ellipsis:
        yield path, hint


def test_every_number_has_a_range_of_its_own_type():
    ranges = {}
    for path, hint in _leaves(Config, "config"):
        assert hint not in (int, float), f"{path}: a number without a range"
        if get_origin(hint) is Annotated and get_args(hint)[0] is not str:
            kind, interval = get_args(hint)
            ranges[path] = interval
            assert kind in (int, float), path
            assert math.isfinite(interval.high - interval.low), path
    assert len(ranges) >= 38
    assert "config.degradation.offset" in ranges
    assert "config.degradation.dose.pixel_mm" in ranges


@pytest.mark.parametrize(
    ("interval", "inside", "outside", "text"),
    [
        (Range(1, 64), (1, 64), (0, 65), "1 to 64"),
        (Range(0, 1, above=True), (1e-9, 1), (0, 1.1), "above 0, at most 1"),
        (Range(0, 1, below=True), (0, 0.999), (1, -1e-9), "0 or more, below 1"),
        (Range(0, 1, True, True), (0.5,), (0, 1), "above 0, below 1"),
        (Range(-1e9, 1e12), (0.0,), (math.nan, math.inf), "-1,000,000,000 to 1e+12"),
    ],
)
def test_ranges_hold_and_say_their_ends(interval, inside, outside, text):
    assert all(number in interval for number in inside)
    assert not any(number in interval for number in outside)
    assert str(interval) == text


def test_names_follow_what_they_are_names_of():
    known = {}
    names = Names(known)
    assert "a" not in names
    assert str(names) == "one of none, as there are none"
    known["a"] = 1
    assert "a" in names
    assert str(names) == "one of 'a'"
