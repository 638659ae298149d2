"""The directory at the end of a zip archive: the members' names, and where the bytes of each lie.

Python's ``zipfile`` builds an object of 500 bytes for every entry, however many there are, and lets members share
bytes; a file of weights has no use for either. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from jaxdl.transfer.faults import FileError

MOST_MEMBERS = 100_000  # a large model with its optimizer's state has 4,000
MOST_BYTES = 16 * 2**20  # of the directory: torch.save writes about 80 a member
MOST_NAME = 1000  # bytes

_END = struct.Struct("<4s4H2IH")  # signature, ..., entries at 4, bytes, offset, length of the comment
_END_64 = struct.Struct("<4sQ2H2I4Q")  # signature, ..., entries at 7, bytes, offset
_LOCATOR_64 = struct.Struct("<4sIQI")  # signature, disk, offset of _END_64, disks
_ENTRY = struct.Struct("<4s6H3I5H2I")  # signature, ..., flags at 3, method, ..., sums and sizes at 7, lengths at 10
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # signature, ..., method at 3, ..., lengths of name and extra field
_IN_EXTRA = 2**32 - 1  # in place of a size or an offset that is in the zip64 extra field
_UTF8 = 1 << 11  # flag: the name is in UTF-8


class Member(NamedTuple):
    """An entry: ``stored`` bytes, which unpack to ``size``; they and their header lie between ``begin`` and ``end``."""

    method: int
    flags: int
    checksum: int
    stored: int
    size: int
    begin: int
    end: int


def read(data: memoryview) -> dict[str, Member]:
    """The members by name, in the directory's order.

    Raises FileError for a directory that is damaged or too large, and for members that overlap each other or it.
    """
    count, size, offset = _directory(data)
    if count > MOST_MEMBERS:
        raise FileError(f"is a zip archive of {count:,} members, more than {MOST_MEMBERS:,}")
    if size > MOST_BYTES:
        raise FileError(f"is a zip archive with a directory of {size:,} bytes, more than {MOST_BYTES:,}")
    entries = list(_entries(data[offset : offset + size]))
    if len(entries) != count:
        raise _damaged("its directory has another number of members than it says")
    members = {}
    end = offset
    for name, member in sorted(entries, key=lambda entry: -entry[1].begin):
        if member.begin + _LOCAL_HEADER.size + member.stored > end:
            raise FileError("is a zip archive whose members overlap or reach beyond its end")
        members[name] = member._replace(end=end)
        end = member.begin
    if len(members) != count:
        raise FileError("is a zip archive with two members of one name")
    return {name: members[name] for name, _ in entries}


def stored(data: memoryview, member: Member) -> memoryview | None:
    """A member's bytes as they lie in the file, None where its own header does not fit to the directory."""
    header = data[member.begin : member.begin + _LOCAL_HEADER.size]
    signature, _, _, method, *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    begin = member.begin + _LOCAL_HEADER.size + name_length + extra_length
    if signature != b"PK\3\4" or method != member.method or begin + member.stored > member.end:
        return None
    return data[begin : begin + member.stored]


def _directory(data: memoryview) -> tuple[int, int, int]:
    """How many entries it has, its size in bytes and where it begins."""
    last = max(len(data) - _END.size, 0)  # where the end record is if no comment follows it
    first = max(last - 0xFFFF, 0)
    at = bytes(data[first:]).rfind(b"PK\5\6", 0, last - first + 4)
    if at < 0:
        raise _damaged("it has no directory at its end")
    at += first
    *_, count, size, offset, _ = _END.unpack(data[at : at + _END.size])
    before = max(at - _LOCATOR_64.size, 0)
    if data[before : before + 4] == b"PK\6\7" and at >= _LOCATOR_64.size:
        end = at
        at = _LOCATOR_64.unpack(data[before:end])[2]
        if at + _END_64.size > before or data[at : at + 4] != b"PK\6\6":
            raise _damaged("its directory is not where it says")
        *_, count, size, offset = _END_64.unpack(data[at : at + _END_64.size])
    if offset + size > at:
        raise _damaged("its directory is not where it says")
    return count, size, offset


def _entries(directory: memoryview) -> Iterator[tuple[str, Member]]:
    position = 0
    while position < len(directory):
        fixed = directory[position : position + _ENTRY.size]
        if len(fixed) < _ENTRY.size or fixed[:4] != b"PK\1\2":
            raise _damaged("its directory is none")
        values = _ENTRY.unpack(fixed)
        flags, method, checksum, stored, size, name_length, extra_length, comment_length = *values[3:5], *values[7:13]
        begin = values[-1]
        if name_length > MOST_NAME:
            raise FileError(f"is a zip archive with a name of {name_length:,} bytes")
        position += _ENTRY.size
        name = bytes(directory[position : position + name_length])
        extra = directory[position + name_length : position + name_length + extra_length]
        position += name_length + extra_length + comment_length
        if position > len(directory):
            raise _damaged("its directory is cut short")
        if _IN_EXTRA in (size, stored, begin):
            size, stored, begin = _long(extra, size, stored, begin)
        try:
            text = name.decode("utf-8" if flags & _UTF8 else "cp437")
        except ValueError:
            raise _damaged("it has a name that is not Unicode") from None
        yield text, Member(method, flags, checksum, stored, size, begin, 0)


def _long(extra: memoryview, *values: int) -> list[int]:
    """The values, those that are too long for their place taken from the zip64 extra field, which has them in order."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        field = extra[4 : 4 + length]
        if kind == 1:
            longs = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            return [next(longs, value) if value == _IN_EXTRA else value for value in values]
        extra = extra[4 + length :]
    return list(values)


def _damaged(reason: str) -> FileError:
    return FileError(f"is a damaged zip archive: {reason}. Fetch it again")
