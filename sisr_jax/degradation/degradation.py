"""What a degradation is: measurement, noise and first estimate."""

import abc
import dataclasses
from typing import Any

import jax
from jaxtyping import Array
from jaxtyping import Key as TypedKey

from sisr_jax.operators import LinearOperator
from sisr_jax.types import (
    DegradedImage,
    Image,
    Keys,
    Measurement,
    Picture,
    Plane,
    Truth,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Degradation(abc.ABC):
    """A measurement `y = A x + noise`, and the first estimate of `x` from `y`.

    A pytree of the arrays of its operator: passed to `jit` as an argument, it brings
    them along as inputs. Called with a key and images, it returns the first estimate.

    Attributes:
        operator: `A`, before any views of it are drawn.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.degradation import lateral_decimation
        >>> degrade, key = lateral_decimation(factor=4), jax.random.key(0)
        >>> hr = jnp.tile(jnp.arange(16) / 16, (2, 16, 1))[..., None]
        >>> measurement = degrade.measure(key, hr)
        >>> print(measurement.values[0, 0])
        [0.   0.25 0.5  0.75]
        >>> degrade.estimate(measurement).shape, degrade(key, hr).shape
        ((2, 16, 4, 1), (2, 16, 4, 1))
    """

    operator: LinearOperator

    @property
    def picture_weight(self) -> float:
        """Of the pixel loss of pictures, see `picture`, beside that of images."""
        return 0.0

    def truth(self, keys: Keys, images: Image) -> Truth:
        """What is measured: the images themselves, unless they are to be simulated.

        Args:
            keys: One for each image, or one for all of them; those of `measure`.
            images: `[batch, height, width, 1]` in [0, 1].

        Returns:
            Same shape and range; more channels, and another range, where more than
            images is measured, see `target`.
        """
        del keys
        return images

    def target(self, truth: Truth) -> Image:
        """What of the truth estimates are compared with: all, unless there is more.

        Returns:
            `[batch, height, width, 1]` in [0, 1].
        """
        return truth

    @property
    def has_pictures(self) -> bool:
        """Whether images are looked at as something else, see `picture`."""
        return False

    def picture(self, images: Image) -> Picture:
        """Images as they are looked at; linear, 0 where they show nothing."""
        return images

    @abc.abstractmethod
    def measure(self, keys: Keys, hr: Image) -> Measurement:
        """Measures images `[batch, height, width, 1]`.

        Args:
            keys: One for each image, or one for all of them.
            hr: Images in [0, 1], or what `truth` makes.
        """

    def side_information(self, truth: Truth) -> Any:
        """What is measured along with `measure`, and no image explains.

        Returns:
            A pytree of arrays `[batch, ...]` that networks see; None: nothing.
        """
        del truth
        return None

    def received(
        self, values: Array, operator: LinearOperator
    ) -> tuple[Measurement, Any]:
        """What somebody else measured, as `measure` and `side_information` have it.

        Args:
            values: `[*batch, *operator.range_shape]`, unless there is more.
            operator: What measured them.

        Raises:
            ValueError: If there is to be more, and shape or type is another.
        """
        return Measurement(values, operator), None

    @abc.abstractmethod
    def estimate(self, measurement: Measurement) -> DegradedImage:
        """The first estimate, `[batch, height, width // width_factor, 1]`."""

    def __call__(self, keys: Keys, hr: Image) -> DegradedImage:
        """Measures and estimates."""
        return self.estimate(self.measure(keys, hr))


def one_for_each(keys: Keys, count: int) -> TypedKey[Array, " images"]:
    """One key for each image of a batch."""
    return jax.random.split(keys, count) if keys.ndim == 0 else keys


def planes_of(images: Image) -> Plane:
    """The planes of images of one channel, `[*batch, height, width]`.

    Raises:
        ValueError: If there are several channels, or no axis of them.
    """
    if images.ndim < 3 or images.shape[-1] != 1:
        raise ValueError(
            f"images of shape {images.shape}: expected [batch, height, width, 1]"
        )
    return images[..., 0]
