"""The flag `--config` of every command, and errors of flags that are one line."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from absl import flags
from ml_collections import ConfigDict, config_flags

from sisr_jax.config.checks import ConfigError
from sisr_jax.config.files import load
from sisr_jax.errors import ExitCode, StorageError, flushed, tell, telling_outputs

# The flag is the command's that asks for it, whose `--help` shows it.
flags.disclaim_key_flags()

_HELP = (
    "NAME of a shipped configuration or FILE.py, either with :VARIANT. --config.KEY "
    "sets a key; python -m sisr_jax.config --config=NAME explains all of them."
)


class _Parser(flags.ArgumentParser):
    """Loads a configuration, whose keys the flags `--config.KEY` then set.

    Attributes:
        reference: What was loaded, once something was.
        config: What came of it.
    """

    def __init__(self, reference: str | None = None, config: Any = None) -> None:
        super().__init__()
        self.reference, self.config = reference, config

    def parse(self, argument: str | ConfigDict) -> Any:
        if isinstance(argument, ConfigDict):
            self.config = argument
        else:
            self.config, self.reference = load(argument), argument
        self.config.lock()
        return self.config

    def flag_type(self) -> str:
        return "configuration"


def define_config(flag_values: flags.FlagValues = flags.FLAGS) -> flags.FlagHolder:
    """Defines `--config` and, once it is parsed, `--config.KEY` for every key."""
    holder = config_flags.DEFINE_config_file(
        "config", None, _HELP, flag_values=flag_values
    )
    # absl shares all parsers that are made without keywords.
    flag_values["config"].parser = _Parser(config=None)
    return holder


def changed(values: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Applies flags `--config.KEY=VALUE` to a configuration that no file states.

    Args:
        values: Nested mapping with every key.
        arguments: The flags.

    Returns:
        The same with other values, not yet checked.

    Raises:
        ConfigError: In one line, for an unknown key or a value of another type.
    """
    flag_values, config = flags.FlagValues(), ConfigDict(values)
    argv, parser = ["", *arguments], _Parser(config=config)
    if line := _unknown_key(argv, parser):
        raise ConfigError(line)
    config_flags.DEFINE_config_dict(
        "config", config, flag_values=flag_values, sys_argv=argv
    )
    flag_values["config"].parser = parser
    parse_flags(argv, flag_values=flag_values)
    changed: Any = flag_values["config"].value
    return changed.to_dict()


def parse_flags(
    argv: list[str], *, flag_values: flags.FlagValues = flags.FLAGS
) -> list[str]:
    """Parses the command line.

    Args:
        argv: As `sys.argv`.
        flag_values: Where `define_config` defined the flag.

    Returns:
        The program and the arguments that are no flags.

    Raises:
        ConfigError: In one line, for whatever absl and ml_collections refuse.
        SystemExit: After help, if it was asked for.
    """
    try:
        with telling_outputs():
            return flag_values(argv)
    except (SystemExit, BrokenPipeError):
        # After --help, which absl counts as a failure, and read as far as somebody
        # cared to.
        sys.exit(flushed("sisr_jax", ExitCode.DONE))
    except StorageError as error:
        tell(f"sisr_jax: error: {error}")
        sys.exit(ExitCode.STORAGE)
    except (flags.Error, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error.__context__, ConfigError):
            raise error.__context__ from None
        parser = cast(_Parser, flag_values["config"].parser)
        line = _unknown_key(argv, parser) or _wrong_type(argv, parser, str(error))
        raise ConfigError(line or " ".join(str(error).split())) from error


def _unknown_key(argv: list[str], parser: _Parser) -> str | None:
    """The line for the first key that the configuration does not have."""
    explain = f"python -m sisr_jax.config --config={parser.reference or 'NAME'}"
    for argument in argv[1:]:
        match = re.match(r"--?(?:no)?config\.([^=]*)", argument)
        if match is None:
            continue
        section, path = parser.config, "config"
        if section is None:
            return f"{argument}: expected --config=... before it; {explain} lists keys"
        for name in match[1].split("."):
            if not isinstance(section, ConfigDict):
                return f"{path}.{name}: {path} is no section; {explain} lists the keys"
            if name not in section:
                known = ", ".join(section)
                return (
                    f"{path}.{name}: unknown key; known: {known}; {explain} lists all"
                )
            section, path = section[name], f"{path}.{name}"
    return None


def _wrong_type(argv: list[str], parser: _Parser, message: str) -> str | None:
    """The line for a value that cannot be read as its key's type."""
    match = re.match(r"flag --(config\.[\w.]+)=(.*?): ", message, re.DOTALL)
    if match is None:
        return None
    default: Any = parser.config
    for name in match[1].split(".")[1:]:
        default = default[name]
    kind = "a section" if isinstance(default, ConfigDict) else type(default).__name__
    given = [flag.partition("=")[2] for flag in argv if f"-{match[1]}=" in flag]
    value = [match[2], *given][-1]  # a message ends where its value has a colon
    return f"{match[1]} = {value!r}: expected {kind}"
