import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import initial_values, models
from jaxdl.initial_values import initial_variables

# of the families with many members, all but one or two: their layers are those of these
LARGER = re.compile(
    r"convnext_(s|b|l)|densenet1(6|.9)|densenet2|dinov2_(?!vits14$)|efficientnet_(b[1-7]|v2_(m|l))|mnasnet(0_75|1)|"
    r"regnet_._(?!400mf)|resnet(34|101|152)|resnext101|shufflenet_v2_x(1_5|2)|swin_(s|b|v2_(s|b))|vgg1(3|6|9)|vit_(l|h)|"
    r"wide_resnet101"
)
IMAGES = np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype(np.float32)


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), found, expected)


@pytest.mark.parametrize(
    "name",
    [
        "cifar_cnn",
        "quick_cnn",
        "speed_cnn",
        pytest.param("squeezenet1_1", marks=pytest.mark.long),
        pytest.param("mobilenet_v3_small", marks=pytest.mark.long),
    ],
)
def test_initial_variables_are_those_of_init(name):
    model, key = models.create(name), jax.random.key(5)
    found, expected = initial_variables(model, key, IMAGES), model.init(key, IMAGES, train=False)
    whitening = [variables.get("batch_stats", {}).pop("Whiten_0", None) for variables in (found, expected)]
    assert_same(found, expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3), *whitening)


class Own(nn.Module):
    """Layers with linen's own initialisers, one changed after its draw, and a parameter that is computed."""

    widths: tuple[int, ...] | list[int] = (4,)

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(self.widths[0], (3, 3))(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        halved = models.quick_cnn.lecun_normal
        weight = self.param("weight", lambda key, shape: halved(key, shape) / 2, (4, 5))
        scale = self.param("scale", lambda key: jnp.arange(5.0))
        return x.mean((1, 2)) @ (weight * scale[None])


@pytest.mark.parametrize("widths", [(4,), [4]])
def test_initial_variables_of_other_initialisers(widths):
    model, key = Own(widths), jax.random.key(1)
    assert_same(initial_variables(model, key, IMAGES), jax.jit(lambda: model.init(key, IMAGES, train=False))())


def test_initial_variables_in_a_traced_function():
    model, keys = models.create("cifar_cnn"), jax.random.split(jax.random.key(0), 2)
    both = jax.vmap(lambda key: initial_variables(model, key, IMAGES))(keys)
    for place, key in enumerate(keys):
        alone = model.init(key, IMAGES, train=False)
        jax.tree.map(lambda a, b, place=place: np.testing.assert_allclose(a[place], b, rtol=1e-6), both, alone)


@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg"])
def test_initial_variables_of_another_generator(implementation):
    model, key = models.create("cifar_cnn"), jax.random.key(0, impl=implementation)
    assert_same(initial_variables(model, key, IMAGES), jax.jit(lambda: model.init(key, IMAGES, train=False))())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if LARGER.match(name) else name for name in models.names()]
)
def test_no_network_leaves_a_draw_to_a_program_of_its_own(name):
    size = (
        299
        if "inception" in name
        else 224
        if name.startswith(("dinov2", "maxvit", "vit"))
        else 32
        if "cnn" in name
        else 64
    )
    plan = initial_values._plan(models.create(name), (2, size, size, 3), np.dtype("float32"))
    leaves = range(plan.tree.num_leaves)
    at_hand = {*plan.drawn, *initial_values.traced.constants(plan.jaxpr)}
    paths = jax.tree_util.tree_flatten_with_path(jax.tree.unflatten(plan.tree, leaves))[0]
    computed = [jax.tree_util.keystr(path) for path, place in paths if place not in at_hand]
    assert all("Whiten" in path for path in computed), computed
