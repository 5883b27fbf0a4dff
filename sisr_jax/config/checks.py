"""The error of a configuration, and how a rule is stated."""

from typing import Any

from sisr_jax.errors import InputError


class ConfigError(InputError):
    """A configuration that cannot be run; the message names the key."""


def check(condition: bool, path: str, value: Any, expected: str) -> None:
    """Refuses a value.

    Args:
        condition: Whether the value will do.
        path: Dotted key below `config`.
        value: What was found.
        expected: What would do, for the message.

    Raises:
        ConfigError: If it will not.
    """
    if not condition:
        raise ConfigError(f"config.{path} = {value!r}: expected {expected}")
