"""A network's arrays are found however a program of training wrapped them, and nothing else is taken for them."""

import argparse
import collections
import enum
import re
import types
import uuid
from decimal import Decimal

import jax
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import load_weights
from jaxdl.transfer.conversion import from_pytorch
from tests.pytorch import torch
from tests.transfer.wrapped import (
    OTHER,
    STATE,
    VARIABLES,
    Network,
    assert_is,
    averaged,
    loaded,
    nn,
    parameters,
    saved,
    under,
)


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


def trained():
    network = Network()
    optimizer = torch().optim.Adam(network.parameters())
    network.fc(torch().ones(1, 4)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


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


def test_many_places_and_deep_names_cost_little():
    deep = {f"{index}." + "a." * 400 + "fc.weight": np.zeros((5, 4)) for index in range(3000)}
    wide = {f"{index}.fc.{leaf}": np.zeros(5) for index in range(3000) for leaf in ("weight", "bias")}
    variables = {"params": {"fc": {"kernel": jax.ShapeDtypeStruct((4, 5), np.float32)}}}
    variables["params"]["fc"]["bias"] = jax.ShapeDtypeStruct((5,), np.float32)
    with pytest.raises(UserError, match=r"for another network|hold this network"):
        from_pytorch({**deep, **wide}, variables)
