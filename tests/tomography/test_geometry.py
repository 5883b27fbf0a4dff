import subprocess
import sys

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from skimage.transform import radon as skimage_radon

from sisr_jax.geometries import host_numbers
from sisr_jax.tomography import ParallelBeam
from sisr_jax.tomography.coordinates import join, split
from sisr_jax.ultrasound import CartesianGrid, PolarGrid


def test_equispaced_angles_exclude_the_endpoint():
    beam = ParallelBeam(size=512, num_angles=1000)
    np.testing.assert_allclose(beam.angles, np.arange(1000) * np.pi / 1000, rtol=1e-15)
    assert (beam.size, beam.num_angles, beam.num_detectors) == (512, 1000, 725)
    assert beam.angles.dtype == np.float64


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 100, 101, 128])
def test_number_of_detectors_is_that_of_skimage(size):
    expected = skimage_radon(np.zeros((size, size)), [0.0], circle=False).shape[0]
    assert ParallelBeam(size, 1).num_detectors == expected


@pytest.mark.parametrize(("k", "kept"), [(1, 1000), (16, 63), (32, 32), (1001, 1)])
def test_every_keeps_each_kth_angle(k, kept):
    beam = ParallelBeam(64, 1000)
    assert beam.every(k).num_angles == kept
    np.testing.assert_array_equal(beam.every(k).angles, beam.angles[::k])


@pytest.mark.parametrize("container", [list, tuple, np.array, jnp.array])
def test_explicit_angles(container):
    beam = ParallelBeam(size=8, angles=container([0.5, 0.25]))
    assert beam.angles.tolist() == [0.5, 0.25]
    assert beam == ParallelBeam(8, angles=[0.5, 0.25])


def test_equal_beams_share_one_compilation():
    traces = []

    def count(x, beam):
        traces.append(beam)
        return x * beam.num_angles

    jitted = jax.jit(count, static_argnames="beam")
    first, again = ParallelBeam(8, 20).every(4), ParallelBeam(8, 20).every(4)
    assert first == again
    assert hash(first) == hash(again)
    assert jitted(1.0, beam=first) == jitted(1.0, beam=again) == 5
    assert jitted(1.0, beam=ParallelBeam(8, 6)) == 6
    assert len(traces) == 2
    assert first != ParallelBeam(9, 20).every(4)


def test_a_beam_cannot_be_changed():
    beam = ParallelBeam(8, 4)
    with pytest.raises(AttributeError):
        beam.size = 9
    with pytest.raises(ValueError, match="read-only"):
        beam.angles[0] = 1.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        beam.angles.setflags(write=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0, "num_angles": 4}, "size = 0: expected at least 1"),
        ({"size": 8, "num_angles": 0}, "num_angles = 0: expected at least 1"),
        ({"size": 8}, "num_angles = None and angles missing"),
        ({"size": 8, "num_angles": 1, "angles": [0.0]}, "1 and angles given"),
        ({"size": 8, "angles": []}, r"angles of shape \(0,\)"),
        ({"size": 8, "angles": [0.0, np.nan]}, r"angles\[1\] = nan"),
        ({"size": 8, "angles": [-np.inf]}, r"angles\[0\] = -inf"),
    ],
)
def test_impossible_beams(arguments, message):
    with pytest.raises(ValueError, match=message):
        ParallelBeam(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, np.arange(3.0)), r"num_angles = array of shape \(3,\): .*angles=\.\.\.$"),
        ((8, [0.0, 1.0]), r"num_angles = array of shape \(2,\): .*angles=\.\.\.$"),
        ((8, 180.0), "num_angles = 180.0: expected a whole number of views"),
        ((8.0, 3), "size = 8.0: expected a whole number of pixels along a side"),
        (((8, 8), 3), r"size = array of shape \(2,\): expected a whole number"),
    ],
)
def test_other_types_are_refused_in_one_line(monkeypatch, arguments, message):
    # The type checker of the tests would be first to complain.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(TypeError, match=message) as error:
        ParallelBeam(*arguments)
    assert "\n" not in str(error.value)


def test_numbers_of_numpy_are_whole_numbers(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert ParallelBeam(np.int64(8), np.int32(3)) == ParallelBeam(8, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda a: ParallelBeam(8, angles=a),
        lambda a: ParallelBeam(8, angles=[0.0, a[1]]),
        lambda a: PolarGrid(a, [0.0, 1.0]),
        lambda a: PolarGrid([1.0, 2.0], a),
        lambda a: CartesianGrid((8, 8), (a[0], 1.0), (0.0, 0.0)),
        lambda a: CartesianGrid((8, 8), (1.0, 1.0), (a[0], 0.0)),
    ],
)
def test_traced_numbers_are_refused_in_one_line(monkeypatch, make):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)

    @jax.jit
    def size_of(angles):
        return jnp.zeros(len(make(angles).shape))

    with pytest.raises(TypeError, match="traced by jax, expected numbers") as error:
        size_of(jnp.array([0.5, 1.0]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "angles",
    [
        np.arange(180.0),
        np.linspace(0, 180, 64, endpoint=False),
        np.arange(0.0, -360.0, -7.5),
        [0, 5, 10],
        [0.0, 12.6],
    ],
)
def test_degrees_are_warned_of(angles):
    with pytest.warns(UserWarning, match="expected radians, these look like degrees"):
        beam = ParallelBeam(8, angles=angles)
    assert beam.every(2).num_angles == -(-len(angles) // 2)


@pytest.mark.parametrize(
    "angles",
    [
        np.deg2rad(np.arange(720)),
        np.linspace(0, 4 * np.pi, 9),
        np.linspace(-4 * np.pi, 0, 9, dtype=np.float32),
        [0, 1, 2, 3],
        [7.5],
    ],
)
def test_two_turns_of_radians_are_not_warned_of(angles):
    assert ParallelBeam(8, angles=angles).num_angles == len(angles)


def test_an_arc_in_degrees_is_warned_of():
    beam = ParallelBeam(8, 20)
    with pytest.warns(UserWarning, match="first and last up to 90: expected radians"):
        beam.within(0, 90)
    assert beam.within(-np.inf, 1.0).num_angles == 7
    assert beam.within(0.0, 2 * np.pi) == beam


def test_every_needs_a_positive_step():
    with pytest.raises(ValueError, match="k = 0"):
        ParallelBeam(8, 4).every(0)


def test_split_coordinates_add_up_exactly():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-400, 400, (2, 100_000))
    whole, fraction = join(split(a, np.float32), split(b, np.float32))
    error = np.asarray(whole, np.float64) + np.asarray(fraction) - (a + b)
    assert np.abs(error).max() < 2e-7  # a plain float32 sum is 3e-5 off
    assert fraction.min() >= 0
    assert fraction.max() <= 1


@pytest.mark.parametrize("room", ["tomography", "ultrasound"])
def test_physics_does_not_import_the_training_stack(room):
    code = (
        f"import sys, sisr_jax.{room}; bad = {{'flax', 'orbax', 'grain', 'clu', "
        "'tensorflow', 'tensorflow_datasets', 'optax'} & set(sys.modules); "
        "assert not bad, bad"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("angles", [[1j], ["1"], [b"1"]])
def test_angles_that_are_no_real_numbers(angles):
    with pytest.raises(TypeError, match=r"angles of type .*: expected real numbers"):
        host_numbers("angles", np.asarray(angles))
