from functools import partial

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses
from jaxdl.errors import UserError
from jaxdl.models.googlenet import MODULES, googlenet, normalised_to_symmetric
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, to_pytorch
from tests import pytorch
from tests.models.parity import assert_parity, reference


def assert_parity_in_training(name, build, auxiliary, *, size, batch, **options):
    """In training ``build(num_classes=1000, ...)`` has torchvision's logits, those of the auxiliary classifiers
    included, and the gradients of the weighted sum of their losses; and with the statistics that are left, its logits
    in evaluation. All of it with ``transform_input``.

    In float64: in float32 a rounding error turns a ReLU or the choice of a maximum over, and changes single gradients
    by a tenth, also between torch's own float32 and float64.
    auxiliary: the name of each auxiliary classifier, and that of its logits in torchvision's output.
    """
    torch = pytorch.torch()
    module, arrays = reference(name, size=size, init_weights=False, dropout=0.0, transform_input=True, **options)
    arrays = {key: array.copy() for key, array in arrays.items()}
    model = build(num_classes=1000, dropout=0.0, transform_input=True, dtype=jnp.float64)
    images, labels = np.random.default_rng(0).normal(size=(batch, size, size, 3)), np.arange(batch)
    flattened = getattr(model, "flattened", {})

    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    tensors, answers = torch.tensor(images).movedim(-1, 1), torch.tensor(labels)
    outputs = module.double().train()(tensors)
    outputs = {"logits": outputs.logits, **{key: getattr(outputs, field) for key, field in auxiliary.items()}}
    weights = {key: 1.0 if key == "logits" else model.auxiliary_weight for key in outputs}
    sum(weights[key] * torch.nn.functional.cross_entropy(outputs[key], answers) for key in outputs).backward()
    slopes = {key: parameter.grad.numpy() for key, parameter in module.named_parameters()}
    left = {key: tensor.numpy() for key, tensor in module.eval().state_dict().items()}

    def loss(params, batch_stats):
        variables = {"params": params, "batch_stats": batch_stats}
        logits, changed = model.apply(variables, images, train=True, mutable=["auxiliary", "batch_stats"])
        each = {"logits": logits, **{key: changed["auxiliary"][key]["logits"][0] for key in auxiliary}}
        return sum(weights[key] * losses.cross_entropy(each[key], labels).mean() for key in weights), each

    with jax.enable_x64(True):
        shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
        before, after = (from_pytorch(given, shapes, flattened=flattened) for given in (arrays, left))
        gradients, each = jax.jit(jax.grad(loss, has_aux=True))(before["params"], before["batch_stats"])
        logits = jax.jit(lambda variables: model.apply(variables, images, train=False))(after)
    for key, expected in outputs.items():
        assert each[key].dtype == jnp.float32
        pytorch.assert_close(each[key], expected.detach())
    for key, array in to_pytorch({"params": gradients}, flattened=flattened).items():
        pytorch.assert_close(array, slopes[key])
    pytorch.assert_close(logits, module(tensors).detach(), rtol=1e-4)  # statistics are float32 here, float64 there


@pytest.mark.slow
def test_logits_equal_torchvisions():
    assert_parity("googlenet", googlenet, size=33, init_weights=False)


@pytest.mark.slow
def test_training_equals_torchvisions():
    assert_parity_in_training(
        "googlenet",
        partial(googlenet, auxiliary_dropout=0.0),
        {"aux1": "aux_logits1", "aux2": "aux_logits2"},
        size=63,
        batch=4,
        dropout_aux=0.0,
    )


@pytest.mark.long
def test_transform_input_is_the_first_thing_done():
    @partial(jax.jit, static_argnums=0)
    def first(transform_input, images):
        model = googlenet(transform_input=transform_input)
        key = jax.random.key(0, impl="rbg")
        (_, modules), _ = model.init_with_output(key, images, train=False, features=True)
        return modules["inception3a"]

    images = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    transformed = first(True, images)
    pytorch.assert_close(transformed, first(False, normalised_to_symmetric(images)))
    assert np.abs(transformed - first(False, images)).max() > 0.1 * np.abs(transformed).max()


@pytest.mark.slow
def test_initial_values_are_drawn_as_torchvisions():
    module, arrays = reference("googlenet", init_weights=True)
    model = googlenet(num_classes=1000)
    variables = jax.jit(lambda key: model.init(key, jnp.zeros((1, 32, 32, 3)), train=False))(
        jax.random.key(0, impl="rbg")
    )
    for key, array in to_pytorch({"params": variables["params"]}, flattened=model.flattened).items():
        if array.size >= 1000:
            np.testing.assert_allclose(array.std(), arrays[key].std(), rtol=0.1, err_msg=key)
            np.testing.assert_allclose(np.abs(array).max(), np.abs(arrays[key]).max(), rtol=0.3, err_msg=key)
    assert (model.dropout, model.auxiliary_dropout) == (module.dropout.p, module.aux1.dropout.p)


@pytest.mark.long
@pytest.mark.parametrize(("auxiliary", "count"), [(True, 13_004_888), (False, 6_624_904)])
def test_auxiliary_classifiers_are_there_if_asked(auxiliary, count):
    model, images, key = googlenet(num_classes=1000, auxiliary=auxiliary), jnp.zeros((2, 32, 32, 3)), jax.random.key(0)
    variables = jax.eval_shape(lambda: model.init(key, images, train=False))
    assert set(variables) == {"params", "batch_stats"}
    assert parameter_count(variables["params"]) == count
    assert variables == jax.eval_shape(lambda: model.init({"params": key, "dropout": key}, images, train=True))
    apply = partial(model.apply, mutable=["auxiliary", "batch_stats"], rngs={"dropout": key})
    for train in (True, False):
        _, changed = jax.eval_shape(lambda variables: apply(variables, images, train=train), variables)  # noqa: B023
        sown = jax.tree.map(jnp.shape, changed.get("auxiliary", {}))
        logits = {"logits": ((2, 1000),)}
        assert sown == ({"aux1": logits, "aux2": logits} if auxiliary and train else {})


def test_training_needs_a_key_for_dropout():
    model, images = googlenet(auxiliary=False), jnp.zeros((2, 32, 32, 3))
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    with pytest.raises(flax.errors.InvalidRngError, match="dropout"):
        jax.eval_shape(lambda variables: model.apply(variables, images, train=True, mutable="batch_stats"), variables)


@pytest.mark.parametrize(("stem", "size"), [("cifar", 32), ("imagenet", 128)])
def test_features_are_what_each_module_puts_out(stem, size):
    def run(stem, size):
        model, images = googlenet(stem=stem), jnp.zeros((2, size, size, 3))
        return jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True))

    (logits, modules), variables = run(stem, size)
    assert logits.shape == (2, 10)
    sides = {"3": 16, "4": 8, "5": 4}
    widths = (256, 480, 512, 512, 512, 528, 832, 832, 1024)
    assert {name: module.shape for name, module in modules.items()} == {
        name: (2, sides[name[-2]], sides[name[-2]], width) for name, width in zip(MODULES, widths, strict=True)
    }
    assert variables == run("imagenet", 15)[1]


def test_unknown_stem_is_a_user_error():
    with pytest.raises(UserError, match=r"unknown stem 'cifra'. Did you mean cifar"):
        jax.eval_shape(lambda: googlenet(stem="cifra").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
