"""Several steps in one program against the same steps one by one."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses, metrics, optim
from jaxdl.data import augment, pipeline
from jaxdl.data.dataset import Split
from jaxdl.train.finite import NotFiniteError
from jaxdl.train.history import History
from jaxdl.train.loop import fit
from jaxdl.train.resident import make_resident_steps
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from tests.train.one_block import OneBlock

BATCH, PER_CALL = 6, 4


class Setting:
    def __init__(self, rng, *, learning_rate=0.1, alternate=False):
        self.train = Split(rng.integers(0, 256, (45, 8, 8, 3), np.uint8), rng.integers(0, 10, 45).astype(np.int32))
        self.model = OneBlock()
        self.optimizer = optim.create("sgd", learning_rate=learning_rate, momentum=0.9)
        self.step = make_train_step(
            self.model,
            self.optimizer,
            losses.cross_entropy,
            augment=augment.pipeline(flip_images=True, crop_padding=2),
            metrics={"accuracy": metrics.correct},
        )
        self.order = {"batch_size": BATCH, "seed": 3, "alternate": alternate}
        data = {"images": jnp.asarray(self.train.images), "labels": jnp.asarray(self.train.labels)}
        self.resident = make_resident_steps(self.step, data)

    def state(self):
        return create_state(self.model, self.optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))

    def fit(self, resident, *, state=None, steps=16, **options):
        """The final state, the records without times, and the steps that were saved at."""
        records, saved, shown = [], [], []
        batch_at = lambda step: pipeline.train_batch(self.train, step, **self.order)  # noqa: E731
        if resident:
            batch_at = lambda step: pipeline.train_feed(self.train, step, steps=PER_CALL, **self.order)  # noqa: E731
        state = fit(
            self.state() if state is None else state,
            self.resident if resident else self.step,
            batch_at,
            steps_per_call=PER_CALL if resident else None,
            steps=steps,
            steps_per_epoch=7,
            learning_rate=lambda step: 0.1,
            validate=lambda state: {"accuracy": 0.5},
            save=lambda state, history, accuracy: saved.append(int(state.step)),
            on_record=records.append,
            on_step=lambda step, history: shown.append(step),
            **{"log_every": 5, **options},
        )
        untimed = [
            {
                name: value
                for name, value in record.items()
                if name in ("kind", "step", "train_loss", "loss", "accuracy")
            }
            for record in records
        ]
        return state, untimed, saved, shown


def assert_close(found, expected, tolerance=1e-5):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(np.abs(other).max(), 0.1))


@pytest.mark.long
@pytest.mark.parametrize("alternate", [False, True])
def test_fit_by_several_steps_is_fit_step_by_step(rng, alternate):
    setting = Setting(rng, alternate=alternate)
    plain, resident = (setting.fit(way, save_every=6) for way in (False, True))
    assert int(resident[0].step) == 16
    for part in ("params", "batch_stats", "opt_state"):
        assert_close(getattr(resident[0], part), getattr(plain[0], part))
    assert resident[2] == plain[2] == [6, 7, 12, 16]  # 7 for the first validation, 16 for the last step
    assert resident[3] == plain[3] == list(range(1, 17))
    for found, expected in zip(resident[1], plain[1], strict=True):
        assert (found.pop("kind"), found.pop("step")) == (expected.pop("kind"), expected.pop("step"))
        assert found == {name: pytest.approx(value, rel=1e-4) for name, value in expected.items()}


def test_stopped_between_calls_and_resumed_is_never_stopped(rng):
    setting = Setting(rng)
    whole = setting.fit(True)[0]
    asked = iter(range(100))
    part = setting.fit(True, should_stop=lambda: next(asked) == 4)[0]
    assert 2 < int(part.step) < 16
    rest = setting.fit(True, state=part)[0]
    jax.tree.map(np.testing.assert_array_equal, rest.params, whole.params)
    jax.tree.map(np.testing.assert_array_equal, rest.opt_state, whole.opt_state)


def test_steps_beyond_count_change_nothing(rng):
    setting = Setting(rng)
    feed = pipeline.train_feed(setting.train, 0, steps=PER_CALL, **setting.order)
    short, measured = setting.resident(setting.state(), feed, 2)
    assert int(short.step) == 2
    assert np.asarray(measured["loss"].count).tolist() == [BATCH, BATCH, 0, 0]
    other = {name: np.concatenate([values[:2], values[:1], values[:1]]) for name, values in feed.items()}
    again, _ = setting.resident(setting.state(), other, 2)
    jax.tree.map(np.testing.assert_array_equal, short.params, again.params)


def test_one_program_serves_every_count(rng):
    setting = Setting(rng)
    setting.fit(True, steps=3)
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.stages.Lowered, "compile", lambda *_, **__: pytest.fail("compiled anew"))
        state = setting.state()
        for count in (1, 4, 2):
            feed = pipeline.train_feed(setting.train, int(state.step), steps=PER_CALL, **setting.order)
            state, _ = setting.resident(state, feed, count)
    assert int(state.step) == 7


def test_step_that_is_not_finite_is_named(rng):
    class Explodes(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(10)(x.reshape(len(x), -1)) * jnp.float32(1e30)

    setting = Setting(rng)
    model, optimizer = Explodes(), optim.create("sgd", learning_rate=1e30)
    step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.plain(augment.normalize))
    state = create_state(model, optimizer, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    setting.step = step
    setting.resident = make_resident_steps(
        step, {"images": jnp.asarray(setting.train.images), "labels": jnp.asarray(setting.train.labels)}
    )
    told = []
    for way in (False, True):
        with pytest.raises(NotFiniteError) as caught:
            setting.fit(way, state=jax.tree.map(jnp.copy, state), history=History())
        told.append(str(caught.value))
    assert told[0] == told[1]
