"""Weight files as tests write them: by PyTorch, and by hand where PyTorch would never write such a file."""

import struct
import zipfile

import numpy as np

from tests.pytorch import torch

FORMATS = ("zip", "stream")
STREAM_HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."


def save(content, path, form):
    """``torch.save`` in one of its two formats."""
    torch().save(content, path, _use_new_zipfile_serialization=form == "zip")
    return path


def assert_same(arrays, tensors):
    """The same names in the same order, dtypes, shapes and bits."""
    assert list(arrays) == list(tensors)
    for name, tensor in tensors.items():
        array, tensor = arrays[name], tensor.detach().resolve_conj().resolve_neg().contiguous()
        assert f"torch.{array.dtype.name}" == str(tensor.dtype), name
        assert array.shape == tuple(tensor.shape), name
        assert array.tobytes() == tensor.reshape(-1).view(torch().uint8).numpy().tobytes(), name
        assert array.flags.aligned, name
        assert not array.flags.writeable, name


def text(letters):
    return b"X" + struct.pack("<I", len(letters.encode())) + letters.encode()


def numbers(*values):
    """The opcodes of a tuple of integers."""
    return b"(" + b"".join(b"I%d\n" % value for value in values) + b"t"


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def tensor(shape, strides, offset=0, elements=6, kind="FloatStorage", key="0", view=None, bits=b"}"):
    """The opcodes of a tensor; the stream format's storage has a sixth part, ``view`` in opcodes."""
    storage = b"(" + text("storage") + named("torch", kind) + text(key) + text("cpu") + b"I%d\n" % elements
    storage += (view or b"") + b"tQ"
    rebuild = named("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + b"I%d\n" % offset
    return rebuild + numbers(*shape) + numbers(*strides) + b"\x89N" + bits + b"tR"


def state_dict(**tensors):
    """A pickle of a dict from names to opcodes."""
    return b"\x80\x02}(" + b"".join(text(name) + value for name, value in tensors.items()) + b"u."


def write_zip(path, pickled, storages=None, *, method=zipfile.ZIP_STORED, top="archive/", **others):
    """An archive as ``torch.save`` lays it out; ``storages`` by key, ``others`` are further members."""
    storages = {"0": np.arange(6, dtype=np.float32).tobytes()} if storages is None else storages
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(f"{top}data.pkl", pickled)
        for name, content in others.items():
            archive.writestr(f"{top}{name}", content)
        for key, content in storages.items():
            archive.writestr(f"{top}data/{key}", content)
    return path


def write_stream(path, pickled, storages=None):
    """A file of the older format; ``storages``: by key, (claimed elements, bytes)."""
    storages = {"0": (6, np.arange(6, dtype=np.float32).tobytes())} if storages is None else storages
    keys = b"\x80\x02](" + b"".join(map(text, storages)) + b"e."
    tail = b"".join(struct.pack("<q", count) + content for count, content in storages.values())
    path.write_bytes(STREAM_HEAD + pickled + keys + tail)
    return path
