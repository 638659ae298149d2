"""A network's arrays are found however a program of training wrapped them, and nothing else is taken for them."""

import argparse
import collections
import copy
import enum
import json
import re
import types
import uuid
import warnings
from decimal import Decimal

import jax
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import load_weights, safetensors
from jaxdl.transfer.conversion import from_pytorch, located
from jaxdl.transfer.weights import contents
from jaxdl.variables import flat
from tests.pytorch import torch

nn = pytest.importorskip("torch").nn
LEAVES = {  # of the network below
    ("params", "conv", "kernel"): (3, 3, 3, 4),
    ("params", "body.0", "scale"): (4,),
    ("params", "body.0", "bias"): (4,),
    ("batch_stats", "body.0", "mean"): (4,),
    ("batch_stats", "body.0", "var"): (4,),
    ("params", "body.1", "kernel"): (1, 1, 4, 4),
    ("params", "fc", "kernel"): (4, 5),
    ("params", "fc", "bias"): (5,),
}
VARIABLES: dict = {}
for (collection, layer, leaf), shape in LEAVES.items():
    VARIABLES.setdefault(collection, {}).setdefault(layer, {})[leaf] = jax.ShapeDtypeStruct(shape, np.float32)


class Network(nn.Module):
    """A convolution, a norm and another, a linear layer: every value another one."""

    def __init__(self, seed=0):
        super().__init__()
        torch().manual_seed(seed)
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.body = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1, bias=False))
        self.fc = nn.Linear(4, 5)
        for held in (self.body[0].weight.data, self.body[0].running_mean, self.body[0].running_var):
            held.copy_(torch().randn(4))


class Phase(enum.Enum):
    """A choice."""

    TRAIN = "train"


class Outer:
    """A class with another inside."""

    class Inner(enum.IntFlag):
        """Choices that go together."""

        ONE = 1


class Table(dict):
    """A mapping of a class of its own."""


STATE = Network().state_dict()
OTHER = Network(1).state_dict()
ODD = {
    "phase": Phase.TRAIN,
    "inner": Outer.Inner.ONE,
    "namespace": types.SimpleNamespace(lr=0.1, array=np.arange(3)),
    "decimal": Decimal("0.1"),
    "uuid": uuid.uuid4(),
    "pattern": re.compile("a"),
    "counter": collections.Counter("aab"),
    "table": Table(a=Table(b=1)),
    "objects": np.array(["a", None], dtype=object),
    "text": np.array(["a", "bc"]),
    "scalar": np.float32(3),
    "time": np.datetime64("2020-01-01"),
    "random": np.random.default_rng(0),
    "dtype": torch().float32,
    "masked": np.ma.array([1.0], mask=[True]),
    "class": torch().optim.SGD,
}


def under(prefix, state=STATE):
    return {prefix + name: held for name, held in state.items()}


def averaged():
    average = torch().optim.swa_utils.AveragedModel(Network(), use_buffers=True)
    average.update_parameters(Network())
    return average.state_dict()


def trained():
    network = Network()
    optimizer = torch().optim.Adam(network.parameters())
    network.fc(torch().ones(1, 4)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def parameters(state, prefix=""):
    return {prefix + name: held for name, held in state.items() if "running" not in name and "num" not in name}


WRAPPED = {
    "plain": lambda: STATE,
    "data parallel": lambda: {"epoch": 3, "state_dict": under("module.")},
    "compiled": lambda: under("_orig_mod."),
    "lightning": lambda: {"state_dict": under("model."), "hyper_parameters": ODD, "callbacks": {"x": [ODD]}},
    "lightning, compiled": lambda: {"state_dict": under("model._orig_mod.")},
    "two levels": lambda: under("net.backbone."),
    "a layer compiled": lambda: {name.replace("body.", "body._orig_mod."): held for name, held in STATE.items()},
    "fsdp": lambda: under(
        "_fsdp_wrapped_module.", {n.replace(".0.", ".0._fsdp_wrapped_module."): h for n, h in STATE.items()}
    ),
    "some twice": lambda: {("model.model." if "fc" in n else "model.") + n: h for n, h in STATE.items()},
    "deepspeed": lambda: {"module": under("module."), "ds_config": {"a": 1}},
    "mmengine": lambda: {
        "meta": {"epoch": 1},
        "state_dict": {("head." if "fc" in n else "backbone.") + n: h for n, h in STATE.items()},
    },
    "reference": lambda: {"model": STATE, "model_ema": averaged(), "args": argparse.Namespace(a=1)},
    "timm": lambda: {"state_dict": STATE, "state_dict_ema": OTHER, "arch": "a", "optimizer": trained()},
    "an average of a name of its own": lambda: {"online": STATE, "online_ema": OTHER},
    "an average alone": averaged,
    "an average of parameters": lambda: {**under("model."), **parameters(OTHER, "ema.")},
    "an average without dots": lambda: {
        **under("model."), **{f"model_ema.{n.replace('.', '')}": h for n, h in parameters(OTHER).items()}
    },
    "a module": Network,
    "a module in parallel": lambda: {"model": nn.DataParallel(Network())},
    "a module and its state dict": lambda: {"net": (network := Network()), "weights": network.state_dict()},
    "an object with a module": lambda: types.SimpleNamespace(model=Network(), step=3),
    "a module among hyperparameters": lambda: {"state_dict": under("net."), "hyper_parameters": {"net": Network(1)}},
    "keys of bytes": lambda: {name.encode(): held for name, held in STATE.items()},
    "arrays": lambda: {name: held.numpy() for name, held in STATE.items()},
    "arrays by columns": lambda: {name: np.asfortranarray(held.numpy()) for name, held in STATE.items()},
    "a student alone fits": lambda: {"student": STATE, "teacher": {**OTHER, "more.weight": torch().ones(2)}},
    "no counters": lambda: {name: held for name, held in STATE.items() if "num_batches" not in name},
}  # fmt: skip


def loaded(path, key=None, **options):
    held = contents(path, key)
    choice = located(held.dicts, VARIABLES)
    return from_pytorch(held.arrays(choice), VARIABLES, **options), choice


def assert_is(variables, state):
    expected = from_pytorch({name: held.numpy() for name, held in state.items()}, VARIABLES)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)


def saved(content, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch().save(content, path, **options)
    return path


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", list(WRAPPED))
def test_wrapped_network_loads(name, protocol, tmp_path):
    path = saved(WRAPPED[name](), tmp_path / "weights.pth", pickle_protocol=protocol)
    assert_is(loaded(path)[0], STATE)


@pytest.mark.parametrize("name", ["lightning", "arrays", "keys of bytes", "a module", "timm"])
def test_wrapped_network_loads_from_the_older_format(name, tmp_path):
    path = saved(WRAPPED[name](), tmp_path / "weights.pth", _use_new_zipfile_serialization=False)
    assert_is(loaded(path)[0], STATE)


@pytest.mark.parametrize("name", ["lightning", "two levels", "some twice", "an average of parameters"])
def test_from_pytorch_finds_the_prefix_itself(name, tmp_path):
    assert_is(from_pytorch(load_weights(saved(WRAPPED[name](), tmp_path / "weights.pth")), VARIABLES), STATE)


def test_what_lies_beside_the_network_is_left_out_and_named(tmp_path):
    beside = {"criterion.weight": torch().ones(5), "val_acc.confmat": torch().ones(5, 5), "val_acc.n": torch().ones(2)}
    beside |= {"current_step": torch().tensor(3), "initted": torch().tensor(True)}
    for prefix in ("model.", ""):
        variables, choice = loaded(saved({**under(prefix), **beside}, tmp_path / "weights.pth"))
        assert_is(variables, STATE)
        [said] = choice.remarks()
        assert said.endswith("no part of the network: criterion.weight, val_acc.* (2), current_step, initted")
    counted = {"total_ops": torch().zeros(1), "body.total_params": torch().zeros(1)}
    assert_is(loaded(saved({**STATE, **counted}, tmp_path / "weights.pth"))[0], STATE)


@pytest.mark.parametrize("prefix", ["", "model.", "module.net."])
@pytest.mark.parametrize("change", ["more", "less"])
def test_nothing_under_the_prefix_may_be_unused_and_nothing_may_be_missing(prefix, change, tmp_path):
    state = under(prefix)
    if change == "more":
        state[f"{prefix}extra.weight"] = torch().ones(3)
    else:
        del state[f"{prefix}body.0.running_var"]
    with pytest.raises(UserError, match={"more": r"extra\.weight", "less": r"body\.0\.running_var"}[change]):
        loaded(saved(state, tmp_path / "weights.pth"))


TWICE = {
    "two dicts": (lambda: {"student": under("module.", OTHER), "teacher": under("module.")}, "student", "teacher"),
    "in one": (lambda: {**under("student.", OTHER), **under("teacher.module.")}, "student", "teacher"),
    "an average in one": (lambda: {**under("model.", OTHER), **under("model_ema.module.")}, "model", "model_ema"),
    "wrapper": (lambda: {**under("online_model.", OTHER), **under("ema_model.")}, "online_model", "ema_model"),
    "at the top": (lambda: {**OTHER, **under("ema.")}, "raw", "ema"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(TWICE))
def test_network_that_is_there_twice_is_a_choice_unless_one_is_an_average(name, tmp_path):
    content, first, second = TWICE[name]
    path = saved(content(), tmp_path / "weights.pth")
    if first == "student":
        with pytest.raises(UserError) as raised:
            loaded(path)
        ways = (f"{first} or weights_key {second}", f"{second} or weights_key {first}")
        assert any(way in str(raised.value) for way in ways)
    else:  # the trained weights are taken before an average of them, which is said
        variables, choice = loaded(path)
        assert_is(variables, OTHER)
        assert f"weights_key {second}" in choice.remarks()[0]
    assert_is(loaded(path, first)[0], OTHER)
    assert_is(loaded(path, second)[0], STATE)
    if first != "student":
        assert_is(loaded(path, "raw")[0], OTHER)
        assert_is(loaded(path, "ema")[0], STATE)


AVERAGES = [
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
    "shadow_params",
    "params_ema",
    "netEMA",
    "swa_model",
]


@pytest.mark.parametrize("key", AVERAGES)
def test_trained_weights_are_taken_before_their_average_and_that_is_said(key, tmp_path):
    path = saved({key: OTHER, "state_dict": STATE}, tmp_path / "weights.pth")
    variables, choice = loaded(path)
    assert_is(variables, STATE)
    assert choice.remarks() == [f"weights of 'state_dict'; '{key}' is there too: weights_key {key}"]
    np.testing.assert_array_equal(load_weights(path)["conv.weight"], STATE["conv.weight"])
    for asked, expected in (("raw", STATE), ("ema", OTHER), (key, OTHER)):
        assert_is(loaded(path, asked)[0], expected)
        np.testing.assert_array_equal(load_weights(path, asked)["conv.weight"], expected["conv.weight"])


def test_student_and_teacher_are_a_choice_without_a_network_too(tmp_path):
    path = saved({"student": under("module."), "teacher": under("module.", OTHER)}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"2 state dicts of one network\. Name one as key: 'student' or 'teacher'"):
        load_weights(path)
    with pytest.raises(UserError, match=r"no state dict under the key 'assistant'\. Keys: 'student', 'teacher'"):
        loaded(path, "assistant")


def test_safetensors_have_prefixes_and_choices_too(tmp_path):
    path = tmp_path / "weights.safetensors"
    state, other = ({name: held.numpy() for name, held in each.items()} for each in (STATE, OTHER))
    safetensors.write(path, under("model.", state), {"format": "pt"})
    assert_is(loaded(path)[0], STATE)
    safetensors.write(path, under("student.", state) | under("teacher.", other))
    with pytest.raises(UserError, match="weights_key student or weights_key teacher"):
        loaded(path)
    assert_is(loaded(path, "teacher")[0], OTHER)
    with pytest.raises(UserError, match=r"under the key 'ema'\. Keys: 'student', 'teacher'"):
        loaded(path, "ema")


def sharded(folder, changes=()):
    names = list(STATE)
    files = {name: f"model-{index // 4 + 1:05d}.safetensors" for index, name in enumerate(names)}
    for file in set(files.values()):
        arrays = {f"net.{name}": STATE[name].numpy() for name in names if files[name] == file}
        safetensors.write(folder / file, arrays)
    index = {"metadata": {}, "weight_map": {f"net.{name}": file for name, file in files.items()} | dict(changes)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder / "model.safetensors.index.json"


def test_shards_are_read_by_their_index(tmp_path):
    assert_is(loaded(sharded(tmp_path))[0], STATE)
    np.testing.assert_array_equal(load_weights(sharded(tmp_path))["net.conv.weight"], STATE["conv.weight"])


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("../other.safetensors", "none beside it"),
        ("/etc/passwd", "none beside it"),
        ("", "none beside it"),
        ("model.safetensors.index.json", "none beside it"),
        ("a\0b", "none beside it"),
        ("absent.safetensors", "cannot read"),
        ("model-00001.safetensors", "which lacks it"),
        (3, "no weight_map"),
    ],
)
def test_index_that_names_what_is_not_there_is_refused(file, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        loaded(sharded(tmp_path, [("more", file)]))


@pytest.mark.parametrize("text", ["{", "{}", '{"weight_map": {}}', '{"weight_map": []}', "{" + "[" * 10_000, "[1]"])
def test_index_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "a.index.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.index\.json: is "):
        loaded(tmp_path / "a.index.json")


def test_layers_that_may_be_absent_keep_their_values(tmp_path):
    variables = copy.deepcopy(VARIABLES)
    variables["params"]["aux1.fc"] = {"kernel": jax.ShapeDtypeStruct((4, 5), np.float32)}
    arrays = under("module.", {name: held.numpy() for name, held in STATE.items()})
    kept = from_pytorch(arrays, variables, may_lack=["aux1"])
    assert kept["params"]["aux1.fc"]["kernel"] is variables["params"]["aux1.fc"]["kernel"]
    with pytest.raises(UserError, match=r"needs aux1\.fc\.weight"):
        from_pytorch(arrays, variables)
    variables["params"]["aux1.fc"]["bias"] = jax.ShapeDtypeStruct((5,), np.float32)
    with pytest.raises(UserError, match=r"needs aux1\.fc\.weight"):  # a part of it is none
        from_pytorch({**arrays, "module.aux1.fc.bias": np.zeros(5)}, variables, may_lack=["aux1"])


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        ("encoder.layers.encoder_layer_0.mlp.linear_1.weight", "encoder.layers.encoder_layer_0.mlp.0.weight"),
        ("encoder.layers.encoder_layer_0.mlp.linear_2.bias", "encoder.layers.encoder_layer_0.mlp.3.bias"),
        ("last_linear.weight", "fc.weight"),
        ("features.denseblock1.denselayer1.norm.1.weight", "features.denseblock1.denselayer1.norm1.weight"),
    ],
)
def test_other_names_of_layers_are_understood_under_a_prefix_too(names, ours):
    *layer, leaf = ours.split(".")
    variables = {
        "params": {".".join(layer): {"kernel" if leaf == "weight" else leaf: jax.ShapeDtypeStruct((3, 3), "f4")}}
    }
    for prefix in ("", "module.", "net.body."):
        assert len(flat(from_pytorch({prefix + names: np.zeros((3, 3))}, variables))) == 1


def test_many_places_and_deep_names_cost_little():
    deep = {f"{index}." + "a." * 400 + "fc.weight": np.zeros((5, 4)) for index in range(3000)}
    wide = {f"{index}.fc.{leaf}": np.zeros(5) for index in range(3000) for leaf in ("weight", "bias")}
    variables = {"params": {"fc": {"kernel": jax.ShapeDtypeStruct((4, 5), np.float32)}}}
    variables["params"]["fc"]["bias"] = jax.ShapeDtypeStruct((5,), np.float32)
    with pytest.raises(UserError, match=r"for another network|hold this network"):
        from_pytorch({**deep, **wide}, variables)
