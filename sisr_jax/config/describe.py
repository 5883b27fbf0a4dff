"""What each key of a configuration may be and what it means, from the sections."""

import dataclasses
import inspect
import itertools
import re
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from sisr_jax.config.sections import Config

_WIDTH = 88
_NAMES = {bool: "true or false", str: "text", int: "int", float: "float"}


class Key(NamedTuple):
    """One key of a configuration.

    Attributes:
        section: Dotted name of its section, `config` or below.
        about: First line of the section's docstring.
        name: Its name in there.
        kind: Its type and range, in words.
        value: What the configuration at hand says.
        meaning: From the section's docstring.
    """

    section: str
    about: str
    name: str
    kind: str
    value: Any
    meaning: str

    @property
    def path(self) -> str:
        """Dotted name, from `config` on."""
        return f"{self.section}.{self.name}"


def keys(values: Mapping[str, Any]) -> list[Key]:
    """Every key that a configuration has, in the order of the sections.

    Args:
        values: Nested mapping, for instance `ConfigDict.to_dict()`. Where sections have
            a `kind`, it decides which keys there are.
    """
    return list(_keys(Config, values, "config"))


def as_text(found: list[Key]) -> str:
    """The keys section by section: name and value, then type, range and meaning."""
    parts = []
    for (section, about), group in itertools.groupby(found, lambda key: key[:2]):
        parts.append(f"{textwrap.fill(f'{section}: {about}', _WIDTH)}\n")
        parts.extend(f"{key.path} = {key.value!r}\n{_paragraph(key)}" for key in group)
        parts.append("")
    return "\n".join(parts[:-1])


def meanings(section: Any) -> dict[str, str]:
    """The attributes that a section's docstring describes, with their text."""
    _, _, attributes = (inspect.getdoc(section) or "").partition("\nAttributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _keys(section: Any, values: Any, path: str) -> Iterator[Key]:
    hints = typing.get_type_hints(section, include_extras=True)
    about, texts = (inspect.getdoc(section) or "").split("\n")[0], meanings(section)
    for field in dataclasses.fields(section):
        value = values.get(field.name) if isinstance(values, Mapping) else None
        kinds = field.metadata.get("kinds", {})
        kind = value.get("kind") if isinstance(value, Mapping) else None
        hint = kinds.get(kind, hints[field.name])
        if dataclasses.is_dataclass(hint):
            for key in _keys(hint, value, f"{path}.{field.name}"):
                is_kind = kinds and key.path == f"{path}.{field.name}.kind"
                yield key._replace(kind=_options(kinds)) if is_kind else key
        else:
            meaning = texts.get(field.name, "")
            yield Key(path, about, field.name, _in_words(hint), value, meaning)


def _paragraph(key: Key) -> str:
    indent = " " * 4
    return textwrap.fill(
        f"{key.kind}. {key.meaning}",
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _in_words(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        kind, allowed = get_args(hint)
        return str(allowed) if kind is str else f"{_NAMES[kind]}, {allowed}"
    if get_origin(hint) is Literal:
        return _options(get_args(hint))
    if get_origin(hint) is tuple:
        items = [_in_words(item) for item in get_args(hint) if item is not Ellipsis]
        if Ellipsis in get_args(hint):
            return f"any number of ({items[0]})"
        same = len(set(items)) == 1
        return f"{len(items)} values: {items[0] if same else '; '.join(items)}"
    return _NAMES.get(hint, "a section")


def _options(names: typing.Iterable[str]) -> str:
    return f"one of {', '.join(map(repr, names))}"
