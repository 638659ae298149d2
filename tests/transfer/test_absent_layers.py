"""Layers that a file may be without keep their values."""

import copy

import jax
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer.conversion import from_pytorch
from tests.transfer.wrapped import STATE, VARIABLES, under


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
