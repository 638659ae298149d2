"""A step that begins as one program and goes on as another."""

import flax.linen as nn
import jax
import numpy as np
import optax
import pytest

from jaxdl import losses, metrics
from jaxdl.errors import UserError
from jaxdl.train.ahead import Compiler, Program
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from jaxdl.train.takeover import Takeover
from tests.programs import compiled

SIZE, STEPS = 64, 5


class Wide(nn.Module):
    """A convolution that the fast step computes by tiles."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.relu(nn.Conv(64, (3, 3), padding=1)(x))
        return nn.Dense(10)(x.mean((1, 2)))


def batches(rng):
    return [
        {
            "images": rng.normal(size=(SIZE, 16, 16, 64)).astype(np.float32),
            "labels": rng.integers(0, 10, SIZE).astype(np.int32),
        }
        for _ in range(STEPS)
    ]


def new_step():
    return make_train_step(Wide(), optax.sgd(0.05, 0.9), losses.cross_entropy, metrics={"accuracy": metrics.correct})


@pytest.fixture(scope="module")
def step():
    return new_step()


def first_state():
    return create_state(Wide(), optax.sgd(0.05, 0.9), jax.random.key(0), np.zeros((1, 16, 16, 64), np.float32))


def trained(step, batches, *, at, start=0, state=None):
    takeover = Takeover(step, at=at, steps=STEPS, compiler=Compiler())
    state, go = state or first_state(), takeover.begun_at(start)
    for batch in batches:
        state, _ = go(state, batch)
    return state


def test_the_programs_agree_and_each_has_its_updates(step, rng):
    given = batches(rng)
    plain, both, fast = (trained(step, given, at=at) for at in (STEPS, 2, 0))
    for other in (both, fast):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4), plain.params, other.params)
    assert any(
        np.any(np.asarray(a) != b) for a, b in zip(*map(jax.tree.leaves, (plain.params, fast.params)), strict=True)
    )
    assert int(both.step) == STEPS


@pytest.mark.parametrize("stopped", [1, 2, 3])
def test_a_stopped_training_goes_on_with_the_programs_that_it_would_have_had(step, rng, stopped):
    given = batches(rng)
    whole = trained(step, given, at=2)
    half = trained(step, given[:stopped], at=2)
    resumed = trained(step, given[stopped:], at=2, start=stopped, state=half)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)


def test_what_no_update_needs_is_not_compiled(rng):
    with compiled() as programs:
        trained(new_step(), batches(rng), at=STEPS)
    assert len([name for name in programs if "wrapped" in name]) == 1


def test_batches_are_checked_before_they_are_compiled_for(step, rng):
    batch = batches(rng)[0]
    with compiled() as programs, pytest.raises(UserError, match="labels"):
        Takeover(step, at=0, steps=1, compiler=Compiler()).begun_at(0)(first_state(), {"images": batch["images"]})
    assert not [name for name in programs if "wrapped" in name]


def test_a_program_takes_other_shapes_too_and_raises_what_compiling_raised():
    program = Program(Compiler(), jax.jit(lambda x: x.sum()), np.ones(3, np.float32))
    assert not program.ready
    assert program(np.ones(3, np.float32)) == 3
    assert program.ready
    assert program(np.ones((2, 2), np.float32)) == 4

    def broken(x):
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        Program(Compiler(), jax.jit(broken), np.ones(3))(np.ones(3))
