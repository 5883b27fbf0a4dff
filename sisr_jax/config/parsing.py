"""From nested plain values to a checked `Config`."""

import dataclasses
import sys
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from sisr_jax.config.checks import ConfigError
from sisr_jax.config.rules import check_rules
from sisr_jax.config.sections import Config


def parse(values: Mapping[str, Any]) -> Config:
    """Turns nested plain values into a validated `Config`.

    Args:
        values: Nested mapping, for instance `ConfigDict.to_dict()`.

    Returns:
        The configuration, with every cross-field rule checked.

    Raises:
        ConfigError: Naming the key, its value and what was expected.
    """
    config = _parse_section(Config, values, "config")
    check_rules(config)
    return config


def _parse_section(section: Any, values: Any, path: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} = {values!r}: expected a section, not a value")
    hints = typing.get_type_hints(section, include_extras=True)
    names = [field.name for field in dataclasses.fields(section)]
    for key in values:
        if key not in names:
            raise ConfigError(f"{path}.{key}: unknown key; known: {', '.join(names)}")
    for key in names:
        if key not in values:
            raise ConfigError(f"{path}.{key}: missing")
    kinds = {
        field.name: field.metadata["kinds"]
        for field in dataclasses.fields(section)
        if "kinds" in field.metadata
    }
    return section(
        **{
            key: _parse_kind(kinds[key], values[key], f"{path}.{key}")
            if key in kinds
            else _parse_value(hints[key], values[key], f"{path}.{key}")
            for key in names
        }
    )


def _parse_value(hint: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _parse_section(hint, value, path)
    if get_origin(hint) is Annotated:
        return _parse_constrained(hint, value, path)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            options = ", ".join(repr(option) for option in get_args(hint))
            raise ConfigError(f"{path} = {value!r}: expected one of {options}")
        return value
    if get_origin(hint) is tuple:
        return _parse_tuple(get_args(hint), value, path)
    return _parse_scalar(hint, value, path)


def _parse_tuple(hints: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    is_sequence = isinstance(value, tuple | list)
    if hints[-1] is Ellipsis:
        if not is_sequence:
            raise ConfigError(f"{path} = {value!r}: expected any number of values")
        hints = (hints[0],) * len(value)
    if not is_sequence or len(value) != len(hints):
        raise ConfigError(f"{path} = {value!r}: expected {len(hints)} values")
    return tuple(
        _parse_value(hint, item, f"{path}[{i}]")
        for i, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _parse_constrained(hint: Any, value: Any, path: str) -> Any:
    kind, allowed = get_args(hint)
    parsed = _parse_scalar(kind, value, path)
    if parsed not in allowed:
        raise ConfigError(f"{path} = {value!r}: expected {allowed}")
    return parsed


def _parse_scalar(hint: type, value: Any, path: str) -> Any:
    if hint is float and type(value) is int and abs(value) < sys.float_info.max:
        value = float(value)
    if type(value) is not hint or value != value:
        raise ConfigError(f"{path} = {value!r}: expected {hint.__name__}")
    return value


def _parse_kind(sections: Mapping[Any, Any], value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path} = {value!r}: expected a section, not a value")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in sections:
        options = ", ".join(repr(option) for option in sections)
        raise ConfigError(f"{path}.kind = {kind!r}: expected one of {options}")
    return _parse_section(sections[kind], value, path)
