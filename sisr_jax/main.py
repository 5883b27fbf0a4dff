"""Trains a configuration and evaluates it, or evaluates a working folder.

    python -m sisr_jax.main --config=configs/ct_srgan.py:demo --workdir=runs/ct_demo
    python -m sisr_jax.main --mode=evaluate --workdir=runs/ct_demo --save_images
    python -m sisr_jax.main --extend=500 --workdir=runs/ct_demo

Running the same command again resumes. Without `--config` it is that of the working
folder; `--config.KEY=VALUE` may change what does not make it another run: where the
images are, how often it logs, saves and validates, or a longer last phase; `--extend`
makes that as long as the whole run then is. Evaluation may be on other images:
`--split`, `--config.data.KEY`, `--config.degradation.KEY`; `--output=FOLDER` writes its
scores elsewhere, and nothing to the working folder.

What it ends with:

    code  meaning
       0  done: trained and evaluated
       1  diverged: too many steps in a row with numbers that are not finite; one line,
          and the checkpoints before them
       2  bad input: one line that names the flag, key or file; before anything is
          compiled or overwritten, unless it is a file that is read later
      70  a mistake in this program, with its traceback
      74  the storage failed (disk full, permission lost, server gone for longer than
          the retries last): one line, and the checkpoints before it
      75  preempted (SIGTERM, Ctrl-C) and saved, or another process of the run was
          lost; the same command goes on from there, and `sisr_jax.supervise` gives it
     130  Ctrl-C twice, or while there was nothing to save: at once

The working folder may be in a bucket: `--workdir=gs://BUCKET/FOLDER` (needs the extra
`gcs` and Google's default credentials). TensorFlow is not used.

On several hosts the same command runs on each: with `--coordinator=auto` on a TPU
slice, under Slurm and Open MPI as it is, elsewhere with `--coordinator=HOST:PORT
--num_processes=N --process_id=I`.
"""

import dataclasses
import os
import re
from collections.abc import Sequence
from typing import NoReturn, cast, get_args

from absl import app, flags, logging
from etils import epath

from sisr_jax.checkpoints.outages import without_late_failures
from sisr_jax.config import Config, ConfigError, command_line, parse
from sisr_jax.config.kept import has_config, read_config
from sisr_jax.data.formats.dicom.opening import keep_headers_private
from sisr_jax.data.splits import Split
from sisr_jax.errors import (
    ExitCode,
    InputError,
    StorageError,
    flushed,
    listen_to_interrupts,
    tell,
    telling_outputs,
    unread,
)
from sisr_jax.hosts import agreement, leaving
from sisr_jax.hosts.mesh import check_devices
from sisr_jax.run import workdir as workdirs
from sisr_jax.run.loop import train
from sisr_jax.run.prepare import prepare
from sisr_jax.run.report import report
from sisr_jax.storage.failures import refusing, reporting
from sisr_jax.storage.folder import open_folder
from sisr_jax.train import phases

_CONFIG = command_line.define_config()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Working folder of the run.", required=True
)
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "evaluate"],
    "train: train (or resume), then evaluate; evaluate: evaluate what is there.",
)
_SPLIT = flags.DEFINE_enum(
    "split", "test", get_args(Split), "Which images --mode=evaluate scores."
)
_SAVE_IMAGES = flags.DEFINE_boolean(
    "save_images", False, "--mode=evaluate also writes every restored image (npy)."
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Where --mode=evaluate writes, else evaluation in the workdir."
)
_EXTEND = flags.DEFINE_integer(
    "extend", None, "Steps of the whole run: its last phase becomes longer."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", "", "HOST:PORT of process 0, or auto: as the cluster says."
)
_NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "Processes of the run, with --coordinator=HOST:PORT."
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "This process, with --coordinator=HOST:PORT."
)
_HEARTBEAT_SECONDS = flags.DEFINE_integer(
    "heartbeat_seconds", 100, "A process that is silent for so long is lost."
)


def main(argv: Sequence[str]) -> None:
    """Runs the mode; see the module's description."""
    if not flags.FLAGS["verbosity"].present:
        # Orbax reports every file it touches at the level below.
        logging.set_verbosity(logging.WARNING)
    listen_to_interrupts()
    keep_headers_private()
    try:
        changes = [each for each in argv[1:] if _is_key(each)]
        for argument in argv[1:]:
            if argument not in changes:
                raise ConfigError(f"unexpected argument {argument!r}: all are --flags")
        agreement.join(
            _COORDINATOR.value,
            num_processes=_NUM_PROCESSES.value,
            process_id=_PROCESS_ID.value,
            heartbeat_seconds=_HEARTBEAT_SECONDS.value,
            environment=os.environ,
        )
        with (
            leaving.ending_with_the_others(),
            telling_outputs(),
            without_late_failures(),
        ):
            _run(changes)
        if code := flushed("sisr_jax", ExitCode.DONE):
            leaving.leave(ExitCode(code))
    except InputError as error:
        _leave(f"error: {error}", ExitCode.BAD_INPUT)
    except FloatingPointError as error:
        _leave(f"error: {error}", ExitCode.DIVERGED)
    except StorageError as error:
        # At once: threads of the storage libraries may still be trying.
        leaving.leave_at_once(f"error: {error}", ExitCode.STORAGE)
    except leaving.Preempted as message:
        _leave(message, ExitCode.RESTART)
    except KeyboardInterrupt:
        leaving.leave_at_once("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        leaving.leave(unread())
    except Exception:
        leaving.leave_with_traceback()


def _run(changes: Sequence[str]) -> None:
    check_devices()
    agreement.check_joined()
    workdir, output, config = agreement.together(lambda: _read_flags(changes))
    with reporting(f"workdir {workdir}"):
        if _MODE.value == "train":
            train(prepare(config, workdir))
        text = report(
            config,
            workdir,
            cast(Split, _SPLIT.value),
            output=output,
            save_images=_SAVE_IMAGES.value,
        )
    if text is not None:
        print(text)


def _read_flags(
    changes: Sequence[str],
) -> tuple[epath.Path, epath.Path | None, Config]:
    """The working folder, the one that `--output` names, and the configuration."""
    workdir, output = open_folder(_WORKDIR.value, "--workdir"), None
    if _OUTPUT.value is not None:
        output = open_folder(_OUTPUT.value, "--output")
        if _MODE.value == "train":
            raise ConfigError(f"--output={output}: needs --mode=evaluate")
    if _MODE.value == "train" and _SPLIT.value != "test":
        raise ConfigError(f"--split={_SPLIT.value}: needs --mode=evaluate")
    if _MODE.value == "evaluate" and _EXTEND.value is not None:
        raise ConfigError(f"--extend={_EXTEND.value}: needs --mode=train")
    with refusing(f"workdir {workdir}: reading"):
        return workdir, output, _read_config(workdir, changes)


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; what is wrong with it is one line, not a traceback.

    Returns:
        The program, the arguments that are no flags, and keys of a configuration that
        no flag names.
    """
    changes = []
    if not any(re.match(r"--?config(=|$)", argument) for argument in argv):
        changes = [argument for argument in argv[1:] if _is_key(argument)]
    try:
        rest = [argument for argument in argv if argument not in changes]
        return [*command_line.parse_flags(rest), *changes]
    except InputError as error:
        _leave(f"error: {error}", ExitCode.BAD_INPUT)


def _is_key(argument: str) -> bool:
    return re.match(r"--?(no)?config\.", argument) is not None


def _leave(line: Exception | str, exit_code: ExitCode) -> NoReturn:
    tell(f"sisr_jax: {line}")
    leaving.leave(exit_code)


def _read_config(workdir: epath.Path, changes: Sequence[str]) -> Config:
    is_training = _MODE.value == "train"
    if _CONFIG.value is not None:
        config = parse(_CONFIG.value.to_dict())
    elif is_training and not has_config(workdir):
        raise ConfigError("--config is required to train")
    else:
        config = read_config(workdir)
        values = command_line.changed(dataclasses.asdict(config), changes)
        config = parse(values)
    if _EXTEND.value is not None:
        last = phases.extended(config.phases, _EXTEND.value)
        longer = dataclasses.replace(config, phases=last)
        # Checked as any other: what is written to the folder must be read again.
        config = parse(dataclasses.asdict(longer))
    if not is_training:
        workdirs.check_same(workdir, config, workdirs.MAY_CHANGE_IN_EVALUATION)
    return config


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
