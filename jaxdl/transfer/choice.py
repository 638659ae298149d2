"""The choice of one network's arrays among the state dicts of a file, and among the prefixes in each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jaxdl.errors import UserError
from jaxdl.transfer.libraries.derived import Derived
from jaxdl.transfer.prefixes import Placement, placements
from jaxdl.transfer.roles import is_average, is_main
from jaxdl.transfer.tensor import Tensor
from jaxdl.wording import shown

MOST_SHOWN = 5  # of what was left out, and of other places
RAW, AVERAGE = "raw", "ema"  # keys for what is the trained network's own, and for an average of it

Dicts = Mapping[str, Mapping[str, Any]]  # of what has a shape, by its name; by the keys that lead there


@dataclass(frozen=True)
class Choice:
    """One network's arrays: in the state dict under ``keys``, where ``placement`` says.

    differing: how many have another shape than the network's; absent: how many layers it may lack and does. others: the
    keys of those not taken, which fit as well.
    """

    keys: str
    placement: Placement
    whole: bool
    differing: int
    absent: int = 0
    others: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The keys and the prefix."""
        return ".".join(filter(None, (self.keys, self.placement.prefix.rstrip("."))))

    def remarks(self, *, asked: bool = False) -> list[str]:
        """Sentences on which was taken of several, and on what was left out. asked: whether a key named it."""
        said = []
        if self.others:
            there = ", ".join(repr(shown(other)) for other in self.others)
            verb = "is" if len(self.others) == 1 else "are"
            ways = ", ".join(f"weights_key {shown(other)}" for other in self.others)
            said.append(f"weights of {shown(self.keys or RAW)!r}; {there} {verb} there too: {ways}")
        elif is_average(self.place) and not asked:
            said.append(f"weights of {shown(self.place)!r}, an average: no others there are of this network")
        if self.placement.beside:
            said.append(f"left out, as no part of the network: {_grouped(self.placement.beside)}")
        return said


def choose(
    dicts: Dicts,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    needed: Collection[str] | None = None,
    spare: Collection[str] = (),
    optional: Collection[str] = (),
    free: Collection[str] = (),
) -> Choice:
    """The place that has every array of the network and nothing else, or else the one that has most.

    shapes: the network's, by PyTorch's names. needed: those names that must be there, and then others need not be used;
    None for all. spare: names that may be absent; optional: layers that may be absent with all that is in them; free:
    layers of any shape, as a classifier is. Of several places those that lack the fewest layers and, but for free
    ones, have the fewest other shapes; then the trained weights rather than their average.
    Raises UserError, naming them, where that leaves more than one.
    """
    found = []
    for keys, given in dicts.items():
        for placement in placements(given, shapes):
            absent = absent_layers(placement.names, optional)
            missing = any(
                name not in placement.names and name not in spare and not name.startswith(absent)
                for name in (shapes if needed is None else needed)
            )
            differing = sum(
                tuple(given[theirs].shape) != shapes[name]
                for name, theirs in placement.names.items()
                if name.rpartition(".")[0] not in free
            )
            whole = not missing and (needed is not None or not placement.unused)
            found.append(Choice(keys, placement, whole, differing, len(absent)))
    fitting = [each for each in found if each.whole]
    if not fitting:
        return max(found, key=lambda each: (len(each.placement.names), not is_average(each.place)))
    least = min((each.absent, each.differing) for each in fitting)
    fitting = _distinct([each for each in fitting if (each.absent, each.differing) == least], dicts)
    taken = _main(fitting)
    others = [_asked_by(each, fitting) for each in fitting if each is not taken][:MOST_SHOWN]
    return replace(taken, others=others)


def absent_layers(names: Collection[str], layers: Collection[str]) -> tuple[str, ...]:
    """Those of the layers in which none of the names is, each with a dot behind."""
    return tuple(f"{layer}." for layer in layers if not any(name.startswith(f"{layer}.") for name in names))


def narrowed(dicts: Dicts, key: str) -> dict[str, dict[str, Any]]:
    """Those of the state dicts that ``key`` means, each with those of its names that it means; none if it is unknown.

    key: the keys that lead to a state dict, with the first names of a part of it behind them or alone, joined by dots;
    or, where nothing is called so, ``RAW`` or ``AVERAGE``.
    """
    if key in dicts:
        return {key: dict(dicts[key])}
    part = f"{key}."
    found = {keys: dict(given) for keys, given in dicts.items() if keys.startswith(part)}
    for keys, given in dicts.items():
        for start in {part, part.removeprefix(f"{keys}.") if keys else part}:
            if under := {name.removeprefix(start): held for name, held in given.items() if name.startswith(start)}:
                found[".".join(filter(None, (keys, start[:-1])))] = under
    if found or key not in (RAW, AVERAGE):
        return found
    asked = {
        keys: {name: held for name, held in given.items() if is_average(_place(keys, name)) == (key == AVERAGE)}
        for keys, given in dicts.items()
    }
    return {keys: given for keys, given in asked.items() if given}


def _place(keys: str, name: str) -> str:
    """Where an array lies: of a name in a network, its first two parts are not the layer's own words."""
    return f"{keys}.{'.'.join(name.split('.')[:2])}"


def _main(fitting: list[Choice]) -> Choice:
    if len(fitting) == 1:
        return fitting[0]
    raw = [each for each in fitting if not is_average(each.place)]
    if len(raw) > 1:
        raw = [each for each in raw if is_main(each.keys)]
    if len(raw) != 1:
        ways = " or ".join(f"weights_key {shown(_asked_by(each, fitting))}" for each in fitting[:MOST_SHOWN])
        raise UserError(f"the weights hold this network {len(fitting)} times. Name one: {ways}.")
    return raw[0]


def _asked_by(choice: Choice, among: list[Choice]) -> str:
    """The key that asks for the one of several: that of its state dict, or its prefix where several are in one."""
    alone = sum(each.keys == choice.keys for each in among) == 1
    return (choice.keys if alone else choice.placement.prefix.rstrip(".")) or RAW


def _distinct(choices: list[Choice], dicts: Dicts) -> list[Choice]:
    """Without those that are the same arrays once more, as a module beside its own state dict is."""
    seen = {}
    for each in choices:
        given = dicts[each.keys]
        held = tuple(identity(given[theirs]) for _, theirs in sorted(each.placement.names.items()))
        seen.setdefault(held, each)
    return list(seen.values())


def identity(held: Any) -> tuple:
    """Where the values of a tensor or an array lie: equal for two that are the same ones."""
    if isinstance(held, Derived):
        return tuple(map(identity, held.parts))
    if isinstance(held, Tensor):
        stored = held.storage
        return stored.key, stored.begin, id(stored.content), held.offset, held.shape, held.strides
    if isinstance(held, np.ndarray):
        return held.ctypes.data, held.shape, held.strides
    return (id(held),)


def _grouped(names: list[str]) -> str:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    said = [shown(held[0]) if len(held) == 1 else f"{shown(first)}.* ({len(held)})" for first, held in groups.items()]
    more = f" and {len(said) - MOST_SHOWN} more" if len(said) > MOST_SHOWN else ""
    return ", ".join(said[:MOST_SHOWN]) + more
