"""Damaged and forged copies of files, the same ones for the same numbers."""

import json
import math
import struct
import zlib

import numpy as np

# Sizes and counts that a header may claim.
_FORGED = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**24 + 1)
# A module that lies where Python looks for modules; nothing may import it.
EVIL_MODULE = "evil_features"
# What a JSON file may hold in place of anything else.
_HOSTILE = (
    *(None, True, False, 0, -1, 1, 7, 1.5, 1e308, math.nan, math.inf),
    *(2**31, 2**63, 10**400, "", "0", "-1", "3", "nan", "train", "image", "uint8"),
    *(
        "..",
        "../secret",
        "/etc/passwd",
        "a\nb",
        "\x1b[2J",
        "\ud800",
        "\u202e",
        "x" * 999,
    ),
    *(f"{EVIL_MODULE}.Evil", "os.system", "tensorflow_datasets.core.features.Video"),
    *([], {}, [1] * 9, [[1]], {"a": {"a": 1}}, ["999999999999"] * 3),
    {"pythonClassName": f"{EVIL_MODULE}.Evil", "jsonFeature": {"json": "{}"}},
    {
        "type": f"{EVIL_MODULE}.Evil",
        "content": "{}",
        "proto_cls": f"{EVIL_MODULE}.Evil",
    },
)
_KEYS = ("pythonClassName", "type", "module", "path", "../a", "", "\n", "class")
_DEEP = 100_000
_MARK = "(here)"


def mutate(data: bytes, number: int, *, seed: int = 0) -> bytes:
    """Mutant `number` of a file: bytes flipped, cut off, moved or lengths forged."""
    rng = np.random.default_rng([seed, number, len(data)])
    mutant = bytearray(data)
    # Headers decide most; half of the damage goes there.
    reach = len(data) if rng.random() < 0.5 else min(len(data), 400)
    where = int(rng.integers(reach))
    kind = number % 5
    if kind == 0:
        for position in rng.integers(reach, size=rng.integers(1, 9)):
            mutant[position] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del mutant[where:]
    elif kind == 2:
        for position in rng.integers(reach, size=rng.integers(1, 4)):
            order = "<>"[rng.integers(2)]
            width, bound = [("H", 0xFFFF), ("I", 2**32 - 1)][rng.integers(2)]
            value = min(_FORGED[rng.integers(len(_FORGED))], bound)
            forged = struct.pack(order + width, value)
            mutant[position : position + len(forged)] = forged
    elif kind == 3:
        other = int(rng.integers(len(data)))
        length = int(rng.integers(1, 64))
        mutant[where : where + length] = data[other : other + length]
    else:
        mutant[where:where] = rng.bytes(int(rng.integers(1, 40)))
    if mutant[12:16] == b"IHDR" and number % 2:  # a forged header that is consistent
        mutant[29:33] = struct.pack(">I", zlib.crc32(mutant[12:29]))
    return bytes(mutant)


def mutate_json(data: bytes, number: int, *, seed: int = 0) -> bytes:
    """Mutant `number` of a JSON file: well formed, but of other fields and values."""
    rng = np.random.default_rng([seed, number, len(data)])
    content = json.loads(data)
    places = list(_places(content))
    place, key = places[rng.integers(len(places))]
    hostile = _HOSTILE[rng.integers(len(_HOSTILE))]
    kind = number % 6
    if kind == 0:
        del place[key]
    elif kind == 1:  # another key, or one that is twice in an object
        other, its = places[rng.integers(len(places))]
        new = _KEYS[rng.integers(len(_KEYS))] if rng.random() < 0.5 else its
        if isinstance(place, dict):
            place[_MARK] = hostile if rng.random() < 0.5 else place[key]
            text = json.dumps(content).replace(json.dumps(_MARK), json.dumps(new))
            return text.encode()
        place.append(hostile)
    elif kind == 2:  # of a value that is right elsewhere
        other, its = places[rng.integers(len(places))]
        place[key] = json.loads(json.dumps(other[its]))
    elif kind == 3 and rng.random() < 0.2:
        place[key] = _MARK
        deep = "[" * _DEEP + "]" * _DEEP
        return json.dumps(content).replace(json.dumps(_MARK), deep).encode()
    else:
        place[key] = hostile
    return json.dumps(content, indent=1).encode()


def _places(content):
    """Every container with each of its keys or indices."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(items):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)
