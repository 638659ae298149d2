"""Files written by ``torch.save`` are read back bit for bit."""

import argparse
import collections
import warnings

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import pickle_reader
from tests.pytorch import torch, torchvision
from tests.transfer.files import FORMATS, assert_same, save

nn = pytest.importorskip("torch").nn
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
EIGHTS = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
ONLY_ZIP = ("uint16", "uint32", "uint64", *EIGHTS)


class Squeeze(nn.Module):
    """A module of the test's own, with all kinds of members: shared, None, a plain attribute, no persistent buffer."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch().randn(3))
        self.register_parameter("none", None)
        self.register_buffer("kept", torch().arange(4))
        self.register_buffer("passing", torch().ones(2), persistent=False)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Linear(4, 4))
        self.again = self.body[3]
        self.norm = nn.BatchNorm2d
        self.activation = torch().nn.functional.relu
        self.options = argparse.Namespace(width=3, pair=(1, [2.5, None]))


@pytest.fixture(autouse=True)
def _seed():
    torch().manual_seed(0)


@pytest.fixture(params=FORMATS)
def form(request):
    return request.param


def saved(content, tmp_path, form, key=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch cannot find the source of some classes, and deprecates quantisation
        return pickle_reader.read(save(content, tmp_path / "weights.pth", form), key)


def random_bits(dtype, *shape):
    size = torch().empty((), dtype=dtype).element_size()
    most = 2 if dtype == torch().bool else 256
    return torch().randint(0, most, (*shape, size), dtype=torch().uint8).view(dtype).reshape(shape)


@pytest.mark.parametrize(
    "module",
    [
        lambda: nn.Linear(3, 2),
        lambda: nn.Conv2d(3, 4, 3, bias=False),
        lambda: nn.BatchNorm2d(5),
        lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.GroupNorm(1, 2), nn.PReLU()),
        lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
        lambda: nn.Embedding(7, 3),
        lambda: nn.TransformerEncoderLayer(8, 2, 16),
        lambda: nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))),
        Squeeze,
    ],
    ids=["linear", "conv", "batchnorm", "sequential", "lstm", "embedding", "transformer", "parallel", "own"],
)
def test_module_reads_as_its_state_dict_saved_either_way(module, tmp_path, form):
    module = module()
    expected = getattr(module, "module", module).state_dict()
    assert_same(saved(module.state_dict(), tmp_path, form), expected)
    assert_same(saved(module, tmp_path, form), expected)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_0"])
def test_torchvision_model_reads_whole_and_as_a_state_dict(name, tmp_path):
    model = torchvision().models.get_model(name)
    assert_same(saved(model.state_dict(), tmp_path, "zip"), model.state_dict())
    assert_same(saved(model, tmp_path, "zip"), model.state_dict())
    assert_same(saved(model.state_dict(), tmp_path, "stream"), model.state_dict())


@pytest.mark.parametrize(
    ("form", "name"),
    [("stream", name) for name in ("bool", *INTEGERS, *FLOATS)]
    + [("zip", name) for name in ("bool", *INTEGERS, *FLOATS, *ONLY_ZIP)],
)
def test_every_dtype_keeps_its_bits(form, name, tmp_path):
    dtype = getattr(torch(), name)
    tensors = {
        "matrix": random_bits(dtype, 5, 3),
        "scalar": random_bits(dtype),
        "empty": torch().empty(0, 3, dtype=dtype),
    }
    tensors["turned"] = tensors["matrix"].T
    assert_same(saved(tensors, tmp_path, form), tensors)


def test_views_of_one_storage_are_read_as_they_are(tmp_path, form):
    whole = torch().arange(24.0)
    tensors = {
        "whole": whole,
        "turned": whole.view(4, 6).T,
        "every_other": whole[1::2],
        "inner": whole.view(2, 3, 4)[:, 1:, 2],
        "expanded": whole[3:5, None].expand(2, 1000),
        "overlapping": whole.unfold(0, 5, 1),
        "scalar": whole[7],
        "channels_last": torch().randn(2, 3, 4, 5).to(memory_format=torch().channels_last),
        "empty": torch().empty(3, 0, 2),
    }
    arrays = saved(tensors, tmp_path, form)
    assert_same(arrays, tensors)
    assert np.shares_memory(arrays["whole"], arrays["inner"])


def test_lazy_conjugate_and_negative_are_carried_out(tmp_path, form):
    values, others = torch().randn(2, 4, dtype=torch().complex64)
    tensors = {"conjugate": values.conj(), "imaginary": others.clone().conj().imag, "plain": values}
    tensors["number"] = values[0].conj()
    assert tensors["conjugate"].is_conj()
    assert tensors["imaginary"].is_neg()
    assert_same(saved(tensors, tmp_path, form), tensors)


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_every_protocol_of_pickle_is_read(protocol, tmp_path, form):
    module = Squeeze()
    path = tmp_path / "weights.pth"
    content = {
        "epoch": 3,
        "numbers": [2**80, -1, 300, 70000, 1.5, True, None],
        "values": [b"\xff", {1, 2}, frozenset({3}), bytearray(b"x"), slice(1, 2), range(3)],
        "names": collections.defaultdict(list, a=[1]),
        "device": torch().device("cpu"),
        "array": np.arange(3),
        "scalar": np.float32(1),
        "model": module,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch().save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=form == "zip")
    assert_same(pickle_reader.read(path), module.state_dict())


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net", "ema"])
def test_checkpoint_with_an_optimizer_gives_the_models_state_dict(key, tmp_path, form):
    module = nn.Sequential(nn.Linear(50, 2), nn.Linear(2, 2))
    optimizer = torch().optim.Adam(module.parameters())
    module(torch().ones(1, 50)).sum().backward()
    optimizer.step()
    schedule = torch().optim.lr_scheduler.StepLR(optimizer, 3)
    content = {
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "by_name": {"state": {"opt": {"huge": torch().zeros(9999)}}},
        "best": torch().tensor(0.5),
        "args": argparse.Namespace(lr=0.1),
        key: module.state_dict(),
    }
    assert_same(saved(content, tmp_path, form), module.state_dict())


def test_key_names_one_state_dict_of_several(tmp_path, form):
    small, large = nn.Linear(2, 2), nn.Linear(3, 3)
    content = {"model": large.state_dict(), "ema": {"inner": small.state_dict(), "decay": 0.9}}
    assert_same(saved(content, tmp_path, form), large.state_dict())
    assert_same(saved(content, tmp_path, form, key="ema.inner"), small.state_dict())
    every = pickle_reader.read_checkpoint(tmp_path / "weights.pth")
    assert list(every) == ["model", "ema.inner"]
    with pytest.raises(UserError, match=r"under the key 'emma'\. Keys: 'model', 'ema\.inner'"):
        pickle_reader.read(tmp_path / "weights.pth", "emma")


def test_first_of_equally_large_state_dicts_is_taken(tmp_path):
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    assert_same(saved([first.state_dict(), second.state_dict()], tmp_path, "zip"), first.state_dict())


def test_wrappers_prefixes_are_taken_off_only_where_all_names_have_them(tmp_path):
    plain = nn.Linear(2, 2).state_dict()
    wrapped = {f"module._orig_mod.{name}": tensor for name, tensor in plain.items()}
    assert_same(saved(wrapped, tmp_path, "zip"), plain)
    mixed = {**wrapped, "count": torch().tensor(3)}
    assert_same(saved(mixed, tmp_path, "zip"), mixed)


def test_parameters_and_tensors_with_attributes_are_read(tmp_path, form):
    parameter, tensor = nn.Parameter(torch().randn(2)), torch().randn(3)
    parameter.note, tensor.note = "kept", "kept"
    content = {"parameter": parameter, "tensor": tensor, "buffer": nn.Buffer(torch().ones(2))}
    assert_same(saved(content, tmp_path, form), content)


def test_archive_without_checksums_is_read(tmp_path):
    torch().serialization.set_crc32_options(False)
    try:
        content = {"weight": torch().randn(3)}
        assert_same(saved(content, tmp_path, "zip"), content)
    finally:
        torch().serialization.set_crc32_options(True)


def test_arrays_of_a_zip_are_views_of_the_file(tmp_path):
    arrays = saved({"weight": torch().randn(100, 100)}, tmp_path, "zip")
    base = arrays["weight"]
    while isinstance(getattr(base, "base", None), np.ndarray):
        base = base.base
    assert not base.flags.owndata


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], "text", nn.ReLU()], ids=str)
def test_file_without_a_state_dict_is_refused(content, tmp_path, form):
    with pytest.raises(UserError, match=r"weights.pth: holds no state dict"):
        saved(content, tmp_path, form)


def test_file_with_only_an_optimizer_is_refused_until_it_is_asked_for(tmp_path):
    content = {"optimizer": {"step": torch().tensor(3.0)}}
    with pytest.raises(UserError, match=r"holds only an optimizer's state\. Keys: 'optimizer'"):
        saved(content, tmp_path, "zip")
    assert_same(saved(content, tmp_path, "zip", key="optimizer"), content["optimizer"])


@pytest.mark.parametrize("kind", ["sparse", "csr", "quantised", "meta"])
def test_tensor_without_a_plain_array_is_refused_by_name(kind, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = {
            "sparse": lambda: torch().eye(3).to_sparse(),
            "csr": lambda: torch().eye(3).to_sparse_csr(),
            "quantised": lambda: torch().quantize_per_tensor(torch().ones(3), 0.1, 0, torch().qint8),
            "meta": lambda: torch().empty(3, device="meta"),
        }[kind]()
    reason = {"csr": "a sparse", "sparse": "a sparse", "quantised": "QInt8Storage", "meta": "the meta device"}[kind]
    with pytest.raises(UserError, match=reason):
        saved({"weight": content}, tmp_path, "zip")


def test_torchscript_archive_is_refused_with_what_to_do(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch().jit.save(torch().jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(UserError, match=r"TorchScript archive.*torch\.save\(torch\.jit\.load"):
        pickle_reader.read(tmp_path / "script.pt")
