"""A trained network as a function of an image, or a measurement and its operator."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, overload

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.config import Config
from sisr_jax.explicit_meshes import placed_alike
from sisr_jax.inference.devices import is_placed, local_mesh, over_devices
from sisr_jax.inference.tiling import restore_in_tiles, tiling_of
from sisr_jax.metrics import residual
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.error_scale import error_scale
from sisr_jax.reconstruction.null_space import null_space
from sisr_jax.reconstruction.starts import linear_estimate
from sisr_jax.types import Measurement

_null_space = jax.jit(null_space)

# Images at a time: the memory of a long series stays that of a few.
_TOGETHER = 4

FirstEstimate = Callable[[Float[Array, "..."], LinearOperator], Float[Array, "..."]]
# Values and operator to a measurement and side information, see `Degradation.received`.
Received = Callable[[Array, LinearOperator], tuple[Measurement, Any]]
# Of what all images share, and of some of them.
_Restore = Callable[[Any, Array], Any]
_Mapping = Callable[[_Restore, Any, Array], Any]


class Interval(NamedTuple):
    """Two images between which the truth is supposed to be, pixel by pixel.

    Attributes:
        lower: `[*batch, height, width]`, in [0, 1].
        upper: Same shape.
    """

    lower: Float[Array, "*batch height width"]
    upper: Float[Array, "*batch height width"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Restored:
    """What a restorer returns; a pytree.

    Attributes:
        image: `[*batch, height, width]`, float32, in units of the window's [0, 1].
        residual: `||A x - y|| / ||y||` of each image, `[*batch]`; 0 for an image that
            explains its measurement entirely.
        measurement: What was measured of the images; of IQ, what is shown of it.
        operator: What measured them.
        interval_multiple: Half the width of an interval over `error_scale`, as it was
            calibrated; None where it was not.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.inference import Restored
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> A, image = LateralDecimation(factor=4), np.full((16, 16), 0.5)
        >>> found = Restored(image, np.zeros(()), A(image) + 0.1, A)
        >>> print(f"{found.unexplained.mean():.2f}")  # of the measurement
        0.10
    """

    image: Float[Array, "*batch height width"]
    residual: Float[Array, "*batch"]
    measurement: Float[Array, "..."]
    operator: LinearOperator
    interval_multiple: float | None = dataclasses.field(
        default=None, metadata={"static": True}
    )

    @property
    def unexplained(self) -> Float[Array, "..."]:
        """What of the measurement the images do not explain, `y - A x`.

        Its norm along a view says which views do not fit.
        """
        return self.measurement - self.operator(self.image)

    @property
    def interval(self) -> Interval:
        """Where the truth is supposed to be, computed when asked.

        Intervals of weights in the box hold 90 % of a patient's pixels inside the body,
        on the mean over validation patients at every 16th view or column, of columns
        those that are missing (`experiments/learned_ct`, `experiments/ultrasound`): not
        of every patient, and not at every place.

        Raises:
            ValueError: If the card of the weights has no calibration.
        """
        if self.interval_multiple is None:
            raise ValueError(
                "no interval: the card of these weights has no calibration, expected "
                "'interval' with 'level' and 'multiple'"
            )
        scale = _error_scale(self.measurement, self.operator)
        half = self.interval_multiple * scale
        lower, upper = self.image - half, self.image + half
        return Interval(jnp.clip(lower, 0.0, 1.0), jnp.clip(upper, 0.0, 1.0))

    @property
    def null_space(self) -> Float[Array, "*batch height width"]:
        """What of the images did not come from the measurement, computed when asked.

        See `reconstruction.null_space.null_space`.
        """
        return _null_space(self.image, self.operator)


@dataclasses.dataclass(frozen=True, eq=False)
class Restorer:
    """Restores images from what is left of them.

    Call it under `jit`, `vmap` and `grad`, or as it is.

    Attributes:
        network: The generator, called as `sisr_jax.models` says.
        variables: Its parameters, and running averages if it has some.
        card: What is known of the weights, see `inference.load`.
        config: The configuration of the network; None if it was made by hand.
        estimate: The first image that the network is given of a measurement.
        received: What networks for side information make of a measurement that has
            some, such as IQ, see `Degradation.received`; None for all others.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.inference import Restorer
        >>> from sisr_jax.models import WideSRResNet
        >>> network = WideSRResNet(width=8, num_blocks=1, factor=4)
        >>> lines = jnp.full((1, 16, 4), 0.5)  # every fourth
        >>> init = jax.jit(network.init, static_argnames="train")
        >>> variables = init(jax.random.key(0), lines[..., None], train=False)
        >>> Restorer(network, variables)(lines).shape
        (1, 16, 16)
    """

    network: nn.Module = dataclasses.field(repr=False)
    variables: Any = dataclasses.field(repr=False)
    card: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    config: Config | None = dataclasses.field(default=None, repr=False)
    estimate: FirstEstimate = dataclasses.field(default=linear_estimate, repr=False)
    received: Received | None = dataclasses.field(default=None, repr=False)

    @overload
    def __call__(
        self, image: Float[Array, "*batch height degraded_width"], /
    ) -> Float[Array, "*batch height width"]: ...

    @overload
    def __call__(
        self, /, *, measurement: Float[Array, "..."], operator: LinearOperator
    ) -> Restored: ...

    def __call__(
        self,
        image: Float[Array, "*batch height degraded_width"] | None = None,
        /,
        *,
        measurement: Float[Array, "..."] | None = None,
        operator: LinearOperator | None = None,
    ) -> Float[Array, "*batch height width"] | Restored:
        """Restores degraded images, or the images of some measurements.

        A series is restored a few images at a time, and in tiles what is large, see
        `inference.tiling`. All devices of the process take part, unless images,
        operator or variables are traced or lie where `jax.device_put` put them, each
        image has views of its own, or `jax.set_mesh` has chosen.

        Args:
            image: `[*batch, height, width]`, degraded as those of training were and in
                units of the window's [0, 1], not clipped; for networks that look at
                nothing else. Ultrasound: the columns that are left.
            measurement: `[*batch, *operator.range_shape]`, of images in units of the
                window's [0, 1]: for CT, integrals of `(HU - low) / (high - low)` along
                rays, in pixels; of fan beams, in mm. Networks for side information
                expect what `Degradation.received` says, for instance IQ.
            operator: What measured them, for instance `ParallelBeamCT(beam)`.

        Returns:
            Of images, images in [0, 1]; of measurements, what `Restored` says.

        Raises:
            ValueError: If a shape does not fit, values are whole numbers, or complex
                for a network that is not for IQ, or the network looks at measurements
                and is given an image alone.
        """
        if (image is None) == (measurement is None):
            raise ValueError("expected either an image, or measurement= and operator=")
        if image is not None:
            if self.config and "measurement" in self.config.generator.sees:
                raise ValueError(
                    f"an image for {self.config.generator.kind!r}, which looks at the "
                    "measurement: expected measurement= and operator=; of a "
                    "back-projection, reconstruction.recovered_views has them"
                )
            placed = is_placed((self.variables, image))
            restore = self._restore_images if placed else self._deal_images
            return restore(self.variables, _floats(image, "image"))
        if operator is None:
            raise ValueError("no operator: expected what measured")
        placed = is_placed((self.variables, measurement, operator))
        restore = self._restore if placed else self._deal
        measurement = (
            jnp.asarray(measurement)
            if self.received
            else _floats(measurement, "measurement")
        )
        found, error, *explained = restore(self.variables, measurement, operator)
        # Returned by the program, the matrices of the operator would be copied.
        multiple = self.card.get("interval", {}).get("multiple")
        (values,) = explained or (measurement,)
        return Restored(found, error, values, operator, multiple)

    @functools.cached_property
    def _restore(self) -> Any:
        # Weights and operator are arguments: nothing is baked into the program.
        return jax.jit(functools.partial(self._restored, _a_few_at_a_time))

    @functools.cached_property
    def _restore_images(self) -> Any:
        return jax.jit(functools.partial(self._restored_images, _a_few_at_a_time))

    @functools.cached_property
    def _deal(self) -> Any:
        return jax.jit(functools.partial(self._restored, _on_all_devices))

    @functools.cached_property
    def _deal_images(self) -> Any:
        return jax.jit(functools.partial(self._restored_images, _on_all_devices))

    def _restored_images(
        self, mapped: _Mapping, variables: Any, images: Array
    ) -> Array:
        if images.ndim < 2:
            raise ValueError(f"image of shape {images.shape}: expected height, width")
        *batch, height, width = images.shape

        def restore(variables: Any, images: Array) -> Array:
            return self._any_size(variables, images, None, None)

        def restored(images: Array, variables: Any) -> Array:
            images = images.reshape(math.prod(batch), height, width)
            found = mapped(restore, variables, images)
            return found.reshape(*batch, *found.shape[1:])

        return placed_alike(restored, images, variables, axes=len(batch))

    def _restored(
        self, mapped: _Mapping, variables: Any, y: Array, operator: LinearOperator
    ) -> tuple[Array, ...]:
        unplaced = jax.ShapeDtypeStruct(y.shape, y.dtype)
        values, _ = jax.eval_shape(self._measured, unplaced, operator)[0]
        if values.ndim < len(operator.range_shape):
            raise ValueError(
                f"measurement of shape {y.shape}: expected the "
                f"{len(operator.range_shape)} axes of the operator's range"
            )
        image = jax.eval_shape(linear_estimate, values, operator)
        *batch, height, width = image.shape

        def restore(shared: tuple[Any, LinearOperator], y: Array) -> Any:
            variables, operator = shared
            image = self.measured_at_once(variables, y, operator)
            if image.shape[1:] != (height, width):
                raise ValueError(
                    f"the network restores {image.shape[1:]} of a measurement of "
                    f"{(height, width)}: expected the operator of its training"
                )
            values, _ = self._measured(y, operator)[0]
            error = residual(operator(image), values)
            return (image, error, values) if self.received else (image, error)

        def restored(y: Array, variables: Any, operator: LinearOperator) -> Any:
            y = y.reshape(math.prod(batch), *y.shape[len(batch) :])
            # An operator that measures each image in its own way has all at once.
            if jnp.ndim(operator.measured_share):
                found = restore((variables, operator), y)
            else:
                found = mapped(restore, (variables, operator), y)
            return tuple(each.reshape(*batch, *each.shape[1:]) for each in found)

        return placed_alike(restored, y, variables, operator, axes=len(batch))

    def _measured(self, y: Array, operator: LinearOperator) -> tuple[Measurement, Any]:
        return (self.received or _explained)(y, operator)

    def images_at_once(
        self, variables: Any, images: Float[Array, "batch height degraded_width"]
    ) -> Float[Array, "batch height width"]:
        """Restores degraded images, all together and whole."""
        return self._whole(variables, images, None, None)

    def measured_at_once(
        self, variables: Any, y: Float[Array, "batch ..."], operator: LinearOperator
    ) -> Float[Array, "batch height width"]:
        """Restores the images of some measurements, all together."""
        measurement, side = self._measured(y, operator)
        seen = measurement if side is None else (*measurement, side)
        return self._any_size(variables, self.estimate(*measurement), *seen)

    def _any_size(self, variables: Any, images: Array, *seen: Any) -> Array:
        tiling = tiling_of(self.config) if self.config else None
        if tiling is None or tiling.holds(images.shape[1:]):
            return self._whole(variables, images, *seen)

        def restore(tile: Array) -> Array:
            return self._whole(variables, tile, None, None)

        return restore_in_tiles(restore, images, tiling)

    def _whole(self, variables: Any, images: Array, *seen: Any) -> Array:
        output: Any = self.network.apply(
            variables, images[..., None], *seen, train=False
        )
        return jnp.clip(output[..., 0], 0.0, 1.0)


@jax.jit
def _error_scale(y: Array, operator: LinearOperator) -> Array:
    axes = y.ndim - len(operator.range_shape)
    return placed_alike(error_scale, y, operator, axes=axes)


def _explained(y: Array, operator: LinearOperator) -> tuple[Measurement, None]:
    return Measurement(y, operator), None


def _floats(values: Any, name: str) -> Float[Array, "..."]:
    """Grey levels of 0 to 255 would be restored as white."""
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        raise ValueError(
            f"{name} of type {values.dtype}: expected floats, in units of the window's "
            "[0, 1]"
        )
    return values.astype(jnp.float32)


def _a_few_at_a_time(function: _Restore, shared: Any, given: Array) -> Any:
    """Maps over parts of a batch, the last of which is filled up."""
    if len(given) == 0:  # reshapes of networks infer the number of images
        one = jax.ShapeDtypeStruct((1, *given.shape[1:]), given.dtype)
        found = jax.eval_shape(function, shared, one)
        return jax.tree.map(lambda leaf: jnp.zeros((0, *leaf.shape[1:])), found)
    if len(given) <= _TOGETHER:
        return function(shared, given)
    missing = -len(given) % _TOGETHER
    padded = jnp.concatenate([given, jnp.repeat(given[-1:], missing, 0)])
    parts = padded.reshape(-1, _TOGETHER, *given.shape[1:])
    return jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: len(given)],
        lax.map(functools.partial(function, shared), parts),
    )


def _on_all_devices(function: _Restore, shared: Any, given: Array) -> Any:
    if min(len(given), local_mesh().size) <= 1:
        return _a_few_at_a_time(function, shared, given)
    few = functools.partial(_a_few_at_a_time, function)
    return over_devices(few)(shared, given)
