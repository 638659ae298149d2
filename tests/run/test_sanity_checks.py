"""``--check`` asks of loaded and frozen weights what can be asked of them."""

from functools import partial

import flax.linen as nn
import jax
import pytest

from jaxdl import optim
from jaxdl.data import augment, sources
from jaxdl.run.sanity_checks import before_training
from jaxdl.train.state import create_state


class Linear(nn.Module):
    scale: float = 1.0

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.relu(nn.Dense(64, name="backbone")(x[:, ::4, ::4].reshape(len(x), -1)))
        return nn.Dense(10, name="head", kernel_init=nn.initializers.normal(self.scale))(x)


@pytest.mark.parametrize(
    ("scale", "loaded", "freeze", "odd"),
    [
        (0.1, False, (), set()),
        (1.5, False, (), {"first loss"}),
        (1.5, True, ("*", "!head"), set()),  # another task's weights, of which the last layer learns slowly
    ],
)
def test_checks_tell_new_parameters_from_loaded_ones(scale, loaded, freeze, odd):
    digits = sources.load("digits")
    prepare = partial(augment.normalize, mean=(0.3,), std=(0.38,))
    model = Linear(scale)
    state = create_state(
        model,
        optim.create("sgd", learning_rate=0.1),
        jax.random.key(0),
        prepare(digits.train.images[:2]),
        freeze=freeze,
    )
    about = {"prepare": prepare, "freeze": freeze, "loaded": loaded}
    found = list(before_training(model, state, digits, digits.train, None, **about))
    assert {check.name for check in found if not check.fine} == odd
    frozen = next(check for check in found if check.name == "one batch")
    assert ("layers frozen" in frozen.said) == bool(freeze)
