"""Swept flags as traced numbers make the optimizer and the loss that the flags themselves make."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import losses
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.optimization import optimizer_of, schedule_of
from jaxdl.run.recipes import RECIPES
from jaxdl.run.sweep.numbers import loss_of_member, optimizer_of_member

VALUES = {"lr": 0.03, "weight_decay": 0.02, "l2": 0.01, "momentum": 0.7, "clip_norm": 0.5, "clip_value": 0.1}
CHAIN = ("weight_decay", "l2", "clip_norm", "clip_value")


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "names"),
    [
        *(({}, (name,)) for name in VALUES),
        ({}, tuple(VALUES)),
        ({"nesterov": False}, ("momentum", "l2")),
        ({"momentum": 0.0, "clip_value": 0.2}, ("l2", "weight_decay")),
        ({"decay_biases": True, "ema": 0.9}, ("l2", "weight_decay")),
        ({"lookahead": 0.9}, ("lr", "weight_decay", "momentum")),
        *(({"optimizer": name}, ("lr", *CHAIN)) for name in ("adamw", "rmsprop", "nadam")),
        *(({"schedule": name, "gamma": 0.5}, ("lr",)) for name in ("step", "exponential", "one_cycle", "constant")),
        ({"optimizer": "muon"}, ("clip_norm", "clip_value")),
        ({"bias_lr_factor": 64.0}, ("lr", "clip_norm")),
    ],
)
def test_traced_numbers_make_the_optimizer_of_the_flags(rng, changes, names):
    config = dataclasses.replace(RECIPES["quick"], epochs=2, warmup_epochs=0.5, **{"weight_decay": 5e-3, **changes})
    chosen = {name: VALUES[name] for name in names}
    params = {
        "Conv_0": {"kernel": rng.normal(size=(3, 3, 2, 4)), "bias": rng.normal(size=4)},
        "Norm_0": {"scale": rng.normal(size=4), "bias": rng.normal(size=4)},
    }
    params = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
    gradients = [
        jax.tree.map(lambda leaf: (0.2 * rng.normal(size=leaf.shape)).astype(np.float32), params) for _ in range(6)
    ]
    alone = dataclasses.replace(config, **chosen)

    def after(numbers):
        optimizer = (
            optimizer_of(alone, schedule_of(alone, 4)) if numbers is None else optimizer_of_member(config, numbers, 4)
        )
        found, state = params, optimizer.init(params)
        for each in gradients:
            updates, state = optimizer.update(each, state, found)
            found = optax.apply_updates(found, updates)
        return found

    ours, theirs = jax.jit(after)({name: jnp.float32(value) for name, value in chosen.items()}), after(None)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, theirs)


def test_traced_label_smoothing_is_that_of_the_loss(rng):
    logits, labels = rng.normal(size=(8, 5)).astype(np.float32), rng.integers(0, 5, 8)
    mixed = rng.dirichlet(np.ones(5), 8).astype(np.float32)
    for targets in (labels, mixed):
        ours = jax.jit(
            lambda share, t=targets: loss_of_member(CLASSIFICATION, RECIPES["quick"], {"label_smoothing": share})(
                logits, t
            )
        )
        for share in (0.0, 0.3):
            expected = losses.cross_entropy(logits, jnp.asarray(targets), label_smoothing=share)
            np.testing.assert_allclose(ours(share), expected, rtol=1e-5)
