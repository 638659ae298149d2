"""Names of layers as older and other files have them."""

import jax
import numpy as np
import pytest

from jaxdl.transfer.conversion import from_pytorch
from jaxdl.variables import flat


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
