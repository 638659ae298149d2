"""A family of networks in another library: names there and in torchvision, line by line, and how it is known."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from jaxdl.transfer.libraries.derived import LAYOUTS, Layout, shifted

VARIANCE = "running_var"
_FIELD = re.compile(r"\{([a-z]+)(?:\*(\d))?(?:([+-]\d))?\}")
_LEAF = "leaf"  # the field that is no number: the last part of a name


class Name(NamedTuple):
    """A name translated: its layout, and which part of the array it is."""

    name: str
    layout: Layout | None
    part: int


@dataclass(frozen=True)
class Family:
    """Networks of one architecture in one library.

    library: its name. table: a line for each kind of array: the name there, torchvision's, and where the two differ in
    more, a key of ``LAYOUTS``, with the part of ours that theirs is. ``{i}`` is a number, which ``{i+1}`` and
    ``{i*2+1}`` are computed of, and ``{leaf}`` the last part of a name. A name that begins with ``^`` lies beside
    ``base``, in which transformers has all but the classifier. The first line that fits counts.
    marks: names there by which it is known, all of them; ours: such names in torchvision.
    widths: how many features the array of the first mark may have. spare: pattern of names that are not needed here.
    made: names there, and shapes of zeros, that a network must have and has no use for; ``width`` is the network's.
    shift: by how much the epsilon of its batch norms is greater than that of the network here.
    moved: whether the class token's position is a part of the class token there. headless: whether its classifier is
    another kind there, and the network without one is what is known.
    """

    library: str
    table: str
    marks: tuple[str, ...]
    ours: tuple[str, ...]
    base: str = ""
    widths: range = range(1, 2**31)
    spare: str = "$^"
    made: Mapping[str, tuple] | None = None
    shift: float = 0.0
    moved: bool = False
    headless: bool = False

    def fits(self, arrays: Mapping[str, Any], marks: tuple[str, ...], prefix: str = "") -> bool:
        """Whether the arrays under the prefix have the marks; what has a ``shape``, by name."""
        held = [arrays.get(prefix + mark) for mark in marks]
        return all(each is not None for each in held) and held[0].shape[:1] != () and held[0].shape[0] in self.widths

    def to_ours(self, name: str) -> Name | None:
        """torchvision's name; None for one that is in no line."""
        return self._translated(name, self._lines)

    def to_theirs(self, name: str) -> list[Name]:
        """Their names of what ours is made of; none for one that is in no line."""
        found: list[Name] = []
        for pattern, target, layout, part in self._inverse:
            if (match := pattern.fullmatch(name)) and (theirs := _filled(target, match)) is not None:
                found.append(self._name(theirs, layout, part))
                if layout is None or len(layout.parts) == len(found):
                    break
        return found

    def _translated(self, name: str, lines: list[tuple]) -> Name | None:
        for pattern, target, layout, part in lines:
            if (match := pattern.fullmatch(name)) and (ours := _filled(target, match)) is not None:
                return self._name(ours, layout, part)
        return None

    def _name(self, name: str, layout: Layout | None, part: int) -> Name:
        if self.shift and name.endswith(VARIANCE):
            return Name(name, self._shifted, 0)
        return Name(name, layout, part)

    @cached_property
    def _shifted(self) -> Layout:
        return shifted(self.shift)

    @cached_property
    def _lines(self) -> list[tuple]:
        return [(_pattern(theirs), (theirs, ours), *how) for theirs, ours, *how in _rows(self.table)]

    @cached_property
    def _inverse(self) -> list[tuple]:
        return [(_pattern(ours), (ours, theirs), *how) for theirs, ours, *how in _rows(self.table)]


def _rows(table: str) -> list[tuple]:
    rows = []
    for line in filter(None, map(str.strip, table.splitlines())):
        theirs, ours, *how = line.split()
        rows.append((theirs, ours, LAYOUTS[how[0]] if how else None, int(how[1]) if len(how) > 1 else 0))
    return rows


def _pattern(template: str) -> re.Pattern:
    """A pattern with a group for each field, of which a second one must be the same as the first."""
    seen: set[str] = set()
    pattern, end = "", 0
    for field in _FIELD.finditer(template):
        pattern += re.escape(template[end : field.start()])
        group = _group(field)
        if group in seen:
            pattern += f"(?P={group})"
        else:
            pattern += f"(?P<{group}>{r'[a-z_]+' if field[1] == _LEAF else r'[0-9]{1,4}'})"
            seen.add(group)
        end = field.end()
    return re.compile(pattern + re.escape(template[end:]))


def _group(field: re.Match) -> str:
    return f"{field[1]}_{field[2] or 1}_{(field[3] or '+0').replace('-', 'm').replace('+', 'p')}"


def _filled(templates: tuple[str, str], match: re.Match) -> str | None:
    """The second template with what the first one's fields have matched; None where a number cannot be so."""
    values: dict[str, Any] = {}
    for field in _FIELD.finditer(templates[0]):
        text = match[_group(field)]
        if field[1] == _LEAF:
            value = text
        else:
            value, rest = divmod(int(text) - int(field[3] or 0), int(field[2] or 1))
            if rest or value < 0:
                return None
        if values.setdefault(field[1], value) != value:
            return None
    return _FIELD.sub(
        lambda field: (
            values[field[1]] if field[1] == _LEAF else str(values[field[1]] * int(field[2] or 1) + int(field[3] or 0))
        ),
        templates[1],
    )
