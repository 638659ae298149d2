"""Options of the training step: parts of a batch, mixed labels, penalties, other losses."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses, metrics, models, optim
from jaxdl.data import augment
from jaxdl.errors import UserError
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from tests import pytorch
from tests.models.test_models import course_network, course_params
from tests.train.one_block import batch_of


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "parts"), [("plain", 2), ("plain", 6), ("masked", 3), ("weighted", 3), ("penalised", 2)]
)
def test_accumulation_makes_the_large_batchs_update(rng, kind, parts):
    model, optimizer = models.create("cifar_cnn"), optim.create("sgd", learning_rate=0.1)
    batch = batch_of(rng, side=32)
    weight = rng.uniform(0.01, 3.0, 10).astype(np.float32)

    def weighted(logits, labels):
        given = {"weight": weight, "ignore_index": 3}
        return losses.cross_entropy(logits, labels, **given), losses.target_weights(labels, **given)

    options = {"penalty": lambda params: 0.1 * optim.l2_penalty(params)} if kind == "penalised" else {}
    if kind == "masked":
        batch["mask"] = np.arange(12) % 5 != 0  # some parts lose more rows than others
    results = [
        make_train_step(
            model,
            optimizer,
            weighted if kind == "weighted" else losses.cross_entropy,
            augment=lambda key, images: augment.normalize(images),
            metrics={"accuracy": metrics.correct},
            accumulate=accumulate,
            **options,
        )(create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 32, 32, 3))), batch)
        for accumulate in (1, parts)
    ]
    (whole, measured), (accumulated, measured_in_parts) = results
    jax.tree.map(pytorch.assert_close, accumulated.params, whole.params)
    jax.tree.map(pytorch.assert_close, measured_in_parts, measured)


@pytest.mark.long
def test_accumulation_takes_batch_norm_through_the_parts_in_turn(rng, setting):
    model, optimizer = setting[0], optim.create("sgd", learning_rate=0.0)
    batch = {**batch_of(rng), "images": rng.normal(size=(12, 8, 8, 3)).astype(np.float32)}
    whole = make_train_step(model, optimizer, losses.cross_entropy)
    in_parts = make_train_step(model, optimizer, losses.cross_entropy, accumulate=3)
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    expected = jax.tree.map(jnp.copy, state)
    for rows in (slice(0, None, 3), slice(1, None, 3), slice(2, None, 3)):
        expected, _ = whole(expected, {name: array[rows] for name, array in batch.items()})
    jax.tree.map(pytorch.assert_close, in_parts(state, batch)[0].batch_stats, expected.batch_stats)


def test_an_update_that_is_not_finite_is_left_out_and_counted(rng, setting):
    model, optimizer = setting[0], optim.create("adam", learning_rate=0.1)
    step = make_train_step(model, optimizer, losses.cross_entropy, skip_not_finite=True)
    good = {**batch_of(rng), "images": rng.normal(size=(12, 8, 8, 3)).astype(np.float32)}
    bad = {**good, "images": np.where(np.arange(12)[:, None, None, None] == 5, np.nan, good["images"])}
    state, first = step(create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3))), good)
    before = jax.tree.map(np.array, (state.params, state.batch_stats, state.opt_state))
    state, skipped = step(state, bad)
    jax.tree.map(np.testing.assert_array_equal, (state.params, state.batch_stats, state.opt_state), before)
    assert int(state.step) == 2
    assert (first["skipped"].total, skipped["skipped"].total) == (0, 1)
    assert skipped["loss"].count == skipped["grad_norm"].count == 0
    state, _ = step(state, good)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


def test_a_batch_that_does_not_divide_is_named(rng, setting):
    model, _, create = setting
    step = make_train_step(model, optim.create("sgd", learning_rate=0.1), losses.cross_entropy, accumulate=5)
    with pytest.raises(UserError, match="accumulate must divide the batch, got 5 for a batch of 12"):
        step(create(), batch_of(rng))


@pytest.mark.long
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_weighted_loss_steps_as_pytorchs_weighted_mean(rng, smoothing):
    torch = pytorch.torch()
    reference = course_network(torch)
    weight = rng.uniform(0.01, 3.0, 10).astype(np.float32)

    def weighted(logits, labels):
        values = losses.cross_entropy(logits, labels, weight=weight, ignore_index=3, label_smoothing=smoothing)
        return values, losses.target_weights(labels, weight=weight, ignore_index=3)

    model, optimizer = models.create("cifar_cnn"), optim.create("sgd", learning_rate=0.1)
    step = make_train_step(model, optimizer, weighted, augment=lambda key, images: augment.normalize(images))
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    state = state.replace(params=jax.tree.map(jnp.asarray, course_params(reference)))
    batch = batch_of(rng, size=24, side=32)
    loss = torch.nn.functional.cross_entropy(
        reference(torch.tensor(batch["images"]).permute(0, 3, 1, 2) / 255),
        torch.tensor(batch["labels"], dtype=torch.long),
        torch.tensor(weight),
        ignore_index=3,
        label_smoothing=smoothing,
    )
    loss.backward()
    torch.optim.SGD(reference.parameters(), 0.1).step()
    state, measured = step(state, batch)
    pytorch.assert_close(measured["loss"].value, loss.item())
    assert measured["loss"].count == 24
    jax.tree.map(pytorch.assert_close, state.params, course_params(reference))


def test_an_elementwise_loss_is_averaged_over_each_example_as_pytorchs(rng, setting):
    model, _, create = setting
    batch = {"images": rng.normal(size=(12, 8, 8, 3)).astype(np.float32), "labels": rng.normal(size=(12, 10))}
    batch["labels"] = batch["labels"].astype(np.float32)
    measured = make_eval_step(model, losses.mse)(create(), batch)["loss"]
    logits = model.apply({"params": create().params, "batch_stats": create().batch_stats}, batch["images"], train=False)
    expected = pytorch.torch().nn.functional.mse_loss(
        *(pytorch.torch().tensor(np.array(x)) for x in (logits, batch["labels"]))
    )
    pytorch.assert_close(measured.value, expected)
    assert measured.count == 12


def test_mix_comes_after_augment_and_gives_the_loss_its_labels(rng, setting):
    model, _, create = setting
    seen = {}

    def mix(key, images, labels):
        assert images.dtype == jnp.float32
        return 0.25 * images + 0.75 * images[::-1], 0.25 * jax.nn.one_hot(labels, 10) + 0.75 * jax.nn.one_hot(
            labels[::-1], 10
        )

    def soft(logits, labels):
        seen["labels"] = labels.shape
        return losses.cross_entropy(logits, labels)

    step = make_train_step(
        model, optim.create("sgd", learning_rate=0.1, momentum=0.9, nesterov=True), soft,
        augment=lambda key, images: augment.normalize(images), mix=mix, metrics={"accuracy": metrics.correct},
    )  # fmt: skip
    _, measured = step(create(), batch_of(rng))
    assert seen["labels"] == (12, 10)
    assert np.isfinite(measured["loss"].value)


@pytest.mark.long
def test_a_penalty_is_added_to_what_is_differentiated_and_reported_by_itself(rng, setting):
    model, _, create = setting
    batch = batch_of(rng)
    optimizer = optim.create("sgd", learning_rate=0.1)
    plain, penalised = (
        make_train_step(
            model, optimizer, losses.cross_entropy, augment=lambda key, images: augment.normalize(images), **options
        )(create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3))), batch)
        for options in ({}, {"penalty": lambda params: 0.2 * optim.l1_penalty(params)})
    )  # fmt: skip
    kernel = create().params["Conv_0"]["kernel"]
    pytorch.assert_close(
        penalised[0].params["Conv_0"]["kernel"], plain[0].params["Conv_0"]["kernel"] - 0.1 * 0.2 * np.sign(kernel)
    )
    pytorch.assert_close(penalised[0].params["Conv_0"]["bias"], plain[0].params["Conv_0"]["bias"])
    kernels = [leaf for leaf in jax.tree.leaves(create().params) if leaf.ndim > 1]
    pytorch.assert_close(penalised[1]["penalty"].value, 0.2 * sum(np.abs(leaf).sum() for leaf in kernels))
    assert penalised[1]["loss"].value == plain[1]["loss"].value


def test_lbfgs_runs_in_the_same_step_on_the_whole_batch(rng):
    """Softmax regression on random data, beside PyTorch's own L-BFGS on the same."""
    torch = pytorch.torch()

    class Softmax(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(10)(x.reshape(len(x), -1))

    batch = {"images": rng.normal(size=(40, 2, 2, 3)).astype(np.float32), "labels": rng.integers(0, 10, 40)}
    model, optimizer = Softmax(), optim.create("lbfgs", learning_rate=1.0, max_iter=5)
    step = make_train_step(model, optimizer, losses.cross_entropy)
    state = create_state(model, optimizer, jax.random.key(0), batch["images"])
    reference = torch.nn.Linear(12, 10)
    with torch.no_grad():
        reference.weight.copy_(torch.tensor(np.array(state.params["Dense_0"]["kernel"].T)))
        reference.bias.zero_()
    theirs = torch.optim.LBFGS(reference.parameters(), lr=1.0, max_iter=5)
    pixels, labels = torch.tensor(batch["images"].reshape(40, -1)), torch.tensor(batch["labels"])

    def closure():
        theirs.zero_grad()
        loss = torch.nn.functional.cross_entropy(reference(pixels), labels)
        loss.backward()
        return loss

    for _ in range(4):
        expected = theirs.step(closure)
        state, measured = step(state, batch)
        pytorch.assert_close(measured["loss"].value, expected.detach(), rtol=1e-4)
    pytorch.assert_close(state.params["Dense_0"]["kernel"].T, reference.weight.detach(), rtol=1e-3)


class TwoClassifiers(nn.Module):
    num_classes: int = 10
    auxiliary_weight = 0.3

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.relu(nn.Dense(16)(x.reshape(len(x), -1)))
        auxiliary = nn.Dense(self.num_classes, name="aux")(x)
        if train and not self.is_initializing():
            self.sow("auxiliary", "logits", auxiliary)
        return nn.Dense(self.num_classes, name="fc")(x)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_auxiliary_classifiers_add_their_weighted_loss(rng, accumulate):
    model, batch = TwoClassifiers(), batch_of(rng)
    batch["images"] = rng.normal(size=(12, 8, 8, 3)).astype(np.float32)
    state = create_state(model, optim.create("sgd", learning_rate=0.1), jax.random.key(0), batch["images"])

    def total(params):
        logits, sown = model.apply({"params": params}, batch["images"], train=True, mutable=["auxiliary"])
        main = losses.cross_entropy(logits, batch["labels"]).mean()
        (other,) = sown["auxiliary"]["logits"]
        return main + 0.3 * losses.cross_entropy(other, batch["labels"]).mean(), main

    slopes, main = jax.grad(total, has_aux=True)(state.params)
    expected = jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, state.params, slopes)
    step = make_train_step(model, optim.create("sgd", learning_rate=0.1), losses.cross_entropy, accumulate=accumulate)
    after, measured = step(state, batch)
    jax.tree.map(pytorch.assert_close, after.params, expected)
    pytorch.assert_close(measured["loss"].value, main)
