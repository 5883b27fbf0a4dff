"""Compiles the steps of a configuration for TPUs that are not there.

    python -m sisr_jax.aot --config=configs/ct_srgan.py --topology=v5e:2x4

Prints for each phase's step and for the evaluation: whether it fits, the memory, the
operations, the cycles that the compiler expects, the collectives and the dearest
operations. Needs the TPU compiler: `pip install 'jax[tpu]'`. Exit code 0 if everything
fits, 1 if something does not, 2 for bad input.
"""

import json
import sys
from collections.abc import Sequence

import jax
from absl import app, flags, logging

from sisr_jax.aot.chips import parse_topology
from sisr_jax.aot.compilation import EVALUATION, check_compiler, measure_config
from sisr_jax.aot.report import as_text, as_values
from sisr_jax.config import ConfigError, command_line, parse
from sisr_jax.errors import ExitCode, InputError, ending, tell
from sisr_jax.train.steps import STEPS

_CONFIG = command_line.define_config()
_TOPOLOGY = flags.DEFINE_string(
    "topology", None, "For instance v5e:2x4.", required=True
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of text.")
_PHASE = flags.DEFINE_enum(
    "phase", None, [*STEPS, EVALUATION], "Compile only this one of the programs."
)
_DOES_NOT_FIT_EXIT_CODE = 1


def main(argv: Sequence[str]) -> None:
    """Compiles and prints; see the module's description."""
    logging.set_verbosity(logging.WARNING)
    # What is attached to this machine is of no interest.
    jax.config.update("jax_platforms", "cpu")
    sys.exit(ending("sisr_jax", lambda: _run(argv[1:])))


def _run(rest: Sequence[str]) -> int:
    if rest:
        raise InputError(f"unexpected argument {rest[0]!r}: all are --flags")
    if _CONFIG.value is None:
        raise ConfigError("--config is required")
    config = parse(_CONFIG.value.to_dict())
    topology = parse_topology(_TOPOLOGY.value)
    check_compiler()
    measured = measure_config(config, topology, _PHASE.value)
    if _JSON.value:
        print(json.dumps(as_values(topology, measured), indent=2))
    else:
        print(as_text(topology, measured))
    fits = all(each.fits for each in measured)
    return ExitCode.DONE if fits else _DOES_NOT_FIT_EXIT_CODE


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; what is wrong with it is one line."""
    try:
        return command_line.parse_flags(argv)
    except InputError as error:
        tell(f"sisr_jax: error: {error}")
        sys.exit(ExitCode.BAD_INPUT)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
