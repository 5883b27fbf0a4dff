"""Damaged files of every format: an image or one clear line, never anything else."""

import numpy as np
import pytest

from experiments.reliability.fuzzing.file_target import FORMATS
from experiments.reliability.fuzzing.mutations import mutate, mutate_json
from experiments.reliability.fuzzing.targets import AloneError
from experiments.reliability.fuzzing.worker import make_target
from sisr_jax.errors import InputError

KINDS = (*FORMATS, "dataset")


@pytest.mark.parametrize("kind", KINDS)
def test_files_before_the_damage_are_read_as_others_read_them(tmp_path, kind):
    target = make_target(kind, tmp_path)
    answers, alone = [target.use(path) for path in target.files], []
    for path, answer in zip(target.files, answers, strict=True):
        try:
            assert target.fault(path, answer) == ""
        except AloneError:
            alone.append(path.name)
    # The others here lack these codecs, or mistake the byte order.
    assert alone == (["d.tif", "e.tif"] if kind == "tiff" else [])
    if kind == "dicom":  # plain, run lengths, deflated, big-endian, bare
        images = [image for _, [image] in answers]
        assert len(images) == 5
        for image in images:
            np.testing.assert_array_equal(image, images[0])


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_read_or_refused(tmp_path, kind):
    target, lines = make_target(kind, tmp_path), []
    for number in range(40):
        path = target.damage(number, seed=0)
        try:
            target.use(path)
        except InputError as error:
            lines.append(str(error))
        assert target.restore() in ([], [path]), "something was written"
    assert len(lines) > 10
    assert [line for line in lines if not line.isprintable() or "SECRET" in line] == []


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_the_same_in_every_run(tmp_path, kind):
    seeds = []
    for name in "ab":
        (tmp_path / name).mkdir()
        target = make_target(kind, tmp_path / name)
        seeds.append([path.read_bytes() for path in target.files])
    assert seeds[0] == seeds[1]


def test_mutants_are_the_same_in_every_run():
    data = bytes(range(256)) * 4
    changed = [mutate(data, number, seed=1) for number in range(50)]
    assert changed == [mutate(data, number, seed=1) for number in range(50)]
    assert len({*changed, data, *(mutate(data, i, seed=2) for i in range(50))}) > 95


def test_mutants_of_json_are_well_formed_and_different():
    data = b'{"name": "a", "splits": [{"name": "train", "shardLengths": ["3"]}]}'
    changed = [mutate_json(data, number) for number in range(200)]
    assert changed == [mutate_json(data, number) for number in range(200)]
    assert len(set(changed)) > 90
    assert all(text[:1] == b"{" for text in changed)
    assert b"[" * 100_000 in b"".join(changed)
