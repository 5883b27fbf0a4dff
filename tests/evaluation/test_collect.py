import numpy as np

from sisr_jax.data.sources import open_source
from sisr_jax.evaluation.collect import collect
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.hosts.mesh import make_mesh


class WithAir:
    """A source one of whose images holds only air."""

    def __init__(self, source, air):
        self._source, self._air = source, air

    def __len__(self):
        return len(self._source)

    def name(self, index):
        return self._source.name(index)

    def __getitem__(self, index):
        image = self._source[index]
        return np.full_like(image, -1024) if index == self._air else image


def test_image_without_content_has_no_score(load_config):
    config = load_config("ct_srgan")
    source = WithAir(open_source(config.data, "test", seed=0), air=1)

    def estimate(batch, regions):
        del regions
        numbers = {"psnr": batch.index * 1.0, "ssim": batch.index * 0.0}
        return {"Copy": batch.hr}, {"Copy": numbers}

    found = collect(
        estimate, ["Copy"], source, config, make_mesh(), protocol_of(config), 2
    )
    indices = [i for i in range(len(source)) if i != 1]
    assert [score.psnr for score in found.scores] == indices
    assert [score.image for score in found.scores] == [source.name(i) for i in indices]
    assert len(found.examples["Copy"]) == 2
