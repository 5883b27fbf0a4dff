"""Fewer scan lines, and scan conversion, as linear operators."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import kept_columns
from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_array
from sisr_jax.types import Key
from sisr_jax.ultrasound.columns import decimate_columns
from sisr_jax.ultrasound.scan_conversion import as_planes, blend, fan_taps
from sisr_jax.ultrasound.sector import CartesianGrid, PolarGrid

_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class LateralDecimation(LinearOperator):
    """Keeps every `factor`-th scan line, of images of any size it divides.

    Its transpose puts the lines back in their places, with zeros between.

    Attributes:
        factor: Lines for each line kept, at least 1.
        offset: First line kept, `0 <= offset < factor`.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> A = LateralDecimation(factor=4, offset=1)
        >>> kept = A(np.arange(8.0)[None])
        >>> print(kept, A.T(kept))
        [[1. 5.]] [[0. 1. 0. 0. 0. 5. 0. 0.]]
    """

    factor: int = dataclasses.field(metadata=_STATIC)
    offset: int = dataclasses.field(default=0, metadata=_STATIC)

    def __post_init__(self) -> None:
        factor, offset = kept_columns(self.factor, self.offset)
        object.__setattr__(self, "factor", factor)
        object.__setattr__(self, "offset", offset)

    @property
    def domain_shape(self) -> tuple[None, None]:
        """Depth and number of lines: any."""
        return None, None

    @property
    def range_shape(self) -> tuple[None, None]:
        """Depth and number of lines kept: any."""
        return None, None

    def __call__(
        self, x: Real[Array | np.ndarray, "*batch height width"], /
    ) -> Float[Array, "*batch height kept"]:
        """The lines kept, see `decimate_columns`."""
        return decimate_columns(x, factor=self.factor, offset=self.offset)

    def transpose(
        self, y: Real[Array | np.ndarray, "*batch height kept"], /
    ) -> Float[Array, "*batch height width"]:
        """`[*batch, height, kept]` to `[*batch, height, factor * kept]`."""
        y = as_array(y, "y")
        y = y.astype(jnp.promote_types(y.dtype, jnp.float32))
        between = (self.offset, self.factor - 1 - self.offset, self.factor - 1)
        unpadded = [(0, 0, 0)] * (y.ndim - 1)
        return lax.pad(y, jnp.zeros((), y.dtype), [*unpadded, between])

    def norm(self) -> Float[Array, ""]:
        """Largest singular value, 1."""
        return jnp.ones(())

    def precondition(
        self, residual: Real[Array | np.ndarray, "*batch height kept"]
    ) -> Float[Array, "*batch height kept"]:
        """The residual itself: `A A^T` is the identity."""
        residual = as_array(residual, "residual")
        return residual.astype(jnp.promote_types(residual.dtype, jnp.float32))

    def draw(self, key: Key) -> Float[Array, "height width"]:
        """A random image of 4 lines to keep, 16 samples deep."""
        return jax.random.normal(key, (16, 4 * self.factor))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class KeptLines(LinearOperator):
    """Keeps some scan lines at their places, and sets the others to 0.

    The same for any set of lines that `LateralDecimation` is for every `factor`-th, in
    arrays of a size that does not depend on how many are kept: in a batch each image
    may have its own lines.

    Attributes:
        kept: Above 0 for lines that are kept, and 0 for the others, `[*batch, lines]`.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound import KeptLines
        >>> A = KeptLines(jnp.array([1, 0, 0, 1]))
        >>> A(jnp.ones((2, 4))).tolist()
        [[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]
    """

    kept: Any

    @property
    def domain_shape(self) -> tuple[None, int]:
        """Depth, which is any, and number of lines."""
        return None, self._shape[-1]

    @property
    def _shape(self) -> tuple[int, ...]:
        # Not when it is made: leaves may be numbers, for instance axes of `vmap`.
        if not (shape := np.shape(self.kept)):
            raise ValueError(f"kept = {self.kept}: expected [..., lines]")
        return shape

    @property
    def range_shape(self) -> tuple[None, int]:
        """As of the domain."""
        return self.domain_shape

    @property
    def measured_share(self) -> float | Float[Array, "*batch"]:
        """The share of the lines that are kept."""
        return jnp.mean(as_array(self.kept, "kept") > 0, -1, dtype=jnp.float32)

    def __call__(
        self, x: Real[Array | np.ndarray, "*batch height width"], /
    ) -> Float[Array, "*batch height width"]:
        """The lines kept, zeros between."""
        x = as_array(x, "x")
        kept = as_array(self.kept, "kept").reshape(*self._shape[:-1], 1, -1) > 0
        if x.ndim < 2 or x.shape[-1] != kept.shape[-1]:
            raise ValueError(
                f"image of shape {x.shape}: expected [..., height, {kept.shape[-1]}]"
            )
        return jnp.where(kept, x.astype(jnp.promote_types(x.dtype, jnp.float32)), 0)

    def transpose(
        self, y: Real[Array | np.ndarray, "*batch height width"], /
    ) -> Float[Array, "*batch height width"]:
        """The same: a projection."""
        return self(y)

    def norm(self) -> Float[Array, ""]:
        """Largest singular value, 1."""
        return jnp.ones(())

    def precondition(
        self, residual: Real[Array | np.ndarray, "*batch height width"]
    ) -> Float[Array, "*batch height width"]:
        """The residual itself: `A A^T` is the identity on what is measured."""
        residual = as_array(residual, "residual")
        return residual.astype(jnp.promote_types(residual.dtype, jnp.float32))

    def draw(self, key: Key) -> Float[Array, "*batch height width"]:
        """Random images, 16 samples deep: one for each set of lines."""
        *batch, lines = self._shape
        return jax.random.normal(key, (*batch, 16, lines))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class ScanConversion(LinearOperator):
    """Draws beams as the sector they were acquired in, 0 outside; see `to_cartesian`.

    Attributes:
        polar: Where the samples are.
        cartesian: Where the pixels are.
        taps: The samples around each pixel. They are found on the host in float64
            when the operator is made, and kept in float32.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.ultrasound import CartesianGrid, PolarGrid, ScanConversion
        >>> polar = PolarGrid(radii=np.arange(0, 9), angles=np.deg2rad([-45, 0, 45]))
        >>> pixels = CartesianGrid(shape=(3, 5), spacing=(2, 2), origin=(0, -4))
        >>> A = ScanConversion(polar, pixels)
        >>> A.domain_shape, A.range_shape
        ((9, 3), (3, 5))
        >>> print(A(np.ones((9, 3))))  # below the apex the fan opens
        [[0. 0. 1. 0. 0.]
         [0. 1. 1. 1. 0.]
         [1. 1. 1. 1. 1.]]
    """

    polar: PolarGrid = dataclasses.field(metadata=_STATIC)
    cartesian: CartesianGrid = dataclasses.field(metadata=_STATIC)
    taps: Any = dataclasses.field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.taps is None:
            taps = fan_taps(self.polar, self.cartesian)
            single = {
                name: getattr(taps, name).astype("float32")
                for name in ("down", "right")
            }
            taps = jax.tree.map(jnp.asarray, taps._replace(**single))
            object.__setattr__(self, "taps", taps)

    @property
    def domain_shape(self) -> tuple[int, int]:
        """Numbers of samples along a line and of lines."""
        return self.polar.shape

    @property
    def range_shape(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return self.cartesian.shape

    def __call__(
        self, x: Real[Array | np.ndarray, "*batch depth line"], /
    ) -> Float[Array, "*batch height width"]:
        """Draws beams as a picture."""
        return blend(as_planes(x, "beams", self.domain_shape), self._taps(), 0.0)

    def transpose(
        self, y: Real[Array | np.ndarray, "*batch height width"], /
    ) -> Float[Array, "*batch depth line"]:
        """Adds each pixel to the samples it was read from, by their shares."""
        picture = as_planes(y, "picture", self.range_shape)
        # Of the picture, so that they are split over devices as it is.
        zeros = jnp.zeros_like(picture[..., :1, :1])
        beams = jnp.broadcast_to(zeros, (*picture.shape[:-2], *self.domain_shape))
        return jax.vjp(self, beams)[1](picture)[0]

    def _taps(self) -> Any:
        return lax.stop_gradient(self.taps)
