"""The features of a prepared TFDS folder, made from a list of known types.

`features.json` names a Python class for each feature, and TFDS imports its module.
Here a name is only looked up, among the types that DeepLesion and duke_ultrasound are
made of; keys and values are checked one by one, and TFDS is handed the result.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from sisr_jax.data.encodings import PngDecoder, ZlibDecoder
from sisr_jax.data.formats.headers import MAX_BYTES
from sisr_jax.data.json_fields import (
    UnfitError,
    as_list,
    as_name,
    as_number,
    as_object,
    read_json,
    show,
)

FEATURES = "features.json"

_NAME = "[A-Za-z0-9_]{1,100}"
# duke_ultrasound has one dictionary inside another.
_MAX_DEPTH, _MAX_DIMENSIONS = 3, 8
_DTYPES = ["bool", "string", "float32", "float64"]
_DTYPES += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


class Features(NamedTuple):
    """The features of a record.

    Attributes:
        connector: A `tfds.features.FeaturesDict`.
        decoders: What decodes in TFDS's place, nested as the features are.
    """

    connector: Any
    decoders: dict[str, Any]


# A feature, and its decoder; that of a dictionary is one of those inside.
_Made = tuple[Any, Any]


def read_features(folder: Path) -> Features:
    """Reads `features.json`.

    Raises:
        InputError: If it is missing or no such description, or has a feature of a
            type that is not known here.
    """
    return read_json(folder / FEATURES, _parse)


def _parse(content: Any) -> Features:
    connector, decoders = _make(content, 1)
    if not isinstance(connector, tfds.features.FeaturesDict):
        raise UnfitError("expected a FeaturesDict at the top")
    return Features(connector, decoders)


def _make(content: Any, depth: int) -> _Made:
    feature = as_object(content, "a feature")
    kind = feature.get("pythonClassName")
    if not isinstance(kind, str) or kind not in _TYPES:
        known = ", ".join(sorted(name.rpartition(".")[2] for name in _TYPES))
        raise UnfitError(f"feature of type {show(kind)}, expected one of {known}")
    if depth > _MAX_DEPTH:
        raise UnfitError(f"features more than {_MAX_DEPTH} deep")
    field, make = _TYPES[kind]
    keys = ("pythonClassName", "description", "valueRange", field)
    feature = as_object(feature, f"a {kind.rpartition('.')[2]}", keys=keys)
    return make(feature.get(field, {}), depth)


def _make_dictionary(content: Any, depth: int) -> _Made:
    fields = as_object(content, "featuresDict", keys=("features",))
    inner = {
        as_name(name, "name of a feature", _NAME): _make(feature, depth + 1)
        for name, feature in as_object(fields.get("features", {}), "features").items()
    }
    if not inner:
        raise UnfitError("a FeaturesDict without features")
    features = {name: feature for name, (feature, _) in inner.items()}
    decoders = {name: decoder for name, (_, decoder) in inner.items() if decoder}
    return tfds.features.FeaturesDict(features), decoders


def _make_sequence(content: Any, depth: int) -> _Made:
    fields = as_object(content, "sequence", keys=("feature", "length"))
    inner, decoder = _make(fields.get("feature"), depth + 1)
    length = as_number(fields.get("length", 0), "length")
    if not isinstance(inner, tfds.features.Image) or length != -1:
        raise UnfitError("a Sequence, expected one of images, of any length")
    return tfds.features.Sequence(inner), decoder


def _make_image(content: Any, depth: int) -> _Made:
    del depth  # has no features inside
    fields = as_object(content, "image", keys=("shape", "dtype", "encodingFormat"))
    shape, dtype = _parse_shape(fields), fields.get("dtype")
    encoding = fields.get("encodingFormat", "png")
    fits = len(shape) == 3 and shape[-1] == 1 and dtype in ("uint8", "uint16")
    if not fits or encoding != "png":
        raise UnfitError(
            f"image of shape {list(shape)}, type {show(dtype)}, encoding "
            f"{show(encoding)}; expected one channel of uint8 or uint16 as png"
        )
    image = tfds.features.Image(
        shape=shape, dtype=np.dtype(dtype).type, encoding_format="png"
    )
    return image, PngDecoder()


def _make_tensor(content: Any, depth: int) -> _Made:
    del depth
    fields = as_object(content, "tensor", keys=("shape", "dtype", "encoding"))
    shape, dtype = _parse_shape(fields), fields.get("dtype")
    encoding = fields.get("encoding", "none")
    packed = encoding in ("bytes", "zlib") and dtype != "string"
    if dtype not in _DTYPES or not (encoding == "none" or packed):
        raise UnfitError(f"tensor of type {show(dtype)}, encoding {show(encoding)}")
    if shape.count(None) > 1 and not packed:
        raise UnfitError("tensor of several unknown sides without an encoding")
    kind = np.str_ if dtype == "string" else np.dtype(dtype).type
    inflate = ZlibDecoder() if encoding == "zlib" else None
    tensor = tfds.features.Tensor(
        shape=shape, dtype=kind, encoding="bytes" if inflate else encoding
    )
    return tensor, inflate


def _make_text(content: Any, depth: int) -> _Made:
    del depth
    as_object(content, "text", keys=())  # a key would be an encoder's
    return tfds.features.Text(), None


def _parse_shape(fields: dict[str, Any]) -> tuple[int | None, ...]:
    shape = as_object(fields.get("shape", {}), "shape", keys=("dimensions",))
    items = as_list(shape.get("dimensions", []), "dimensions")
    sides = [as_number(item, "a dimension") for item in items]
    known = math.prod(side for side in sides if side != -1)
    if len(sides) > _MAX_DIMENSIONS or min(sides, default=1) < -1 or 0 in sides:
        raise UnfitError(f"dimensions {show(sides)}, expected -1 or 1 and more")
    if known > MAX_BYTES:
        raise UnfitError(f"dimensions {show(sides)}, expected at most {MAX_BYTES}")
    return tuple(None if side == -1 else side for side in sides)


_PLACE = "tensorflow_datasets.core.features"
# By class: the field of its content, and what makes it.
_TYPES: dict[str, tuple[str, Callable[[Any, int], _Made]]] = {
    f"{_PLACE}.features_dict.FeaturesDict": ("featuresDict", _make_dictionary),
    f"{_PLACE}.sequence_feature.Sequence": ("sequence", _make_sequence),
    f"{_PLACE}.image_feature.Image": ("image", _make_image),
    f"{_PLACE}.tensor_feature.Tensor": ("tensor", _make_tensor),
    f"{_PLACE}.scalar.Scalar": ("tensor", _make_tensor),
    f"{_PLACE}.text_feature.Text": ("text", _make_text),
}
