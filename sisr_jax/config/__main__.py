"""Explains the keys of a configuration: value, type, range and meaning of each.

    python -m sisr_jax.config --config=ct_srgan:demo
    python -m sisr_jax.config --config=my_file.py data optimizer.generator

With names, only the keys of these sections, or these keys. Flags `--config.KEY=VALUE`
are taken into account. Exit code 0 if the configuration can be run, 2 if it cannot: the
last line says why.
"""

import sys

from absl import app

from sisr_jax.config import ConfigError, command_line, parse
from sisr_jax.config.describe import Key, as_text, keys
from sisr_jax.errors import ExitCode, ending, tell

_CONFIG = command_line.define_config()


def main(argv: list[str]) -> None:
    """Prints the keys; see the module's description."""
    sys.exit(ending("sisr_jax", lambda: _explain(argv[1:])))


def _explain(names: list[str]) -> int:
    if _CONFIG.value is None:
        raise ConfigError("--config is required, for instance --config=ct_srgan")
    values = _CONFIG.value.to_dict()
    print(as_text(_chosen(keys(values), names)), flush=True)
    parse(values)
    return ExitCode.DONE


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; what is wrong with it is one line."""
    try:
        return command_line.parse_flags(argv)
    except ConfigError as error:
        tell(f"sisr_jax: error: {error}")
        sys.exit(ExitCode.BAD_INPUT)


def _chosen(found: list[Key], names: list[str]) -> list[Key]:
    chosen = []
    for name in names or ["config"]:
        path = f"config.{name}".replace("config.config", "config")
        below = [key for key in found if f"{key.path}.".startswith(f"{path}.")]
        if not below:
            raise ConfigError(f"{path}: unknown key; without it all are listed")
        chosen += below
    return chosen


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
