import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses, metrics, models, optim
from jaxdl.data import augment
from jaxdl.errors import UserError
from jaxdl.train import parallel
from jaxdl.train.eval_step import make_eval_step, make_predict_step
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from tests.models.test_models import course_network, course_params
from tests.train.one_block import OneBlock, batch_of


@pytest.mark.long
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


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("label", [-1, 10, 255])
def test_a_label_that_is_no_class_is_told_before_anything_is_compiled(rng, setting, label, on_device):
    _, step, create = setting
    batch = batch_of(rng)
    wrong = {**batch, "labels": np.where(np.arange(12) == 5, label, np.asarray(batch["labels"])).astype(np.int32)}
    given = jax.tree.map(jnp.asarray, wrong) if on_device else wrong
    state = create()
    with pytest.raises(UserError, match=f"labels must be from 0 to 9 for 10 classes, got {label}"):
        step(state, given)
    assert step.jitted._cache_size() == 0
    state, _ = step(state, batch)
    with pytest.raises(UserError, match=f"got {label}"):
        step(state, wrong)
    step(state, batch)


@pytest.mark.parametrize("kind", ["single", "pmap", "mesh"])
def test_a_label_that_is_no_class_is_told_in_evaluation_and_on_several_devices(rng, setting, kind):
    model, step, create = setting
    evaluation = make_eval_step(model, losses.cross_entropy, prepare=augment.normalize)
    devices, batch = parallel.choose(kind), batch_of(rng)
    wrong = {**batch, "labels": np.asarray(batch["labels"]) + 10}
    for function in (step, evaluation):
        with pytest.raises(UserError, match="labels must be from 0 to 9 for 10 classes"):
            devices.compile(function)(devices.put(create()), devices.place(wrong))
    with pytest.raises(UserError, match="labels must be from 0 to 9 for 10 classes"):
        evaluation(create(), wrong)
    padded = {**wrong, "labels": np.where(np.arange(12) < 6, batch["labels"], 10), "mask": np.arange(12) < 6}
    assert np.isfinite(evaluation(create(), padded)["loss"].value)  # what is padding may be anything


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda images, labels: (images, labels), "a batch must be a dict of arrays, images and labels, got tuple"),
        (lambda images, labels: {"image": images, "labels": labels}, "needs 'images'; this one has 'image', 'labels'"),
        (lambda images, labels: {"images": images, "labels": labels.tolist()}, "labels of a batch must be an array"),
        (lambda images, labels: {"images": images.tolist(), "labels": labels}, "images of a batch must be an array"),
        (lambda images, labels: {"images": images, "labels": labels.astype(str)}, "labels of a batch must be numbers"),
        (lambda images, labels: {"images": images, "labels": labels[:5]}, "got 12 of images, 5 of labels"),
        (lambda images, labels: {"images": images[:0], "labels": labels[:0]}, "must have an example at least"),
        (lambda images, labels: {"images": images, "labels": labels[0]}, "got 12 of images, no axis of labels"),
    ],
    ids=["pair", "other name", "list of labels", "list of images", "words", "fewer labels", "nothing", "one label"],
)
def test_what_is_no_batch_is_told_before_anything_is_compiled(rng, setting, made, said):
    model, step, create = setting
    evaluation, batch = make_eval_step(model, losses.cross_entropy), batch_of(rng)
    wrong = made(np.asarray(batch["images"]), np.asarray(batch["labels"]))
    for function in (step, evaluation):
        with pytest.raises(UserError, match=re.escape(said)):
            function(create(), wrong)
        assert function.jitted._cache_size() == 0


def test_prediction_needs_no_labels(rng, setting):
    model, _, create = setting
    predict = make_predict_step(model, prepare=augment.normalize)
    assert predict(create(), {"images": batch_of(rng)["images"]}).shape == (12, 10)
    with pytest.raises(UserError, match="needs 'images'"):
        predict(create(), {"labels": batch_of(rng)["labels"]})


@pytest.mark.parametrize("wrong", [np.nan, -0.5, 2.0])
def test_probabilities_that_are_none_are_told_before_anything_is_compiled(rng, setting, wrong):
    _, step, create = setting
    batch = batch_of(rng)
    labels = np.eye(10, dtype=np.float32)[np.asarray(batch["labels"])]
    labels[5, 3] = wrong
    with pytest.raises(UserError, match=f"labels must be from 0 to 1, got {wrong}"):
        step(create(), {**batch, "labels": labels})
    assert step.jitted._cache_size() == 0


def test_classes_as_floats_are_told_before_anything_is_compiled(rng, setting):
    _, step, create = setting
    batch = batch_of(rng)
    with pytest.raises(UserError, match="must be int32, got float32"):
        step(create(), {**batch, "labels": np.asarray(batch["labels"], np.float32)})
    assert step.jitted._cache_size() == 0


def test_labels_that_the_loss_ignores_are_no_mistake(rng, setting):
    model, _, create = setting
    loss = partial(losses.cross_entropy, ignore_index=255)
    step = make_train_step(model, optim.create("sgd", learning_rate=0.1, momentum=0.9), loss)
    batch = batch_of(rng)
    batch = {"images": np.float32(batch["images"]), "labels": np.where(np.arange(12) == 5, 255, batch["labels"])}
    _, measured = step(create(), batch)
    assert np.isfinite(measured["loss"].value)


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
    assert step.jitted._cache_size() == eval_step.jitted._cache_size() == 1


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


@pytest.mark.long
@pytest.mark.parametrize(("model", "side"), [(models.create("cifar_cnn"), 32), (OneBlock(), 8)])
def test_masked_rows_change_neither_loss_nor_gradient_nor_statistics(rng, model, side):
    optimizer = optim.create("sgd", learning_rate=0.1)
    step = make_train_step(
        model, optimizer, losses.cross_entropy, augment=lambda key, x: augment.normalize(x),
        metrics={"accuracy": metrics.correct},
    )  # fmt: skip
    batch = batch_of(rng, side=side)
    padded = {
        "images": np.concatenate([batch["images"], batch["images"][:4]]),
        "labels": np.concatenate([batch["labels"], batch["labels"][:4] + 1]),
        "mask": np.arange(16) < 12,
    }
    plain, masked = (
        step(create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, side, side, 3))), each)
        for each in (batch, padded)
    )
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)  # noqa: E731
    jax.tree.map(close, (plain[0].params, plain[0].batch_stats), (masked[0].params, masked[0].batch_stats))
    jax.tree.map(close, plain[1], masked[1])


@pytest.mark.long
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
    # Of kernels of some 0.1; by how much the two sums differ after twenty updates depends on the processor.
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=3e-5)  # noqa: E731
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


@pytest.mark.long
def test_create_state_shows_the_images_to_a_layer_that_learns_from_them(rng):
    optimizer = optim.create("sgd", learning_rate=0.1)
    kernels = [
        create_state(
            models.create("quick_cnn"), optimizer, jax.random.key(0), jnp.asarray(rng.random((8, 32, 32, 3)) * scale)
        ).batch_stats["Whiten_0"]["kernel"]
        for scale in (1.0, 2.0)
    ]
    assert np.abs(kernels[0]).max() > 1.5 * np.abs(kernels[1]).max()
