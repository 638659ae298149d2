"""Flags of optimization, and their effect on a run."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import optim
from jaxdl.commands.train import main
from jaxdl.errors import UserError
from jaxdl.run.build import network_and_optimizer
from jaxdl.run.config import SCHEDULES
from jaxdl.run.optimization import optimizer_of, schedule_of
from jaxdl.run.recipes import QUICK
from tests.commands.short_run import SHORT, final_state, records

EVERYTHING = [
    *SHORT, "--optimizer", "nadam", "--lr", "0.003", "--schedule", "one_cycle", "--l2", "1e-4", "--clip-value", "0.5",
    "--clip-norm", "1", "--accumulate", "2", "--ema", "0.9", "--mixup", "0.2", "--cutmix", "1", "--patience", "3",
]  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_count_in_epochs(name):
    config = dataclasses.replace(
        QUICK, schedule=name, lr=0.4, epochs=10, warmup_epochs=2.0, decay_epochs=3.0, gamma=0.5
    )
    rate = schedule_of(config, 100)
    assert rate(200) == pytest.approx(0.4, rel=1e-3)  # the warm-up is over, or the one cycle at its top
    assert rate(0) < 0.04
    expected = {"constant": 0.4, "exponential": 0.4 * 0.5**6, "step": 0.4 * 0.5**2, "linear": 0.1}
    if name in expected:
        assert rate(800) == pytest.approx(expected[name], rel=1e-3)
    else:
        assert rate(800) < 0.1


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_every_optimizer_is_made_from_the_flags(name):
    config = dataclasses.replace(QUICK, optimizer=name, weight_decay=0.0)
    optimizer = optimizer_of(config, schedule_of(config, 100))
    params = {"kernel": jnp.ones((2, 2))}
    value_fn = lambda params: jnp.square(params["kernel"]).sum()  # noqa: E731
    extra = {"value": 4.0, "value_fn": value_fn}
    updates, _ = optimizer.update({"kernel": 2 * jnp.ones((2, 2))}, optimizer.init(params), params, **extra)
    assert np.isfinite(updates["kernel"]).all()


@pytest.mark.parametrize("name", ["adam", "nadam", "rmsprop", "adadelta", "adagrad"])
def test_betas_and_eps_reach_the_optimizer(name):
    config = dataclasses.replace(QUICK, optimizer=name, schedule="constant", warmup_epochs=0.0, weight_decay=0.0)
    config = dataclasses.replace(config, beta1=0.5, beta2=0.6, eps=0.1)
    params = gradients = {"kernel": 0.3 * jnp.ones((2, 2))}

    def update(optimizer):
        return optimizer.update(gradients, optimizer.init(params), params)[0]["kernel"]

    betas = {"betas": (0.5, 0.6)} if "adam" in name else {"momentum": 0.9} if name == "rmsprop" else {}
    rate = schedule_of(config, 100)
    expected = update(optim.create(name, learning_rate=rate, eps=0.1, **betas))
    np.testing.assert_array_equal(update(optimizer_of(config, rate)), expected)
    usual = dataclasses.replace(config, eps=None, beta1=0.9, beta2=0.999)
    assert not np.array_equal(update(optimizer_of(usual, rate)), expected)


def test_momentum_of_zero_needs_no_second_flag():
    config = dataclasses.replace(QUICK, momentum=0.0)
    assert config.nesterov
    optimizer_of(config, schedule_of(config, 100))


def test_layer_decay_slows_a_networks_early_blocks():
    config = dataclasses.replace(QUICK, model="cifar_cnn", stem=None, layer_decay=0.5, bias_lr_factor=1.0)
    updates = []
    for each in (config, dataclasses.replace(config, layer_decay=None)):
        model, _, optimizer = network_and_optimizer(each, num_classes=10, image=(32, 32, 3), steps_per_epoch=10)
        params = jax.tree.map(
            lambda leaf: jnp.ones(leaf.shape),
            jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))["params"],  # noqa: B023
        )
        state = optimizer.init(params)
        for _ in range(2):  # of which the first may have a rate of 0
            found, state = optimizer.update(params, state, params)
        updates.append(found)
    for power, layer in enumerate(("Dense_1", "Dense_0", "Conv_2", "Conv_1", "Conv_0")):
        for slowed, whole in zip(*(jax.tree.leaves(each[layer]) for each in updates), strict=True):
            assert np.abs(whole).min() > 0
            np.testing.assert_allclose(slowed, 0.5**power * whole, rtol=1e-6)


def test_layer_decay_is_not_for_lbfgs():
    config = dataclasses.replace(QUICK, optimizer="lbfgs", weight_decay=0.0, bias_lr_factor=1.0, layer_decay=0.5)
    with pytest.raises(UserError, match="leave out --layer-decay"):
        optimizer_of(config, schedule_of(config, 10))


@pytest.mark.slow
def test_a_run_with_everything_on_resumes_bit_for_bit(tmp_path):
    assert main([*EVERYTHING, "--out", str(tmp_path / "whole")]) == 0
    assert main([*EVERYTHING, "--steps", "17", "--out", str(tmp_path / "parted")]) == 0
    assert main(["--resume", "--steps", "36", "--out", str(tmp_path / "parted")]) == 0
    whole, parted = final_state(tmp_path / "whole"), final_state(tmp_path / "parted")
    jax.tree.map(np.testing.assert_array_equal, parted.params, whole.params)
    jax.tree.map(np.testing.assert_array_equal, parted.opt_state, whole.opt_state)
    average = optim.ema_params(whole.opt_state)
    assert not np.array_equal(average["Conv_0"]["kernel"], whole.params["Conv_0"]["kernel"])


@pytest.mark.slow
def test_patience_ends_a_run_that_gets_no_better(tmp_path, capsys):
    flags = [*SHORT, "--lr", "1e-9", "--epochs", "8", "--patience", "2", "--out", str(tmp_path / "run")]
    assert main(flags) == 0
    assert "no better validation accuracy in 2 epochs: stopped at step 36" in capsys.readouterr().out
    assert [each["epoch"] for each in records(tmp_path / "run") if each["kind"] == "epoch"] == [1.0, 2.0, 3.0]
    assert main(["--resume", "--out", str(tmp_path / "run")]) == 0  # it stays stopped


@pytest.mark.slow
def test_ema_is_what_is_evaluated(finished, tmp_path):
    reference, _ = finished
    assert main([*SHORT, "--ema", "0", "--out", str(tmp_path / "last")]) == 0
    assert main([*SHORT, "--ema", "0.9999", "--out", str(tmp_path / "first")]) == 0
    plain, last, first = (
        [each["val_loss"] for each in records(out) if each["kind"] == "epoch"]
        for out in (reference, tmp_path / "last", tmp_path / "first")
    )
    np.testing.assert_allclose(last, plain, rtol=1e-5)
    assert first[-1] > 2.2  # still at its first update, guessing
