"""What the builders of published collections have in common."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from sisr_jax.data.shards import Plan, Planned


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
