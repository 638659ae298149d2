"""Objects whose modules are imported when they are first used, so that what only lists their names starts at once."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Table(Mapping[str, Any]):
    """Read-only table of objects by name, each imported when it is taken.

    places: of each name, the module below ``package`` and what it is called there, ``"softmax.cross_entropy"``.
    """

    def __init__(self, package: str, places: Mapping[str, str]):
        self._package, self._places = package, dict(places)

    def __getitem__(self, name: str) -> Any:
        module, _, called = self._places[name].rpartition(".")
        return getattr(importlib.import_module(f"{self._package}.{module}"), called)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places


def exports(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562) with the names, set apart by spaces, of the modules below
    it, and with these modules.

    No name may be a module's: importing that would take its place. Type checkers are told of them beside it.
    """
    places = {name: f"{module}.{name}" for module, names in modules.items() for name in names.split()}
    table = Table(package, places)

    def get(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in table:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = table[name]
        setattr(sys.modules[package], name, found)  # so that this function is asked once
        return found

    return get, lambda: sorted({*vars(sys.modules[package]), *table, *modules})
