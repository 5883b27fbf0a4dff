"""Trains a configuration and evaluates it, or evaluates a working folder.

    python -m sisr_jax.main --config=configs/ct_srgan.py:demo --workdir=runs/ct_demo
    python -m sisr_jax.main --mode=evaluate --workdir=runs/ct_demo

Running the same command again resumes. Bad input ends with one line on standard
error and exit code 2, before anything is compiled or overwritten.
"""

import sys
from collections.abc import Sequence

from absl import app, flags, logging
from etils import epath
from ml_collections import config_flags

from sisr_jax.config import Config, ConfigError, parse
from sisr_jax.errors import InputError
from sisr_jax.evaluation.report import report
from sisr_jax.train import workdir as workdirs
from sisr_jax.train.loop import train
from sisr_jax.train.run import prepare

_CONFIG = config_flags.DEFINE_config_file("config", None, "Configuration file.")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Working folder of the run.", required=True
)
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "evaluate"],
    "train: train (or resume), then evaluate; evaluate: evaluate what is there.",
)
_BAD_INPUT_EXIT_CODE = 2


def main(argv: Sequence[str]) -> None:
    """Runs the mode; see the module's description."""
    if not flags.FLAGS["verbosity"].present:
        # Orbax reports every file it touches at the level below.
        logging.set_verbosity(logging.WARNING)
    try:
        if len(argv) > 1:
            raise ConfigError(f"unexpected argument {argv[1]!r}: all are --flags")
        workdir = epath.Path(_WORKDIR.value)
        config = _read_config(workdir)
        if _MODE.value == "train":
            train(prepare(config, workdir))
        print(report(config, workdir))
    except InputError as error:
        print(f"sisr_jax: error: {error}", file=sys.stderr)
        sys.exit(_BAD_INPUT_EXIT_CODE)


def _read_config(workdir: epath.Path) -> Config:
    if _CONFIG.value is not None:
        return parse(_CONFIG.value.to_dict())
    if _MODE.value == "train":
        raise ConfigError("--config is required to train")
    return workdirs.read_config(workdir)


if __name__ == "__main__":
    app.run(main)
