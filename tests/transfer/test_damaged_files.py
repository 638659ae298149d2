"""A damaged file gives its arrays or a UserError, soon; never another exception."""

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import load_weights, safetensors
from tests.transfer.files import named, numbers, state_dict, tensor, text, write_stream, write_zip

ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.arange(2, 5, dtype=np.float32)}


def whole(path, form):
    """The bytes of an undamaged file with ``ARRAYS``."""
    if form == "safetensors":
        safetensors.write(path, ARRAYS, {"format": "pt"})
        return path.read_bytes()
    other = named("argparse", "Namespace") + b")\x81}" + text("lr") + b"G" + bytes(8) + b"sb"
    size = named("torch", "Size") + numbers(1, 2) + b"\x85R"
    tensors = {"weight": tensor((2, 3), (3, 1)), "bias": tensor((3,), (1,), 2), "args": other, "size": size}
    write = write_zip if form == "zip" else write_stream
    return write(path, state_dict(**tensors)).read_bytes()


def outcome(path, content):
    """Result of reading the content: arrays, or None for a UserError of at most two lines."""
    path.write_bytes(content)
    try:
        return load_weights(path)
    except UserError as error:
        message = str(error)
    assert str(path) in message
    assert len(message.splitlines()) <= 2
    return None


@pytest.mark.parametrize("form", ["zip", "stream", "safetensors"])
def test_file_cut_short_anywhere_is_refused(form, tmp_path):
    path = tmp_path / "weights"
    content = whole(path, form)
    np.testing.assert_array_equal(outcome(path, content)["weight"], ARRAYS["weight"])
    for end in range(len(content)):
        assert outcome(path, content[:end]) is None, end


@pytest.mark.long
@pytest.mark.parametrize("form", ["zip", "stream", "safetensors"])
def test_flipped_bytes_give_arrays_or_a_user_error(form, tmp_path, rng):
    path = tmp_path / "weights"
    content = np.frombuffer(whole(path, form), np.uint8)
    read = 0
    for _ in range(2000):
        damaged = content.copy()
        places = rng.integers(len(content), size=rng.integers(1, 4))
        damaged[places] = rng.integers(256, size=len(places))
        arrays = outcome(path, damaged.tobytes())
        if arrays is not None:
            read += 1
            assert sum(array.size for array in arrays.values()) < 1000
        if arrays is not None and form == "zip":  # the one format with checksums
            np.testing.assert_equal(arrays, ARRAYS)
    assert 0 < read < 2000


def test_every_bit_of_a_zip_is_checked_or_unused(tmp_path):
    path = tmp_path / "weights"
    content = whole(path, "zip")
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        arrays = outcome(path, bytes(damaged))
        if arrays is not None:
            np.testing.assert_equal(arrays, ARRAYS)


@pytest.mark.parametrize("form", ["zip", "stream"])
def test_random_pickles_give_arrays_or_a_user_error(form, tmp_path, rng):
    """Damage behind the checksum: the pickle is changed before it is packed."""
    path = tmp_path / "weights"
    write = write_zip if form == "zip" else write_stream
    pickled = np.frombuffer(state_dict(weight=tensor((2, 3), (3, 1)), bias=tensor((3,), (1,), 2)), np.uint8)
    opcodes = np.frombuffer(b"(.0122FGIJKLMNPQRSTUVXabcdeghijlopqrstu]}\x80\x81\x85\x86\x87\x88\x93\x94\x8c", np.uint8)
    for _ in range(1500):
        damaged = pickled.copy()
        places = rng.integers(2, len(pickled), size=rng.integers(1, 4))
        damaged[places] = rng.choice(opcodes, len(places))
        outcome(path, write(path, damaged.tobytes()).read_bytes())
