"""Configurations made of parts, whose settings files and the command line know by their own names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def part(kind: type[T]) -> T:
    """Declare a field of a configuration that holds another one, and name its settings beside those of the whole."""
    made: T = dataclasses.field(default_factory=kind, metadata={"part": kind})
    return made


def part_of(field: dataclasses.Field[Any]) -> Any:
    """Return the class of the part that a field holds; None for a field that was not declared by `part`."""
    return field.metadata.get("part")


def flatten(config: Any) -> dict[str, Any]:
    """Return the settings of a configuration by name, those of its parts beside its own."""
    settings: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        settings |= flatten(value) if part_of(field) else {field.name: value}
    return settings


def build(kind: type[T], settings: Mapping[str, Any]) -> T:
    """Make a configuration from its settings by name, those of its parts beside its own: the inverse of `flatten`.

    Settings that are missing have their defaults. Raises TypeError for an unknown name, and what the configuration raises.
    """
    own = dict(settings)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if inner := part_of(field):
            names = [setting.name for setting in dataclasses.fields(inner) if setting.name in own]
            own[field.name] = build(inner, {name: own.pop(name) for name in names})
    return kind(**own)
