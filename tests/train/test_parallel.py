"""One step in each of its forms on eight simulated devices, against one device."""

import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import losses, metrics, models, optim
from jaxdl.data import augment
from jaxdl.errors import UserError
from jaxdl.nn import BatchNorm
from jaxdl.train import parallel
from jaxdl.train.collectives import psum
from jaxdl.train.eval_step import make_eval_step, make_predict_step
from jaxdl.train.loop import predict
from jaxdl.train.state import create_state
from jaxdl.train.step import make_gradient_step, make_train_step
from tests.train.one_block import OneBlock, batch_of

FORMS = {
    "pmap": parallel.pmap,
    "mesh": parallel.mesh,
    "fsdp": partial(parallel.mesh, data=4, fsdp=2),
}


class Wide(nn.Module):
    """Layers large enough to be divided over fsdp, with a batch norm and dropout."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(64, (5, 5), padding=2, use_bias=False)(x)  # before a norm a bias has no gradient but noise
        x = nn.relu(BatchNorm(not train)(x)).mean((1, 2))
        x = nn.Dropout(0.3, deterministic=not train)(nn.relu(nn.Dense(128)(x)))
        return nn.Dense(10)(x)


def losses_and_state(devices, model, step, optimizer, batches, images):
    run, key = devices.compile(step), jax.random.key(0)
    variables = jax.tree.map(lambda leaf: leaf.astype(images.dtype), model.init(key, images, train=False))
    state, seen = devices.put(create_state(model, optimizer, key, images, variables=variables)), []
    for batch in batches:
        state, measured = run(state, devices.place(batch))
        seen.append(jax.device_get(measured))
    return seen, state


def assert_agree(ours, reference, tolerance):
    def close(a, b):
        if jnp.issubdtype(jnp.asarray(a).dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)

    jax.tree.map(close, ours, reference)


def compare_all_forms(model, *, steps, size=16, side=32, tolerance=1e-5, optimizer=None, dtype=jnp.float32, **options):
    rng = np.random.default_rng(0)
    optimizer = optimizer or optim.create("sgd", learning_rate=0.01, momentum=0.9, clip_norm=1.0)
    settings = {
        "augment": augment.pipeline(flip_images=True, crop_padding=4, cutout_size=4),
        "metrics": {"accuracy": metrics.correct},
    }
    step = make_train_step(model, optimizer, losses.cross_entropy, **(settings | options))
    batches = [batch_of(rng, size, side) for _ in range(steps)]
    images = jnp.asarray(rng.normal(size=(8, side, side, 3)), dtype)
    expected, reference = losses_and_state(parallel.single(), model, step, optimizer, batches, images)
    for make in FORMS.values():
        measured, state = losses_and_state(make(), model, step, optimizer, batches, images)
        for ours, theirs in zip(measured, expected, strict=True):
            assert_agree({**ours, "grad_norm": 0}, {**theirs, "grad_norm": 0}, tolerance)
            assert_agree(ours["grad_norm"], theirs["grad_norm"], 100 * tolerance)
        for part in ("params", "batch_stats", "step", "key"):
            assert_agree(getattr(state, part), getattr(reference, part), tolerance)
        assert_agree(state.opt_state, reference.opt_state, 100 * tolerance)


@pytest.mark.long
@pytest.mark.parametrize("accumulate", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_twenty_steps_of_the_course_network_are_those_of_one_device(accumulate):
    small = optim.create("sgd", learning_rate=1e-3, momentum=0.9, clip_norm=1.0)  # a large one makes much of rounding
    compare_all_forms(models.create("cifar_cnn"), steps=20, accumulate=accumulate, optimizer=small)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_twenty_steps_of_a_resnet_are_those_of_one_device(accumulate):
    # In float64, because 20 steps of a network with batch norms make of float32's last bit more than 1e-5, and as much
    # of that of one device's order of summation.
    with jax.enable_x64(True):
        model = models.create("resnet18", stem="cifar", dtype=jnp.float64)
        compare_all_forms(model, steps=20, accumulate=accumulate, dtype=jnp.float64)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"mix": partial(augment.mixup, num_classes=10)}, marks=pytest.mark.slow),
        pytest.param({"mix": partial(augment.cutmix, num_classes=10), "size": 21}, marks=pytest.mark.slow),
        pytest.param({"size": 21}, marks=pytest.mark.slow),
        {"size": 20, "accumulate": 2},
        pytest.param({"penalty": lambda params: 0.01 * optax.tree.norm(params, squared=True)}, marks=pytest.mark.slow),
        pytest.param(
            {"optimizer": optim.create("lbfgs", learning_rate=0.01, max_iter=5), "steps": 2, "tolerance": 2e-3},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "optimizer": optim.create("adamw", learning_rate=0.01, weight_decay=0.1),
                "skip_not_finite": True,
                "tolerance": 1e-4,
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["mixup", "cutmix of 21", "21", "20 in two parts", "penalty", "lbfgs", "adamw"],
)
def test_batch_norm_dropout_and_what_is_random_are_those_of_one_device(options):
    compare_all_forms(Wide(), **{"steps": 3, "side": 8, "size": 16, "tolerance": 2e-5} | options)


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_evaluation_counts_every_example_once(form, rng):
    model, optimizer = Wide(), optim.create("sgd", learning_rate=0.1)
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    step = make_eval_step(model, losses.cross_entropy, prepare=augment.normalize, metrics={"accuracy": metrics.correct})
    batch = batch_of(rng, 21)
    expected = step(state, batch)
    devices = FORMS[form]()
    measured = devices.compile(step)(devices.put(state), devices.place(batch))
    assert measured["loss"].count == 21
    assert_agree(measured, expected, 1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_predictions_are_every_examples_in_order(form, rng):
    model, optimizer = Wide(), optim.create("sgd", learning_rate=0.1)
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    step = make_predict_step(model, prepare=augment.normalize, views=(augment.mirror,))
    batches = [batch_of(rng, 21), batch_of(rng, 21)]
    images = augment.normalize(np.concatenate([batch["images"] for batch in batches]))
    expected = sum(model.apply(state.variables, seen, train=False) for seen in (images, images[:, :, ::-1])) / 2
    devices = FORMS[form]()
    size = devices.padded(21)
    placed = [devices.place(batch) for batch in batches]
    found = [predict(devices.compile(step), devices.put(state), [each], examples=21) for each in placed]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4, atol=1e-5)
    assert len(predict(devices.compile(step), devices.put(state), placed, examples=size + 21)) == size + 21


@pytest.mark.parametrize("form", FORMS)
def test_what_was_put_on_devices_is_fetched_whole(form):
    state = create_state(Wide(), optim.create("adam", learning_rate=0.1), jax.random.key(7), jnp.zeros((1, 8, 8, 3)))
    devices = FORMS[form]()
    fetched = devices.fetch(devices.put(state))
    assert_agree(fetched, state, 0)
    assert isinstance(fetched.params["Dense_0"]["kernel"], np.ndarray)


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_those_of_one_device(form, rng):
    model, optimizer = Wide(), optim.create("sgd", learning_rate=1.0)
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    step = make_gradient_step(model, losses.cross_entropy, augment=augment.plain(augment.normalize))
    batch = batch_of(rng, 16)
    after, _ = make_train_step(
        model, optimizer, losses.cross_entropy, augment=augment.plain(augment.normalize)
    ).__wrapped__(state, batch)
    expected = jax.tree.map(lambda before, after: before - after, state.params, after.params)
    devices = FORMS[form]()
    found = devices.fetch(devices.compile(step)(devices.put(state), devices.place(batch)))
    assert_agree(found, expected, 2e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_step_of_ones_own_needs_no_more_than_a_sum(form, rng):
    def step(weights, batch):
        def loss(weights):
            return jnp.square(batch["images"].reshape(len(batch["labels"]), -1) @ weights - 1).sum()

        value, slope = psum(jax.value_and_grad(loss)(weights))
        return weights - 1e-4 * slope, value

    weights = jnp.asarray(rng.normal(size=(192, 64)), jnp.float32)
    batch = {"images": rng.normal(size=(16, 8, 8, 3)).astype(np.float32), "labels": np.zeros(16, np.int32)}
    devices = FORMS[form]()
    placed, value = devices.compile(step)(devices.put(weights), devices.place(batch))
    assert_agree((placed, value), jax.jit(step)(weights, batch), 1e-5)
    assert placed.sharding == devices.put(weights).sharding


def test_fsdp_divides_large_leaves_of_parameters_and_optimizer_state():
    devices = parallel.mesh(data=2, fsdp=4)
    optimizer = optim.create("adamw", learning_rate=0.1)
    state = devices.put(create_state(Wide(), optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3))))
    moments = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.shape == (64, 128)]
    assert len(moments) == 2
    for leaf in (state.params["Dense_0"]["kernel"], *moments):
        assert {shard.data.shape for shard in leaf.addressable_shards} == {(64, 32)}
    assert state.params["Dense_1"]["kernel"].sharding.is_fully_replicated
    run = devices.compile(make_train_step(Wide(), optimizer, losses.cross_entropy))
    after, _ = run(state, devices.place({"images": jnp.ones((8, 8, 8, 3)), "labels": jnp.zeros(8, jnp.int32)}))
    assert jax.tree.map(lambda leaf: leaf.sharding, after) == jax.tree.map(
        lambda leaf: leaf.sharding, devices.put(jax.tree.map(jnp.copy, after))
    )


@pytest.mark.long
@pytest.mark.parametrize("form", ["single", *FORMS])
def test_made_on_the_devices_is_the_same_state_as_put_there(form):
    devices = parallel.single() if form == "single" else FORMS[form]()
    optimizer, images = optim.create("adamw", learning_rate=0.1), jnp.zeros((1, 8, 8, 3))
    make = partial(create_state, Wide(), optimizer, jax.random.key(0), images, freeze=["Dense_0.bias"])
    made, placed = devices.make(make), devices.put(make())
    assert_agree(made, placed, 1e-6)
    assert jax.tree.map(lambda leaf: leaf.sharding, made) == jax.tree.map(lambda leaf: leaf.sharding, placed)


@pytest.mark.long
def test_put_copies_what_the_step_then_donates():
    state = create_state(OneBlock(), optim.create("sgd", learning_rate=0.1), jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    for devices in (parallel.single(), *(make() for make in FORMS.values())):
        run = devices.compile(make_train_step(OneBlock(), optim.create("sgd", learning_rate=0.1), losses.cross_entropy))
        placed = devices.put(state)
        run(placed, devices.place({"images": jnp.ones((8, 8, 8, 3)), "labels": jnp.zeros(8, jnp.int32)}))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(placed.params))
    assert np.isfinite(np.asarray(state.params["Dense_0"]["kernel"])).all()


@pytest.mark.long
def test_research_code_may_pmap_the_pure_step_itself(rng):
    model, optimizer = OneBlock(), optim.create("sgd", learning_rate=0.1)
    step = make_train_step(model, optimizer, losses.cross_entropy)
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    batch = {"images": rng.normal(size=(16, 8, 8, 3)).astype(np.float32), "labels": rng.integers(0, 10, 16)}
    divided = {name: array.reshape(8, 2, *array.shape[1:]) for name, array in batch.items()}
    replicas = jax.pmap(step.__wrapped__, "batch", in_axes=(None, 0), out_axes=None)
    assert_agree(replicas(state, divided), step(jax.tree.map(jnp.copy, state), batch), 1e-5)


def test_what_does_not_fit_is_named():
    with pytest.raises(UserError, match=r"data=3 times fsdp=3 does not fit 8 devices"):
        parallel.mesh(data=3, fsdp=3)
    with pytest.raises(UserError, match="shape of the mesh is given, but parallel is pmap"):
        parallel.choose("pmap", fsdp=2)
    with pytest.raises(UserError, match="Did you mean mesh"):
        parallel.choose("mehs")
    assert parallel.choose("auto").kind == "single"  # simulated devices are one processor
    assert parallel.choose("auto", fsdp=2).mesh.shape == {"data": 4, "fsdp": 2}


COLLECTIVE = re.compile(r" = (\S.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")


def bytes_sent(programs):
    """{collective: bytes of its results} in compiled programs."""
    found = {}
    for program in programs:
        for line in program.compile().as_text().splitlines():
            if match := COLLECTIVE.search(line):
                shapes = re.findall(r"(?:f32|s32|u32)\[([\d,]*)\]", match[1])
                count = sum(int(np.prod([int(length) for length in shape.split(",") if length])) for shape in shapes)
                found[match[2]] = found.get(match[2], 0) + 4 * count
    return found


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_devices_exchange_gradients_statistics_and_scalars_alone(form, rng):
    model, optimizer = models.create("quick_cnn"), optim.create("sgd", learning_rate=0.1, momentum=0.9, clip_norm=1.0)
    settings = {"augment": augment.pipeline(flip_images=True, crop_padding=4), "metrics": {"accuracy": metrics.correct}}
    step = make_train_step(model, optimizer, losses.cross_entropy, **settings)
    devices = FORMS[form]()
    state = devices.put(create_state(model, optimizer, jax.random.key(0), jnp.ones((4, 32, 32, 3))))
    sent = bytes_sent(devices.compile(step).lower(state, devices.place(batch_of(rng, 64, 32))))

    def size(tree):
        return 4 * sum(leaf.size for leaf in jax.tree.leaves(tree))

    running = {name: leaf for name, leaf in state.batch_stats.items() if name.startswith("BatchNorm")}
    reduced = sent.pop("all-reduce")
    statistics = 2 * size(running)  # their sums forward and the gradients of these backward, some of which XLA shares
    assert size(state.params) <= reduced <= size(state.params) + statistics + 256
    divided = [leaf for leaf in jax.tree.leaves(state.params) if not leaf.sharding.is_fully_replicated]
    assert bool(divided) == (form == "fsdp")
    assert sent == ({"all-gather": size(divided)} if divided else {})
