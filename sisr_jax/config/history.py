"""Configurations that earlier versions wrote into working folders.

A key that is new has, in a folder from before it, the value that leaves everything as
it was. `ADDED` is in the order in which the keys came.
"""

import copy
from collections.abc import Mapping
from typing import Any

# Section, key, and the value for folders that were made before.
ADDED: tuple[tuple[str, str, Any], ...] = (
    ("generator", "kind", "srresnet"),
    ("data", "split_by", "patient"),
    ("loss", "terms", ()),
    ("evaluation", "metrics", ()),
    ("discriminator", "kind", "srgan"),
    ("data", "crops_per_image", 1),
)
# The same, for sections of one kind.
ADDED_TO_KIND: tuple[tuple[str, str, str, Any], ...] = (
    ("generator", "cascade", "start_weights", (1.0, 5.0)),
    ("degradation", "sparse_view_ct", "views", (0, 0)),
    (
        "degradation",
        "sparse_view_ct",
        "dose",
        {"photons": (0.0, 0.0), "electronic_noise": 0.0, "pixel_mm": 0.7},
    ),
    ("degradation", "beam_decimation", "signal", "level"),
    (
        "degradation",
        "beam_decimation",
        "cine",
        {"frames": 1, "interleave": 0, "motion_mm": 0.0},
    ),
)
# Section, key, and the new name of a value.
RENAMED = (("degradation", "method", "exact", "reference"),)


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration of any earlier version, as this one has them.

    Values that are no sections, and keys that no version had, are left for `parse` to
    refuse.

    Args:
        values: Nested mapping, as read from a working folder.
    """
    new = copy.deepcopy(dict(values))
    for section, key, value in ADDED:
        if isinstance(new.get(section), dict):
            new[section].setdefault(key, value)
    for section, kind, key, value in ADDED_TO_KIND:
        if isinstance(new.get(section), dict) and new[section].get("kind") == kind:
            new[section].setdefault(key, copy.deepcopy(value))
    for section, key, old, name in RENAMED:
        if isinstance(new.get(section), dict) and new[section].get(key) == old:
            new[section][key] = name
    return new
