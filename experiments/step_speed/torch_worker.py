"""One training step of the same network in PyTorch for each line of input.

python torch_worker.py NETWORK SIZE
"""

import sys

import torch
from protocol import STAGE_WIDTHS, images, serve
from torch import nn

WIDTH = 64


def convolution(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


class Residual(nn.Module):
    """Adds the result of some layers to their input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


def generator() -> nn.Module:
    down, up = [], []
    for _ in range(4):
        down += [
            nn.PixelUnshuffle(2),
            convolution(4 * WIDTH, WIDTH),
            nn.PReLU(WIDTH),
        ]
        up += [convolution(WIDTH, 4 * WIDTH), nn.PixelShuffle(2), nn.PReLU(WIDTH)]
    blocks = [
        Residual(
            convolution(WIDTH, WIDTH),
            nn.BatchNorm2d(WIDTH),
            nn.PReLU(WIDTH),
            convolution(WIDTH, WIDTH),
            nn.BatchNorm2d(WIDTH),
        )
        for _ in range(5)
    ]
    trunk = Residual(*blocks, convolution(WIDTH, WIDTH), nn.BatchNorm2d(WIDTH))
    first = [convolution(1, WIDTH), nn.PReLU(WIDTH)]
    return nn.Sequential(*first, *down, trunk, *up, convolution(WIDTH, 1, 9))


class Stage(nn.Module):
    """`sisr_jax.models.UNet` of five estimates."""

    def __init__(self) -> None:
        super().__init__()
        first, *others = STAGE_WIDTHS
        self.head = nn.Sequential(
            nn.PixelUnshuffle(2), convolution(20, first), nn.PReLU(first)
        )
        down, up = [], []
        for above, width in zip(STAGE_WIDTHS, others, strict=False):
            layers = [nn.PixelUnshuffle(2), convolution(4 * above, width, 1)]
            down.append(nn.Sequential(*layers, nn.PReLU(width), block(width)))
            layers = [convolution(width, 4 * above, 1), nn.PixelShuffle(2)]
            up.append(nn.ModuleList([nn.Sequential(*layers), block(above)]))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(reversed(up))
        self.middle = block(STAGE_WIDTHS[-1])
        self.tail = nn.Sequential(convolution(first, 4), nn.PixelShuffle(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = x[:, :1]
        others = 10 * (x[:, 1:] - first)
        y = self.head(torch.cat([first, others], 1))
        skips = []
        for layers in self.down:
            skips.append(y)
            y = layers(y)
        y = self.middle(y)
        for (rise, blocks), skip in zip(self.up, reversed(skips), strict=True):
            y = blocks(rise(y) + skip)
        return first + self.tail(y) / 10


def block(width: int) -> nn.Module:
    layers = convolution(width, width), nn.PReLU(width), convolution(width, width)
    return Residual(*layers)


def main(network: str, size: int) -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = Stage() if network == "stage" else generator()
    degraded, hr = (
        torch.from_numpy(image).permute(0, 3, 1, 2).contiguous()
        for image in images(network, size)
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = ((model(degraded) - hr) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    serve(step)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
