# %% [markdown]
# # 15 · Vanishing and exploding gradients · 梯度消失与梯度爆炸
#
# Rows: E4
#
# On its way back a gradient is multiplied at each layer by a slope and a matrix. Thirty factors of a quarter are
# nothing, thirty factors of two a billion. A gradient is a tree, so measuring it layer by layer is one call:
# `metrics.norms_by_layer`. The remedies of the notes follow, each drawn by depth.
#
# 梯度每往回传一层，就乘上一个导数和一个矩阵。三十个四分之一相乘约等于零，三十个二相乘是十亿。梯度是一棵树，
# 逐层测量只需 `metrics.norms_by_layer` 一次调用。下面依次画出笔记中的各种对策。

# %%
import flax.linen as nn
import jax
import numpy as np
import optax

from experiments.course.drawing import plots
from experiments.course.stage import show
from jaxdl import losses, metrics
from jaxdl.nn import Dense, activation, batch_norm, initializers

DEPTH, WIDTH = 30, 64


class Stack(nn.Module):
    """Thirty layers of 64 units, then ten classes."""

    activation: str = "relu"
    weights: str = "pytorch"
    norm: bool = False
    residual: bool = False
    gain: float | None = None

    @nn.compact
    def __call__(self, x, *, train: bool):
        kernel = initializers.kernel(self.weights, gain=self.gain)
        for number in range(DEPTH):
            y = Dense(WIDTH, kernel_init=kernel, name=f"layer{number:02}")(x)
            if self.norm:
                y = batch_norm(train=train)(name=f"norm{number:02}")(y)
            y = activation(self.activation)(y)
            x = x + y if self.residual else y
        return Dense(10, name="head")(x)


inputs = jax.random.normal(jax.random.key(0), (128, WIDTH))
labels = jax.random.randint(jax.random.key(1), (128,), 0, 10)


def gradient_of(model):
    """The gradient of the loss by the initial parameters, as a tree."""
    variables = model.init(jax.random.key(2), inputs, train=True)

    def loss(params):
        logits, _ = model.apply({**variables, "params": params}, inputs, train=True, mutable=["batch_stats"])
        return losses.cross_entropy(logits, labels).mean()

    return jax.jit(jax.grad(loss))(variables["params"])


def by_depth(model):
    """The gradient's norm in each of the thirty layers, the first being the nearest to the input."""
    norms = metrics.norms_by_layer(gradient_of(model))
    return np.array([float(norms[f"layer{number:02}"]) for number in range(DEPTH)])


# %% [markdown]
# ## Vanishing · 梯度消失
#
# Sigmoids, and tanh from PyTorch's own initial weights: what reaches the first layer is a shadow of what the last
# gets.

# %%
stacks = {
    "sigmoid": Stack("sigmoid"),
    "sigmoid, Xavier": Stack("sigmoid", "xavier_uniform"),
    "tanh": Stack("tanh"),
    "tanh, Xavier": Stack("tanh", "xavier_uniform"),
    "ReLU": Stack("relu"),
    "ReLU, He": Stack("relu", "he_normal"),
    "ReLU, batch norm": Stack("relu", norm=True),
    "sigmoid, batch norm": Stack("sigmoid", norm=True),
    "ReLU, residual": Stack("relu", residual=True),
    "ReLU, gain 3": Stack("relu", "he_normal", gain=3.0),
}
norms = {name: by_depth(stack) for name, stack in stacks.items()}
ratio = {name: each[0] / each[-1] for name, each in norms.items()}
for name, each in norms.items():
    print(f"{name:<20} first layer {each[0]:.1e}, last {each[-1]:.1e}, first / last {ratio[name]:.1e}")
assert ratio["sigmoid"] < 1e-12
assert ratio["tanh"] < 1e-3 < 0.03 < ratio["tanh, Xavier"]
assert ratio["ReLU"] < 1e-3 < 0.03 < ratio["ReLU, He"] < 30

# %% [markdown]
# ## The remedies · 对策
#
# ReLU with weights to match (He), tanh with Xavier, batch norm, which brings back even the sigmoids', and shortcuts:
# a residual connection adds the identity to each layer's derivative, and a product of sums does not vanish when some
# of its terms do. (Its sums grow from layer to layer, which is why a ResNet's blocks hold batch norms as well.)

# %%
assert ratio["ReLU, residual"] > 0.03
assert ratio["sigmoid, batch norm"] > 0.1 > 1e-6 > ratio["sigmoid"]

figure, (left, right) = plots(2, width=5)
for name in ("sigmoid", "sigmoid, Xavier", "sigmoid, batch norm", "tanh", "tanh, Xavier"):
    left.semilogy(range(1, DEPTH + 1), norms[name], label=name)
for name in ("ReLU", "ReLU, He", "ReLU, batch norm", "ReLU, residual", "ReLU, gain 3"):
    right.semilogy(range(1, DEPTH + 1), norms[name], label=name)
for axis in (left, right):
    axis.set(xlabel="layer, from the input", title="norm of the gradient")
    axis.legend(frameon=False, fontsize=7)
show(figure, "by_depth")

# %% [markdown]
# ## Exploding · 梯度爆炸
#
# Weights a little too large, and each layer enlarges what passes: after thirty the first update would throw the
# parameters out of the world. Clipping by norm makes the step as long as it is told, whatever the gradient.

# %%
exploding = gradient_of(stacks["ReLU, gain 3"])
clipped, _ = optax.clip_by_global_norm(1.0).update(exploding, ())
before, after = float(optax.tree.norm(exploding)), float(optax.tree.norm(clipped))
print(f"norm of the whole gradient {before:.1e}, clipped {after:.3f}")
assert before > 1e6
np.testing.assert_allclose(after, 1.0, rtol=1e-3)

# %% [markdown]
# ## Does it learn? · 能学会吗
#
# Sixty updates of Adam on 128 examples: what got no gradient stays at the level of guessing, ln 10 = 2.30.


# %%
def learn(model, steps=60):
    """The loss before and after."""
    optimizer = optax.adam(3e-3)
    variables = model.init(jax.random.key(2), inputs, train=True)
    params, opt_state = variables["params"], optimizer.init(variables["params"])

    @jax.jit
    def update(params, opt_state):
        def loss(params):
            logits, _ = model.apply({**variables, "params": params}, inputs, train=True, mutable=["batch_stats"])
            return losses.cross_entropy(logits, labels).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state, value

    values = []
    for _ in range(steps):
        params, opt_state, value = update(params, opt_state)
        values.append(float(value))
    return values


for name in ("sigmoid", "ReLU", "ReLU, He", "ReLU, batch norm"):
    values = learn(stacks[name])
    print(f"{name:<17} loss {values[0]:.3f} -> {values[-1]:.3f}")
    assert (values[-1] < 1.5) == (name in ("ReLU, He", "ReLU, batch norm"))

# %% [markdown]
# A run of `python -m experiments.cifar` draws the same picture for every network, update by update, in its report.
#
# ## Try · 练习
#
# 1. Which gain makes tanh neither vanish nor explode? Compare with `torch.nn.init.calculate_gain("tanh")`, 5/3.
# 2. Give only every other layer a shortcut. How much of the effect is left?
