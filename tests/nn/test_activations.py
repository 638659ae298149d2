import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import ACTIVATIONS, PReLU, activation
from tests import pytorch

TORCH_NAMES = {"swish": "silu", "identity": None}


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 4, 6, 3)])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activation_equals_pytorchs_at_its_defaults(rng, name, shape):
    functional = pytorch.torch().nn.functional
    theirs = getattr(functional, TORCH_NAMES.get(name, name) or "dropout")
    arguments = {"dim": -1} if "softmax" in name else {"p": 0.0} if name == "identity" else {}
    x = (3 * rng.normal(size=shape)).astype(np.float32)
    if name != "leaky_relu":
        x.flat[0] = 0.0
    pytorch.assert_same_function(activation(name), lambda x: theirs(x, **arguments), x)


def test_leaky_relu_has_another_derivative_at_zero_than_pytorchs():
    torch = pytorch.torch()
    zero = torch.zeros((), requires_grad=True)
    torch.nn.functional.leaky_relu(zero).backward()
    assert zero.grad.item() == pytest.approx(0.01)
    assert jax.grad(activation("leaky_relu"))(0.0) == 1.0


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (2, 7, 6, 4), (2, 3, 4, 5, 4)])
def test_prelu_equals_pytorchs(rng, shape, per_channel):
    torch = pytorch.torch()
    x = rng.normal(size=shape).astype(np.float32)
    x.flat[0] = 0.0
    slope = rng.normal(size=shape[-1] if per_channel else 1).astype(np.float32)

    def ours(x, slope):
        return PReLU(per_channel).apply({"params": {"slope": slope}}, x)

    pytorch.assert_same_function(ours, pytorch.channels_first(torch.nn.functional.prelu), x, slope)


def test_prelu_starts_where_pytorch_starts():
    theirs = pytorch.torch().nn.PReLU(4).weight.detach().numpy()
    ours = PReLU(per_channel=True).init(jax.random.key(0), jnp.zeros((1, 4)))["params"]["slope"]
    np.testing.assert_array_equal(ours, theirs)


def test_what_is_wrong_is_named():
    with pytest.raises(UserError, match=r"unknown activation 'rellu'. Did you mean relu"):
        activation("rellu")
    variables = PReLU(per_channel=True).init(jax.random.key(0), jnp.zeros((1, 4)))
    with pytest.raises(UserError, match=r"x must have 4 channels, .* got shape \(1, 3\)"):
        PReLU(per_channel=True).apply(variables, jnp.zeros((1, 3)))
