"""What a degradation is."""

from collections.abc import Callable

from sisr_jax.types import DegradedImage, Image, Keys

# A pure function of one key, or one for each image; also a pytree of its arrays.
Degradation = Callable[[Keys, Image], DegradedImage]
