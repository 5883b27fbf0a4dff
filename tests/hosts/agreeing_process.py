"""One process of several: what it reads, what it sees, and whether it agrees."""

import itertools
import json
import os
import sys

import numpy as np

from configs import ct_srgan
from sisr_jax.config import parse
from sisr_jax.data.pipeline import evaluation_batches, training_batches
from sisr_jax.errors import InputError
from sisr_jax.hosts import agreement
from sisr_jax.hosts.mesh import local_rows, make_mesh, to_devices, to_host


class Counted:
    """Images that say who they are, and how often each was read."""

    def __init__(self, count, shape):
        self.reads = []
        self._count, self._shape = count, shape

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        self.reads.append(index)
        image = np.linspace(-900, 900, np.prod(self._shape), dtype=np.float32)
        return image.reshape(self._shape) + index

    def name(self, index):
        return f"image {index}"


def share(mesh, kind, config):
    source = Counted(11, config.data.shape)
    rows = local_rows(mesh, config.data.batch_size)
    if kind == "training":
        batches = training_batches(source, config.data, seed=3, start_step=1, rows=rows)
    else:
        size = config.data.batch_size
        batches = evaluation_batches(source, config.data, batch_size=size, rows=rows)
    with batches:
        shares = list(itertools.islice(batches, 3))
    whole = [to_host(to_devices(batch, mesh)) for batch in shares]
    return {
        "rows": rows,
        "index": [batch.index.tolist() for batch in whole],
        "mean": [batch.hr.mean((1, 2, 3)).tolist() for batch in whole],
        "reads": source.reads,
    }


def outcome(action):
    try:
        return action()
    except InputError as error:
        return f"InputError: {error}"


def fail_on(process):
    def action():
        if agreement.jax.process_index() == process:
            raise InputError(f"bad file on {process}")
        return "fine"

    return action


def main(coordinator, num_processes, process_id):
    agreement.join(
        coordinator,
        num_processes=int(num_processes),
        process_id=int(process_id),
        heartbeat_seconds=10,
        environment=os.environ,
    )
    values = ct_srgan.get_config("quicktest")
    values.data.num_threads = 1  # reads in order
    config = parse(values.to_dict())
    found = {
        "is_first": agreement.is_first(),
        "together": outcome(lambda: agreement.together(fail_on(None))),
        "one_fails": outcome(lambda: agreement.together(fail_on(1))),
        "first_alone": outcome(lambda: agreement.first_alone(lambda: "written")),
        "all_agree": agreement.all_agree(agreement.is_first()),
        "same": outcome(lambda: agreement.check_same("seed", "5")),
        "differs": outcome(lambda: agreement.check_same("seed", process_id)),
        "training": share(make_mesh(), "training", config),
        "evaluation": share(make_mesh(), "evaluation", config),
    }
    print("FOUND", json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
