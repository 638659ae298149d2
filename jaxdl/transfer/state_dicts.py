"""The state dicts inside an unpickled object: found, named by their keys, and one of them chosen."""

import itertools
import math
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from jaxdl.transfer.choice import identity, narrowed
from jaxdl.transfer.faults import FileError
from jaxdl.transfer.numpy_arrays import Array
from jaxdl.transfer.records import Record
from jaxdl.transfer.roles import is_average, is_main, is_optimizers
from jaxdl.transfer.tensor import Tensor
from jaxdl.wording import shown

SHOWN = 5  # keys
MOST_KEYS = 8  # from the file's top level to a state dict
MOST_DEPTH = 100  # of modules in modules
MOST_NAMES = 100_000  # modules, their members, tensors and containers together
MOST_LETTERS = 1000  # of a dotted name
_WRAPPER = re.compile(r"module\.|_orig_mod\.")  # DataParallel, torch.compile


def find(root: Any) -> dict[str, dict[str, Tensor]]:
    """Every state dict by the keys that lead to it, joined by dots; ``""`` is the object itself.

    A state dict is a mapping that holds tensors under text, or an object with such attributes, or a module: its
    parameters, its persistent buffers, then its children's, as ``Module.state_dict`` has them. NumPy's arrays are
    tensors. What else a mapping holds (numbers, extra state) is left out.
    """
    found: dict[str, dict[str, Tensor]] = {}
    seen: set[int] = set()
    names = _Names()
    waiting = deque([(0, "", "", root)])  # depth; the keys to what holds it, with a dot behind, and its own; itself
    while waiting:
        depth, above, name, value = waiting.popleft()
        if id(value) in seen or len(above) + len(name) > MOST_LETTERS:
            continue
        seen.add(id(value))
        keys = above + name
        if _is_module(value):
            tensors = names.of_module(value)
        else:
            tensors = {name: held for name, held in _children(value) if isinstance(held, Tensor)}
            names.check(*tensors)
            above = f"{keys}." if depth else ""
            for name, child in _children(value):
                if depth < MOST_KEYS and _may_hold(child):
                    names.spend(1)
                    waiting.append((depth + 1, above, name, child))
        if tensors:
            found.setdefault(keys, tensors)
    return found


def select(found: dict[str, dict[str, Tensor]], key: str | None) -> dict[str, Tensor]:
    """The state dict under ``key``, or without one the largest, the first of equals: not one of an optimizer's.

    Of several of one network it is the trained weights', not their average. The prefixes that DataParallel and
    torch.compile put before every name, ``module.`` and ``_orig_mod.``, are taken off. Raises FileError, with the keys
    there are, where nothing is found, and where one network's are under two keys of equal rank.
    """
    dicts = relevant(found, key)
    largest = max(dicts, key=lambda keys: _elements(dicts[keys]))
    alike = [keys for keys in dicts if _described(dicts[keys]) == _described(dicts[largest])]
    raw = [keys for keys in alike if not is_average(keys)] or alike
    main = [keys for keys in raw if is_main(keys)] or raw
    different = {tuple(map(identity, dicts[keys].values())) for keys in main if not keys.isdecimal()}
    if len(different) > 1 and key is None:
        ways = " or ".join(repr(shown(keys)) for keys in main[:SHOWN])
        raise FileError(f"holds {len(main)} state dicts of one network. Name one as key: {ways}")
    return unwrapped(dicts[main[0]])


def relevant(found: dict[str, dict[str, Tensor]], key: str | None) -> dict[str, dict[str, Tensor]]:
    """Those of the state dicts that ``key`` means, see ``choice.narrowed``; without one all but optimizers'.

    Raises FileError, with the keys there are, where that leaves none.
    """
    if not found:
        raise FileError(
            "holds no state dict: no mapping from names to tensors, and no module with parameters. In PyTorch, "
            "torch.save(model.state_dict(), path) writes one"
        )
    if key is not None:
        dicts = narrowed(found, key)
    else:
        dicts = {keys: tensors for keys, tensors in found.items() if not is_optimizers(keys)}
    if not dicts:
        keys = dict.fromkeys(name.partition(".")[0] for name in found[""]) if list(found) == [""] else found
        known = ", ".join(repr(shown(key)) for key in list(keys)[:20])
        asked = "only an optimizer's state" if key is None else f"no state dict under the key {key!r}"
        raise FileError(f"holds {asked}. Keys: {known}")
    return dicts


def unwrapped(tensors: dict[str, Any]) -> dict[str, Any]:
    """Without ``module.`` and ``_orig_mod.`` where every name begins with it."""
    first, last = min(tensors, default=""), max(tensors, default="")  # what both begin with, all between them do
    end = 0
    while (wrapper := _WRAPPER.match(first, end)) and last.startswith(wrapper.group(), end):
        end = wrapper.end()
    return {name[end:]: tensor for name, tensor in tensors.items()} if end else tensors


class _Names:
    """Gathers modules' tensors within bounds that hold for the whole file."""

    def __init__(self):
        self.count = 0

    def check(self, *names: str) -> None:
        self.spend(len(names))
        if len(max(names, key=len, default="")) > MOST_LETTERS:
            raise FileError(f"it has a name of more than {MOST_LETTERS:,} letters")

    def spend(self, count: int) -> None:
        self.count += count
        if self.count > MOST_NAMES:
            raise FileError(f"it has more than {MOST_NAMES:,} names of modules, tensors and what holds them")

    def of_module(self, module: Record) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        self._gather(tensors, module, "", 0)
        return tensors

    def _gather(self, tensors: dict[str, Tensor], module: Record, prefix: str, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise FileError(f"it nests modules more than {MOST_DEPTH} deep")
        self.check(prefix)
        passing = module.state.get("_non_persistent_buffers_set")
        for group in ("_parameters", "_buffers"):
            for name, held in self._named(module, group):
                if held is None or (group == "_buffers" and isinstance(passing, set) and name in passing):
                    continue
                held = _tensor(held)
                if not isinstance(held, Tensor):
                    kind = held.kind if isinstance(held, Record) else type(held).__name__
                    raise FileError(f"its {shown(prefix + name)} is no tensor but of the class {shown(kind)}")
                self.check(prefix + name)
                tensors[prefix + name] = held
        for name, child in self._named(module, "_modules"):
            if isinstance(child, Record):
                self._gather(tensors, child, f"{prefix}{name}.", depth + 1)

    def _named(self, module: Record, group: str) -> Iterator[tuple[str, Any]]:
        members = module.state.get(group)
        if isinstance(members, dict):
            self.spend(len(members))  # also for those that are passed over: a module may be in many places
            yield from ((name, held) for name, held in members.items() if type(name) is str)


def _is_module(value: Any) -> bool:
    return isinstance(value, Record) and {"_parameters", "_modules"} <= value.state.keys()


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """Children of a mapping or an object under text, and of a list; not under numbers, as optimizers keep state."""
    if isinstance(value, list | tuple):
        return ((str(index), child) for index, child in enumerate(value) if _may_hold(child))
    groups = (value.items, value.state) if isinstance(value, Record) else (value,)
    named = itertools.chain(*(group.items() for group in groups if isinstance(group, dict)))
    return ((name, _tensor(child)) for key, child in named if (name := _text(key)) is not None)


def _text(key: Any) -> str | None:
    if type(key) is bytes:
        with suppress(ValueError):
            return key.decode()
    return key if type(key) is str else None


def _tensor(held: Any) -> Any:
    return held.tensor if isinstance(held, Array) else held


def _may_hold(child: Any) -> bool:
    return isinstance(child, dict | list | tuple | Record)


def _elements(tensors: dict[str, Tensor]) -> int:
    return sum(math.prod(tensor.shape) for tensor in tensors.values())


def _described(tensors: dict[str, Tensor]) -> set[tuple[str, tuple[int, ...]]]:
    """Names and shapes without wrappers; what is a single number is no network's, but counts averages say."""
    several = {name: tensor for name, tensor in tensors.items() if tensor.shape}
    return {(name, tuple(tensor.shape)) for name, tensor in unwrapped(several).items()}
