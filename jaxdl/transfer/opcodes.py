"""Opcodes of pickle protocols 0 to 5 as operations on the machine, as ``pickletools`` documents them."""

import struct
from collections.abc import Callable
from typing import Any

from jaxdl.transfer import names
from jaxdl.transfer.faults import FileError
from jaxdl.transfer.pickle_machine import Machine

MOST_BYTES = 16 * 2**20  # of a file's pickles that are packed: large checkpoints have 1 MB
MOST_STORED = 2**30  # of one that is in the file as it is: NumPy's arrays lie in it


def run(machine: Machine) -> Any:
    """The object of the pickle that begins at the machine's position, which is then behind the pickle.

    Raises FileError for whatever is not a plain pickle of known names.
    """
    machine.clear()
    while True:
        machine.spend(1)
        opcode = machine.take(1)
        if opcode == b".":
            return machine.pop()
        if opcode not in OPCODES:
            raise FileError(f"its pickle has the unknown opcode {opcode!r} at byte {machine.position - 1:,}")
        OPCODES[opcode](machine)


def _text(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except ValueError:
        raise FileError("its pickle has text that is not Unicode") from None


def _integer(text: str) -> int | bool:
    return text == "01" if text in ("00", "01") else int(text)


def _quoted(text: str) -> str:
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0] or "\\" in text:
        raise FileError("its pickle has a string of protocol 0 with escapes. Save the file again with Python 3")
    return text[1:-1]


def _refuse_persid(machine: Machine) -> None:
    raise FileError("its pickle names storages as protocol 0 does. Save the file again with PyTorch's default protocol")


def _dictionary(machine: Machine) -> None:
    values = machine.since_mark()
    machine.push({})
    machine.set_items(values)


def _object(machine: Machine) -> None:
    kind, *arguments = machine.since_mark() or [None]
    machine.instance(kind, arguments)


def _instance(machine: Machine) -> None:
    kind = names.find(machine.line(), machine.line())
    machine.instance(kind, machine.since_mark())


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


OPCODES: dict[bytes, Callable[[Machine], Any]] = {
    # frame and stack
    b"\x80": lambda m: m.take(1),
    b"\x95": lambda m: m.take(8),
    b"(": Machine.mark,
    b"0": Machine.pop,
    b"1": Machine.since_mark,
    b"2": lambda m: m.push(m.top(object)),
    # numbers
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": lambda m: m.push(m.decimal(_integer)),
    b"L": lambda m: m.push(m.decimal(int)),
    b"J": lambda m: m.push(_signed(m.take(4))),
    b"K": lambda m: m.push(m.number(1)),
    b"M": lambda m: m.push(m.number(2)),
    b"\x8a": lambda m: m.push(_signed(m.take(m.number(1)))),
    b"\x8b": lambda m: m.push(_signed(m.take(m.number(4)))),
    b"F": lambda m: m.push(m.decimal(float)),
    b"G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    # text and bytes; Python 2 has one kind for both, and uses it for names
    b"S": lambda m: m.push(_quoted(m.line())),
    b"T": lambda m: m.push(_text(m.take(m.number(4)), "latin-1")),
    b"U": lambda m: m.push(_text(m.take(m.number(1)), "latin-1")),
    b"V": lambda m: m.push(_text(m.line().encode("latin-1"), "raw-unicode-escape")),
    b"X": lambda m: m.push(_text(m.take(m.number(4)), "utf-8")),
    b"\x8c": lambda m: m.push(_text(m.take(m.number(1)), "utf-8")),
    b"\x8d": lambda m: m.push(_text(m.take(m.number(8)), "utf-8")),
    b"B": lambda m: m.push(m.take(m.number(4))),
    b"C": lambda m: m.push(m.take(m.number(1))),
    b"\x8e": lambda m: m.push(m.take(m.number(8))),
    b"\x96": lambda m: m.push(m.take(m.number(8))),
    # containers
    b"]": lambda m: m.push([]),
    b"l": lambda m: m.push(m.since_mark()),
    b"a": lambda m: m.append([m.pop()]),
    b"e": lambda m: m.append(m.since_mark()),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.since_mark())),
    b"\x85": lambda m: m.push((m.pop(),)),
    b"\x86": lambda m: m.push((m.pop(), m.pop())[::-1]),
    b"\x87": lambda m: m.push((m.pop(), m.pop(), m.pop())[::-1]),
    b"}": lambda m: m.push({}),
    b"d": _dictionary,
    b"s": lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    b"u": lambda m: m.set_items(m.since_mark()),
    b"\x8f": lambda m: m.make_set([]),
    b"\x90": lambda m: m.add(m.since_mark()),
    b"\x91": lambda m: m.make_set(m.since_mark()),
    # memory
    b"p": lambda m: m.put(m.decimal(int)),
    b"q": lambda m: m.put(m.number(1)),
    b"r": lambda m: m.put(m.number(4)),
    b"\x94": lambda m: m.put(len(m.memo)),
    b"g": lambda m: m.get(m.decimal(int)),
    b"h": lambda m: m.get(m.number(1)),
    b"j": lambda m: m.get(m.number(4)),
    # names, calls and storages
    b"c": lambda m: m.make_global(m.line(), m.line()),
    b"\x93": Machine.stack_global,
    b"R": Machine.reduce,
    b"b": Machine.build,
    b"i": _instance,
    b"o": _object,
    b"\x81": lambda m: m.new(keywords=False),
    b"\x92": lambda m: m.new(keywords=True),
    b"Q": Machine.persist,
    b"P": _refuse_persid,
}
