"""The training step of the smallest network."""

import jax
import jax.numpy as jnp
import pytest

from jaxdl import losses, metrics, optim
from jaxdl.data import augment
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from tests.train.one_block import OneBlock


@pytest.fixture
def setting():
    """(model, train step, a function that makes its state)."""
    model = OneBlock()
    optimizer = optim.create("sgd", learning_rate=0.1, momentum=0.9, nesterov=True)
    step = make_train_step(
        model,
        optimizer,
        losses.cross_entropy,
        augment=augment.pipeline(flip_images=True, crop_padding=2),
        metrics={"accuracy": metrics.correct},
    )
    return model, step, lambda: create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
