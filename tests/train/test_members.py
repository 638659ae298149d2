"""Many members in one program: each computes what it computes alone."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import metrics
from jaxdl.data import augment
from jaxdl.train import members
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from tests.train.one_block import OneBlock, batch_of

MEMBERS, STEPS, MOST, BATCH = 4, 3, 5, 6
RATES = (0.1, 0.1, 0.3, 0.3)
MODEL = OneBlock()


def cross_entropy(logits, labels):  # in the precision of its logits
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def step_of(rate):
    optimizer = optax.chain(optax.trace(0.9, nesterov=True), optax.scale_by_learning_rate(rate))
    transform = augment.pipeline(flip_images=True, crop_padding=2)
    accuracy = {"accuracy": metrics.correct}
    return make_train_step(MODEL, optimizer, cross_entropy, augment=transform, metrics=accuracy), optimizer


def update(state, numbers, batch):
    return step_of(numbers["rate"])[0].__wrapped__(state, batch)


lone_step = cache(lambda rate: step_of(rate)[0])
members_step = cache(lambda one_by_one: members.make_members_step(update, one_by_one=one_by_one))


@cache
def first_state(seed, dtype):
    state = create_state(MODEL, step_of(0.1)[1], jax.random.key(seed), jnp.zeros((1, 8, 8, 3)))
    floats = (state.params, state.batch_stats, state.opt_state)
    params, batch_stats, opt_state = jax.tree.map(lambda leaf: leaf.astype(dtype), floats)
    return state.replace(params=params, batch_stats=batch_stats, opt_state=opt_state)


@pytest.fixture
def drawn(rng):
    """(examples, feed)."""
    rows = rng.integers(0, 20, (MEMBERS, MOST, BATCH)).astype(np.int32)
    return batch_of(rng, 20), {"rows": rows, "mirrored": rng.random(rows.shape) < 0.5}


def alone(member, drawn, dtype, steps=STEPS):
    examples, feed = drawn
    step, measured = lone_step(RATES[member]), []
    state = jax.tree.map(jnp.copy, first_state(member % 2, dtype))  # which the step is given
    for index in range(steps):
        chosen = feed["rows"][member, index]
        batch = {name: values[chosen] for name, values in examples.items()}
        state, found = step(state, {**batch, "mirrored": feed["mirrored"][member, index]})
        measured.append(found)
    return state, measured


def together(drawn, dtype, *, one_by_one, rates=RATES, counts=(STEPS,)):
    examples, feed = drawn
    states = members.stack_states([first_state(member % 2, dtype) for member in range(len(rates))])
    step = members_step(one_by_one)
    numbers, data, measured = {"rate": jnp.asarray(rates, dtype)}, jax.tree.map(jnp.asarray, examples), []
    done = 0
    for count in counts:
        ahead = {name: np.roll(values, -done, axis=1) for name, values in feed.items()}
        states, found = step(states, numbers, data, ahead, np.int32(count))
        measured.append(found)
        done += count
    return states, measured


def member_of(states, member):
    return jax.tree.map(lambda leaf: leaf[member], states.replace(step=())).replace(step=states.step)


@pytest.mark.long
@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "side by side"])
@pytest.mark.parametrize(
    ("dtype", "within"), [("float32", 1e-5), pytest.param("float64", 1e-10, marks=pytest.mark.slow)]
)
def test_a_member_computes_what_it_computes_alone(drawn, one_by_one, dtype, within):
    with jax.enable_x64(dtype == "float64"):
        states, (measured,) = together(drawn, dtype, one_by_one=one_by_one)
        for member in range(MEMBERS):
            state, found = alone(member, drawn, dtype)
            own = member_of(states, member)
            assert jax.tree.leaves(own.params)[0].dtype == dtype
            for ours, theirs in ((own.params, state.params), (own.batch_stats, state.batch_stats)):
                jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=within), ours, theirs)
            assert int(own.step) == int(state.step) == STEPS
            for name in ("loss", "accuracy", "grad_norm"):
                np.testing.assert_allclose(
                    measured[name].value[:STEPS, member], [each[name].value for each in found], atol=within
                )
        assert not np.asarray(measured["loss"].count[STEPS:]).any()  # steps that were not asked for


@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "side by side"])
def test_steps_in_several_calls_are_the_same_bits(drawn, one_by_one):
    at_once, (all_,) = together(drawn, "float32", one_by_one=one_by_one, counts=(5,))
    in_parts, parts = together(drawn, "float32", one_by_one=one_by_one, counts=(1, 3, 1))
    jax.tree.map(np.testing.assert_array_equal, at_once.params, in_parts.params)
    jax.tree.map(np.testing.assert_array_equal, at_once.opt_state, in_parts.opt_state)
    pieces = [part["loss"].total[:count] for part, count in zip(parts, (1, 3, 1), strict=True)]
    np.testing.assert_array_equal(all_["loss"].total, np.concatenate(pieces))


@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "side by side"])
def test_a_member_that_is_no_number_changes_no_other(drawn, one_by_one):
    sound, _ = together(drawn, "float32", one_by_one=one_by_one)
    broken, (measured,) = together(drawn, "float32", one_by_one=one_by_one, rates=(0.1, np.nan, 0.3, 0.3))
    for member in range(MEMBERS):
        own, reference = (jax.tree.map(lambda leaf, m=member: leaf[m], each.params) for each in (broken, sound))
        if member == 1:
            assert not np.isfinite(jax.tree.leaves(own)[0]).any()
            assert np.isfinite(measured["loss"].total[0, 1])  # before the first update
            assert not np.isfinite(measured["loss"].total[1, 1])
        else:
            jax.tree.map(np.testing.assert_array_equal, own, reference)


@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "side by side"])
def test_evaluation_is_each_members_own(drawn, one_by_one):
    examples, feed = drawn
    states, _ = together(drawn, "float32", one_by_one=True)
    step = make_eval_step(MODEL, cross_entropy, prepare=augment.normalize, metrics={"accuracy": metrics.correct})
    evaluation = members.make_members_evaluation(
        lambda state, numbers, batch: step.__wrapped__(state, batch), one_by_one=one_by_one
    )
    rows, mask = feed["rows"][:, 0], np.arange(BATCH) < BATCH - 2
    found = evaluation(states, {}, jax.tree.map(jnp.asarray, examples), rows, mask)
    for member in range(MEMBERS):
        own = member_of(states, member)
        batch = {name: values[rows[member]] for name, values in examples.items()}
        for name, mean in step(own, {**batch, "mask": mask}).items():
            assert float(mean.count) == float(found[name].count[member]) == BATCH - 2
            np.testing.assert_allclose(found[name].total[member], mean.total, rtol=1e-5)
