"""Draws the figures of the page on physics.

python docs/generate/figures.py
"""

import matplotlib.pyplot as plt
import numpy as np

from docs.generate.scripts import ROOT

_FOLDER = ROOT / "docs" / "figures"
_SIZE = 96


def main() -> None:
    """Writes both of them."""
    _shear_and_sum().savefig(_FOLDER / "shear_and_sum.png", dpi=80)
    _fan().savefig(_FOLDER / "fan.png", dpi=80)


def _shear_and_sum() -> plt.Figure:
    at = np.arange(_SIZE) - _SIZE // 2
    x, r = np.meshgrid(at, at)
    image = 0.5 * (np.hypot(x / 34, r / 42) < 1) + 0.5 * (np.hypot(x - 12, r + 14) < 9)
    angle = np.deg2rad(30)
    slope, scale = -np.tan(angle), np.cos(angle)
    wide = np.arange(2 * _SIZE) - _SIZE
    sheared = np.stack(
        [np.interp(wide - slope * row, at, image[i]) for i, row in enumerate(at)]
    )
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    axes[0].imshow(image, cmap="gray", extent=(at[0], at[-1], at[-1], at[0]))
    for s in (-24, 0, 24):
        axes[0].plot((s + at * np.sin(angle)) / scale, at, color="tab:orange")
    axes[0].set(title="rays of the view at 30 degrees", xlabel="x", ylabel="r")
    axes[0].set(xlim=(at[0], at[-1]), ylim=(at[-1], at[0]))
    axes[1].imshow(sheared, cmap="gray", extent=(wide[0], wide[-1], at[-1], at[0]))
    for s in (-24, 0, 24):
        axes[1].axvline(s / scale, color="tab:orange")
    axes[1].set(title="every row shifted: rays are columns", xlabel="x + slope r")
    axes[2].plot(wide * scale, sheared.sum(0) / scale)
    axes[2].set(title="their sum, at the detectors", xlabel="s", ylabel="p(s)")
    return figure


def _fan() -> plt.Figure:
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
    for axis, view in zip(axes, (20, 110), strict=True):
        b = np.deg2rad(view)
        source = 2.2 * np.array([-np.sin(b), np.cos(b)])
        axis.plot([-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1], color="gray")
        axis.plot(*source, "o", color="tab:red")
        for g in np.linspace(-0.5, 0.5, 9):
            t, s = b + g, 2.2 * np.sin(g)
            foot, along = np.array([np.cos(t), np.sin(t)]) * s, [np.sin(t), -np.cos(t)]
            end = foot + 1.9 * np.array(along)
            axis.plot(*np.stack([source, end]).T, color="tab:orange", linewidth=0.8)
        corner = [[0.3, 0.3, 0.7], [0.7, 0.3, 0.3]]
        turned = (
            np.array(corner) if view == 20 else np.array([[0, -1], [1, 0]]) @ corner
        )
        axis.plot(*turned, color="tab:blue", linewidth=3)
        axis.set(aspect="equal", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6))
        axis.set_title(
            f"view {view} of {'an image' if view == 20 else 'the image turned'}"
        )
    return figure


if __name__ == "__main__":
    main()
