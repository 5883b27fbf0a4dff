"""Writes a TFDS folder shard by shard, so that a killed run goes on where it was.

TFDS itself keeps a split in memory up to 1 GB and then asks for TensorFlow. Here
records go straight into their shard. Everything happens in a folder called
`<version>.incomplete`, which becomes the dataset by one rename when all is done:
a folder that opens is complete.
"""

import contextlib
import csv
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from array_record.python.array_record_module import (
    ArrayRecordWriter,  # pyright: ignore[reportAttributeAccessIssue]  # compiled
)
from etils import epath
from tensorflow_datasets.core.splits import SplitDict
from tqdm import tqdm

from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.data.json_fields import (
    UnfitError,
    as_list,
    as_name,
    as_number,
    as_object,
    read_json,
)
from sisr_jax.data.plan import Plan, Planned, Skip
from sisr_jax.data.prepared import read_info
from sisr_jax.errors import InputError
from sisr_jax.storage.files import sync, sync_tree

_PLAN = "plan.sha256"
SKIPPED = "skipped.csv"


class Prepared(NamedTuple):
    """What `write_dataset` did.

    Attributes:
        folder: The prepared folder, to be `config.data.path`.
        records: Number of records of each split.
        skips: Everything that was left out, in the order of `skipped.csv`.
        new_shards: Shards that were written now; 0 for a finished dataset.
    """

    folder: Path
    records: dict[str, int]
    skips: list[Skip]
    new_shards: int


class _Account(NamedTuple):
    """What is in a finished shard; beside it in a file until all are finished."""

    records: int
    size: int
    skips: list[Skip]


def write_dataset(builder: Any, plan: Plan, *, shard_size: int) -> Prepared:
    """Writes every planned record that is not yet written.

    Args:
        builder: TFDS builder that says where the dataset goes and what its features
            are; its generator is not used.
        plan: The records.
        shard_size: Planned records of a shard.

    Returns:
        Folder, counts and skipped items, also of earlier runs.

    Raises:
        InputError: If the folder holds another dataset, another run is writing it,
            or no record of a split could be made.
    """
    target = Path(builder.data_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f"{target.name}.incomplete")
    fingerprint = _fingerprint(plan, shard_size)
    with _only_run(target):
        if target.exists():
            return _reopen(target, fingerprint)
        if not _is(work, fingerprint):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            (work / _PLAN).write_text(fingerprint)
        infos, skips, new = _write_splits(builder, plan, work, shard_size)
        _write_skips(work / SKIPPED, skips)
        builder.info.set_file_format("array_record", override=True)
        builder.info.set_splits(SplitDict(infos))
        builder.info.write_to_directory(work)
        for part in [*work.glob("*.part"), *work.glob("*.done.json")]:
            part.unlink()
        # Or a power failure could leave a dataset that only looks whole.
        sync_tree(work)
        work.rename(target)
    counts = {info.name: info.num_examples for info in infos}
    return Prepared(target, counts, skips, new)


def _fingerprint(plan: Plan, shard_size: int) -> str:
    keys = {name: [p.key for p in planned] for name, planned in plan.splits.items()}
    text = json.dumps([plan.options, shard_size, keys])
    return hashlib.sha256(text.encode()).hexdigest()


def _is(folder: Path, fingerprint: str) -> bool:
    mark = folder / _PLAN
    return mark.is_file() and mark.read_text() == fingerprint


@contextlib.contextmanager
def _only_run(target: Path) -> Iterator[None]:
    # The system drops the lock of a killed process; the empty file may stay.
    path = target.with_name(f".{target.name}.lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{target}: another run is preparing it") from error
        yield


def _reopen(target: Path, fingerprint: str) -> Prepared:
    if not _is(target, fingerprint):
        raise InputError(
            f"{target}: already there, and not from these files and options; remove it "
            "or choose another --data_dir"
        )
    counts = {name: sum(shards) for name, shards in read_info(target).splits.items()}
    rows = read_csv_rows(target / SKIPPED, columns=Skip._fields)
    return Prepared(target, counts, [Skip(**row) for _, row in rows], 0)


def _write_splits(
    builder: Any, plan: Plan, work: Path, shard_size: int
) -> tuple[list[Any], list[Skip], int]:
    infos, skips, new = [], list(plan.skips), 0
    total = sum(map(len, plan.splits.values()))
    with tqdm(total=total, unit="record", disable=None) as progress:
        for split, planned in plan.splits.items():
            files = tfds.core.ShardedFileTemplate(
                data_dir=epath.Path(work),
                dataset_name=builder.name,
                split=split,
                filetype_suffix="array_record",
            )
            starts = range(0, len(planned), shard_size)
            parts = [planned[start : start + shard_size] for start in starts]
            accounts = []
            for i, part in enumerate(parts):
                path = Path(
                    files.sharded_filepath(shard_index=i, num_shards=len(parts))
                )
                if path.exists():
                    progress.update(len(part))
                else:
                    _write_shard(path, part, builder.info.features, progress)
                    new += 1
                accounts.append(read_json(_account_of(path), _parse_account))
                skips += accounts[-1].skips
            infos.append(_split_info(split, accounts, files, skips))
    return infos, skips, new


def _split_info(
    split: str, accounts: list[_Account], files: Any, skips: list[Skip]
) -> Any:
    lengths = [account.records for account in accounts]
    if not sum(lengths):
        reason = skips[-1].detail if skips else "nothing was selected"
        raise InputError(f"{files.data_dir}: no record for split {split!r} ({reason})")
    return tfds.core.SplitInfo(
        name=split,
        shard_lengths=lengths,
        num_bytes=sum(account.size for account in accounts),
        filename_template=files,
    )


def _write_shard(
    path: Path, planned: Sequence[Planned], features: Any, progress: Any
) -> None:
    part = path.with_name(f"{path.name}.part")
    writer = ArrayRecordWriter(str(part), "group_size:1")
    records, size, skips = 0, 0, []
    try:
        for key, make in planned:
            progress.update()
            try:
                example = make()
            except InputError as error:
                skips.append(Skip(key, "damaged file", str(error)))
                continue
            data = features.serialize_example(example)
            writer.write(data)
            records += 1
            size += len(data)
    finally:
        writer.close()
    # The account first: a shard under its final name always has one.
    account = {"records": records, "bytes": size, "skips": skips}
    _account_of(path).write_text(json.dumps(account))
    for written in (_account_of(path), part):
        sync(written)
    part.rename(path)


def _parse_account(content: Any) -> _Account:
    account = as_object(content, "the file", keys=("records", "bytes", "skips"))
    skips = []
    for skip in as_list(account.get("skips"), "skips"):
        texts = [as_name(text, "a skip", "(?s).*") for text in as_list(skip, "a skip")]
        if len(texts) != len(Skip._fields):
            raise UnfitError(f"a skip of {len(texts)} texts")
        skips.append(Skip(*texts))
    records, size = (as_number(account.get(key), key) for key in ("records", "bytes"))
    return _Account(records, size, skips)


def _account_of(shard: Path) -> Path:
    return shard.with_name(f"{shard.name}.done.json")


def _write_skips(path: Path, skips: Sequence[Skip]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Skip._fields)
        writer.writerows(skips)
