"""On a GPU or TPU what holds on a CPU: ``python -m pytest -m accelerator -n 0``; skipped where there is none."""

import os
import subprocess
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import losses, models
from jaxdl.data import augment
from jaxdl.train import members, parallel
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from tests.commands.short_run import ROOT, SHORT, command, final_state, records

pytestmark = pytest.mark.accelerator
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"  # without it XLA:GPU picks kernels by timing, and adds in any order
BATCH, MEMBERS, TIMES = 64, 8, 3


@pytest.fixture(scope="module")
def accelerator():
    device = jax.devices()[0]
    if device.platform == "cpu":
        pytest.skip("this machine has no GPU or TPU that this JAX can use")
    return device


def batch_of(rng):
    images = rng.integers(0, 256, (BATCH, 32, 32, 3), np.uint8)
    return {"images": images, "labels": rng.integers(0, 10, BATCH).astype(np.int32)}


def step_and_state(name, learning_rate=0.05):
    model, optimizer = models.create(name), optax.sgd(learning_rate, momentum=0.9)
    step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.pipeline(flip_images=True))
    return step, lambda: create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def run(*flags, out, **variables):
    done = subprocess.run(
        command(*SHORT, *flags, out=out),
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": DETERMINISTIC, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["cifar_cnn", "quick_cnn", "resnet18", "speed_cnn"])
def test_a_step_computes_what_it_does_on_the_cpu(accelerator, rng, name):
    step, state_of = step_and_state(name)
    batch, found = batch_of(rng), []
    with jax.default_matmul_precision("highest"):  # TF32 has three digits
        first = jax.tree.map(np.asarray, state_of().replace(key=0))
        key = jax.random.key_data(state_of().key)
        for device in (accelerator, jax.devices("cpu")[0]):
            placed = parallel.single(device)
            state = placed.put(jax.tree.map(jnp.asarray, first).replace(key=jax.random.wrap_key_data(key)))
            state, measured = placed.compile(step)(state, placed.place(batch))
            found.append(jax.device_get((state.params, {name: mean.value for name, mean in measured.items()})))
    (ours, our_metrics), (theirs, their_metrics) = found
    for name, value in our_metrics.items():
        assert float(value) == pytest.approx(float(their_metrics[name]), rel=1e-3), name
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), ours, theirs)


def test_a_resumed_run_is_the_one_never_stopped(accelerator, tmp_path):
    run("--steps", "24", out=tmp_path / "whole")
    run("--steps", "17", out=tmp_path / "stopped")
    run("--steps", "24", "--resume", out=tmp_path / "stopped")
    ours, theirs = (final_state(tmp_path / name) for name in ("stopped", "whole"))
    assert int(ours.step) == int(theirs.step) == 24
    for a, b in ((ours.params, theirs.params), (ours.opt_state, theirs.opt_state)):
        jax.tree.map(np.testing.assert_array_equal, a, b)


def test_many_updates_in_a_program_are_the_plain_loop(accelerator, tmp_path):
    assert f"{accelerator.platform}" in run("--steps", "24", out=tmp_path / "resident").lower()
    run("--steps", "24", "--no-resident", out=tmp_path / "plain")
    for ours, theirs in zip(records(tmp_path / "resident"), records(tmp_path / "plain"), strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() & {"train_loss", "val_loss"}:  # accuracies of few images leap
            assert ours[name] == pytest.approx(theirs[name], rel=1e-2), name


def test_eight_members_of_a_sweep_take_less_than_three_times_one(accelerator, rng):
    examples = jax.device_put(batch_of(rng), accelerator)

    def update(state, numbers, batch):
        return step_and_state("cifar_cnn", numbers["rate"])[0].__wrapped__(state, batch)

    def seconds(count, steps=50):
        states = members.stack_states([step_and_state("cifar_cnn")[1]() for _ in range(count)])
        feed = {"rows": jnp.asarray(rng.integers(0, BATCH, (count, steps, BATCH)), jnp.int32)}
        numbers, step, taken = {"rate": jnp.full(count, 0.01)}, members.make_members_step(update), []
        for _ in range(1 + TIMES):  # the first compiles
            began = time.perf_counter()
            states, measured = step(states, numbers, examples, feed, np.int32(steps))
            jax.block_until_ready((states, measured))
            taken.append(time.perf_counter() - began)
        return min(taken[1:])

    assert seconds(MEMBERS) < 3 * seconds(1)
