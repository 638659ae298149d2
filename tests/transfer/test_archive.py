"""Zip archives that PyTorch would not write: other packing, other byte orders, members that lack or lie."""

import zipfile

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
    storages = {"0": bytes(10_000_000)}
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT), storages, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    with pytest.raises(UserError, match="unpack to more than 100 times its size"):
        pickle_reader.read(path)


def test_archive_packed_by_another_method_is_refused(tmp_path):
    path = write_zip(tmp_path / "weights.pth", state_dict(weight=WEIGHT), method=zipfile.ZIP_BZIP2)
    with pytest.raises(UserError, match="does not use"):
        pickle_reader.read(path)


def test_archive_of_something_else_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(UserError, match=r"0 members data\.pkl"):
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
