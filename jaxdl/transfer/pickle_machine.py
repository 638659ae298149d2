"""A machine for pickles that imports nothing and calls nothing but what ``jaxdl.transfer.names`` lists."""

from collections.abc import Callable
from typing import Any

from jaxdl.transfer import names
from jaxdl.transfer.faults import FileError
from jaxdl.transfer.records import Record

MOST_MARKS = 1000  # containers begun and not ended


class Machine:
    """A stack, a memory and a place in ``data``, all of which ``jaxdl.transfer.opcodes`` works on.

    Every method raises FileError for what a plain pickle of known names does not do.
    persistent: what stands for a persistent id, which is how PyTorch names a storage.
    """

    def __init__(self, data: bytes, position: int = 0, persistent: Callable[[Any], Any] | None = None):
        self.data, self.position, self.persistent = data, position, persistent
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise FileError("its pickle is cut short")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def line(self) -> str:
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise FileError("its pickle is cut short")
        return self.take(end + 1 - self.position)[:-1].decode("latin-1")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, kind: type | tuple[type, ...] = object) -> Any:
        if not self.stack:
            raise FileError("its pickle takes a value where there is none")
        return _of(kind, self.stack.pop())

    def top(self, *kinds: type) -> Any:
        value = self.pop(kinds)
        self.push(value)
        return value

    def mark(self) -> None:
        if len(self.outer) == MOST_MARKS:
            raise FileError(f"its pickle nests more than {MOST_MARKS} containers")
        self.outer.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        if not self.outer:
            raise FileError("its pickle ends a container that it did not begin")
        values, self.stack = self.stack, self.outer.pop()
        return values

    def put(self, index: int) -> None:
        self.memo[index] = self.top(object)

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise FileError("its pickle recalls a value that it did not store")
        self.push(self.memo[index])

    def persist(self) -> None:
        if self.persistent is None:
            raise FileError("its pickle names a storage where none can be")
        self.push(self.persistent(self.pop()))

    def make_global(self, module: str, name: str) -> None:
        self.push(names.find(module, name))

    def stack_global(self) -> None:
        name, module = self.pop(str), self.pop(str)
        self.make_global(module, name)

    def reduce(self) -> None:
        arguments, function = self.pop(tuple), self.pop()
        self.push(names.call(function, arguments))

    def new(self, keywords: bool) -> None:
        if keywords:
            self.pop(dict)
        self.pop(tuple)
        self.push(names.instance(self.pop()))

    def instance(self, kind: Any, arguments: list[Any]) -> None:
        self.push(names.call(kind, tuple(arguments)))

    def build(self) -> None:
        state, target = self.pop(), self.top(object)
        if not isinstance(target, Record):
            return  # attributes of an OrderedDict or a tensor: _metadata, hooks
        for part in state[:2] if isinstance(state, tuple) else (state,):  # the second of a pair: __slots__
            if isinstance(part, dict) and not target.state:
                target.state = part

    def set_items(self, values: list[Any]) -> None:
        target = self.top(dict, Record)
        if len(values) % 2:
            raise FileError("its pickle has a key without a value")
        items = target.items if isinstance(target, Record) else target
        for key, value in zip(values[::2], values[1::2], strict=True):
            items[names.key(key)] = value

    def append(self, values: list[Any]) -> None:
        target = self.top(list, Record)
        (target.entries if isinstance(target, Record) else target).extend(values)

    def add(self, values: list[Any]) -> None:
        self.top(set).update(map(names.key, values))


def _of(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind):
        raise FileError(f"its pickle has a {type(value).__name__} in a place where none can be")
    return value
