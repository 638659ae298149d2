import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim
from jaxdl.errors import UserError
from tests.pytorch import torch

STEPS = 120
EQUALS = [
    ("constant", {}, "ConstantLR", {"factor": 1.0}),
    ("linear", {}, "LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": "steps"}),
    ("cosine", {}, "CosineAnnealingLR", {"T_max": "steps"}),
    ("step", {"step_size": 41}, "StepLR", {"step_size": 41}),
    ("step", {"step_size": 7, "gamma": 0.5}, "StepLR", {"step_size": 7, "gamma": 0.5}),
    ("multistep", {"milestones": [30, 80]}, "MultiStepLR", {"milestones": [30, 80]}),
    ("multistep", {"milestones": (50, 9, 9), "gamma": 0.3}, "MultiStepLR", {"milestones": [50, 9, 9], "gamma": 0.3}),
    ("exponential", {"gamma": 0.9}, "ExponentialLR", {"gamma": 0.9}),
    ("exponential", {"gamma": 1.02}, "ExponentialLR", {"gamma": 1.02}),
]
ONE_CYCLE = [
    {},
    {"anneal": "linear"},
    {"pct_start": 0.45, "three_phase": True},
    {"pct_start": 0.123, "three_phase": True, "anneal": "linear", "div_factor": 3.0, "final_div_factor": 7.0},
    {"pct_start": 0.0},
    {"pct_start": 1.0},
]


def rates(schedule, steps):
    """The rate at every update, compiled as a training step compiles it."""
    return np.asarray(jax.jit(jax.vmap(schedule))(jnp.arange(steps)), np.float64)


def torch_rates(make, steps, learning_rate=0.3):
    library = torch()
    optimizer = library.optim.SGD([library.zeros(1, requires_grad=True)], learning_rate)
    scheduler = make(library.optim.lr_scheduler, optimizer)
    seen = scheduler.get_last_lr()
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        seen += scheduler.get_last_lr()
    return np.array(seen)


def torch_scheduler(lib, optimizer, name, options, steps):
    filled = {key: steps if value == "steps" else value for key, value in options.items()}
    return getattr(lib, name)(optimizer, **filled)


@pytest.mark.parametrize(("name", "options", "torch_name", "torch_options"), EQUALS, ids=str)
def test_schedule_equals_pytorchs(name, options, torch_name, torch_options):
    ours = rates(optim.schedule(name, learning_rate=0.3, steps=STEPS, **options), STEPS)
    theirs = torch_rates(lambda lib, opt: torch_scheduler(lib, opt, torch_name, torch_options, STEPS), STEPS)
    # optax's cosine subtracts nearly equal numbers towards its end.
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7 if name == "cosine" else 1e-12)


@pytest.mark.parametrize("options", ONE_CYCLE, ids=str)
@pytest.mark.parametrize("steps", [STEPS, 37])
def test_one_cycle_equals_pytorchs(options, steps):
    theirs_options = {"anneal_strategy" if key == "anneal" else key: value for key, value in options.items()}
    ours = rates(optim.schedule("one_cycle", learning_rate=0.3, steps=steps, **options), steps)
    theirs = torch_rates(
        lambda lib, opt: lib.OneCycleLR(opt, 0.3, total_steps=steps, cycle_momentum=False, **theirs_options), steps
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_one_cycle_stays_at_its_last_rate_and_starts_at_its_peak_where_the_rise_is_one_update():
    rate = optim.schedule("one_cycle", learning_rate=0.3, steps=10)
    assert rate(10) == rate(9) == rate(500) == pytest.approx(0.3 / 25 / 1e4)
    assert optim.schedule("one_cycle", learning_rate=0.3, steps=10, pct_start=0.1)(0) == pytest.approx(0.3)


def test_exponential_keeps_its_digits_over_thousands_of_updates():
    ours = rates(optim.schedule("exponential", learning_rate=0.3, steps=5000, gamma=0.999), 5000)
    np.testing.assert_allclose(ours, 0.3 * 0.999 ** np.arange(5000), rtol=1e-5)


@pytest.mark.parametrize("step_size", [1, 3, 41, 49, 97, 391])
def test_step_falls_at_the_very_update(step_size):
    ours = rates(optim.schedule("step", learning_rate=1.0, steps=2000, step_size=step_size, gamma=0.99), 2000)
    np.testing.assert_allclose(ours, 0.99 ** (np.arange(2000) // step_size), rtol=1e-5)


@pytest.mark.parametrize(("name", "options", "torch_name", "torch_options"), EQUALS, ids=str)
def test_warmup_then_schedule_equals_pytorchs_in_sequence(name, options, torch_name, torch_options):
    warmup = 13

    def make(lib, optimizer):
        rise = lib.LinearLR(optimizer, 1e-9, total_iters=warmup)  # PyTorch's may not start at 0
        after = torch_scheduler(lib, optimizer, torch_name, torch_options, STEPS - warmup)
        return lib.SequentialLR(optimizer, [rise, after], [warmup])

    ours = rates(optim.schedule(name, learning_rate=0.3, steps=STEPS, warmup_steps=warmup, **options), STEPS)
    np.testing.assert_allclose(ours, torch_rates(make, STEPS), rtol=1e-5, atol=1e-7 if name == "cosine" else 1e-9)


def test_warmup_is_pytorchs_linear_one_that_begins_an_update_later():
    ours = rates(optim.schedule("constant", learning_rate=0.3, steps=50, warmup_steps=20), 31)
    theirs = torch_rates(lambda lib, opt: lib.LinearLR(opt, 1 / 20, total_iters=19), 30)
    assert ours[0] == 0
    np.testing.assert_allclose(ours[1:], theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("constant", optax.constant_schedule(0.4)),
        ("cosine", optax.cosine_decay_schedule(0.4, 80)),
        ("linear", optax.linear_schedule(0.4, 0.0, 80)),
    ],
    ids=["constant", "cosine", "linear"],
)
def test_published_schedules_stay_what_they_were_to_the_bit(name, published):
    before = optax.join_schedules([optax.linear_schedule(0.0, 0.4, 20), published], [20])
    now = optim.schedule(name, learning_rate=0.4, steps=100, warmup_steps=20)
    np.testing.assert_array_equal(rates(now, 110), rates(before, 110))


@pytest.mark.parametrize("steps", [40, 476])
def test_a_triangle_that_begins_and_ends_above_zero_is_the_published_one(steps):
    peak = int(0.23 * steps)

    def published(step):
        if step < peak:
            return 0.2 + 0.8 * step / peak
        return 1 - 0.93 * (step - peak) / (steps - peak)

    ours = optim.schedule("linear", learning_rate=1.5, steps=steps, warmup_steps=peak, warmup_start=0.2, end=0.07)
    theirs = torch_rates(lambda lib, opt: lib.LambdaLR(opt, published), steps, learning_rate=1.5)
    np.testing.assert_allclose(rates(ours, steps), theirs, rtol=1e-5)


def test_warmup_ends_before_the_run_does():
    rate = optim.schedule("linear", learning_rate=0.4, steps=3, warmup_steps=10)
    np.testing.assert_allclose([rate(step) for step in range(4)], [0, 0.2, 0.4, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("linear", {"end": -0.1}, "end must be at least 0, got -0.1"),
        ("linear", {"warmup_start": 1.1}, "warmup_start must be at least 0 and at most 1, got 1.1"),
        ("cosin", {}, "unknown schedule 'cosin'. Did you mean cosine"),
        ("cosine", {"gamma": 0.1}, "cosine has no options, got gamma=0.1"),
        ("step", {"stepsize": 3}, "unknown option of step 'stepsize'. Did you mean step_size"),
        ("step", {}, "step needs step_size"),
        ("multistep", {}, "multistep needs milestones"),
        ("exponential", {}, "exponential needs gamma"),
        ("constant", {"learning_rate": -1.0}, "learning_rate must be at least 0, got -1.0"),
        ("constant", {"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ("constant", {"warmup_steps": -1}, "warmup_steps must be a whole number of at least 0, got -1"),
        ("step", {"step_size": 0}, "step_size must be a whole number of at least 1, got 0"),
        ("step", {"step_size": 3, "gamma": 0}, "gamma must be greater than 0, got 0"),
        ("multistep", {"milestones": [3, -4]}, "each of milestones must be a whole number of at least 1, got -4"),
        ("multistep", {"milestones": 30}, r"milestones must be update counts, such as \[30, 60\], got 30"),
        ("multistep", {"milestones": [30], "gamma": -1}, "gamma must be greater than 0, got -1"),
        ("exponential", {"gamma": 0.0}, "gamma must be greater than 0, got 0.0"),
        ("one_cycle", {"warmup_steps": 3}, "one_cycle rises by itself.*got warmup_steps=3"),
        ("one_cycle", {"pct_start": 1.5}, "pct_start must be at least 0 and at most 1, got 1.5"),
        ("one_cycle", {"div_factor": 0}, "div_factor must be greater than 0, got 0"),
        ("one_cycle", {"final_div_factor": -1}, "final_div_factor must be greater than 0, got -1"),
        ("one_cycle", {"anneal": "cosine"}, "unknown anneal 'cosine'. Did you mean cos"),
    ],
)
def test_mistakes_are_refused_in_words(name, options, message):
    with pytest.raises(UserError, match=message):
        optim.schedule(name, **{"learning_rate": 0.1, "steps": 30, **options})
