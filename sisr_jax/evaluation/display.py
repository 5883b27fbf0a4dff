"""How images are shown: physical units, and windows to look through."""

from typing import NamedTuple

import numpy as np

from sisr_jax.degradation import modality_named
from sisr_jax.evaluation.protocol import Protocol


class View(NamedTuple):
    """A window to look through.

    Attributes:
        name: What it is for, in a word.
        low: Physical value shown as black.
        high: Physical value shown as white.
    """

    name: str
    low: float
    high: float


class Display(NamedTuple):
    """How the images of a protocol are shown, the same for all methods.

    Attributes:
        unit: Unit of physical values.
        whole: Physical values that images hold as 0 and 1.
        views: Windows of the close-ups, at least one.
    """

    unit: str
    whole: View
    views: tuple[View, ...]

    @property
    def span(self) -> float:
        """Physical size of the range [0, 1] of the images."""
        return self.whole.high - self.whole.low

    def levels(self, images: np.ndarray, view: View) -> np.ndarray:
        """Grey levels of images that hold [0, 1]: 0 and 1 are the ends of a view.

        Values outside of the view are outside of [0, 1].
        """
        return (self.whole.low + images * self.span - view.low) / (view.high - view.low)


def display_of(protocol: Protocol) -> Display:
    """The display of a protocol; where its modality names no windows, one for all.

    Where each image has a range of its own, nothing physical is left to be shown.
    """
    if protocol.scale == "own":
        whole = View("own range", 0.0, 1.0)
        return Display("of range", whole, (whole,))
    modality = modality_named(protocol.modality)
    whole = View("window", *protocol.window)
    views = [View(*each) for each in modality.windows if each[0] in modality.shown]
    # One that has nothing in common with the window of the images would be one colour.
    seen = [v for v in views if v.low < whole.high and v.high > whole.low]
    return Display(modality.unit(protocol.window), whole, tuple(seen) or (whole,))
