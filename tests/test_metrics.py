import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl.nn as jaxdl_nn
from jaxdl.metrics import Mean, Totals, correct, gradient_health, norms_by_layer, still_units_by_layer
from jaxdl.nn import initializers
from tests import pytorch


def test_mean_ignores_what_is_masked_even_nan():
    mean = Mean.of(jnp.array([1.0, 2.0, jnp.nan]), jnp.array([True, True, False]))
    assert (float(mean.total), float(mean.count), float(mean.value)) == (3.0, 2.0, 1.5)


def test_mean_of_nothing_is_zero():
    assert float(Mean.of(jnp.array([jnp.nan]), jnp.array([False])).value) == 0.0


def test_totals_of_uneven_batches_are_the_mean_of_all(rng):
    values = rng.normal(size=100).astype(np.float32)
    totals = Totals()
    for part in np.split(values, [3, 50, 51]):
        totals.add({"loss": Mean.of(jnp.asarray(part), jnp.ones(len(part), bool))})
    np.testing.assert_allclose(totals.means()["loss"], values.mean(), rtol=1e-5)
    assert totals.count("loss") == 100
    assert totals.count("absent") == 0


def test_correct_counts_the_largest_logit():
    logits = jnp.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert correct(logits, jnp.array([1, 1, 1])).tolist() == [1.0, 0.0, 1.0]


def test_mean_counts_an_example_of_several_values_once():
    mean = Mean.of(jnp.array([[1.0, 3.0], [5.0, 7.0], [jnp.nan, 0.0]]), jnp.array([True, True, False]))
    assert (float(mean.total), float(mean.count)) == (8.0, 2.0)


def test_a_weighted_mean_divides_by_the_weights_that_count():
    values, weights = jnp.array([0.2, 0.1, jnp.nan]), jnp.array([0.1, 0.2, 5.0])
    mean = Mean.of(values, jnp.array([True, True, False]), weights)
    np.testing.assert_allclose([mean.total, mean.count, mean.value], [0.3, 0.3, 1.0], rtol=1e-6)
    over = mean.over(jnp.float32(2))
    np.testing.assert_allclose([over.total, over.count], [2.0, 2.0], rtol=1e-6)


def test_correct_takes_mixed_labels_by_their_largest_share():
    logits = jnp.array([[1.0, 2.0], [3.0, 0.0]])
    assert correct(logits, jnp.array([[0.3, 0.7], [0.4, 0.6]])).tolist() == [1.0, 0.0]


@pytest.mark.long
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("init", ["he_normal", "xavier_uniform"])
@pytest.mark.parametrize("kind", ["plain", "residual", "batch norm"])
def test_norms_by_layer_fall_or_rise_with_depth_as_pytorchs(rng, activation, init, kind):
    """A stack of twelve layers: gradients vanish under sigmoids, keep their size under ReLU with its own init."""
    torch = pytorch.torch()
    depth, width = 12, 24
    act = jaxdl_nn.activation(activation)

    class Stack(nn.Module):
        @nn.compact
        def __call__(self, x):
            for index in range(depth):
                y = nn.Dense(width, kernel_init=initializers.kernel(init), name=f"layer{index:02}")(x)
                if kind == "batch norm":
                    y = nn.BatchNorm(False, use_bias=False, use_scale=False, name=f"norm{index:02}")(y)
                x = act(y) + x if kind == "residual" else act(y)
            return x

    x = rng.normal(size=(16, width)).astype(np.float32)
    variables = Stack().init(jax.random.key(0), x)
    weights = {name: np.array(layer["kernel"]) for name, layer in variables["params"].items()}

    def loss(params):
        return jnp.square(Stack().apply({**variables, "params": params}, x, mutable=["batch_stats"])[0]).sum()

    ours = norms_by_layer(jax.grad(loss)(variables["params"]))
    leaves = {name: torch.tensor(weight, requires_grad=True) for name, weight in weights.items()}
    biases = {name: torch.zeros(width, requires_grad=True) for name in weights}
    value = torch.tensor(x)
    for name, weight in leaves.items():
        y = value @ weight + biases[name]
        if kind == "batch norm":
            y = torch.nn.functional.batch_norm(y, None, None, training=True)
        y = getattr(torch, activation)(y)
        value = y + value if kind == "residual" else y
    value.square().sum().backward()
    theirs = {
        name: float((leaves[name].grad.square().sum() + biases[name].grad.square().sum()).sqrt()) for name in weights
    }
    assert list(ours) == list(theirs)
    # twelve layers each add their rounding, more where batch norm divides by a small deviation
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-4)
    first, last = ours["layer00"], ours[f"layer{depth - 1}"]
    if kind == "plain":
        assert (first < 1e-4 * last) == (activation == "sigmoid")
    if kind == "residual":
        assert first > 0.1 * last


def test_norms_by_layer_name_nested_layers():
    tree = {"block": {"conv": {"kernel": 3.0 * jnp.ones(1), "bias": 4.0 * jnp.ones(1)}}, "head": {"bias": jnp.ones(4)}}
    assert {name: float(norm) for name, norm in norms_by_layer(tree).items()} == {"block.conv": 5.0, "head": 2.0}


def test_a_depth_puts_layers_of_one_block_together():
    tree = {"block": {"a": {"kernel": 3.0 * jnp.ones(1)}, "b": {"kernel": 4.0 * jnp.ones(1)}}}
    assert norms_by_layer(tree, depth=1).keys() == {"block"}
    assert norms_by_layer(tree, depth=1)["block"] == 5.0
    assert norms_by_layer(tree, depth=2).keys() == {"block.a", "block.b"}


def test_units_that_no_example_makes_positive_have_no_gradient(rng):
    """Under ReLU, as PyTorch's autograd finds too; two of five units get a bias that nothing outweighs."""
    torch = pytorch.torch()
    x, weight = rng.normal(size=(16, 3)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)
    bias = np.array([0, -1e3, 0, 0, -1e3], np.float32)
    gradients = jax.grad(lambda params: nn.relu(x @ params["kernel"] + params["bias"][None]).sum())(
        {"kernel": jnp.asarray(weight), "bias": jnp.asarray(bias)}
    )
    kernel = torch.tensor(weight, requires_grad=True)
    torch.relu(torch.tensor(x) @ kernel + torch.tensor(bias)).sum().backward()
    assert int((kernel.grad == 0).all(0).sum()) == 2
    assert still_units_by_layer({"layer": gradients}) == {"layer": pytest.approx(0.4)}
    health = gradient_health({"layer": gradients, "norm": {"scale": jnp.ones(4)}})
    assert health.keys() == {"grad_norm/layer", "grad_norm/norm", "no_gradient/layer"}
