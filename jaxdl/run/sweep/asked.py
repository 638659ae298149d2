"""The flags of a sweep: those of ``jaxdl train``, some with several values."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxdl.errors import UserError, unknown
from jaxdl.run import flags
from jaxdl.run.config import SWEEPABLE, Config
from jaxdl.run.flags import flag, flag_name
from jaxdl.run.sweep.grid import Grid

MOST_MEMBERS = 4096
RANGE = re.compile(r"(\d{1,10}):(\d{1,10})(?::(\d{1,10}))?")


@dataclass(frozen=True, kw_only=True)
class Options(Config):
    """The flags, each with one value."""

    ensemble: bool = flag(False, "also test the ensemble: the members' averaged predictions", on_only=True)


class Asked(NamedTuple):
    """Parsed command line of a sweep.

    config: the first member's. grid: the members. given: the names of the configuration's flags that were given.
    """

    config: Config
    grid: Grid
    ensemble: bool
    given: frozenset[str]


def parse(argv: Sequence[str], recipes: Mapping[str, Config], command: str) -> Asked:
    """The sweep that the flags ask for; raises UserError for what is not understood. ``--help`` prints and exits."""
    lists, words = _lists(argv)
    name = flags.value_of(words, "--recipe", "quick")
    if name not in recipes:
        raise unknown("recipe", name, recipes)
    about = (
        "Train all combinations of the given values in one program. Flags that take several, comma-separated: "
        f"{', '.join(map(flag_name, SWEEPABLE))}; whole numbers also as 0:8 or 0:8:2. "
        f"Defaults are those of --recipe {name}; recipes: {', '.join(recipes)}."
    )
    options, given = flags.parse(words, Options(**_fields(recipes[name])), command, about, shown="in_sweep")
    for field in dataclasses.fields(Config):
        if field.name in given and not field.metadata["in_sweep"]:
            raise UserError(f"{flag_name(field.name)} does not go with a sweep; leave it out, or use jaxdl train.")
    config = Config(**_fields(options))
    swept = {field: _values(field, text, config) for field, text in lists.items()}
    grid = Grid(swept, seed=config.seed)
    if len(grid) > MOST_MEMBERS:
        raise UserError(f"{len(grid):,} members are more than the {MOST_MEMBERS:,} of one sweep; take fewer values.")
    return Asked(config, grid, options.ensemble, given - {"ensemble"})


def _fields(config: Config) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}


def _lists(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The flags with several values, as text, and ``argv`` with the first value of each."""
    fields = {flag_name(field.name): field for field in dataclasses.fields(Config)}
    found: dict[str, str] = {}
    words = list(argv)
    for place, word in enumerate(words):
        name, joined, text = word.partition("=")
        if name not in fields or (not joined and place + 1 == len(words)):
            continue
        text = text if joined else words[place + 1]
        several = "," in text or (":" in text and not text.startswith("-"))
        field = fields[name]
        if field.name in SWEEPABLE and (several or field.name in found):
            if field.name in found:
                raise UserError(f"{name} is given twice; give all its values at once, by comma.")
            found[field.name] = text
            first = _first(text)
            words[place : place + (1 if joined else 2)] = [f"{name}={first}"] if joined else [name, first]
        elif several and _takes_one(field):
            raise UserError(
                f"{name} takes one value, got {text!r}. Of several: {', '.join(map(flag_name, SWEEPABLE))}."
            )
    return found, words


def _first(text: str) -> str:
    return re.split("[,:]", text)[0]


def _takes_one(field: dataclasses.Field) -> bool:
    """Whether its value is a number or a name, in which there is no comma."""
    return bool(field.metadata["choices"]) or field.name == "recipe" or "str" not in str(field.type)


def _values(name: str, text: str, config: Config) -> tuple[float | int, ...]:
    """The values in ``0.01,0.03`` or ``0:4,7``, each within the flag's limits, none twice."""
    kind = int if name == "seed" else float
    values: list[float | int] = []
    for part in text.split(","):
        span = RANGE.fullmatch(part.strip())
        if span and kind is int:
            first, last, stride = int(span[1]), int(span[2]), int(span[3] or 1)
            if not stride or first >= last:
                raise UserError(
                    f"{flag_name(name)} {part} is an empty range; 0:8 is 0 to 7, 0:8:2 every second of them."
                )
            if len(range(first, last, stride)) > MOST_MEMBERS:
                raise UserError(f"{flag_name(name)} {part} is more than the {MOST_MEMBERS:,} members of one sweep.")
            values += range(first, last, stride)
            continue
        try:
            values.append(kind(part))
        except ValueError:
            expected = "whole numbers as 0,1,2 or 0:8" if kind is int else "numbers as 0.01,0.03"
            raise UserError(f"{flag_name(name)} takes {expected}, got {text!r}.") from None
    for value in values:
        dataclasses.replace(config, **{name: value})  # which raises where it is beyond its limits
    twice = {value for value in values if values.count(value) > 1} if len(values) <= MOST_MEMBERS else set()
    if twice:
        raise UserError(f"{flag_name(name)} has {min(twice)} twice; name each value once.")
    return tuple(values)
