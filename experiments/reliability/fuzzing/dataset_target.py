"""A prepared TFDS folder: two descriptions and the records."""

import json

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_data_source import ArrayRecordDataSource

from experiments.reliability.fuzzing.seeds import write_seeds
from experiments.reliability.fuzzing.targets import FOREIGN, AloneError, Target
from sisr_jax.data.record_features import FEATURES
from sisr_jax.data.records import Records


class DatasetTarget(Target):
    """The folder is read record by record."""

    specials = Target.specials | FOREIGN

    def __init__(self, folder):
        super().__init__(folder)
        self.keep(write_seeds(folder, "tfds"))
        self._data = self.files[0].parent
        self._shards = [str(p) for p in self.files if "array_record" in p.name]
        self._raw = list(ArrayRecordDataSource(self._shards))
        self._records = list(Records(str(self._data), "train"))

    def use(self, path):
        del path
        return list(Records(str(self._data), "train"))

    def fault(self, path, answer):
        if len(answer) != len(self._records):
            return f"{len(answer)} records, expected {len(self._records)}"
        expected = self._records
        if path.name == FEATURES:
            expected = [_by_tfds(path, data) for data in self._raw]
        for number, (record, other) in enumerate(zip(answer, expected, strict=True)):
            for name, value in other.items():
                if not _is_same(record.get(name), value):
                    return f"feature {name!r} of record {number} differs"
        return ""


def _by_tfds(path, data):
    """A record by TFDS alone, but for images, for which it takes TensorFlow.

    Only called once the package has accepted the description: its types are listed.
    """
    try:
        content = json.loads(path.read_text())
        features = tfds.features.FeatureConnector.from_json(content)
        features = tfds.features.FeaturesDict(
            {name: each for name, each in features.items() if not _is_image(each)}
        )
        return features.deserialize_example_np(data)
    except Exception as error:
        raise AloneError(f"{type(error).__name__}: {error}") from error


def _is_image(feature):
    return isinstance(feature, tfds.features.Image | tfds.features.Sequence)


def _is_same(value, other):
    if isinstance(other, dict):
        return isinstance(value, dict) and all(
            _is_same(value.get(name), each) for name, each in other.items()
        )
    value, other = np.asarray(value), np.asarray(other)
    return value.dtype == other.dtype and np.array_equal(value, other)
