from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import InvalidRngError

from jaxdl import losses, models
from jaxdl.errors import UserError
from jaxdl.train.state import parameter_count

PARAMETERS = {  # published, with ten classes
    ("cifar_cnn", None): 145_578,
    ("resnet18", "cifar"): 11_173_962,
    ("speed_cnn", None): 1_971_352,
}
FAMILIES = ["cifar_cnn", "quick_cnn", "resnet18", "speed_cnn"]  # one member of each


@pytest.fixture(scope="module", params=FAMILIES)
def built(request):
    """(name, model, variables, images), each model initialised once."""
    model = models.create(request.param)
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))
    variables = jax.jit(lambda key: model.init(key, images, train=False))(jax.random.key(1))
    return request.param, model, variables, images


@pytest.mark.long
def test_every_model_gives_finite_f32_logits(built):
    _, model, variables, images = built
    logits = jax.jit(lambda v: model.apply(v, images, train=False))(variables)
    assert logits.shape == (4, 10)
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()


@pytest.mark.long
def test_every_parameter_receives_a_gradient(built):
    _, model, variables, images = built

    @jax.jit
    def gradient(params):
        def loss(params):
            logits, _ = model.apply({**variables, "params": params}, images, train=True, mutable=["batch_stats"])
            return losses.cross_entropy(logits, jnp.arange(4)).mean()

        return jax.grad(loss)(params)

    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(variables["params"])):
        assert np.isfinite(leaf).all(), path
        assert (np.asarray(leaf) != 0).any(), path


@pytest.mark.parametrize(("name", "stem"), PARAMETERS)
def test_published_parameter_counts(name, stem):
    images = jnp.zeros((1, 32, 32, 3))
    variables = jax.eval_shape(lambda: models.create(name, stem=stem).init(jax.random.key(0), images, train=False))
    assert parameter_count(variables["params"]) == PARAMETERS[name, stem]


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_bf16_computes_in_bf16_and_keeps_f32_parameters_and_logits(name):
    model = models.create(name, num_classes=3, dtype=jnp.bfloat16, stem="cifar" if models.has_stem(name) else None)
    images = jnp.ones((2, 32, 32, 3))  # which every network takes, as the command has it
    logits, variables = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), images, train=False))
    assert logits.shape == (2, 3)
    assert logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    program = jax.jit(lambda v: model.apply(v, images, train=False)).lower(variables).as_text()
    assert "stablehlo.convolution" in program
    assert all("bf16" in line for line in program.splitlines() if "stablehlo.convolution" in line)


@pytest.mark.parametrize("name", FAMILIES)
def test_train_has_no_default(name):
    with pytest.raises(TypeError, match="train"):
        models.create(name).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def test_values_that_no_network_can_have_are_refused():
    for fields, message in [
        ({"num_classes": -3}, "num_classes must be a whole number of at least 1, got -3"),
        ({"num_classes": "10"}, "num_classes must be a whole number of at least 1, got '10'"),
        ({"dropout": "x"}, "dropout must be of the kind of its default, 0.2; got 'x'"),
        ({"dropout": 1.5}, "dropout must be from 0 to 1, got 1.5"),
        ({"dropout": None}, "dropout must be of the kind"),
    ]:
        with pytest.raises(UserError, match=message):
            models.create("mobilenet_v2", **fields)


def test_a_stem_is_for_those_that_have_a_choice():
    with pytest.raises(UserError, match="cifar_cnn has no stem to choose, got stem='cifar'"):
        models.create("cifar_cnn", stem="cifar")
    with pytest.raises(UserError, match=r"unknown stem 'cifra'. Did you mean cifar"):
        models.create("resnet18", stem="cifra").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)


def test_an_unknown_model_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean resnet18"):
        models.create("resnet-18")


def test_cifar_cnn_is_pytorchs_sequential(rng):
    torch = pytest.importorskip("torch")
    reference = course_network(torch)
    images = rng.random((3, 32, 32, 3), np.float32)
    expected = reference(torch.tensor(images).permute(0, 3, 1, 2)).detach().numpy()
    logits = models.create("cifar_cnn").apply({"params": course_params(reference)}, images, train=False)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_cifar_cnn_starts_where_pytorch_starts():
    torch = pytest.importorskip("torch")
    theirs = course_params(course_network(torch))
    ours = models.create("cifar_cnn").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)["params"]

    def compare(path, a, b):
        assert a.shape == b.shape, path
        bound = np.abs(b).max()
        assert np.abs(a).max() <= bound * (1.001 if a.size > 1000 else 1.6), path
        if a.size > 1000:
            np.testing.assert_allclose(np.std(a), np.std(b), rtol=0.05, err_msg=str(path))

    jax.tree_util.tree_map_with_path(compare, ours, theirs)


def course_network(torch):
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, 1, 2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, 1, 2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, 1, 2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 64),
        nn.Linear(64, 10),
    )


def course_params(reference):
    arrays = {name: tensor.detach().numpy() for name, tensor in reference.state_dict().items()}
    hidden = arrays["7.weight"].reshape(64, 64, 4, 4).transpose(2, 3, 1, 0).reshape(1024, 64)  # CHW -> HWC
    convolutions = {
        f"Conv_{index}": {"kernel": arrays[f"{layer}.weight"].transpose(2, 3, 1, 0), "bias": arrays[f"{layer}.bias"]}
        for index, layer in enumerate((0, 2, 4))
    }
    return convolutions | {
        "Dense_0": {"kernel": hidden, "bias": arrays["7.bias"]},
        "Dense_1": {"kernel": arrays["8.weight"].T, "bias": arrays["8.bias"]},
    }


@pytest.mark.parametrize(
    "name", ["alexnet", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_0", "vgg11"]
)
def test_a_network_with_dropout_lets_one_choose_its_share(name):
    images = jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32)

    def train(**fields):
        model = models.create(name, **fields)
        variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
        return jax.eval_shape(partial(model.apply, train=True, mutable=["batch_stats"]), variables, images)

    train(dropout=0.0)
    with pytest.raises(InvalidRngError):
        train()
