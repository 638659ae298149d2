"""The stream that ``torch.save`` wrote before PyTorch 1.6: five pickles, then every storage's length and bytes.

The pickles: a magic number, the version, the writing machine, the object, and the storages' keys in their order.
Lengths and values are little-endian on every machine, whatever the third pickle says.
"""

from typing import Any

from jaxdl.transfer import opcodes
from jaxdl.transfer.faults import FileError
from jaxdl.transfer.pickle_machine import Machine
from jaxdl.transfer.records import Global
from jaxdl.transfer.storages import Storages
from jaxdl.transfer.tensor import Storage, storage

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001


def read(data: memoryview) -> tuple[Any, Storages]:
    """The pickled object, its tensors still descriptions, and the storages they are views of.

    data: all of a memory-mapped file.

    This format has no checksum, so that changed values are not detected.
    """
    machine = Machine(data.obj)  # as bytes without a copy of them; memoryviews cannot be searched
    widths: dict[str, int] = {}

    def persistent(name: Any) -> Storage | Global:
        match name:
            case ("module", Global() as kind, _, _):  # a class, with its source to compare
                return kind
            case ("storage", Global() as kind, key, _, elements):
                made = storage(kind.name, key, elements)
            case ("storage", Global() as kind, key, _, elements, view):
                made = storage(kind.name, key, elements, view)
            case _:
                raise FileError("its pickle names a storage by something else than PyTorch does")
        if widths.setdefault(made.key, made.dtype.itemsize) != made.dtype.itemsize:
            raise FileError("it has one storage with elements of two sizes")
        return made

    pickles = []
    for machine.persistent in (None, None, None, persistent, None):
        pickles.append(opcodes.run(machine))
        if pickles[0] != MAGIC:
            raise FileError("is a pickle, but none that torch.save wrote. Save it again with torch.save")
        if pickles[1:2] not in ([], [VERSION]):
            raise FileError(f"is not of version {VERSION}, the only one of its format")
    *_, root, keys = pickles
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(widths):
        raise FileError("its list of storages does not match its tensors")
    position = machine.position
    stored: dict[str, memoryview] = {}
    for key in keys:
        size = int.from_bytes(data[position : position + 8], "little") * widths[key]
        position += 8
        stored[key] = data[position : position + size]
        if len(stored[key]) != size:
            raise FileError("is cut short: its storages reach beyond its end. Fetch it again")
        position += size
    return root, Storages(stored.__getitem__)
