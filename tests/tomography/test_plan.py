"""Matrices of the matmul method: their size, their use and what they compile to."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.hosts.mesh import batch_sharding, make_mesh
from sisr_jax.tomography import (
    ParallelBeam,
    back_project,
    fbp,
    plan,
    plan_sharding,
    radon,
)

# One without common slopes, one whose views share their matrices.
BEAMS = [ParallelBeam(20, 1000).every(48), ParallelBeam(17, 24)]
beams = pytest.mark.parametrize("beam", BEAMS, ids=["single", "mirrored"])


def image_of(beam, *batch):
    shape = (*batch, beam.size, beam.size)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def both_ways(image, beam):
    """Projection, gradient of its energy and reconstruction, in one program."""
    views, pull_back = jax.vjp(lambda x: radon(x, beam), image)
    return views, pull_back(views)[0], fbp(views, beam)


@beams
def test_a_plan_stands_for_its_beam(beam):
    image, planned = image_of(beam), plan(beam)
    assert planned.beam == beam
    assert plan(beam) is planned
    passed = jax.jit(both_ways)(image, planned)
    for ours, theirs in zip(passed, jax.jit(both_ways)(image, beam), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(
        radon(image, planned, method="reference"),
        radon(image, beam, method="reference"),
    )


@beams
def test_a_plan_passed_is_not_a_constant(beam):
    """Closed over, its matrices are; the ramp filter is one in either case."""
    planned, image = plan(beam), image_of(beam)
    total = sum(leaf.size for leaf in jax.tree.leaves(planned))

    def constants(function, *arguments):
        text = jax.jit(function).lower(*arguments).as_text()
        literals = re.findall(r'dense<"0x([0-9A-F]+)"', text)
        return sum(len(literal) // 8 for literal in literals)

    assert constants(both_ways, image, planned) <= beam.num_detectors**2
    assert constants(lambda x: both_ways(x, beam), image) > total / 2


def test_planning_inside_a_trace_leaks_nothing():
    beam = ParallelBeam(11, angles=[0.123, 1.0])
    first = jax.jit(lambda x: radon(x, beam))(image_of(beam))
    np.testing.assert_allclose(radon(image_of(beam), beam), first, atol=1e-5)


@beams
def test_products_only(beam):
    """No loop, no gather, and no scatter in the gradients."""
    text = jax.jit(both_ways).lower(image_of(beam, 2), plan(beam)).compile().as_text()
    assert "dot" in text
    for operation in ("scatter", " while(", "gather", "fft"):
        assert operation not in text, operation


@beams
def test_batches_shard_without_talking(beam):
    mesh, images = make_mesh(4), image_of(beam, 8)
    sharding = batch_sharding(mesh)
    function = jax.jit(both_ways, in_shardings=(sharding, None), out_shardings=sharding)
    for ours, theirs in zip(
        function(images, plan(beam)), both_ways(images, plan(beam)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    text = function.lower(images, plan(beam)).compile().as_text()
    for collective in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert collective not in text


@beams
def test_a_plan_can_be_split(beam):
    devices = np.array(jax.devices()[:4]).reshape(1, 4)
    mesh = jax.sharding.Mesh(devices, ("data", "model"))
    planned = plan(beam)
    split = jax.device_put(planned, plan_sharding(planned, mesh, "model"))
    for group in split.groups:
        for matrix in (group.shear_cos, group.detect_sin):
            assert matrix.addressable_shards[0].data.size == matrix.size // 4
    images = image_of(beam, 2)
    for ours, theirs in zip(
        jax.jit(both_ways)(images, split), both_ways(images, planned), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@beams
def test_half_precision_matrices(beam):
    image, exact = image_of(beam), plan(beam)
    rounded = plan(beam, dtype=jnp.bfloat16)
    for operator in (radon, lambda x, b: fbp(radon(x, b), b)):
        ours, theirs = (np.asarray(operator(image, b)) for b in (rounded, exact))
        assert ours.dtype == np.float32
        error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert 1e-5 < error < 6e-3
    projected = np.asarray(radon(image, rounded), np.float64)
    back_projected = np.asarray(back_project(projected, rounded), np.float64)
    np.testing.assert_allclose(
        (projected**2).sum(), (back_projected * image).sum(), rtol=2e-2
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("planned", ["bfloat16", "float32", "float64"])
@beams
def test_results_have_the_type_of_the_values(double_precision, beam, planned, dtype):
    """And the precision of the coarser of plan and values."""
    image = image_of(beam).astype(dtype)
    matrices = plan(beam, dtype=planned)
    found = jax.jit(both_ways)(image, matrices)
    expected = both_ways(image.astype(np.float64), plan(beam, dtype=np.float64))
    finest = {"bfloat16": 2e-2, "float32": 2e-6, "float64": 1e-12}
    tolerance = max(finest[planned], finest[dtype])
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        assert np.linalg.norm(ours - theirs) < tolerance * np.linalg.norm(theirs)
    if planned != "bfloat16":
        loop = jax.lax.fori_loop(
            0, 2, lambda _, x: back_project(radon(x, matrices), matrices), image
        )
        assert loop.dtype == dtype


def test_other_types_of_plans_are_refused():
    beam = ParallelBeam(8, 3)
    with pytest.raises(ValueError, match=r"dtype = float64: .* with jax_enable_x64"):
        plan(beam, dtype=np.float64)
    for dtype in ("float16", "int32"):
        with pytest.raises(ValueError, match=f"dtype = {dtype}: expected float32"):
            plan(beam, dtype=dtype)


@pytest.mark.slow
@pytest.mark.parametrize(("k", "megabytes"), [(16, 400), (1, 1200)])
def test_memory_of_the_matrices(k, megabytes):
    leaves = jax.tree.leaves(plan(ParallelBeam(512, 1000).every(k)))
    assert sum(leaf.nbytes for leaf in leaves) < megabytes * 1e6
