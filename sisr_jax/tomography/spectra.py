"""From the lines of an image to the spectra of their sheared sums, and back.

`linogram` derives the two steps: a series along every line, and for every frequency a
product over the lines. What processors want of the first differs, so there are two
orders of work with the same result. An ordinary processor is short of
multiplications: the series are split into even and odd offsets, which share
what is symmetric about a quarter of the frequencies. A TPU has multiplications to
spare and pays for every rearrangement: one product with the whole table.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.tomography.parity import pad


def sheared_sums(
    cosine: Float[Array, "planes half half"],
    sine: Float[Array, "planes half half"],
    dft_basis: Float[Array, "2 quarter_and_1 half"],
    shear: Float[Array, "frequencies half slopes"],
    along_rows: bool,
) -> Float[Array, "frequencies 2 planes slopes"]:
    """Cosine and sine series along the lines, sheared and summed over them.

    Planes keep an axis of their own here, so that they can be sharded.

    Args:
        cosine: Part of the image that is even along the lines.
        sine: Part that is odd along the lines.
        dft_basis: Cosines and sines of the series, up to a quarter of the
            frequencies.
        shear: Cosines, for parts that are even across the lines, or sines.
        along_rows: Whether lines are the rows of the image, else its columns.
    """
    layout = "pln" if along_rows else "pnl"

    def by_quarters(
        cosine: Array, sine: Array, dft_basis: Array, shear: Array
    ) -> Float[Array, "frequencies 2 planes slopes"]:
        series = [
            _series(cosine, dft_basis[0], 1, len(shear), layout),
            _series(sine, dft_basis[1], -1, len(shear), layout),
        ]
        return contract("kwpl,klt->kwpt", jnp.stack(series, axis=1), shear)

    def at_once(
        cosine: Array, sine: Array, dft_basis: Array, shear: Array
    ) -> Float[Array, "frequencies 2 planes slopes"]:
        table = _all_frequencies(dft_basis, len(shear))
        # A sum over 257 lines is laid out anew in memory, one over 256 is not.
        rim = shear.shape[1] - 1
        lines = jnp.stack([cosine, sine])
        line = layout.index("l") + 1
        inner = lax.slice_in_dim(lines, 0, rim, axis=line)
        outer = lax.index_in_dim(lines, rim, line, keepdims=False)
        inner = contract(f"wkn,w{layout}->wkpl", table, inner)
        outer = contract("wkn,wpn->kwp", table, outer)
        sums = contract("wkpl,klt->kwpt", inner, shear[:, :rim])
        return sums + outer[..., None] * shear[:, None, None, rim]

    return lax.platform_dependent(
        cosine, sine, dft_basis, shear, cpu=by_quarters, default=at_once
    )


def unsheared_parts(
    sums: Float[Array, "frequencies 2 planes slopes"],
    dft_basis: Float[Array, "2 quarter_and_1 half"],
    transposed_shear: Float[Array, "frequencies slopes half"],
    along_rows: bool,
) -> tuple[Float[Array, "planes half half"], Float[Array, "planes half half"]]:
    """Transpose of `sheared_sums`, with the matrix transposed beforehand.

    Returns:
        The parts that are even and odd along the lines.
    """

    def by_quarters(
        sums: Array, dft_basis: Array, transposed_shear: Array
    ) -> tuple[Array, Array]:
        lines = contract("kwpt,ktl->kwpl", sums, transposed_shear)
        order = (1, 2, 0) if along_rows else (1, 0, 2)
        cosine = _unseries(lines[:, 0], dft_basis[0], 1)
        sine = _unseries(lines[:, 1], dft_basis[1], -1)
        return cosine.transpose(order), sine.transpose(order)

    def at_once(
        sums: Array, dft_basis: Array, transposed_shear: Array
    ) -> tuple[Array, Array]:
        lines = contract("kwpt,ktl->kwpl", sums, transposed_shear)
        layout = "pln" if along_rows else "pnl"
        table = _all_frequencies(dft_basis, len(transposed_shear))
        parts = contract(f"wkn,kwpl->w{layout}", table, lines)
        return parts[0], parts[1]

    return lax.platform_dependent(
        sums, dft_basis, transposed_shear, cpu=by_quarters, default=at_once
    )


def spectra_of_views(
    detect: Float[Array, "slopes detectors frequencies"],
    half: Float[Array, "planes variants slopes detectors"],
) -> Float[Array, "variants frequencies planes slopes"]:
    """The spectrum of every view, from its even or its odd half.

    Args:
        detect: Cosines, for even halves, or sines.
        half: From the centre of the detector on.
    """

    def views_first(detect: Array, half: Array) -> Array:
        product = contract("tsk,tspv->tpvk", detect, half)
        return product.transpose(2, 3, 1, 0)

    def frequencies_first(detect: Array, half: Array) -> Array:
        # A TPU that is asked for the other order lets the few views wait for the large
        # matrix, and takes seven times as long.
        product = contract("tsk,tspv->tkpv", detect, half)
        return product.transpose(3, 1, 2, 0)

    half = half.transpose(2, 3, 0, 1)
    return lax.platform_dependent(
        detect, half, cpu=views_first, default=frequencies_first
    )


def contract(subscripts: str, first: Array, second: Array) -> Array:
    """Product in the precision of the coarser factor, summed in single or better."""
    dtype = min(first.dtype, second.dtype, key=lambda dtype: dtype.itemsize)
    return jnp.einsum(
        subscripts,
        first.astype(dtype),
        second.astype(dtype),
        # A TPU would round float32 factors to 8 bits otherwise. This keeps 16 (three
        # products of bfloat16 halves), far more than the model is worth, in half
        # the time of all 24; other processors compute in float32.
        precision=lax.Precision.HIGH,
        preferred_element_type=jnp.promote_types(dtype, jnp.float32),
    )


def _all_frequencies(
    dft_basis: Float[Array, "2 quarter_and_1 half"], num_frequencies: int
) -> Float[Array, "2 frequencies half"]:
    """The table continued past a quarter of the frequencies, see `_series`."""
    quarter = dft_basis.shape[1] - 1
    upper = dft_basis * jnp.array(
        (-1) ** np.arange(dft_basis.shape[2]), dft_basis.dtype
    )
    mirrored = upper[:, :-1] * jnp.array([1, -1], dft_basis.dtype)[:, None, None]
    beyond = upper[:, 1 : num_frequencies - 2 * quarter]
    return jnp.concatenate([dft_basis, mirrored, beyond], axis=1)


def _series(
    part: Float[Array, "planes half half"],
    basis: Float[Array, "quarter_and_1 half"],
    sign: int,
    num_frequencies: int,
    layout: str,
) -> Float[Array, "frequencies planes lines"]:
    """Cosine or sine series of even and odd offsets, put together.

    Half a turn past a quarter of the frequencies, `cos(pi n - a) = (-1)^n cos a` and
    `sin(pi n - a) = -(-1)^n sin a`; beyond it, the same with `+ a` and no minus.
    """
    quarter, axis = len(basis) - 1, layout.index("n")
    even, odd = (
        contract(f"kn,{layout}->kpl", *factors)
        for factors in zip(_by_turns(basis, 1), _by_turns(part, axis), strict=True)
    )
    upper = even - odd
    beyond = upper[1 : num_frequencies - 2 * quarter]
    return jnp.concatenate([even + odd, sign * upper[:-1], beyond])


def _by_turns(values: Float[Array, "..."], axis: int) -> tuple[Array, Array]:
    """What lies at even and at odd offsets along an axis."""
    size = values.shape[axis]
    even, odd = (
        lax.slice_in_dim(values, parity, size, stride=2, axis=axis) for parity in (0, 1)
    )
    return even, odd


def _unseries(
    spectrum: Float[Array, "frequencies planes lines"],
    basis: Float[Array, "quarter_and_1 half"],
    sign: int,
) -> Float[Array, "half planes lines"]:
    """Transpose of `_series`, with the positions first."""
    quarter = len(basis) - 1
    even_basis, odd_basis = _by_turns(basis, 1)
    lower, middle, upper = jnp.split(spectrum, [quarter + 1, 2 * quarter + 1])
    middle, stop = sign * middle, 1 + len(upper)
    mirrored = jnp.concatenate(
        [middle[:1], middle[1:stop] + upper, pad(middle[stop:], (0, 1), 0)]
    )
    even = contract("kn,kpl->npl", even_basis, lower + mirrored)
    odd = contract("kn,kpl->npl", odd_basis, lower - mirrored)
    # Even and odd offsets by turns; there may be one even offset more.
    pairs = jnp.stack([even, pad(odd, (0, len(even) - len(odd)), 0)], axis=1)
    lines = pairs.reshape(2 * len(even), *even.shape[1:])
    return lines[: len(even) + len(odd)]
