import dataclasses
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from sisr_jax.data.sources import CachedSource, Subset, open_source
from sisr_jax.evaluation.patients import patient_numbers

FILES = ["b__2.png", "b__1.png", "a__1.png", "c.png"]


@pytest.fixture
def folder(tmp_path, load_config):
    """Opens the test split of a CSV of four images with the given columns."""
    for name in FILES:
        pixels = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)
        Image.fromarray(pixels).save(tmp_path / name)

    def data(header, rows):
        lines = [header, *(f"{name},test{rest}" for name, rest in rows)]
        (tmp_path / "splits.csv").write_text("\n".join(lines) + "\n")
        return load_config(
            "us_srgan",
            data__source="folder",
            data__path=str(tmp_path),
            data__splits_csv=str(tmp_path / "splits.csv"),
        ).data

    return data


def groups(data):
    source = open_source(data, "test", seed=0)
    numbers = patient_numbers(source, data)
    return [source.name(i) for i in range(len(source))], numbers


def test_patients_of_the_csv(folder):
    rows = [(name, f",{who}") for name, who in zip(FILES, "xyyx", strict=True)]
    names, numbers = groups(folder("file,split,patient_id", rows))
    assert names == sorted(FILES)
    assert numbers == ["1", "1", "2", "2"]


def test_patients_of_the_names_without_a_column(folder):
    _, numbers = groups(folder("file,split", [(name, "") for name in FILES]))
    assert numbers == ["1", "2", "2", "3"]


def test_every_procedural_image_is_a_patient(load_config):
    data = load_config("ct_srgan").data
    assert groups(data)[1] == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["patient_index", "patient_id", "timestamp_id"])
def test_patients_of_records(load_config, name):
    class Records:
        who: ClassVar = [7, 3, 7, 3, 5]

        def __len__(self):
            return 5

        def __getitem__(self, index):
            raise AssertionError("pixels are not needed")

        def name(self, index):
            return f"record {index}"

        def details(self, index):
            return {name: self.who[index], "age": 50}

    data = dataclasses.replace(load_config("ct_srgan").data, source="tfds")
    whole = CachedSource(Records(), max_bytes=0)
    assert patient_numbers(whole, data) == ["1", "2", "1", "2", "3"]
    assert patient_numbers(Subset(whole, [1, 4, 3]), data) == ["1", "2", "1"]
