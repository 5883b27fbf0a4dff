import fcntl
import functools
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sisr_jax.data.plan import Plan, Planned, Skip
from sisr_jax.data.records import Records
from sisr_jax.data.shards import write_dataset
from sisr_jax.errors import InputError

COUNTS = {"train": 7, "test": 2}


def make_builder(folder):
    import tensorflow_datasets as tfds

    class Numbers(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"number": np.int32})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            raise AssertionError("not used")

        def _generate_examples(self):
            raise AssertionError("not used")

    return Numbers(data_dir=folder)


def make_plan(make=lambda i: {"number": i}, options="", skips=()):
    numbers = itertools.count()
    splits = {
        split: [
            Planned(f"{i}", functools.partial(lambda i: make(i), i))
            for i in itertools.islice(numbers, count)
        ]
        for split, count in COUNTS.items()
    }
    return Plan(splits, list(skips), options)


def write(folder, plan):
    return write_dataset(make_builder(folder), plan, shard_size=3)


def read(folder):
    return {
        split: [record["number"] for record in Records(str(folder), split)]
        for split in COUNTS
    }


EVERYTHING = {"train": list(range(7)), "test": [7, 8]}


class Stop(BaseException):
    pass


def stop_at(number, calls):
    def make(i):
        calls.append(i)
        if i == number:
            raise Stop
        return {"number": i}

    return make


def test_everything_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = set()

    def fsync(descriptor):
        assert not list(tmp_path.glob("numbers/1.0.0"))
        synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    folder = write(tmp_path, make_plan()).folder
    assert {path.stat().st_ino for path in folder.rglob("*")} <= synced


def test_everything_in_order(tmp_path):
    done = write(tmp_path, make_plan(skips=[Skip("a,b", "why", "x")]))
    assert done.records == COUNTS
    assert done.new_shards == 4
    assert read(done.folder) == EVERYTHING
    assert sorted(p.name for p in done.folder.iterdir() if p.suffix != ".json") == [
        "numbers-test.array_record-00000-of-00001",
        *(f"numbers-train.array_record-0000{i}-of-00003" for i in range(3)),
        "plan.sha256",
        "skipped.csv",
    ]
    again = write(tmp_path, make_plan(make=None))
    assert again == done._replace(new_shards=0)
    assert (done.folder / "skipped.csv").read_text().splitlines()[1] == '"a,b",why,x'


@pytest.mark.parametrize("number", range(9))
def test_stopped_run_goes_on_and_never_opens_half(tmp_path, number):
    calls = []
    with pytest.raises(Stop):
        write(tmp_path, make_plan(stop_at(number, calls)))
    with pytest.raises(ValueError, match=r"no dataset_info\.json"):
        Records(str(tmp_path / "numbers/1.0.0"), "train")
    assert not list(tmp_path.rglob("dataset_info.json"))
    calls.clear()
    done = write(tmp_path, make_plan(stop_at(None, calls)))
    first_open = number // 3 * 3 if number < 7 else 7
    assert calls == list(range(first_open, 9))  # finished shards are not made again
    assert read(done.folder) == EVERYTHING
    assert not list(done.folder.glob("*.part"))
    assert [p.name for p in done.folder.parent.iterdir() if p.name[0] != "."] == [
        "1.0.0"
    ]


@pytest.mark.parametrize("content", ["", "[]", '{"records": "x"}', "{}", "[" * 10**5])
def test_account_that_is_damaged(tmp_path, content):
    with pytest.raises(Stop):
        write(tmp_path, make_plan(stop_at(5, [])))
    [account] = tmp_path.rglob("*00000-of-00003.done.json")
    account.write_text(content)
    with pytest.raises(InputError, match=r"00003\.done\.json: ") as error:
        write(tmp_path, make_plan())
    assert "\n" not in str(error.value)


def test_changed_plan_starts_over(tmp_path):
    with pytest.raises(Stop):
        write(tmp_path, make_plan(stop_at(5, [])))
    done = write(tmp_path, make_plan(lambda i: {"number": -i}, options="negative"))
    assert read(done.folder)["train"] == [-i for i in range(7)]
    with pytest.raises(ValueError, match="already there, and not from these files"):
        write(tmp_path, make_plan())


def test_bad_records_are_left_out_and_accounted(tmp_path):
    def make(i):
        if i in (1, 3, 4, 5):  # the second shard stays empty
            raise InputError(f"file {i} is bad")
        return {"number": i}

    with pytest.raises(Stop):
        write(tmp_path, make_plan(lambda i: make(i) if i < 8 else stop_at(8, [])(8)))
    done = write(tmp_path, make_plan(make))
    assert done.skips[0] == Skip("1", "damaged file", "file 1 is bad")
    assert len(done.skips) == 4
    assert read(done.folder) == {"train": [0, 2, 6], "test": [7, 8]}
    assert done.records == {"train": 3, "test": 2}


def test_split_without_a_good_record(tmp_path):
    def make(i):
        if i > 6:
            raise InputError(f"file {i} is bad")
        return {"number": i}

    with pytest.raises(ValueError, match=r"no record for split 'test' \(file 8 is bad"):
        write(tmp_path, make_plan(make))


def test_only_one_run_at_a_time(tmp_path):
    (tmp_path / "numbers").mkdir()
    with (tmp_path / "numbers/.1.0.0.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another run is preparing it"):
            write(tmp_path, make_plan())
    assert write(tmp_path, make_plan()).records == COUNTS


def test_killed_process(tmp_path):
    code = """
import sys, time
from test_shards import make_plan, write
def make(i):
    if i == 4:
        print("here", flush=True)
        time.sleep(60)
    return {"number": i}
write(sys.argv[1], make_plan(make))
"""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1])])
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
    assert not list(tmp_path.rglob("dataset_info.json"))
    work = tmp_path / "numbers/1.0.0.incomplete"
    first = work / "numbers-train.array_record-00000-of-00003"
    before = first.stat().st_mtime_ns
    time.sleep(0.01)
    done = write(tmp_path, make_plan())
    assert (done.folder / first.name).stat().st_mtime_ns == before
    assert read(done.folder) == EVERYTHING
