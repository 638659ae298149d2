"""The recipes ``speed`` and ``speed_muon`` against the published programs, and as runs of the command."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import models
from jaxdl.commands.train import main
from jaxdl.data import sources
from jaxdl.errors import UserError
from jaxdl.run.asked import parse
from jaxdl.run.augmentation import alternates, augmentation_of
from jaxdl.run.input import train_batches
from jaxdl.run.optimization import optimizer_of, schedule_of, steps_of
from jaxdl.run.recipes import RECIPES, adapt
from jaxdl.run.views import views_of
from jaxdl.train.eval_step import make_predict_step
from jaxdl.train.state import create_state
from tests.commands.short_run import final_state
from tests.models.published_speed_cnn import parameters, published
from tests.pytorch import assert_close, torch
from tests.run.published_speed import trained, trained_with_muon

SPEED, MUON = RECIPES["speed"], RECIPES["speed_muon"]
NARROW = (26, 30, 30)  # more than the 24 of whitening
PER_EPOCH = 11  # 109 updates: the last ones after a multiple of five


@pytest.mark.long
@pytest.mark.parametrize("recipe", [SPEED, MUON], ids=lambda recipe: recipe.recipe)
def test_every_update_of_a_run_is_the_published_one(rng, recipe):
    library = torch()
    network = published(for_muon=recipe is MUON, widths=NARROW).double()
    named = {name: each for name, each in network.named_parameters() if each.requires_grad}
    learning_rate = schedule_of(recipe, PER_EPOCH)
    gradients = [
        {name: library.tensor(rng.normal(size=each.shape)) * 1e-3 for name, each in named.items()}
        for _ in range(learning_rate.steps)
    ]
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, parameters({name: each.data for name, each in named.items()}))
        optimizer = optimizer_of(recipe, learning_rate)
        opt_state, update = optimizer.init(params), jax.jit(optimizer.update)
        seen = []
        for each in gradients:
            updates, opt_state = update(parameters(each), opt_state, params)
            params = optax.apply_updates(params, updates)
            seen.append(jax.device_get(params))
    theirs = (trained_with_muon if recipe is MUON else trained)(network, gradients, PER_EPOCH)
    for step, (found, expected) in enumerate(zip(seen, theirs, strict=True), start=1):
        for path, leaf in jax.tree.leaves_with_path(parameters(expected)):
            layer, name = (part.key for part in path)
            np.testing.assert_allclose(
                found[layer][name],
                leaf,
                rtol=0,
                atol=1e-5 * max(np.abs(leaf).max(), 0.1),
                err_msg=f"{layer}.{name} after update {step}",
            )
    begun = {layer: seen[0][layer]["bias"] for layer in seen[0] if "bias" in seen[0][layer]}
    assert all(not np.allclose(begun[layer], seen[-1][layer]["bias"]) for layer in begun)


def test_the_learning_rate_is_the_published_triangle_in_476_updates():
    rate = schedule_of(SPEED, 50_000 // 1024)
    assert rate.steps == 476
    seen = np.asarray(jax.vmap(rate)(jnp.arange(476)))
    assert seen[0] == pytest.approx(0.2 * 1.5)
    assert seen.argmax() == int(0.23 * 476)
    assert seen.max() == pytest.approx(1.5)
    assert seen[-1] == pytest.approx(1.5 * (0.07 + 0.93 / 367))
    assert schedule_of(MUON, 25).steps == 200


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "expected"), [(9.9, 48, 476), (8, 48, 384), (1.1, 48, 53), (2.5, 48, 120), (1.1, 50, 55)]
)
def test_a_last_epoch_may_be_a_part(epochs, per_epoch, expected):
    assert steps_of(dataclasses.replace(SPEED, epochs=epochs), per_epoch) == expected


def test_whole_epochs_stay_whole_numbers():
    config, _ = parse(["--epochs", "3"], RECIPES, "experiments.cifar")
    assert json.dumps(config.epochs) == "3"
    assert parse(["--epochs", "2.5"], RECIPES, "experiments.cifar")[0].epochs == 2.5


class Linear:
    """A network whose logits tell every pixel of the image apart."""

    def __init__(self, weights):
        self.weights = weights

    def init(self, key, images, train):
        return {"params": {"kernel": jnp.asarray(self.weights)}}

    def apply(self, variables, images, *, train):
        flat = images.reshape(len(images), -1)
        return jnp.tanh(flat @ variables["params"]["kernel"])


def test_test_time_augmentation_is_the_published_one(rng):
    library = torch()
    weights = rng.normal(size=(8 * 8 * 3, 10)).astype(np.float32) / 8
    images = rng.normal(size=(5, 8, 8, 3)).astype(np.float32)

    def of(x):
        return library.tanh(x.movedim(1, -1).flatten(1) @ library.tensor(weights))

    def and_mirrored(x):
        return 0.5 * of(x) + 0.5 * of(x.flip(-1))

    x = library.tensor(images).movedim(-1, 1)
    padded = library.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    shifted = [padded[:, :, :8, :8], padded[:, :, 2:, 2:]]

    def ours(**flags):
        config = dataclasses.replace(SPEED, **flags)
        state = create_state(Linear(weights), optax.sgd(0.1), jax.random.key(0), images)
        return make_predict_step(Linear(weights), views=views_of(config))(state, {"images": images})

    assert_close(ours(), 0.5 * and_mirrored(x) + 0.25 * sum(map(and_mirrored, shifted)))
    assert_close(ours(test_flip=False), 0.5 * of(x) + 0.25 * sum(map(of, shifted)))
    assert_close(ours(test_crops=False), and_mirrored(x))
    assert_close(ours(test_flip=False, test_crops=False), of(x))


def test_what_views_have_in_common_is_computed_once():
    def operations(views):
        model = models.create("cifar_cnn")
        images = jnp.zeros((2, 32, 32, 3))
        state = create_state(model, optax.sgd(0.1), jax.random.key(0), images)
        step = make_predict_step(model, views=views)
        return step.lower(state, {"images": images}).compile().cost_analysis()["flops"]

    assert operations(views_of(SPEED)) < 6.2 * operations(())


def test_alternating_takes_the_place_of_mirroring_at_random(rng):
    images = rng.integers(0, 256, (64, 8, 8, 3), np.uint8)

    def seen(**flags):
        config = dataclasses.replace(SPEED, crop_padding=0, **flags)
        return np.asarray(augmentation_of(config, mean=(0.0,), std=(1 / 255,))(jax.random.key(0), images))

    np.testing.assert_allclose(seen(), images, atol=1e-3)
    assert not np.allclose(seen(alternate_flips=False), images, atol=1e-3)
    assert alternates(SPEED)
    assert not alternates(dataclasses.replace(SPEED, flip=False))
    assert not alternates(adapt(SPEED, sources.load("digits"), frozenset()))  # which are no digits in a mirror


def test_the_command_asks_for_alternating_batches(picture_folder):
    split, share = sources.load("digits").train, {"rows": slice(0, 1024), "padded_size": 1024}
    for config, asked in ((SPEED, True), (dataclasses.replace(SPEED, flip=False), False)):
        with train_batches(split, config, start=0, **share) as batch_at:
            assert ("mirrored" in batch_at(0)) == asked
    streamed = sources.load("folder", picture_folder, stream=True).train
    with pytest.raises(UserError, match="--alternate-flips needs pictures in memory"):
        train_batches(streamed, SPEED, start=0, **share)


def test_lbfgs_does_not_take_groups():
    config = dataclasses.replace(RECIPES["quick"], optimizer="lbfgs", bias_lr_factor=2.0)
    with pytest.raises(UserError, match="leave out --bias-lr-factor"):
        optimizer_of(config, schedule_of(config, 10))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["speed", "speed_muon"])
def test_a_run_stopped_and_resumed_is_never_stopped(tmp_path, recipe):
    flags = ["--recipe", recipe, "--dataset", "digits", "--batch-size", "8", "--epochs", "1", "--no-report",
             "--whiten-bias-epochs", "0.02", "--flip", "--no-test-crops"]  # 179 updates an epoch  # fmt: skip
    assert main([*flags, "--steps", "7", "--out", str(tmp_path / "whole")]) == 0
    assert main([*flags, "--steps", "4", "--out", str(tmp_path / "parted")]) == 0
    assert main(["--resume", "--steps", "7", "--out", str(tmp_path / "parted")]) == 0
    parted, whole = final_state(tmp_path / "parted"), final_state(tmp_path / "whole")
    assert int(whole.step) == 7
    for name in ("params", "batch_stats", "opt_state"):
        jax.tree.map(np.testing.assert_array_equal, getattr(parted, name), getattr(whole, name))
    assert jnp.isfinite(optax.tree.norm(whole.params))
