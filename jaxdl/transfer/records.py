"""Placeholders for the functions, classes and objects that a pickle names and this library does not build."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Global:
    """A function or class by its dotted name, never imported."""

    name: str


@dataclass(eq=False, slots=True)
class Record:
    """An object by the name of its class, with what the file would have set on it."""

    kind: str
    state: dict = field(default_factory=dict)
    items: dict = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)
