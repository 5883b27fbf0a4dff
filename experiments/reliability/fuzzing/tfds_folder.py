"""Small array_record datasets, as TFDS writes them, without TensorFlow."""

import contextlib
import io


def write_records(folder, features, records):
    """Writes one split, `train`; returns the folder with `dataset_info.json`."""
    import tensorflow_datasets as tfds

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, download_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate(records)

    builder = Tiny(data_dir=folder, file_format="array_record")
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare()
    return str(builder.data_dir)


def write_images(folder, feature, images):
    """As `write_records`, of a feature `image` alone."""
    return write_records(folder, {"image": feature}, [{"image": i} for i in images])
