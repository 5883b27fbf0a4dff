"""How pixels lie in a record of a TFDS folder, and how they are decoded with bounds.

Nothing here needs TensorFlow, nor OpenCV, which TFDS would use for 16-bit PNG. TFDS
alone would inflate a few bytes to any size; here an image has at most `MAX_PIXELS`
and a tensor at most `MAX_BYTES`.
"""

import io
import zlib
from typing import Any, Literal

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from sisr_jax.data.formats.headers import MAX_BYTES, MAX_IMAGES, MAX_PIXELS
from sisr_jax.errors import InputError, one_line

Encoding = Literal["png", "zlib", "raw"]

_TENSOR_ENCODING = {"zlib": "zlib", "raw": "bytes"}


def slice_feature(encoding: Encoding, shape: tuple[int, int]) -> Any:
    """The TFDS feature of one 16-bit slice `[height, width, 1]`.

    Args:
        encoding: `png`: smallest and slowest to decode; `zlib`; `raw`: fastest,
            only packed by the record file itself.
        shape: Height and width.
    """
    full = (*shape, 1)
    if encoding == "png":
        return tfds.features.Image(shape=full, dtype=np.uint16, encoding_format="png")
    return tfds.features.Tensor(
        shape=full, dtype=np.uint16, encoding=_TENSOR_ENCODING[encoding]
    )


def volume_feature(encoding: Encoding, shape: tuple[int, int]) -> Any:
    """The TFDS feature of a stack of 16-bit slices `[slices, height, width, 1]`."""
    if encoding == "png":
        return tfds.features.Sequence(slice_feature(encoding, shape))
    return tfds.features.Tensor(
        shape=(None, *shape, 1), dtype=np.uint16, encoding=_TENSOR_ENCODING[encoding]
    )


def decode_png(data: bytes) -> np.ndarray:
    """Stored values of an 8- or 16-bit grey PNG, `[height, width]`.

    Raises:
        InputError: If it is damaged, of another kind, or larger than `MAX_PIXELS`;
            the caller knows its name.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"PNG of {image.height}x{image.width} pixels, expected at most "
                    f"{MAX_PIXELS} in all"
                )
            if image.mode not in ("L", "I;16"):
                raise InputError(
                    f"PNG of mode {image.mode}, expected 8- or 16-bit grey"
                )
            return np.asarray(image)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"truncated or damaged PNG ({one_line(error)})") from error


class PngDecoder(tfds.decode.Decoder):
    """Decodes grey PNG with Pillow, one image or a sequence of them."""

    def decode_example(self, serialized_example: Any) -> np.ndarray:
        """See `decode_png`; `[height, width, 1]`."""
        return decode_png(serialized_example)[..., None]

    def decode_batch_example_np(self, serialized_example: Any) -> np.ndarray:
        """A stack of images of one size, `[images, height, width, 1]`."""
        images, total = [], 0
        for data in serialized_example:
            images.append(self.decode_example(data))
            total += images[-1].nbytes
            if len(images) > MAX_IMAGES or total > MAX_BYTES:
                raise InputError(
                    f"images of more than {MAX_BYTES} bytes, or more than {MAX_IMAGES}"
                )
        return np.stack(images)


class ZlibDecoder(tfds.decode.Decoder):
    """Inflates a tensor whose feature says `encoding="bytes"`."""

    def decode_example(self, serialized_example: Any) -> Any:
        """The tensor; its length must be what its shape says.

        Raises:
            InputError: If it inflates to more than `MAX_BYTES`, or is cut off.
        """
        if isinstance(serialized_example, dict):  # more than one side is not known
            value = _inflate(serialized_example["value"])
            return self.feature.decode_example_np(serialized_example | {"value": value})
        return self.feature.decode_example_np(_inflate(serialized_example))


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    inflated = stream.decompress(data, MAX_BYTES + 1)
    if len(inflated) > MAX_BYTES:
        raise InputError(f"inflates to more than {MAX_BYTES} bytes")
    if not stream.eof:
        raise InputError("a compressed tensor is cut off")
    return inflated
