"""The state dicts inside an unpickled object: found, named by their keys, and one of them chosen."""

from collections import deque
from typing import Any

from jaxdl.transfer.faults import FileError, shown
from jaxdl.transfer.records import Record
from jaxdl.transfer.tensor import Tensor

MOST_KEYS = 8  # from the file's top level to a state dict
MOST_DEPTH = 100  # of modules in modules
MOST_NAMES = 100_000  # modules and tensors together
MOST_LETTERS = 1000  # of a dotted name
_WRAPPERS = ("module.", "_orig_mod.")  # DataParallel, torch.compile


def find(root: Any) -> dict[str, dict[str, Tensor]]:
    """Every state dict by the keys that lead to it, joined by dots; ``""`` is the object itself.

    A state dict is a mapping that holds tensors under text, or a module: its parameters, its persistent buffers, then
    its children's, as ``Module.state_dict`` has them. What else a mapping holds (numbers, extra state) is left out.
    """
    found: dict[str, dict[str, Tensor]] = {}
    seen: set[int] = set()
    names = _Names()
    waiting = deque([((), root)])
    while waiting:
        keys, value = waiting.popleft()
        if id(value) in seen or len(keys) > MOST_KEYS:
            continue
        seen.add(id(value))
        if _is_module(value):
            tensors = names.of_module(value)
            children = {}
        else:
            children = _children(value)
            tensors = {name: held for name, held in children.items() if isinstance(held, Tensor)}
            names.check(*tensors)
        if tensors:
            found.setdefault(".".join(keys), tensors)
        waiting.extend(((*keys, name), child) for name, child in children.items() if _may_hold(name, child))
    return found


def select(found: dict[str, dict[str, Tensor]], key: str | None) -> dict[str, Tensor]:
    """The state dict under ``key``, or without one the largest, the first of equals: not one of an optimizer's.

    The prefixes that DataParallel and torch.compile put before every name, ``module.`` and ``_orig_mod.``, are taken
    off. Raises FileError, with the keys there are, where nothing is found.
    """
    if not found:
        raise FileError("holds no state dict: no mapping from names to tensors, and no module with parameters")
    if key is None:
        weights = {keys: tensors for keys, tensors in found.items() if not _of_optimizer(keys)}
        key = max(weights, key=lambda keys: _elements(weights[keys]), default=None)
    if key not in found:
        known = ", ".join(repr(shown(keys)) for keys in list(found)[:20])
        asked = "only an optimizer's state" if key is None else f"no state dict under the key {key!r}"
        raise FileError(f"holds {asked}. Keys: {known}")
    return unwrapped(found[key])


def unwrapped(tensors: dict[str, Any]) -> dict[str, Any]:
    """Without ``module.`` and ``_orig_mod.`` where every name begins with it."""
    for _ in range(MOST_DEPTH):
        prefix = next((each for each in _WRAPPERS if all(name.startswith(each) for name in tensors)), None)
        if prefix is None or not tensors:
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


class _Names:
    """Gathers modules' tensors within bounds that hold for the whole file."""

    def __init__(self):
        self.count = 0

    def check(self, *names: str) -> None:
        self.count += len(names)
        if self.count > MOST_NAMES or any(len(name) > MOST_LETTERS for name in names):
            raise FileError(f"it has more than {MOST_NAMES:,} names, or one of more than {MOST_LETTERS:,} letters")

    def of_module(self, module: Record, prefix: str = "", depth: int = 0) -> dict[str, Tensor]:
        if depth > MOST_DEPTH:
            raise FileError(f"it nests modules more than {MOST_DEPTH} deep")
        self.check(prefix)
        tensors: dict[str, Tensor] = {}
        passing = module.state.get("_non_persistent_buffers_set")
        for group in ("_parameters", "_buffers"):
            for name, held in _named(module, group):
                if held is None or (group == "_buffers" and isinstance(passing, set) and name in passing):
                    continue
                if not isinstance(held, Tensor):
                    kind = held.kind if isinstance(held, Record) else type(held).__name__
                    raise FileError(f"its {shown(prefix + name)} is no tensor but of the class {shown(kind)}")
                self.check(prefix + name)
                tensors[prefix + name] = held
        for name, child in _named(module, "_modules"):
            if isinstance(child, Record):
                tensors |= self.of_module(child, f"{prefix}{name}.", depth + 1)
        return tensors


def _is_module(value: Any) -> bool:
    return isinstance(value, Record) and {"_parameters", "_modules"} <= value.state.keys()


def _named(module: Record, group: str) -> list[tuple[str, Any]]:
    members = module.state.get(group)
    return [(name, held) for name, held in members.items() if type(name) is str] if isinstance(members, dict) else []


def _children(value: Any) -> dict[str, Any]:
    """What a mapping holds under text, and what a list holds; optimizers number their parameters' state: not that."""
    if isinstance(value, list | tuple):
        return {str(index): child for index, child in enumerate(value) if not isinstance(child, Tensor)}
    items = value.items if isinstance(value, Record) else value
    return {name: child for name, child in items.items() if type(name) is str} if isinstance(items, dict) else {}


def _may_hold(name: str, child: Any) -> bool:
    return len(name) <= MOST_LETTERS and isinstance(child, dict | list | tuple | Record)


def _elements(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.elements for tensor in tensors.values())


def _of_optimizer(keys: str) -> bool:
    return any(key.startswith("opt") for key in keys.split("."))
