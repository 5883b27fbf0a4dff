"""Command: turns a published collection into a folder the `tfds` source reads.

    python -m sisr_jax.data prepare deeplesion --manual_dir=DIR --data_dir=DIR
    python -m sisr_jax.data prepare duke_ultrasound --manual_dir=DIR --data_dir=DIR \
        --target=bmode

A killed run goes on where it was when the same command is given again.
"""

import argparse
import os
from collections import Counter

from sisr_jax.arguments import RefusingParser, as_place
from sisr_jax.errors import InputError

# Records of a shard: about 100 MB of packed slices or frames, or some volumes.
_SHARD_SIZE = {"abnormal": 512, "normal": 512, "volume": 32, "duke": 512}


def main(arguments: list[str]) -> int:
    """Prepares a data set and prints what was written and what was left out.

    Args:
        arguments: What follows `prepare` on the command line.

    Returns:
        Exit status 0.

    Raises:
        InputError: One line that says what is wrong with the data or the options.
    """
    _prepare(_parser().parse_args(arguments))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = RefusingParser(prog="python -m sisr_jax.data prepare")
    datasets = parser.add_subparsers(dest="dataset", required=True)
    common = RefusingParser(add_help=False)
    common.add_argument(
        "--manual_dir", type=as_place, required=True, help="the originals"
    )
    common.add_argument(
        "--data_dir", type=as_place, required=True, help="where prepared data goes"
    )
    ct = datasets.add_parser(
        "deeplesion",
        parents=[common],
        help="NIH DeepLesion, CT slices with lesions",
        description="--manual_dir holds DL_info.csv and Images_png/ as published.",
    )
    ct.add_argument(
        "--config", choices=("abnormal", "normal", "volume"), default="abnormal"
    )
    ct.add_argument(
        "--encoding",
        choices=("png", "zlib", "raw"),
        default="png",
        help="pixels in a record; png is smallest, raw is read fastest",
    )
    ct.add_argument(
        "--thickness",
        type=int,
        default=0,
        help="most slices of a volume (0: all that were published)",
    )
    ct.add_argument(
        "--keep_noisy",
        action="store_true",
        help="take annotations that are flagged as possibly noisy",
    )
    ultrasound = datasets.add_parser(
        "duke_ultrasound",
        parents=[common],
        help="ultrasound in beam space",
        description="--manual_dir holds phantom_data.tar and mark_data.tar, unpacked "
        "or not, and the CSVs of the splits. Of a folder that TFDS itself prepared, "
        "config.data.target chooses the image instead.",
    )
    ultrasound.add_argument(
        "--target",
        choices=("dtce", "bmode"),
        default="dtce",
        help="the scanner's processed image, or B-mode in dB",
    )
    return parser


def _prepare(options: argparse.Namespace) -> None:
    if not os.path.isdir(options.manual_dir):
        raise InputError(f"--manual_dir = {str(options.manual_dir)!r}: no such folder")
    # TFDS takes seconds to import: not for --help or a wrong path.
    from sisr_jax.data.collections.builder import open_builder
    from sisr_jax.data.collections.deeplesion import DeepLesion, make_config
    from sisr_jax.data.collections.duke import DukeUltrasound
    from sisr_jax.data.shards import SKIPPED, write_dataset

    if options.dataset == "deeplesion":
        config = make_config(
            options.config,
            thickness=options.thickness,
            keep_noisy=options.keep_noisy,
            encoding=options.encoding,
        )
        # TFDS wants its own object for a name that it knows.
        known = {known.name: known for known in DeepLesion.BUILDER_CONFIGS}
        builder = open_builder(
            DeepLesion, options.data_dir, known.get(config.name, config)
        )
        shard_size = _SHARD_SIZE[options.config]
    else:
        [config] = [
            c for c in DukeUltrasound.BUILDER_CONFIGS if c.name == options.target
        ]
        builder = open_builder(DukeUltrasound, options.data_dir, config)
        shard_size = _SHARD_SIZE["duke"]
    plan = builder.plan(options.manual_dir)
    done = write_dataset(builder, plan, shard_size=shard_size)
    if not done.new_shards:
        print("already prepared")
    for split, count in done.records.items():
        print(f"{split}: {count} records")
    for reason, count in Counter(skip.reason for skip in done.skips).most_common():
        print(f"left out: {count} x {reason}")
    if done.skips:
        print(f"list: {done.folder / SKIPPED}")
    print(f"config.data.path: {done.folder}")
