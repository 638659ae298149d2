"""``--check`` asks of loaded and frozen weights what can be asked of them."""

import flax.linen as nn
import pytest

from jaxdl.data import sources
from jaxdl.run.build import build
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.config import Config
from jaxdl.run.sanity_checks import before_training
from jaxdl.train import parallel


class Linear(nn.Module):
    scale: float = 1.0

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.relu(nn.Dense(64, name="backbone")(x[:, ::4, ::4].reshape(len(x), -1)))
        return nn.Dense(10, name="head", kernel_init=nn.initializers.normal(self.scale))(x)


def test_one_batch_is_learned_by_the_loss_of_the_run():
    digits = sources.load("digits")
    constant = CLASSIFICATION._replace(
        model=lambda config, *, num_classes: Linear(0.1), loss=lambda config: lambda outputs, targets: outputs[:, 0] * 0
    )
    training = build(Config(val_size=0), digits, parallel.single(), task=constant, weights=False)
    assert {check.name for check in before_training(training, digits) if not check.fine} == {"one batch"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("scale", "pretrained", "freeze", "odd"),
    [
        (0.1, None, None, set()),
        (1.5, None, None, {"first loss"}),
        (1.5, "a.pth", "*,!head", set()),  # another task's weights, of which the last layer learns slowly
    ],
)
def test_checks_tell_new_parameters_from_loaded_ones(scale, pretrained, freeze, odd):
    digits = sources.load("digits")
    task = CLASSIFICATION._replace(model=lambda config, *, num_classes: Linear(scale))
    config = Config(val_size=0, pretrained=pretrained, freeze=freeze)
    training = build(config, digits, parallel.single(), task=task, weights=False)
    found = list(before_training(training, digits))
    assert {check.name for check in found if not check.fine} == odd
    frozen = next(check for check in found if check.name == "one batch")
    assert ("layers frozen" in frozen.said) == bool(freeze)
