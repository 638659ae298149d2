import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import disk, losses, models, optim
from jaxdl.checkpoint import Checkpoints, manifest
from jaxdl.errors import UserError
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step


def state_of(model="cifar_cnn", step=0, optimizer="sgd"):
    state = create_state(
        models.create(model), optim.create(optimizer, learning_rate=0.1), jax.random.key(5), jnp.ones((4, 32, 32, 3))
    )
    return state.replace(step=jnp.int32(step))


def assert_same(a, b):
    def same(x, y):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)

    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(same, a, b)


def test_restore_gives_back_every_bit_of_the_state_and_the_notes(tmp_path):
    state = state_of("quick_cnn", step=7)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {"history": [1.5, None], "words": "x"})
    with Checkpoints(tmp_path) as checkpoints:
        restored, notes = checkpoints.restore(jax.tree.map(jnp.zeros_like, state.replace(key=jax.random.key(0))))
    assert_same(state, restored)
    assert notes == {"history": [1.5, None], "words": "x"}


def test_the_last_two_and_the_best_are_kept_across_processes(tmp_path):
    accuracies = {1: 0.2, 2: 0.9, 3: None, 4: 0.5, 5: None, 6: None}
    for part in ((1, 2, 3), (4, 5, 6)):
        with Checkpoints(tmp_path) as checkpoints:
            for step in part:
                checkpoints.save(state_of(step=step), {}, score=accuracies[step])
            checkpoints.wait()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps == [2, 5, 6]
        assert checkpoints.best_step == 2
        assert int(checkpoints.restore(state_of())[0].step) == 6
        assert int(checkpoints.restore(state_of(), step=2)[0].step) == 2


def test_there_is_no_best_where_nothing_was_measured(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.best_step is None
        checkpoints.save(state_of(step=1), {})
        checkpoints.wait()
        assert checkpoints.best_step is None


def test_saving_is_not_disturbed_by_the_steps_that_follow(tmp_path):
    model, optimizer = models.create("cifar_cnn"), optim.create("sgd", learning_rate=0.1)
    step = make_train_step(model, optimizer, losses.cross_entropy)
    state = state_of()
    batch = {"images": jnp.ones((2, 32, 32, 3)), "labels": jnp.zeros(2, jnp.int32)}
    expected = []
    with Checkpoints(tmp_path, keep_last=10) as checkpoints:
        for _ in range(6):
            state, _ = step(state, batch)
            expected.append(jax.tree.map(np.array, state.params))
            checkpoints.save(state, {})
        checkpoints.wait()
        for number, params in enumerate(expected, 1):
            assert_same(params, checkpoints.restore(state, step=number)[0].params)


def test_restore_of_nothing_or_of_another_model_says_so(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(UserError, match="no checkpoint"):
            checkpoints.restore(state_of())
        checkpoints.save(state_of(step=3), {})
        checkpoints.wait()
        for other in (state_of("quick_cnn"), state_of(optimizer="adamw")):
            with pytest.raises(UserError, match="does not fit"):
                checkpoints.restore(other)


def test_a_score_that_an_earlier_version_called_accuracy_is_read(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state_of(step=1), {}, score=0.5)
        checkpoints.save(state_of(step=2), {}, score=0.25)
    for step in ("1", "2"):
        path = tmp_path / step / manifest.MANIFEST
        contents = disk.unsealed(path.read_bytes())
        path.write_text(disk.sealed({**contents, manifest.EARLIER: contents.pop("score")}))
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.best_step == 1
        assert int(checkpoints.restore(state_of(step=0))[0].step) == 2
