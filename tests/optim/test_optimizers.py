import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim
from jaxdl.errors import UserError
from tests.optim.trajectories import assert_close, draw, precision, torch_trajectory, trajectory

CLASSES = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adadelta": "Adadelta",
    "nadam": "NAdam",
}
OPTIONS = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("sgd", {"momentum": 0.9, "dampening": 0.3}),
    ("adam", {}),
    ("adam", {"betas": (0.8, 0.95), "eps": 1e-3}),
    ("adam", {"betas": (0.0, 0.9), "amsgrad": True}),
    ("adamw", {"amsgrad": True, "eps": 1e-3}),
    ("adagrad", {}),
    ("adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-2}),
    ("rmsprop", {}),
    ("rmsprop", {"centered": True, "alpha": 0.9}),
    ("rmsprop", {"centered": True, "momentum": 0.9, "eps": 1e-3}),
    ("rmsprop", {"momentum": 0.5, "alpha": 0.8}),
    ("adadelta", {}),
    ("adadelta", {"rho": 0.7, "eps": 1e-3}),
    ("nadam", {}),
    ("nadam", {"betas": (0.8, 0.95), "momentum_decay": 0.1, "eps": 1e-3}),
]
# In float64 the two agree to 14 digits, so the formula is the same. In float32 rounding is carried on by momentum (0.9
# multiplies it by ten), and optax's Adam takes 1 - 0.999 ** t in float32, which has four good digits at t = 1.
RTOL = {np.float64: 1e-11, np.float32: 5e-5}


def torch_optimizer(name, mask=None, decay=0.0, **options):
    """Makes PyTorch's optimizer; with a mask, ``decay`` goes to a parameter group of the kernels alone."""

    def make(torch, tensors):
        build = getattr(torch.optim, CLASSES[name])
        kernels = [tensor for tensor in tensors if mask is None or tensor.ndim > 1]
        rest = [tensor for tensor in tensors if mask is not None and tensor.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
        return build([group for group in groups if group["params"]], lr=0.02, **options)

    return make


@pytest.mark.long
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_trajectory_equals_pytorchs(rng, name, options, dtype):
    params = draw(rng, dtype)
    with precision(dtype):
        ours = trajectory(optim.create(name, learning_rate=0.02, **options), params)
        assert {leaf.dtype for leaf in jax.tree.leaves(ours)} == {np.dtype(dtype)}
        ours = jax.device_get(ours)
    assert_close(ours, torch_trajectory(torch_optimizer(name, **options), params), RTOL[dtype])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_l2_on_all_parameters_is_pytorchs_weight_decay(rng, name):
    params = draw(rng, np.float64)
    with precision(np.float64):
        ours = jax.device_get(trajectory(optim.create(name, learning_rate=0.02, l2=0.3, mask=None), params))
    assert_close(ours, torch_trajectory(torch_optimizer(name, decay=0.3), params), RTOL[np.float64])


@pytest.mark.parametrize("mask", [None, optim.decay_mask], ids=["all", "kernels"])
@pytest.mark.parametrize(("name", "torch_options"), [("adamw", {}), ("nadam", {"decoupled_weight_decay": True})])
def test_weight_decay_is_pytorchs_decoupled_one(rng, name, torch_options, mask):
    params = draw(rng, np.float64)
    with precision(np.float64):
        ours = jax.device_get(trajectory(optim.create(name, learning_rate=0.02, weight_decay=0.3, mask=mask), params))
    theirs = torch_trajectory(torch_optimizer(name, mask, 0.3, **torch_options), params)
    assert_close(ours, theirs, RTOL[np.float64])


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in CLASSES if name != "adamw"])
def test_clipping_l2_on_kernels_and_a_schedule_equal_pytorchs_together(rng, name):
    def clip(tensors):
        from torch.nn import utils

        utils.clip_grad_value_(tensors, 0.7)
        utils.clip_grad_norm_(tensors, 1.5)

    def schedule(torch, optimizer):
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)

    params = draw(rng)
    optimizer = optim.create(
        name,
        learning_rate=optim.schedule("exponential", learning_rate=0.02, steps=50, gamma=0.97),
        clip_value=0.7,
        clip_norm=1.5,
        l2=0.3,
    )
    theirs = torch_trajectory(torch_optimizer(name, optim.decay_mask, 0.3), params, clip=clip, schedule=schedule)
    assert_close(trajectory(optimizer, params), theirs, RTOL[np.float32])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"clip_norm": 0.5}, lambda utils, tensors: utils.clip_grad_norm_(tensors, 0.5)),
        ({"clip_value": 0.5}, lambda utils, tensors: utils.clip_grad_value_(tensors, 0.5)),
    ],
    ids=["norm", "value"],
)
def test_clipping_equals_pytorchs(rng, ours, theirs):
    def clip(tensors):
        from torch.nn import utils

        theirs(utils, tensors)

    params = draw(rng)
    expected = torch_trajectory(torch_optimizer("sgd"), params, clip=clip)
    assert_close(trajectory(optim.create("sgd", learning_rate=0.02, **ours), params), expected, 1e-5)


@pytest.mark.parametrize("name", ["adam", "adagrad", "nadam"])
def test_updates_outside_of_jit_are_the_same(rng, name):
    params = draw(rng)
    optimizer = optim.create(name, learning_rate=0.02, l2=0.1, weight_decay=0.1)
    compiled = trajectory(optimizer, params)
    params = jax.tree.map(jnp.asarray, params)
    opt_state = optimizer.init(params)
    for step in range(4):
        gradients = jax.tree.map(lambda p, step=step: p**3 + jnp.cos(step + p), params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        params = optax.apply_updates(params, updates)
    assert_close(params, jax.tree.map(lambda leaf: leaf[3], compiled), 1e-5)


@pytest.mark.parametrize(
    ("name", "options", "direction"),
    [
        ("sgd", {}, optax.identity()),
        ("sgd", {"momentum": 0.9}, optax.trace(0.9, False)),
        ("sgd", {"momentum": 0.9, "nesterov": True}, optax.trace(0.9, True)),
        ("adamw", {}, optax.scale_by_adam()),
    ],
    ids=["sgd", "momentum", "nesterov", "adamw"],
)
def test_published_runs_stay_what_they_were_to_the_bit(rng, name, options, direction):
    rate = optim.schedule("linear", learning_rate=0.05, steps=50, warmup_steps=5)
    published = optax.chain(
        optax.clip_by_global_norm(0.7),
        direction,
        optax.add_decayed_weights(5e-3, optim.decay_mask),
        optax.scale_by_learning_rate(rate),
    )
    optimizer = optim.create(name, learning_rate=rate, weight_decay=5e-3, clip_norm=0.7, **options)
    params = draw(rng)
    jax.tree.map(np.testing.assert_array_equal, trajectory(optimizer, params), trajectory(published, params))
    assert jax.tree.structure(optimizer.init(params)) == jax.tree.structure(published.init(params))


@pytest.mark.parametrize("name", CLASSES)
def test_weight_decay_shrinks_kernels_and_leaves_the_rest(rng, name):
    params = jax.tree.map(jnp.asarray, draw(rng))
    optimizer = optim.create(name, learning_rate=0.1, weight_decay=0.2)
    zero = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zero, optimizer.init(params), params)
    after = optax.apply_updates(params, updates)
    np.testing.assert_allclose(after["conv"], params["conv"] * (1 - 0.1 * 0.2), rtol=1e-6)
    np.testing.assert_allclose(after["dense"]["kernel"], params["dense"]["kernel"] * (1 - 0.1 * 0.2), rtol=1e-6)
    for before, now in (
        (params["dense"]["bias"], after["dense"]["bias"]),
        (params["scale"], after["scale"]),
        (params["slope"], after["slope"]),
    ):
        np.testing.assert_array_equal(now, before)


def test_mask_may_be_a_tree(rng):
    params = draw(rng)
    mask = jax.tree.map(lambda leaf: leaf.ndim == 0, params)
    optimizer = optim.create("sgd", learning_rate=1.0, l2=0.5, mask=mask)
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    np.testing.assert_allclose(updates["scale"], -0.5 * params["scale"])
    np.testing.assert_array_equal(updates["conv"], np.zeros_like(params["conv"]))


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_state_can_be_donated(rng, name):
    """No buffer is in the state twice, and the state keeps its types from update to update."""
    options = {"max_iter": 2} if name == "lbfgs" else {}
    options |= {"amsgrad": True} if name == "adam" else {}
    optimizer = optim.with_ema(optim.create(name, learning_rate=0.02, **options), 0.9)

    def loss(params):
        return sum(jnp.sum(leaf**4) for leaf in jax.tree.leaves(params))

    def step(params, opt_state):
        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params, value_fn=loss)
        return optax.apply_updates(params, updates), opt_state

    params = jax.tree.map(jnp.asarray, draw(rng))
    opt_state = optimizer.init(params)
    before, types = float(loss(params)), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(opt_state)]
    donating = jax.jit(step, donate_argnums=(0, 1))
    for _ in range(3):
        params, opt_state = donating(params, opt_state)
        assert [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(opt_state)] == types
    assert float(loss(params)) < before


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adm", {}, "unknown optimizer 'adm'. Did you mean adam"),
        ("adamw", {"momentum": 0.9}, "unknown option of adamw 'momentum'.*Known: amsgrad, betas, eps"),
        ("adagrad", {"lr_decya": 0.1}, "unknown option of adagrad 'lr_decya'. Did you mean lr_decay"),
        ("lbfgs", {"line_search_fn": None}, "unknown option of lbfgs 'line_search_fn'. Did you mean line_search"),
        ("sgd", {"learning_rate": -0.1}, "learning_rate must be at least 0, got -0.1"),
        ("sgd", {"learning_rate": float("nan")}, "learning_rate must be at least 0, got nan"),
        ("sgd", {"momentum": -1}, "momentum must be at least 0, got -1"),
        ("sgd", {"momentum": "0.9"}, "momentum must be at least 0, got '0.9'"),
        ("sgd", {"dampening": None}, "dampening must be a number, got None"),
        ("sgd", {"nesterov": True}, "nesterov needs momentum"),
        ("sgd", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "no dampening, got momentum=0.9, dampening=0.1"),
        ("sgd", {"clip_norm": 0.0}, "clip_norm must be greater than 0, got 0.0"),
        ("sgd", {"clip_value": -1.0}, "clip_value must be greater than 0, got -1.0"),
        ("sgd", {"l2": -0.1}, "l2 must be at least 0, got -0.1"),
        ("sgd", {"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ("adam", {"betas": (0.9, 1.0)}, r"betas\[1\] must be at least 0 and less than 1, got 1.0"),
        ("adam", {"betas": (-0.1, 0.9)}, r"betas\[0\] must be at least 0 and less than 1, got -0.1"),
        ("adam", {"betas": 0.9}, "betas must be two numbers, got 0.9"),
        ("adam", {"eps": -1e-8}, "eps must be at least 0, got -1e-08"),
        ("adagrad", {"lr_decay": -1}, "lr_decay must be at least 0"),
        ("adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value must be at least 0"),
        ("adagrad", {"eps": -1}, "eps must be at least 0"),
        ("rmsprop", {"alpha": -1}, "alpha must be at least 0"),
        ("rmsprop", {"momentum": -1}, "momentum must be at least 0"),
        ("rmsprop", {"eps": -1}, "eps must be at least 0"),
        ("adadelta", {"rho": 1.1}, "rho must be at least 0 and at most 1, got 1.1"),
        ("adadelta", {"eps": -1}, "eps must be at least 0"),
        ("nadam", {"betas": (0.9, 2)}, r"betas\[1\] must be"),
        ("nadam", {"eps": -1}, "eps must be at least 0"),
        ("nadam", {"momentum_decay": -1}, "momentum_decay must be at least 0"),
        ("lbfgs", {"clip_norm": 1.0}, "lbfgs has no clip_norm, got 1.0.*l2_penalty"),
        ("lbfgs", {"weight_decay": 0.1}, "lbfgs has no weight_decay"),
        ("lbfgs", {"max_iter": 0}, "max_iter must be a whole number of at least 1, got 0"),
        ("lbfgs", {"max_eval": 2.5}, "max_eval must be a whole number of at least 1, got 2.5"),
        ("lbfgs", {"history_size": 0}, "history_size must be a whole number"),
        ("lbfgs", {"tolerance_grad": -1}, "tolerance_grad must be at least 0"),
        ("lbfgs", {"tolerance_change": -1}, "tolerance_change must be at least 0"),
        ("lbfgs", {"line_search": "wolfe"}, "line_search must be None or \"strong_wolfe\", got 'wolfe'"),
    ],
)  # fmt: skip
def test_what_pytorch_refuses_is_refused_in_words(name, options, message):
    with pytest.raises(UserError, match=message):
        optim.create(name, **{"learning_rate": 0.1, **options})
