"""Whatever is wrong with a flag is one line that names it, its value and the remedy."""

import sys

import pytest
from absl import flags

from sisr_jax.config import ConfigError, command_line

ALL = "python -m sisr_jax.config --config=ct_srgan:demo lists"


@pytest.fixture
def parse(monkeypatch):
    """Parses a command line with flags of its own; gives what it left and the flags."""

    def call(*arguments):
        argv, values = ["program", *arguments], flags.FlagValues()
        monkeypatch.setattr(sys, "argv", argv)  # where overrides are looked for
        command_line.define_config(values)
        flags.DEFINE_integer("count", 0, "A number.", flag_values=values)
        return command_line.parse_flags(argv, flag_values=values), values

    return call


@pytest.mark.parametrize(
    "flag", [["--config=ct_srgan:demo"], ["--config", "ct_srgan:demo"]]
)
def test_keys_are_set_behind_a_name(parse, flag):
    rest, values = parse(
        *flag,
        "--config.data.batch_size=16",
        "--config.data.shape=(64, 64)",
        "--noconfig.augmentation.rotate",
        "--count=3",
        "more",
    )
    assert rest == ["program", "more"]
    config = values["config"].value
    assert (config.data.batch_size, config.data.shape) == (16, (64, 64))
    assert not config.augmentation.rotate
    assert config.phases.generator == 400
    assert config.is_locked


def test_without_the_flag_there_is_no_configuration(parse):
    assert parse("--count=2")[1]["config"].value is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "--config.help",
            f"config.help: unknown key; known: augmentation, .*seed; {ALL}",
        ),
        (
            "--config.phases.gan=3",
            "config.phases.gan: unknown key; known: adversarial, discriminator, "
            f"generator; {ALL} all",
        ),
        ("--config.phase.generator=3", r"config\.phase: unknown key; known: .*phases"),
        ("--noconfig.augmentation.rotat", r"config\.augmentation\.rotat: unknown key"),
        ("--config.keys=3", r"config\.keys: unknown key"),
        ("--config.data.window[0]=3", r"config\.data\.window\[0\]: unknown key"),
        ("--config.seed.x=3", rf"config\.seed\.x: config\.seed is no section; {ALL}"),
        (
            "--config.data.batch_size=x",
            r"config\.data\.batch_size = 'x': expected int$",
        ),
        ("--config.ema_decay=a: b", r"config\.ema_decay = 'a: b': expected float$"),
        (
            "--config.augmentation.rotate=x",
            r"config\.augmentation\.rotate = 'x': .* bool$",
        ),
        ("--config.data=3", r"config\.data = '3': expected a section$"),
        ("--count=x", r"flag --count=x: invalid literal"),
        ("--conut=3", r"Unknown command line flag 'conut'\. Did you mean: count"),
    ],
)
def test_a_flag_that_cannot_be_read_is_one_line(parse, override, message):
    with pytest.raises(ConfigError, match=rf"^{message}") as caught:
        parse("--config=ct_srgan:demo", override)
    assert "\n" not in str(caught.value)


def test_a_value_behind_a_blank_is_named_too(parse):
    with pytest.raises(ConfigError, match=r"^config\.seed = 'x': expected int$"):
        parse("--config=ct_srgan", "--config.seed", "x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--config.help"],
            r"--config\.help: expected --config=\.\.\. before it; python -m "
            r"sisr_jax\.config --config=NAME lists keys",
        ),
        (["--config.seed=1", "--config=ct_srgan"], r"Found --config\.seed=1 in argv"),
        (["--config=ct_srgn"], r"config 'ct_srgn': expected FILE\.py or one of ct_"),
        (["--config=nowhere.py"], r"config 'nowhere\.py': no such file"),
    ],
)
def test_a_configuration_that_is_not_there_is_one_line(parse, arguments, message):
    with pytest.raises(ConfigError, match=rf"^{message}") as caught:
        parse(*arguments)
    assert "\n" not in str(caught.value)
