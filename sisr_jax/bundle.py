"""Puts the trained network of a run into a folder that can be shared.

    python -m sisr_jax.bundle runs/ct_srgan ct-srgan
    python -m sisr_jax.enhance SERIES OUT --model=ct-srgan --simulate=16

RUN is a working folder of `sisr_jax.main`, local or `gs://`, which may be in use. OUT
gets its averaged generator, as it is in the newest sound checkpoint, with all bits:
`weights.safetensors`, `config.json` and `card.json`, the card of the network. Scores
are in it if the run was evaluated at that checkpoint on its own test images. What is
left out: optimisers, the discriminator, and where the images of the training were.

What it ends with: 0 done; 2 bad input, before anything was written; 70 a mistake in
this program, with its traceback; 74 the storage failed; 130 Ctrl-C. OUT is written
whole or not at all.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any

from etils import epath

from sisr_jax.arguments import CommandParser
from sisr_jax.config import Config
from sisr_jax.errors import ExitCode, InputError, ending
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.table import Row, read_csv, summarise
from sisr_jax.hosts.mesh import check_devices
from sisr_jax.inference import load
from sisr_jax.inference.bundle import CARD_FILE, check_new, write_bundle
from sisr_jax.storage.failures import reporting
from sisr_jax.storage.folder import check_possible, open_folder


def main(arguments: Sequence[str]) -> int:
    """Runs the command; see the module's description.

    Args:
        arguments: Of the command line, without the program.

    Returns:
        The exit code.
    """
    return ending("sisr_jax.bundle", lambda: _run(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("sisr_jax.bundle", __doc__)
    parser.add_argument("run", metavar="RUN", help="working folder of a run")
    parser.add_argument("output", metavar="OUT", help="new folder, local or gs://")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a bundle that is there"
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    check_devices()
    output = open_folder(options.output, "OUT")
    check_new(output, overwrite=options.overwrite)
    check_possible(output.parent, "OUT")
    restorer = load(options.run)
    config, step = restorer.config, restorer.card.get("step")
    if config is None or step is None:
        raise InputError(f"{options.run}: expected the working folder of a run")
    # A run does not note how far apart the pixels of its images were.
    about = {"protocol": protocol_of(config).id, "step": step, "spacing_mm": None}
    with reporting(f"{options.run}: reading its scores"):
        about |= _scores(open_folder(options.run, "RUN"), config, step)
    write_bundle(output, restorer, about, overwrite=options.overwrite)
    print(f"step {step}, {about['protocol']}: {output / CARD_FILE}")
    return ExitCode.DONE


def _scores(workdir: epath.Path, config: Config, step: int) -> dict[str, Any]:
    """The line of the network in its table, beside the strongest baseline."""
    path = workdir / "evaluation" / f"step_{step}" / "per_image.csv"
    if not path.exists():
        return {}
    protocol = protocol_of(config).id
    rows = {
        row.method: row
        for row in summarise([s for s in read_csv(path) if s.protocol == protocol])
    }
    # With an adversarial phase the network before it stands in the table, too.
    names = [name for name in config.generator.names if name in rows]
    if not names:
        return {}
    row = rows[names[-1]]
    line = _line(row)
    others = [row for row in rows.values() if row.method not in config.generator.names]
    baseline = max(others, key=lambda row: row.psnr, default=row)
    if baseline is not row and math.isfinite(gain := row.psnr - baseline.psnr):
        line |= {"against": baseline.method, "gain_db": round(gain, 2)}
    return {"scores": [line]}


def _line(row: Row) -> dict[str, Any]:
    means = {"psnr": row.psnr, "ssim": row.ssim, **row.more}
    line: dict[str, Any] = {
        "method": row.method,
        "images": row.num_images,
        "patients": row.num_patients,
        # An image that is reproduced exactly has an infinite PSNR, which JSON has not.
        **{name: round(n, 7) for name, n in means.items() if math.isfinite(n)},
    }
    if all(map(math.isfinite, row.psnr_interval)):
        line["psnr_95"] = [round(float(end), 2) for end in row.psnr_interval]
    return line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
