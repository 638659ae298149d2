"""Frozen layers stay bit for bit, cost nothing and run as in evaluation; the others train as without freezing."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import losses, metrics, models, optim
from jaxdl.errors import UserError
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from jaxdl.variables import flat
from tests import pytorch
from tests.train.one_block import OneBlock, batch_of

OPTIMIZERS = {
    "adamw": lambda: optim.create("adamw", learning_rate=0.01, weight_decay=0.1, mask=None),
    "l2": lambda: optim.create("sgd", learning_rate=0.1, momentum=0.9, l2=0.1, mask=None),
    "ema": lambda: optim.with_ema(optim.create("adam", learning_rate=0.01), 0.9),
    "lbfgs": lambda: optim.create("lbfgs", learning_rate=0.1, max_iter=3),
}


def images_of(rng, side=8):
    batch = batch_of(rng, side=side)
    return {**batch, "images": rng.normal(size=batch["images"].shape).astype(np.float32)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_frozen_leaves_and_their_statistics_stay_bitwise(rng, kind, accumulate):
    model, optimizer, batch = OneBlock(), OPTIMIZERS[kind](), images_of(rng)
    variables = model.init(jax.random.key(0), batch["images"], train=False)
    variables["params"]["Conv_0"]["bias"] = jnp.full(8, -0.0)  # which adding 0 would change
    state = create_state(
        model, optimizer, jax.random.key(0), batch["images"], variables=variables, freeze=["*", "!Dense_0"]
    )
    before = {path: np.array(leaf) for path, leaf in flat(state.frozen).items()}
    assert {path[1] for path in before} == {"Conv_0", "BatchNorm_0"}
    shapes = {leaf.shape for leaf in jax.tree.leaves(state.opt_state)}
    assert not shapes & {(3, 3, 3, 8), (8,)}
    dense = np.array(state.params["Dense_0"]["kernel"])
    step = make_train_step(model, optimizer, losses.cross_entropy, accumulate=accumulate)
    for _ in range(5):
        state, _ = step(state, batch)
    after = flat(state.frozen)
    assert before.keys() == after.keys()
    for path, leaf in before.items():
        assert leaf.tobytes() == np.asarray(after[path]).tobytes(), path
    assert (np.asarray(state.params["Dense_0"]["kernel"]) != dense).any()


def test_what_is_left_trains_as_pytorch_trains_it(rng):
    torch = pytorch.torch()
    kernel, bias = rng.normal(size=(3, 3, 3, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    mean, var = rng.normal(size=8).astype(np.float32), rng.uniform(0.5, 2, 8).astype(np.float32)
    head = rng.normal(size=(8, 10)).astype(np.float32)
    conv, norm, fc = torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 10)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1)))
        conv.bias.copy_(torch.tensor(bias))
        norm.running_mean.copy_(torch.tensor(mean))
        norm.running_var.copy_(torch.tensor(var))
        fc.weight.copy_(torch.tensor(head.T))
        fc.bias.zero_()
    frozen = torch.nn.Sequential(conv, norm).eval().requires_grad_(False)
    variables = {
        "params": {
            "Conv_0": {"kernel": kernel, "bias": bias},
            "BatchNorm_0": {"scale": np.ones(8, np.float32), "bias": np.zeros(8, np.float32)},
            "Dense_0": {"kernel": head, "bias": np.zeros(10, np.float32)},
        },
        "batch_stats": {"BatchNorm_0": {"mean": mean, "var": var}},
    }

    class Undropped(OneBlock):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.Conv(8, (3, 3), strides=2, padding=1)(x)
            x = nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))
            return nn.Dense(self.num_classes)(x.mean((1, 2)))

    optimizer, batch = optim.create("sgd", learning_rate=0.1, momentum=0.9), images_of(rng)
    state = create_state(
        Undropped(), optimizer, jax.random.key(0), batch["images"], variables=variables, freeze=["*", "!Dense_0"]
    )
    step = make_train_step(Undropped(), optimizer, losses.cross_entropy)
    theirs = torch.optim.SGD(fc.parameters(), lr=0.1, momentum=0.9)
    seen, labels = torch.tensor(batch["images"]).movedim(-1, 1), torch.tensor(batch["labels"]).long()
    for _ in range(5):
        state, measured = step(state, batch)
        loss = torch.nn.functional.cross_entropy(fc(torch.relu(frozen(seen)).mean((2, 3))), labels)
        theirs.zero_grad()
        loss.backward()
        gradients = [parameter.grad for parameter in fc.parameters()]
        norm_of_all = torch.sqrt(sum(gradient.square().sum() for gradient in gradients))
        pytorch.assert_close(measured["loss"].value, loss.detach())
        pytorch.assert_close(measured["grad_norm"].value, norm_of_all, 1e-4)
        theirs.step()
    pytorch.assert_close(state.params["Dense_0"]["kernel"].T, fc.weight.detach(), 1e-4)


def test_evaluation_sees_trained_and_frozen_together(rng):
    model, optimizer, batch = OneBlock(), optim.create("sgd", learning_rate=0.1), images_of(rng)
    states = [
        create_state(model, optimizer, jax.random.key(0), batch["images"], freeze=freeze)
        for freeze in ((), ("BatchNorm_0",), ("*", "!Dense_0"))
    ]
    step = make_eval_step(model, losses.cross_entropy, metrics={"accuracy": metrics.correct})
    first, *others = [step(state, batch) for state in states]
    for other in others:
        jax.tree.map(np.testing.assert_array_equal, first, other)


@pytest.mark.long
def test_a_frozen_stage_needs_no_gradient_computed():
    model, optimizer = models.create("resnet18", stem="cifar"), optax.sgd(0.1)
    images = jnp.zeros((2, 32, 32, 3))
    counts = []
    for freeze in ((), ("*", "!fc")):
        state = jax.eval_shape(
            lambda freeze=freeze: create_state(model, optimizer, jax.random.key(0), images, freeze=freeze)
        )
        step = make_train_step(model, optimizer, losses.cross_entropy)
        program = step.lower(state, {"images": images, "labels": jnp.zeros(2, jnp.int32)}).compile()
        counts.append(program.cost_analysis()["flops"])
    assert counts[1] < 0.4 * counts[0]


def test_patterns_that_fit_nothing_or_leave_nothing_are_refused(rng):
    batch = images_of(rng)
    for freeze, says in ((["Dnse_0"], "Did you mean Dense_0"), (["*"], "freezes every parameter")):
        with pytest.raises(UserError, match=says):
            create_state(OneBlock(), optax.sgd(0.1), jax.random.key(0), batch["images"], freeze=freeze)
