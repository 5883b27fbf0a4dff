import hashlib
import json
import struct

import numpy as np
import pytest
from etils import epath
from safetensors.numpy import save

from sisr_jax.errors import InputError
from sisr_jax.inference.weights_file import read_weights, write_weights

PARAMS = {
    "a": {"kernel": np.linspace(-1, 1, 36).reshape(3, 3, 2, 2).astype(np.float32)},
    "b": {"bias": np.array([0.1, 1e-6], np.float32)},
}
ARRAYS = {"a/kernel": PARAMS["a"]["kernel"], "b/bias": PARAMS["b"]["bias"]}


@pytest.fixture
def path(tmp_path):
    return epath.Path(tmp_path) / "weights.safetensors"


def test_what_is_written_is_read(path):
    write_weights(path, PARAMS)
    found = read_weights(path, PARAMS)
    np.testing.assert_array_equal(found["b"]["bias"], PARAMS["b"]["bias"])
    kernel = found["a"]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, PARAMS["a"]["kernel"], rtol=2**-11)


def test_kernels_of_a_quarter_of_the_bits(path):
    kernel = PARAMS["a"]["kernel"] * np.array([1, 1e-3], np.float32)
    kernel[..., 1] -= kernel[..., 1].mean()
    params = {"a": {"kernel": kernel}, "b": PARAMS["b"], "c": {"k": np.zeros((2, 3))}}
    write_weights(path, params, narrow_from=6)
    found = read_weights(path, params)
    np.testing.assert_array_equal(found["b"]["bias"], params["b"]["bias"])
    np.testing.assert_array_equal(found["c"]["k"], params["c"]["k"])
    assert found["a"]["kernel"].dtype == np.float32
    for channel in range(2):  # each in steps of its own
        peak = np.abs(kernel[..., channel]).max()
        error = np.abs(found["a"]["kernel"] - kernel)[..., channel].max()
        assert error <= peak / 127 / 2 * 1.001


INT8 = {
    "a/kernel": np.ones((3, 3, 2, 2), np.int8),
    "a/kernel.scale": np.ones(2, np.float32),
    "b/bias": ARRAYS["b/bias"],
}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (ARRAYS | {"a/kernel.scale": np.ones(2, np.float32)}, "is not of this network"),
        (INT8 | {"b/bias": np.ones(2, np.int8)}, "'b/bias' is int8"),
        (INT8 | {"a/kernel.scale": np.ones(1, np.float32)}, r"of shape \(1,\)"),
        (INT8 | {"a/kernel.scale": np.ones(2, np.int8)}, "'a/kernel.scale' is int8"),
        (INT8 | {"a/kernel.scale": np.full(2, np.nan, np.float32)}, "are not finite"),
        (
            {
                **INT8,
                "a/kernel": np.full((3, 3, 2, 2), 127, np.int8),
                "a/kernel.scale": np.full(2, 3e38, np.float32),
            },
            "'a/kernel' holds numbers that are not finite",
        ),
        ({"a/kernel": ARRAYS["a/kernel"]}, "'b/bias' is missing"),
        (ARRAYS | {"c": np.zeros(2, np.float32)}, "'c' is not of this network"),
        (
            ARRAYS | {"b/bias": np.zeros(3, np.float32)},
            r"'b/bias' is float32 of shape \(3,\): expected float32 of \(2,",
        ),
        (ARRAYS | {"b/bias": np.zeros(2, np.int32)}, "'b/bias' is int32 of shape"),
        (ARRAYS | {"b/bias": np.array([1, np.inf], np.float32)}, "are not finite"),
    ],
)
def test_other_arrays_are_refused(path, arrays, message):
    path.write_bytes(save(arrays))
    with pytest.raises(InputError, match=rf"weights {path}: .*{message}"):
        read_weights(path, PARAMS)


def _header(text, size=None):
    return struct.pack("<Q", len(text) if size is None else size) + text


OVERLAPPING = {
    "a/kernel": {"dtype": "F32", "shape": [3, 3, 2, 2], "data_offsets": [0, 144]},
    "b/bias": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        _header(b"{}", 2**63),
        _header(b"{"),
        _header(b"[]"),
        _header(b"{}") + b"more",
        _header(json.dumps(OVERLAPPING).encode()) + bytes(144),
        save(ARRAYS)[:-1],
    ],
)
def test_what_is_no_such_file_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^weights .*") as caught:
        read_weights(path, PARAMS)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_hash_is_refused(path):
    write_weights(path, PARAMS)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    read_weights(path, PARAMS, sha256=digest)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    read_weights(path, PARAMS)
    with pytest.raises(InputError, match="not the file that its card is of"):
        read_weights(path, PARAMS, sha256=digest)


def test_a_file_that_is_too_large_is_not_read(path):
    path.write_bytes(bytes(2**20 + 4 * 38 + 1))
    with pytest.raises(InputError, match="more than 1048728 bytes"):
        read_weights(path, PARAMS)


def test_a_file_that_is_not_there(path):
    with pytest.raises(InputError, match=r"weights .*weights\.safetensors"):
        read_weights(path, PARAMS)
