"""The tasks of the comparison, and how their images are scored."""

import pathlib

from configs import ct_srresnet, us_srresnet
from sisr_jax.config import Config, parse
from sisr_jax.data.sources import Source, open_source
from sisr_jax.data.splits import Split
from sisr_jax.degradation import Baselines
from sisr_jax.evaluation.protocol import Family
from sisr_jax.evaluation.scoring import Evaluation, score_protocol
from sisr_jax.hosts.mesh import make_mesh

_CONFIGS = {"ct": ct_srresnet, "us": us_srresnet}
_NUM_EXAMPLES = 4


def config_of(data: pathlib.Path, modality: str, factor: int) -> Config:
    """The configuration that a network would be trained with on these images."""
    values = _CONFIGS[modality].get_config()
    values.data.source = "folder"
    values.data.path = str(data / modality)
    values.data.splits_csv = str(data / "manifest.csv")
    values.degradation.factor = factor
    values.evaluation.batch_size = 8
    return parse(values.to_dict())


def split_of(config: Config, split: Split) -> Source:
    """The images of a split."""
    return open_source(config.data, split, seed=config.seed)


def measure(
    config: Config, family: Family, source: Source, baselines: Baselines | None = None
) -> Evaluation:
    """Scores of all images, and some of them as examples."""
    return score_protocol(
        config,
        family,
        source,
        make_mesh(),
        baselines=baselines,
        num_examples=min(_NUM_EXAMPLES, len(source)),
    )
