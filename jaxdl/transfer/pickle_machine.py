"""A machine for pickles that imports nothing and calls nothing but what ``jaxdl.transfer.names`` lists."""

import mmap
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from jaxdl.transfer import names
from jaxdl.transfer.faults import FileError
from jaxdl.transfer.numpy_arrays import Array, Dtype
from jaxdl.transfer.records import Record
from jaxdl.transfer.tensor import Tensor
from jaxdl.wording import shown

MOST_MARKS = 1000  # containers begun and not ended
# Opcodes of all pickles of a file, and what calls cost beyond theirs. A million take 2 s and 300 MB.
MOST_STEPS = 1_000_000
# Steps beyond the opcode's own for a set, a storage, a name and what is made by it; a tensor's dimensions are one each.
CALL = 2
MOST_NUMBER = 4000  # digits of a number in decimal
_NOTHING = object()


class Machine:
    """A stack, a memo and a position in ``data``, on which ``jaxdl.transfer.opcodes`` operates.

    Every method raises FileError for what a plain pickle of known names does not do.
    position: the byte of ``data`` where the next pickle begins; left: how many steps it and those behind it may take.
    persistent: returns the object of a persistent id, by which PyTorch names a storage.
    """

    def __init__(self, data: bytes | mmap.mmap, persistent: Callable[[Any], Any] | None = None):
        self.data, self.position, self.persistent = data, 0, persistent
        self.left = MOST_STEPS
        self.encoded = 0  # bytes made of texts
        self.clear()

    def clear(self) -> None:
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: list[Any] = []  # no dict: a file can choose numbers that a dict takes long to tell apart

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise FileError(f"its pickle takes more than {MOST_STEPS:,} steps, where a large model takes 50,000")

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

    def decimal(self, kind: Callable[[str], Any]) -> Any:
        text = self.line().removesuffix("L")
        if len(text) <= MOST_NUMBER:
            with suppress(ValueError):
                return kind(text)
        raise FileError(f"its pickle has {shown(text, 20)} for a number")

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
        if not 0 <= index < MOST_STEPS:
            raise FileError(f"its pickle stores a value at place {index}")
        self.memo.extend([_NOTHING] * (index + 1 - len(self.memo)))
        self.memo[index] = self.top(object)

    def get(self, index: int) -> None:
        if not 0 <= index < len(self.memo) or self.memo[index] is _NOTHING:
            raise FileError("its pickle recalls a value that it did not store")
        self.push(self.memo[index])

    def persist(self) -> None:
        if self.persistent is None:
            raise FileError("its pickle names a storage where none can be")
        self.spend(CALL)
        self.push(self.persistent(self.pop()))

    def make_global(self, module: str, name: str) -> None:
        self.spend(CALL)
        self.push(names.find(module, name))

    def stack_global(self) -> None:
        name, module = self.pop(str), self.pop(str)
        self.make_global(module, name)

    def reduce(self) -> None:
        arguments, function = self.pop(tuple), self.pop()
        self.instance(function, arguments)

    def new(self, keywords: bool) -> None:
        if keywords:
            self.pop(dict)
        self.pop(tuple)
        self.spend(CALL)
        self.push(names.instance(self.pop()))

    def instance(self, kind: Any, arguments: Iterable[Any]) -> None:
        made = names.call(kind, tuple(arguments))
        self.spend(CALL + len(made.shape) if isinstance(made, Tensor) else CALL)
        if isinstance(made, bytes):
            self.encoded += len(made)
            if self.encoded > len(self.data):  # else one text could be turned into bytes a hundred thousand times
                raise FileError("its pickle makes more bytes of texts than it has")
        if isinstance(made, Array) and made.tensor is not None:
            self.spend(len(made.tensor.shape))
        self.push(made)

    def build(self) -> None:
        state, target = self.pop(), self.top(object)
        if isinstance(target, Array | Dtype):
            target.set(state)
            self.spend(len(target.tensor.shape) if isinstance(target, Array) and target.tensor else 0)
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

    def make_set(self, values: list[Any]) -> None:
        self.spend(CALL)
        self.push(set(map(names.key, values)))

    def add(self, values: list[Any]) -> None:
        target = self.top(set, Record)
        if isinstance(target, set):
            target.update(map(names.key, values))


def _of(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind):
        raise FileError(f"its pickle has a {type(value).__name__} in a place where none can be")
    return value
