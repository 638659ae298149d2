"""Zip archives that PyTorch would not write: other packing, other byte orders, members that lack or lie."""

import re
import struct
import time
import tracemalloc
import zipfile
import zlib

import ml_dtypes
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import pickle_reader
from tests.transfer.files import state_dict, tensor, write_zip

WEIGHT = tensor((2, 3), (3, 1))
VALUES = np.arange(6, dtype=np.float32)


def test_archive_without_a_storage_is_refused(tmp_path):
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT), {})
    with pytest.raises(UserError, match="no member archive/data/0"):
        pickle_reader.read(path)


@pytest.mark.parametrize("top", ["archive/", "other name/", ""])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archive_packed_anew_is_read(method, top, tmp_path):
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT), method=method, top=top, version="3\n")
    np.testing.assert_array_equal(pickle_reader.read(path)["weight"], VALUES.reshape(2, 3))


def test_archive_with_members_in_zip64_form_is_read(tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("data.pkl", state_dict(weight=WEIGHT)), ("data/0", VALUES.tobytes())):
            with archive.open(f"archive/{name}", "w", force_zip64=True) as member:
                member.write(content)
    np.testing.assert_array_equal(pickle_reader.read(path)["weight"], VALUES.reshape(2, 3))


def test_archive_that_unpacks_to_much_more_is_refused(tmp_path):
    storages = {str(index): bytes(2**23) for index in range(8)}
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT), storages, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match=r"unpack to 67,\d+,\d+ bytes, more than 4 times its size"):
        pickle_reader.read(path)


def test_archive_of_zeros_that_unpacks_to_little_is_read(tmp_path):
    pickled = state_dict(weight=tensor((2**20,), (1,), elements=2**20))
    path = write_zip(tmp_path / "weights.pth", pickled, {"0": bytes(2**22)}, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    np.testing.assert_array_equal(pickle_reader.read(path)["weight"], np.zeros(2**20, np.float32))


def directory(members, *, extra=b"", count=None, comment=b""):
    """A directory of (name, size, checksum, offset of the member), and the end record without its offset."""
    entries = b""
    for name, size, checksum, offset in members:
        entries += struct.pack("<4s6H3I", b"PK\1\2", 20, 20, 0, 0, 0, 0, checksum, size, size)
        entries += struct.pack("<5H2I", len(name), len(extra), 0, 0, 0, 0, offset) + name.encode() + extra
    count = len(members) if count is None else count
    return entries, struct.pack("<4s4HI", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, len(entries)), comment


def write_archive(path, entries, end, comment=b"", *, data=b"PK\3\4"):
    path.write_bytes(data + entries + end + struct.pack("<IH", len(data), len(comment)) + comment)
    return path


def stored(name, content):
    sizes = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, zlib.crc32(content), *[len(content)] * 2, len(name), 0)
    return sizes + name.encode() + content


def entry(name, content, offset):
    return name, len(content), zlib.crc32(content), offset


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ((0, 1), None),
        ((0, 1, 1), "overlap"),
        ((0, 0), "overlap"),
        ((1, 1), "overlap"),
        ((0, -1), "overlap"),  # into the directory
        ((0, 2**31), "overlap"),
        ((0, 2**32 - 1), "overlap"),
    ],
)
def test_members_that_share_bytes_are_refused(places, reason, tmp_path):
    pickled, values = state_dict(weight=WEIGHT), VALUES.tobytes()
    first = stored("a/data.pkl", pickled)
    data = first + stored("a/data/0", values)
    begins = {0: 0, 1: len(first), -1: len(data) - 10}
    contents = [("a/data.pkl", pickled), ("a/data/0", values), ("a/data/1", values)][: len(places)]
    members = [entry(*content, begins.get(place, place)) for content, place in zip(contents, places, strict=True)]
    path = write_archive(tmp_path / "weights.pth", *directory(members), data=data)
    if reason is None:
        np.testing.assert_array_equal(pickle_reader.read(path)["weight"], VALUES.reshape(2, 3))
    else:
        with pytest.raises(UserError, match=reason):
            pickle_reader.read(path)


def test_member_whose_own_header_moves_it_into_the_next_is_refused(tmp_path):
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT))
    content = bytearray(path.read_bytes())
    at = content.find(b"archive/data/0") - 2
    content[at : at + 2] = b"\x20\0"  # the length of the extra field
    path.write_bytes(content)
    with pytest.raises(UserError, match="member archive/data/0 is damaged"):
        pickle_reader.read(path)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (directory([("a", 0, 0, 0)], count=2), "another number of members"),
        (directory([("a" * 1001, 0, 0, 0)]), "a name of 1,001 bytes"),
        (directory([("a", 0, 0, 0)] * 2), "overlap"),
        ((directory([("a", 0, 0, 0)])[0][:-1], directory([("a", 0, 0, 0)])[1]), "not where it says"),
    ],
)
def test_directory_that_lies_is_refused(parts, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        pickle_reader.read(write_archive(tmp_path / "weights.pth", *parts))


@pytest.mark.parametrize("longs", [0, 1])
def test_directory_of_a_million_members_is_refused_before_it_is_read(longs, tmp_path):
    entries, end, _ = directory([("a", 0, 0, 0)])
    count = 10**6
    begin = 4 + len(entries) * count
    far = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entries) * count, 4)
    far += struct.pack("<4sIQI", b"PK\6\7", 0, begin, 1)
    end = struct.pack("<4s4HI", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, len(entries) * count)
    path = write_archive(tmp_path / "weights.pth", entries * count + far * longs, end)
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(UserError, match=["a directory of 47,000,000 bytes", "1,000,000 members"][longs]):
        pickle_reader.read(path)
    assert time.process_time() - begin < 1
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_archive_with_a_comment_is_read(tmp_path):
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT))
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\5\6 written twice"
    np.testing.assert_array_equal(pickle_reader.read(path)["weight"], VALUES.reshape(2, 3))


def test_archive_packed_by_another_method_is_refused(tmp_path):
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT), method=zipfile.ZIP_BZIP2)
    with pytest.raises(UserError, match="does not use"):
        pickle_reader.read(path)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("notes.txt", "is a zip archive, but not of torch.save"),
        ("resnet18.pth", "unpack them first"),
        ("conv1.weight.npy", "is NumPy's .npz"),
        ("net/data/weights/weight_0", "is a program of torch.export"),
        ("net/archive_format", "is a program of torch.export"),
    ],
)
def test_archive_of_something_else_is_refused(member, says, tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "nothing")
    with pytest.raises(UserError, match=re.escape(says)):
        pickle_reader.read(path)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.complex64, ml_dtypes.bfloat16, np.bool_], ids=str)
def test_big_endian_values_are_turned_round(dtype, tmp_path):
    values = np.arange(6).astype(dtype)
    width = values.itemsize // (2 if values.dtype.kind == "c" else 1)
    stored = values.view(np.uint8).reshape(-1, width)[:, ::-1].tobytes()
    kind = {"float32": "Float", "int64": "Long", "complex64": "ComplexFloat", "bfloat16": "BFloat16", "bool": "Bool"}
    pickled = state_dict(weight=tensor((6,), (1,), kind=f"{kind[values.dtype.name]}Storage"))
    path = write_zip(tmp_path / "weights.pth", pickled, {"0": stored}, byteorder="big")
    assert pickle_reader.read(path)["weight"].tobytes() == values.tobytes()


def test_unknown_byte_order_is_refused(tmp_path):
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT), byteorder="middle")
    with pytest.raises(UserError, match="byte order"):
        pickle_reader.read(path)
