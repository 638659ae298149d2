"""NumPy's arrays in a pickle are views of its bytes, and of no more of them than there are."""

import struct

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import storages
from tests.transfer.files import named, numbers, state_dict, tensor, text

WEIGHT = tensor((2, 3), (3, 1))
VALUES = np.arange(6, dtype=np.float32)
BYTES = b"C\x18" + VALUES.tobytes()


def array_of(shape, code="f4", content=BYTES, columns=b"\x89", order=None):
    """The opcodes of NumPy's array, as NumPy writes it for protocols before 5."""
    dtype = named("numpy", "dtype") + text(code) + b"\x89\x88\x87R"
    dtype += b"(K\x03" + text(order) + b"NNNtb" if order else b""
    made = named("numpy._core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\0\x85C\1b\x87R"
    return made + b"(K\1" + numbers(*shape) + dtype + columns + content + b"tb"


def test_arrays_of_numpys_are_views_of_the_bytes_in_the_pickle(written):
    expected = VALUES.reshape(2, 3)
    np.testing.assert_array_equal(written(state_dict(weight=array_of((2, 3))), storages={})["weight"], expected)
    by_columns = written(state_dict(weight=array_of((2, 3), columns=b"\x88")), storages={})["weight"]
    np.testing.assert_array_equal(by_columns, VALUES.reshape(3, 2).T)
    swapped = array_of((6,), content=b"C\x18" + VALUES.byteswap().tobytes(), order=">")
    np.testing.assert_array_equal(written(state_dict(weight=swapped), storages={})["weight"], VALUES)
    empty = written(state_dict(weight=array_of((0, 3), content=b"C\0", order=">")), storages={})["weight"]
    assert (empty.shape, empty.dtype.isnative) == ((0, 3), True)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((7,), "needs 28 bytes and has 24"),
        ((5,), "needs 20 bytes and has 24"),
        ((2**40, 2**20), "bytes and has 24"),
        ((2**61, 2**61, 2**61), "bytes and has 24"),
        ((-2, -3), "negative"),
        ((2**62, 0), "negative, fractional or missing"),
        ((0,), "needs 0 bytes and has 24"),
        ((1,) * 65, "negative, fractional or missing"),
    ],
)
def test_array_that_claims_other_bytes_than_it_has_is_refused(shape, reason, written):
    with pytest.raises(UserError, match=reason):
        written(state_dict(weight=array_of(shape)), storages={})


@pytest.mark.parametrize("code", ["O", "O8", "U1", "S4", "V8", "M8", "m8", "f16", "g", "f4,f4", "x<f4", "f4" * 500, ""])
def test_array_of_anything_but_numbers_is_no_array(code, written):
    assert list(written(state_dict(weight=WEIGHT, other=array_of((6,), code)))) == ["weight"]


@pytest.mark.parametrize("content", [b"]", b"N", text("abcd"), b"K\7"])
def test_array_of_something_else_than_bytes_is_refused(content, written):
    with pytest.raises(UserError, match="something else than bytes and a shape"):
        written(state_dict(weight=array_of((6,), content=content)), storages={})


def from_buffer(axes=b"", shape=(2, 3)):
    dtype = named("numpy", "dtype") + text("f4") + b"\x89\x88\x87R"
    values = b"\x96" + struct.pack("<Q", 24) + VALUES.tobytes() + dtype + numbers(*shape)
    return named("numpy._core.numeric", "_frombuffer") + b"(" + values + text("K" if axes else "C") + axes + b"tR"


def test_array_of_protocol_5_may_have_its_axes_in_any_order(written):
    np.testing.assert_array_equal(
        written(state_dict(weight=from_buffer()), storages={})["weight"], VALUES.reshape(2, 3)
    )
    turned = written(state_dict(weight=from_buffer(numbers(1, 0))), storages={})["weight"]
    np.testing.assert_array_equal(turned, VALUES.reshape(2, 3).T)
    for axes in (numbers(0, 0), numbers(-1, 0), numbers(0), numbers(0, 2), b"]", b"K\1"):
        with pytest.raises(UserError, match="order of axes"):
            written(state_dict(weight=from_buffer(axes)), storages={})


def test_bytes_that_many_arrays_share_are_there_once(written):
    content = b"C\x18" + VALUES.tobytes() + b"q\x63"
    shared = {"a": array_of((6,), content=content), "b": array_of((2, 3), content=b"h\x63")}
    arrays = written(state_dict(**shared), storages={})
    assert np.shares_memory(arrays["a"], arrays["b"])
    assert not arrays["a"].flags.writeable


def test_arrays_turned_round_are_bounded_together(written, monkeypatch):
    monkeypatch.setattr(storages, "MOST_COMPUTED", 60)
    one = array_of((6,), order=">")
    assert len(written(state_dict(a=one, b=one), storages={})) == 2
    with pytest.raises(UserError, match="another byte order have more than 60 bytes"):
        written(state_dict(a=one, b=one, c=one), storages={})
