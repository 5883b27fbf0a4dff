"""What the builders of published collections have in common."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from sisr_jax.data.plan import Plan, Planned
from sisr_jax.data.prepared import read_info
from sisr_jax.data.record_features import read_features
from sisr_jax.errors import InputError


class PlannedBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder whose records are planned before any of them is made.

    `shards.write_dataset` writes the plan shard by shard; TFDS itself, when its own
    `download_and_prepare` is called, generates the same records.
    """

    def plan(self, manual_dir: Path) -> Plan:
        """Plans the records of this configuration from the originals in a folder.

        Raises:
            InputError: If the originals are missing or unusable.
        """
        raise NotImplementedError  # every data set has its own

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        plan = self.plan(Path(dl_manager.manual_dir))
        return {
            split: self._generate_examples(planned)
            for split, planned in plan.splits.items()
        }

    def _generate_examples(
        self, planned: Sequence[Planned]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, make in planned:
            yield key, make()


def open_builder(
    kind: type[PlannedBuilder], data_dir: Path, config: tfds.core.BuilderConfig
) -> PlannedBuilder:
    """A builder whose folder, if it is there already, is read by us first.

    Args:
        kind: The builder.
        data_dir: Where prepared data goes.
        config: Which configuration; TFDS wants its own object for a name it knows.

    Raises:
        InputError: If the folder is there, but is no prepared one.
    """
    target = data_dir / kind.name / config.name / str(kind.VERSION)
    if target.exists():
        read_info(target)
        read_features(target)
    try:
        return kind(data_dir=str(data_dir), config=config)
    except Exception as error:  # of the many fields that only TFDS reads
        raise InputError(
            f"{target}: TFDS cannot open this folder ({type(error).__name__}); remove "
            "it or choose another --data_dir"
        ) from error
