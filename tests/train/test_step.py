import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses, metrics, models, optim
from jaxdl.data import augment
from jaxdl.errors import UserError
from jaxdl.train.state import create_state
from jaxdl.train.step import make_eval_step, make_train_step
from tests import pytorch
from tests.models.test_models import course_network, course_params


class OneBlock(nn.Module):
    """The smallest network that has everything a step must handle: a norm, dropout, biases."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(8, (3, 3), strides=2, padding=1)(x)
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))
        x = nn.Dropout(0.3, deterministic=not train)(x)
        return nn.Dense(self.num_classes)(x.mean((1, 2)))


def batch_of(rng, size=12, side=8):
    images = rng.integers(0, 256, (size, side, side, 3), np.uint8)
    return {"images": images, "labels": rng.integers(0, 10, size).astype(np.int32)}


@pytest.fixture
def setting(rng):
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


def test_train_step_learns_a_batch_by_heart(rng, setting):
    _, step, create = setting
    state, batch = create(), batch_of(rng)
    seen = []
    for _ in range(200):
        state, measured = step(state, batch)
        seen.append(float(measured["loss"].value))
    assert seen[0] > 2.0
    assert np.mean(seen[-10:]) < 1.5  # dropout and augmentation keep it from 0
    assert int(state.step) == 200
    assert measured["accuracy"].count == 12


def test_train_step_is_a_function_of_state_and_batch(rng, setting):
    _, step, create = setting
    batch = batch_of(rng)
    first, second = (step(step(create(), batch)[0], batch)[0] for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    jax.tree.map(np.testing.assert_array_equal, first.batch_stats, second.batch_stats)


def test_train_step_donates_the_state(rng, setting):
    _, step, create = setting
    state = create()
    step(state, batch_of(rng))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_the_pure_step_can_be_compiled_by_an_outer_transformation(rng, setting):
    _, step, create = setting
    batches = [batch_of(rng) for _ in range(3)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *batches)
    scanned, _ = jax.jit(lambda state: jax.lax.scan(step.__wrapped__, state, stacked))(create())
    state = create()
    for batch in batches:
        state, _ = step(state, batch)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # noqa: E731
    jax.tree.map(close, scanned.params, state.params)


def test_train_step_keeps_the_running_statistics_of_the_batch(rng, setting):
    model, _, create = setting
    plain = make_train_step(model, optim.create("sgd", learning_rate=0.1, momentum=0.9), losses.cross_entropy)
    images = rng.normal(size=(12, 8, 8, 3)).astype(np.float32)
    state = create()
    seen = nn.Conv(8, (3, 3), strides=2, padding=1).apply({"params": state.params["Conv_0"]}, images)
    after, _ = plain(state, {"images": images, "labels": np.zeros(12, np.int32)})
    running = after.batch_stats["BatchNorm_0"]
    np.testing.assert_allclose(running["mean"], 0.1 * seen.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(running["var"], 0.9 + 0.1 * seen.var((0, 1, 2)), rtol=1e-4)


def test_nothing_compiles_twice(rng, setting):
    model, step, create = setting
    eval_step = make_eval_step(model, losses.cross_entropy, prepare=augment.normalize)
    state = create()
    for _ in range(3):
        state, _ = step(state, batch_of(rng))
        eval_step(state, batch_of(rng))
    assert step._cache_size() == eval_step._cache_size() == 1


def test_train_step_draws_new_randomness_each_step(rng):
    drawn = []

    def record(key, images):
        jax.debug.callback(lambda data: drawn.append(tuple(data.tolist())), jax.random.key_data(key))
        return augment.normalize(images)

    model, optimizer = OneBlock(), optim.create("sgd", learning_rate=0.0)
    step = make_train_step(model, optimizer, losses.cross_entropy, augment=record)
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    for _ in range(4):
        state, _ = step(state, batch_of(rng))
    jax.effects_barrier()
    assert len(set(drawn)) == 4


def test_masked_rows_change_neither_loss_nor_gradient(rng):
    model = models.create("cifar_cnn")  # no batch norm, so that rows are independent
    optimizer = optim.create("sgd", learning_rate=0.1)
    step = make_train_step(
        model, optimizer, losses.cross_entropy, augment=lambda key, x: augment.normalize(x),
        metrics={"accuracy": metrics.correct},
    )  # fmt: skip
    batch = batch_of(rng, side=32)
    padded = {
        "images": np.concatenate([batch["images"], batch["images"][:4]]),
        "labels": np.concatenate([batch["labels"], batch["labels"][:4] + 1]),
        "mask": np.arange(16) < 12,
    }
    plain, masked = (
        step(create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 32, 32, 3))), each)
        for each in (batch, padded)
    )
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)  # noqa: E731
    jax.tree.map(close, plain[0].params, masked[0].params)
    jax.tree.map(close, plain[1], masked[1])


def test_twenty_steps_of_the_course_network_equal_pytorchs(rng):
    torch = pytest.importorskip("torch")
    reference = course_network(torch)
    model, optimizer = models.create("cifar_cnn"), optim.create("sgd", learning_rate=0.01)
    step = make_train_step(
        model, optimizer, losses.cross_entropy, augment=lambda key, images: augment.normalize(images)
    )
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    state = state.replace(params=jax.tree.map(jnp.asarray, course_params(reference)))
    theirs = torch.optim.SGD(reference.parameters(), 0.01)
    for _ in range(20):
        batch = batch_of(rng, size=16, side=32)
        pixels = torch.tensor(batch["images"]).permute(0, 3, 1, 2) / 255
        loss = torch.nn.functional.cross_entropy(reference(pixels), torch.tensor(batch["labels"], dtype=torch.long))
        theirs.zero_grad()
        loss.backward()
        theirs.step()
        state, measured = step(state, batch)
        np.testing.assert_allclose(measured["loss"].value, loss.item(), rtol=1e-5)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)  # noqa: E731
    jax.tree.map(close, state.params, course_params(reference))


def test_grad_norm_is_the_gradients_before_clipping(rng):
    model = OneBlock()
    batch = batch_of(rng)
    measured = [
        make_train_step(
            model, optim.create("sgd", learning_rate=0.1, clip_norm=clip), losses.cross_entropy,
            augment=lambda key, x: augment.normalize(x),
        )(create_state(model, optim.create("sgd", learning_rate=0.1, clip_norm=clip), jax.random.key(0),
                       jnp.zeros((1, 8, 8, 3))), batch)[1]["grad_norm"].value
        for clip in (None, 1e-3)
    ]  # fmt: skip
    np.testing.assert_allclose(measured[0], measured[1], rtol=1e-6)
    assert measured[0] > 1e-3


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


def test_accumulation_takes_batch_norm_through_the_parts_in_turn(rng, setting):
    model, optimizer = setting[0], optim.create("sgd", learning_rate=0.0)
    batch = {**batch_of(rng), "images": rng.normal(size=(12, 8, 8, 3)).astype(np.float32)}
    whole = make_train_step(model, optimizer, losses.cross_entropy)
    in_parts = make_train_step(model, optimizer, losses.cross_entropy, accumulate=3)
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    expected = jax.tree.map(jnp.copy, state)
    for rows in (slice(0, 4), slice(4, 8), slice(8, 12)):
        expected, _ = whole(expected, {name: array[rows] for name, array in batch.items()})
    jax.tree.map(pytorch.assert_close, in_parts(state, batch)[0].batch_stats, expected.batch_stats)


def test_a_batch_that_does_not_divide_is_named(rng, setting):
    model, _, create = setting
    step = make_train_step(model, optim.create("sgd", learning_rate=0.1), losses.cross_entropy, accumulate=5)
    with pytest.raises(UserError, match="accumulate must divide the batch, got 5 for a batch of 12"):
        step(create(), batch_of(rng))


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


def test_eval_step_uses_running_statistics_and_no_dropout(rng, setting):
    model, step, create = setting
    state, batch = step(create(), batch_of(rng))[0], batch_of(rng)
    eval_step = make_eval_step(model, losses.cross_entropy, prepare=augment.normalize)
    whole = eval_step(state, batch)["loss"]
    halves = [
        eval_step(state, {name: array[rows] for name, array in batch.items()})["loss"]
        for rows in (slice(0, 6), slice(6, 12))
    ]
    np.testing.assert_allclose(whole.total, halves[0].total + halves[1].total, rtol=1e-5)
    assert not state.params["Dense_0"]["bias"].is_deleted()


def test_eval_views_average_the_logits(rng, setting):
    model, _, create = setting
    state, batch = create(), batch_of(rng)
    once = make_eval_step(model, lambda logits, _: logits[:, 0], prepare=augment.normalize)
    both = make_eval_step(model, lambda logits, _: logits[:, 0], prepare=augment.normalize, views=(augment.mirror,))
    mirrored = {**batch, "images": batch["images"][:, :, ::-1]}
    expected = (once(state, batch)["loss"].value + once(state, mirrored)["loss"].value) / 2
    np.testing.assert_allclose(both(state, batch)["loss"].value, expected, rtol=1e-5)
    assert once(state, batch)["loss"].value != once(state, mirrored)["loss"].value


def test_create_state_shows_the_images_to_a_layer_that_learns_from_them(rng):
    optimizer = optim.create("sgd", learning_rate=0.1)
    kernels = [
        create_state(
            models.create("quick_cnn"), optimizer, jax.random.key(0), jnp.asarray(rng.random((8, 32, 32, 3)) * scale)
        ).batch_stats["Whiten_0"]["kernel"]
        for scale in (1.0, 2.0)
    ]
    assert np.abs(kernels[0]).max() > 1.5 * np.abs(kernels[1]).max()
