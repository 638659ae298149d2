"""The zip archives of ``torch.save`` since PyTorch 1.6: ``<top>/data.pkl``, and ``<top>/data/<key>`` by storage."""

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from jaxdl.transfer import opcodes
from jaxdl.transfer.faults import FileError, shown
from jaxdl.transfer.records import Global
from jaxdl.transfer.storages import Storages
from jaxdl.transfer.tensor import Storage, storage

MOST_RATIO = 100  # of what compressed members unpack to and the file's size; trained weights shrink by less than 2
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # signature, ..., method at 3, ..., lengths of name and extra field


def read(path: Path, data: memoryview) -> tuple[Any, Storages]:
    """The pickled object, its tensors still descriptions, and the storages they are views of.

    Every member that is read is held against its checksum, if the archive has any. Raises FileError for an archive that
    is damaged, encrypted, of TorchScript, or would unpack to more than ``MOST_RATIO`` times its size.
    """
    archive = _Archive(path, data)
    names = archive.members
    pickles = [name for name in names if name.split("/")[1:] == ["data.pkl"] or name == "data.pkl"]
    if len(pickles) != 1:
        raise FileError(f"is a zip archive with {len(pickles)} members data.pkl: not what torch.save writes")
    top = pickles[0].removesuffix("data.pkl")
    if f"{top}constants.pkl" in names or any(name.startswith(f"{top}code/") for name in names):
        raise FileError(
            "is a TorchScript archive, which holds a program. In PyTorch, "
            "torch.save(torch.jit.load(path).state_dict(), new_path), and load that file"
        )
    order = bytes(archive.content(f"{top}byteorder")) if f"{top}byteorder" in names else b"little"
    if order not in (b"little", b"big"):
        raise FileError(f"has the byte order {shown(order)}, neither little nor big")
    if names[pickles[0]].file_size > opcodes.MOST_BYTES:
        raise FileError(f"its pickle has more than {opcodes.MOST_BYTES:,} bytes")
    root, _ = opcodes.run(bytes(archive.content(pickles[0])), persistent=_persistent)
    return root, Storages(lambda key: archive.content(f"{top}data/{key}"), big_endian=order == b"big")


def _persistent(name: Any) -> Storage:
    if not isinstance(name, tuple) or len(name) != 5 or name[0] != "storage" or not isinstance(name[1], Global):
        raise FileError("its pickle names a storage by something else than PyTorch does")
    return storage(name[1].name, name[2], name[4])


class _Archive:
    """The members of a zip archive by name. ``zipfile`` reads the directory; contents stay where they lie."""

    def __init__(self, path: Path, data: memoryview):
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, struct.error) as error:
            raise FileError(f"is a damaged zip archive ({shown(error)}). Fetch it again") from None
        self.data = data
        self.members = {entry.filename: entry for entry in entries}
        self.has_checksums = any(entry.CRC for entry in entries)  # torch.serialization.set_crc32_options(False): none
        if len(self.members) != len(entries):
            raise FileError("is a zip archive with two members of one name")
        unpacked = sum(entry.file_size for entry in entries if entry.compress_type != zipfile.ZIP_STORED)
        if unpacked > MOST_RATIO * len(data):
            raise FileError(f"would unpack to more than {MOST_RATIO} times its size")

    def content(self, name: str) -> memoryview:
        """A member's bytes: where they lie in the file, or unpacked."""
        if name not in self.members:
            raise FileError(f"has no member {shown(name)}, where a tensor's values should be")
        member = self.members[name]
        damaged = FileError(f"its member {shown(name)} is damaged. Fetch the file again")
        header = self.data[max(member.header_offset, 0) :][: _LOCAL_HEADER.size]
        if len(header) < _LOCAL_HEADER.size:
            raise damaged
        signature, _, _, method, *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        begin = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        stored = self.data[begin : begin + member.compress_size]
        if signature != b"PK\x03\x04" or method != member.compress_type or len(stored) != member.compress_size:
            raise damaged
        if member.flag_bits & 1 or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(f"its member {shown(name)} is encrypted or packed in a way that torch.save does not use")
        if method == zipfile.ZIP_DEFLATED:
            try:
                stored = memoryview(zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, member.file_size + 1))
            except zlib.error:
                raise damaged from None
        if len(stored) != member.file_size or (self.has_checksums and zlib.crc32(stored) != member.CRC):
            raise damaged
        return stored
