"""The peers: the learned primal-dual network of deepinv on three operators."""

import importlib
import sys
from importlib.metadata import version

import numpy as np
import protocol
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch_operators import Astra, Deepinv

# Only now: the operators' module has made deepinv importable.
networks = importlib.import_module("deepinv.models.PDNet")

OPERATORS = {
    "deepinv": lambda: Deepinv(exact=True),
    "deepinv, unmatched": lambda: Deepinv(exact=False),
    "ASTRA": Astra,
    "ASTRA, channels last": Astra,
    "ASTRA, recomputed": Astra,
}


class PrimalDual(nn.Module):
    """Adler & Öktem 2018, algorithm 3: from zeros, the operator divided by its norm.

    With `recomputed`, the backward pass computes iterations again, as ours does.
    """

    def __init__(self, operator, scale, *, recomputed: bool) -> None:
        super().__init__()
        self._operator, self._scale, self._recomputed = operator, scale, recomputed
        width, memory = protocol.WIDTH, protocol.MEMORY
        number = range(protocol.NUM_ITERATIONS)
        dual = [networks.PDNet_DualBlock(memory + 2, memory, nf=width) for _ in number]
        primal = [
            networks.PDNet_PrimalBlock(memory + 1, memory, nf=width) for _ in number
        ]
        self._dual, self._primal = nn.ModuleList(dual), nn.ModuleList(primal)

    def forward(self, measured: torch.Tensor) -> torch.Tensor:
        measured = measured / self._scale
        memory, size = protocol.MEMORY, protocol.SIZE
        dual = torch.zeros(1, memory, *measured.shape[2:])
        image = torch.zeros(1, memory, size, size)

        def iterate(dual_net, primal_net, dual, image):
            seen = self._operator.project(image[:, :1]) / self._scale
            dual = dual_net(dual, seen, measured)
            back = self._operator.back_project(dual[:, :1]) / self._scale
            return dual, primal_net(image, back)

        for nets in zip(self._dual, self._primal, strict=True):
            if self._recomputed:
                values = checkpoint(iterate, *nets, dual, image, use_reentrant=False)
            else:
                values = iterate(*nets, dual, image)
            dual, image = values
        return image[:, :1]


def norm(operator) -> float:
    """Largest singular value, by five power iterations."""
    x = torch.ones(1, 1, protocol.SIZE, protocol.SIZE)
    for _ in range(5):
        x = operator.back_project(operator.project(x / x.norm()))
    return float(x.norm().sqrt())


def main(name: str, work: str, path: str) -> None:
    at_rest = protocol.megabytes("VmRSS")
    torch.set_num_threads(2)
    torch.manual_seed(0)
    hr = torch.from_numpy(np.load(path, allow_pickle=False))[None, None]
    operator = OPERATORS[name]()
    with torch.no_grad():
        measured, scale = operator.project(hr), norm(operator)
    model = PrimalDual(operator, scale, recomputed=name.endswith("recomputed"))
    if name.endswith("channels last"):
        # What the convolutions then hand on to each other has this layout, too.
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), protocol.LEARNING_RATE)

    def call() -> float:
        if work == "infer":
            with torch.inference_mode():
                return ((model(measured) - hr) ** 2).mean().item()
        optimizer.zero_grad()
        loss = ((model(measured) - hr) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    def on_arrays(function):
        return lambda x: function(torch.from_numpy(x)[None, None])[0, 0].numpy()

    protocol.serve(
        call,
        versions=", ".join(f"{p} {version(p)}" for p in ("torch", _library(name))),
        parameters=sum(each.numel() for each in model.parameters()),
        adjoint_error=protocol.adjoint_error(
            on_arrays(operator.project), on_arrays(operator.back_project)
        ),
        at_rest=round(at_rest),
    )


def _library(name: str) -> str:
    return "deepinv" if name.startswith("deepinv") else "astra-toolbox"


if __name__ == "__main__":
    main(*sys.argv[1:])
