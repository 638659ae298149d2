"""The zip archives of ``torch.save`` since PyTorch 1.6: ``<top>/data.pkl``, and ``<top>/data/<key>`` by storage."""

import re
import zlib
from typing import Any

from jaxdl.transfer import opcodes, zip_directory
from jaxdl.transfer.faults import FileError
from jaxdl.transfer.pickle_machine import Machine
from jaxdl.transfer.records import Global
from jaxdl.transfer.storages import Storages
from jaxdl.transfer.tensor import Storage, storage
from jaxdl.wording import shown

MOST_UNPACKED = 64 * 2**20  # bytes of all compressed members, or MOST_RATIO times the file's size if that is more:
MOST_RATIO = 4  # a pickle shrinks by 10 and zeros by 1000, but trained weights by less than 2
STORED, DEFLATED = 0, 8  # methods of a member
ENCRYPTED = 1  # flag of a member


def read(data: memoryview) -> tuple[Any, Storages]:
    """The pickled object, its tensors still descriptions, and the storages they are views of.

    The checksum of every member that is read is verified, if the archive has any. Raises FileError for an archive that
    is damaged, encrypted, of TorchScript, has members that overlap, or would unpack to much more than its size.
    """
    archive = _Archive(data)
    names = archive.members
    pickles = [name for name in names if name.split("/")[1:] == ["data.pkl"] or name == "data.pkl"]
    if len(pickles) != 1:
        raise FileError(_other(list(names)))
    top = pickles[0].removesuffix("data.pkl")
    code = f"{top}code/"
    if f"{top}constants.pkl" in names or any(name.startswith(code) for name in names):
        raise FileError(
            "is a TorchScript archive, which holds a program. In PyTorch, "
            "torch.save(torch.jit.load(path).state_dict(), new_path), and load that file"
        )
    order = bytes(archive.content(f"{top}byteorder")[:9]) if f"{top}byteorder" in names else b"little"
    if order not in (b"little", b"big"):
        raise FileError(f"has the byte order {shown(order)}, neither little nor big")
    most = opcodes.MOST_STORED if names[pickles[0]].method == STORED else opcodes.MOST_BYTES
    if names[pickles[0]].size > most:
        raise FileError(f"its pickle has more than {most:,} bytes")
    root = opcodes.run(Machine(bytes(archive.content(pickles[0])), _persistent))
    return root, Storages(lambda key: archive.content(f"{top}data/{key}"), big_endian=order == b"big")


def _other(names: list[str]) -> str:
    """A sentence on an archive that torch.save did not write."""
    if names and all(name.endswith(".npy") for name in names):
        return "is NumPy's .npz, which does not say what network it is of. Save a dict of arrays with safetensors"
    if any(re.fullmatch(r"[^/]*/?(archive_format|data/weights/.*|models/.*)", name) for name in names):
        return (
            "is a program of torch.export. In PyTorch, torch.save(torch.export.load(path).state_dict, new_path), and "
            "load that file"
        )
    return "is a zip archive, but not of torch.save. If weights are packed in it, unpack them first"


def _persistent(name: Any) -> Storage:
    if not isinstance(name, tuple) or len(name) != 5 or name[0] != "storage" or not isinstance(name[1], Global):
        raise FileError("its pickle names a storage by something else than PyTorch does")
    return storage(name[1].name, name[2], name[4])


class _Archive:
    """The members of a zip archive by name; contents stay where they lie."""

    def __init__(self, data: memoryview):
        self.data = data
        self.members = zip_directory.read(data)
        members = self.members.values()
        self.has_checksums = any(member.checksum for member in members)  # set_crc32_options(False) writes none
        unpacked = sum(member.size for member in members if member.method != STORED)
        if unpacked > max(MOST_UNPACKED, MOST_RATIO * len(data)):
            raise FileError(f"would unpack to {unpacked:,} bytes, more than {MOST_RATIO} times its size")

    def content(self, name: str) -> memoryview:
        """A member's bytes: where they lie in the file, or unpacked."""
        if name not in self.members:
            raise FileError(f"has no member {shown(name)}, where a tensor's values should be")
        member = self.members[name]
        damaged = FileError(f"its member {shown(name)} is damaged. Fetch the file again")
        content = zip_directory.stored(self.data, member)
        if content is None:
            raise damaged
        if member.flags & ENCRYPTED or member.method not in (STORED, DEFLATED):
            raise FileError(f"its member {shown(name)} is encrypted or packed in a way that torch.save does not use")
        if member.method == DEFLATED:
            try:
                content = memoryview(zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, member.size + 1))
            except zlib.error:
                raise damaged from None
        if len(content) != member.size or (self.has_checksums and zlib.crc32(content) != member.checksum):
            raise damaged
        return content
