"""One training step of the same network in PyTorch for each line of input."""

import sys

import torch
from protocol import images, serve
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


def network() -> nn.Module:
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


def main(size: int) -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = network()
    degraded, hr = (
        torch.from_numpy(image).permute(0, 3, 1, 2).contiguous()
        for image in images(size)
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
    main(int(sys.argv[1]))
