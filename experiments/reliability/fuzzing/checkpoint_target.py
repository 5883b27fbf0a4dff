"""The newest checkpoint of a run, damaged anywhere."""

import gc

import jax
import numpy as np
from etils import epath

from experiments.reliability.fuzzing.small_states import bits, small_state
from experiments.reliability.fuzzing.targets import FOREIGN, Target
from sisr_jax.checkpoints.pretrained import load_weights
from sisr_jax.checkpoints.restore import CheckpointReader
from sisr_jax.checkpoints.save import Checkpointer
from sisr_jax.errors import InputError


class PassedOverError(InputError):
    """The damage was noticed, and the checkpoint before was used."""

    needs_warning = True


class CheckpointTarget(Target):
    """Two checkpoints; the state, or the weights of a network, are read."""

    specials = Target.specials | FOREIGN

    def __init__(self, folder):
        super().__init__(folder)
        self._workdir = epath.Path(folder)
        self._old, self._new = small_state(3, seed=1), small_state(8, seed=2)
        checkpointer = Checkpointer(self._workdir, keep_last=2, keep_steps=())
        for state in (self._old, self._new):
            checkpointer.save(state, validation_psnr=30.0)
        checkpointer.close()
        newest = (folder / "checkpoints" / "8").rglob("*")
        files = [path for path in newest if path.is_file()]
        # Those that hold arrays have random names.
        self.keep(sorted(files, key=lambda path: (path.parent, path.stat().st_size)))
        self._abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
            self._new,
        )
        self._turn = 0

    def use(self, path):
        self._turn += 1
        found, old, new = self._read_state()
        if self._turn % 2:
            found, old, new = self._read_weights()
        gc.collect()  # reads that Orbax left unfinished
        if found == old:
            raise PassedOverError("the checkpoint before was used")
        return found == new

    def _read_state(self):
        reader = CheckpointReader(self._workdir)
        try:
            found = reader.restore_newest(self._abstract)
        finally:
            reader.close()
        return bits(found), bits(self._old), bits(self._new)

    def _read_weights(self):
        name = ("generator", "discriminator")[self._turn // 2 % 2]
        network = getattr(self._new, name)
        found = load_weights(self._workdir, name, network)
        return _bytes_of(found["params"]), *(
            _bytes_of(
                s.generator_ema if name == "generator" else s.discriminator.params
            )
            for s in (self._old, self._new)
        )

    def fault(self, path, answer):
        return "" if answer else "it was restored as something else"


def _bytes_of(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]
