from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.models.inception_v3 import inception_v3
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import to_pytorch
from tests.models.parity import assert_parity, reference
from tests.models.test_googlenet import assert_parity_in_training


def variables_for(model, size, **options):
    """The shapes that ``init`` gives, for images of that size."""
    images = jnp.zeros((2, size, size, 3))
    return jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False, **options))


@pytest.mark.slow
def test_logits_equal_torchvisions():
    assert_parity("inception_v3", inception_v3, size=75, init_weights=True)


@pytest.mark.slow
def test_training_equals_torchvisions():
    assert_parity_in_training("inception_v3", inception_v3, {"AuxLogits": "aux_logits"}, size=299, batch=2)


@pytest.mark.slow
def test_initial_values_are_drawn_as_torchvisions():
    module, arrays = reference("inception_v3", size=75, init_weights=True)
    model = inception_v3(num_classes=1000)
    variables = jax.jit(lambda key: model.init(key, jnp.zeros((1, 75, 75, 3)), train=False))(
        jax.random.key(0, impl="rbg")
    )
    for key, array in to_pytorch({"params": variables["params"]}).items():
        if array.size >= 1000:
            np.testing.assert_allclose(array.std(), arrays[key].std(), rtol=0.1, err_msg=key)
            np.testing.assert_allclose(np.abs(array).max(), np.abs(arrays[key]).max(), rtol=0.3, err_msg=key)
    assert model.dropout == module.dropout.p


@pytest.mark.long
@pytest.mark.parametrize(("auxiliary", "count"), [(True, 27_161_264), (False, 23_834_568)])
def test_auxiliary_classifier_is_there_if_asked(auxiliary, count):
    model = inception_v3(num_classes=1000, auxiliary=auxiliary)
    variables = variables_for(model, 75)
    assert set(variables) == {"params", "batch_stats"}
    assert parameter_count(variables["params"]) == count
    images = jnp.zeros((2, 75, 75, 3))
    for train in (True, False):
        apply = partial(model.apply, train=train, mutable=["auxiliary", "batch_stats"])
        key = {"dropout": jax.random.key(0)}
        _, changed = jax.eval_shape(lambda variables: apply(variables, images, rngs=key), variables)  # noqa: B023
        sown = jax.tree.map(jnp.shape, changed.get("auxiliary", {}))
        assert sown == ({"AuxLogits": {"logits": ((2, 1000),)}} if auxiliary and train else {})


@pytest.mark.long
@pytest.mark.parametrize(
    ("stem", "size", "sides"), [("cifar", 32, (26, 12, 5)), ("imagenet", 75, (7, 3, 1)), ("imagenet", 299, (35, 17, 8))]
)
def test_features_are_what_each_module_puts_out(stem, size, sides):
    model, images = inception_v3(stem=stem), jnp.zeros((2, size, size, 3))
    (logits, modules), variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 10)
    widths = {"5b": 256, "5c": 288, "5d": 288, **{f"6{at}": 768 for at in "abcde"}, "7a": 1280, "7b": 2048, "7c": 2048}
    assert {name: module.shape for name, module in modules.items()} == {
        f"Mixed_{name}": (2, sides[int(name[0]) - 5], sides[int(name[0]) - 5], width) for name, width in widths.items()
    }
    if stem == "cifar":
        assert variables == variables_for(inception_v3(), 75)


@pytest.mark.parametrize(("stem", "least", "hint"), [("cifar", 13, r"\."), ("imagenet", 75, '; stem="cifar"')])
def test_too_small_an_image_is_a_user_error_that_says_the_least_size(stem, least, hint):
    variables_for(inception_v3(stem=stem), least)
    with pytest.raises(UserError, match=rf"at least {least} pixels, got \(2, {least - 1}, {least - 1}, 3\){hint}"):
        variables_for(inception_v3(stem=stem), least - 1)


def test_unknown_stem_is_a_user_error():
    with pytest.raises(UserError, match=r"unknown stem 'cifra'. Did you mean cifar"):
        variables_for(inception_v3(stem="cifra"), 75)
