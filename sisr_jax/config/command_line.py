"""The flag `--config` of every command, and errors of flags that are one line."""

from typing import Any

from absl import flags
from ml_collections import config_flags

from sisr_jax.config.files import load
from sisr_jax.config.checks import ConfigError

# The flag is the command's that asks for it, whose `--help` shows it.
flags.disclaim_key_flags()

_HELP = "NAME of a shipped configuration or FILE.py, either with :VARIANT."


class _Parser(flags.ArgumentParser):
    """Loads a configuration, whose keys the flags `--config.KEY` then set."""

    def parse(self, argument: str) -> Any:
        config = load(argument)
        config.lock()
        return config

    def flag_type(self) -> str:
        return "configuration"


def define_config() -> flags.FlagHolder:
    """Defines `--config` and, once it is parsed, `--config.KEY` for every key."""
    holder = config_flags.DEFINE_config_file("config", None, _HELP)
    flags.FLAGS["config"].parser = _Parser()
    return holder


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line.

    Args:
        argv: As `sys.argv`.

    Returns:
        The program and the arguments that are no flags.

    Raises:
        ConfigError: In one line, for whatever absl and ml_collections refuse.
    """
    try:
        return flags.FLAGS(argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error.__context__, ConfigError):
            raise error.__context__ from None
        raise ConfigError(" ".join(str(error).split())) from error
