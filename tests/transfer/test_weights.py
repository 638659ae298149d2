"""One function for all formats, without PyTorch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import load_weights, pickle_reader, read_checkpoint, safetensors
from jaxdl.transfer.roles import is_optimizers
from tests.transfer.files import state_dict, tensor, write_stream, write_zip

PICKLED = state_dict(**{"module.weight": tensor((2, 3), (3, 1))})
VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
WRITERS = {
    "zip": lambda path: write_zip(path, PICKLED),
    "stream": lambda path: write_stream(path, PICKLED),
    "safetensors": lambda path: safetensors.write(path, {"module.weight": VALUES}),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ""])
@pytest.mark.parametrize("form", list(WRITERS))
def test_format_is_known_by_the_first_bytes(form, suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    WRITERS[form](path)
    arrays = load_weights(str(path))
    assert list(arrays) == ["weight"]
    np.testing.assert_array_equal(arrays["weight"], VALUES)


def header_of(length):
    """A safetensors file's header of so many bytes, and the file's one array."""
    entry = b'{"module.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    return length.to_bytes(8, "little") + entry.ljust(length) + VALUES.tobytes()


@pytest.mark.parametrize("lengths", [range(256, 512), [0x8080], [int.from_bytes(b"PK\x03", "little")]], ids=str)
def test_header_of_any_length_is_known_as_safetensors(lengths, tmp_path):
    for length in lengths:
        (tmp_path / "weights").write_bytes(header_of(length))
        np.testing.assert_array_equal(load_weights(tmp_path / "weights")["weight"], VALUES, err_msg=str(length))


@pytest.mark.parametrize("begin", [b"PK\x03\x04", b"\x80\x02\x8a\x0a"])
def test_header_whose_length_begins_as_another_format_is_told_to_be_too_long(begin, tmp_path):
    (tmp_path / "weights").write_bytes(begin + b"\0\0\0\0" + header_of(256)[8:])
    with pytest.raises(UserError, match="its header claims"):
        load_weights(tmp_path / "weights")


@pytest.mark.parametrize("read", [pickle_reader.read, read_checkpoint])
@pytest.mark.parametrize("length", [0x100, 0x180])
def test_reader_of_pickles_names_the_one_for_safetensors(read, length, tmp_path):
    (tmp_path / "weights").write_bytes(header_of(length))
    with pytest.raises(UserError, match=r"is a safetensors file.*load_weights reads it"):
        read(tmp_path / "weights")


@pytest.mark.parametrize("form", list(WRITERS))
def test_unknown_key_is_refused(form, tmp_path):
    WRITERS[form](tmp_path / "weights")
    with pytest.raises(UserError, match="key 'ema'"):
        load_weights(tmp_path / "weights", key="ema")


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n", b"version https://git-lfs", b"<html>"])
def test_file_of_another_format_is_refused(content, tmp_path):
    (tmp_path / "weights").write_bytes(content)
    with pytest.raises(UserError, match=r"weights: is neither of torch\.save nor a safetensors file"):
        load_weights(tmp_path / "weights")


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "weights").write_bytes(b"")
    with pytest.raises(UserError, match="weights: is empty"):
        load_weights(tmp_path / "weights")


@pytest.mark.parametrize("name", ["missing", "."])
def test_file_that_cannot_be_opened_is_refused(name, tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        load_weights(tmp_path / name)


def test_reading_needs_no_pytorch(tmp_path):
    for form, write in WRITERS.items():
        write(tmp_path / form)
    program = (
        "import builtins, sys\n"
        "plain = builtins.__import__\n"
        "def guarded(name, scope=None, *rest, **named):\n"
        "    assert name.split('.')[0] not in ('torch', 'safetensors'), name\n"
        "    assert name != 'pickle' or 'jaxdl' not in scope['__name__'], name\n"
        "    return plain(name, scope, *rest, **named)\n"
        "builtins.__import__ = guarded\n"
        "from jaxdl.transfer import load_weights\n"
        "for path in sys.argv[1:]:\n"
        "    print(load_weights(path)['weight'].sum())\n"
        "assert 'torch' not in sys.modules\n"
    )
    paths = [str(tmp_path / form) for form in WRITERS]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["15.0"] * 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\n<html>", "a web page"),
        (b'{"a": 1}', "ends in .index.json"),
        (b"\x1f\x8b\x08rest", "Unpack it first"),
        (b"\x93NUMPY\x01\x00", "an array of NumPy's"),
        (b"\x89HDF\r\n\x1a\n", "as Keras writes it"),
        (b"some text", "it begins with b'some text'"),
    ],
)
def test_a_file_of_something_else_is_told_by_its_first_bytes(content, says, tmp_path):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(UserError) as raised:
        load_weights(tmp_path / "weights.pth")
    assert says in str(raised.value)
    assert f"{tmp_path}/weights.pth" in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "optimizers"),
    [
        *((keys, True) for keys in ("optimizer", "optimizer_states", "opt", "optim_g", "optG", "state.optimizer")),
        *(
            (keys, False)
            for keys in ("optimal_state_dict", "option", "model", "adopted", "best.optimal", "optical_flow")
        ),
    ],
)
def test_the_state_of_an_optimizer_is_known_by_its_key(keys, optimizers):
    assert is_optimizers(keys) == optimizers
