# %% [markdown]
# # 13 · Optimizers on one surface · 在同一曲面上比较优化器
#
# Rows: E2
#
# An optimizer of PyTorch holds the parameters and changes them in `step()`. optax's is two functions: `init(params)`
# makes its state, `update(gradient, state, params)` returns what to add. `optim.create` gives those of `torch.optim`
# by name, with PyTorch's formulas, options and defaults.
#
# PyTorch 的优化器持有参数，`step()` 原地修改。optax 的优化器是两个函数：`init(params)` 生成状态，
# `update(梯度, 状态, 参数)` 返回增量。`optim.create` 按名称提供 `torch.optim` 的各种优化器，公式、选项、
# 默认值均一致。

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.course.drawing import plots
from experiments.course.stage import show
from jaxdl import optim

# %% [markdown]
# ## One update · 一次更新

# %%
params = {"w": jnp.array([1.0, -2.0])}
gradient = {"w": jnp.array([0.5, 0.1])}
optimizer = optim.create("sgd", learning_rate=0.1, momentum=0.9)
opt_state = optimizer.init(params)
for _ in range(2):
    updates, opt_state = optimizer.update(gradient, opt_state, params)
    params = optax.apply_updates(params, updates)
print("after two updates", params)
by_hand = np.array([1.0, -2.0]) - 0.1 * np.array([0.5, 0.1]) * (1 + 1.9)  # the second direction is 0.9 g + g
np.testing.assert_allclose(params["w"], by_hand, rtol=1e-6)

# %% [markdown]
# ## The surface · 曲面
#
# f(x, y) = x^2 / 20 + y^2: a long valley, steep across and flat along. Plain descent must keep its rate low for the
# steep direction and then crawls in the flat one; this is what the others are for. Each starts from (-7, 2).


# %%
def surface(point):
    """float[..., 2] -> float[...]."""
    return point[..., 0] ** 2 / 20 + point[..., 1] ** 2


def path(optimizer, start=(-7.0, 2.0), steps=40):
    """The points it visits, float32[steps + 1, 2]."""

    def body(carry, _):
        point, opt_state = carry
        value, gradient = jax.value_and_grad(surface)(point)
        updates, opt_state = optimizer.update(gradient, opt_state, point, value=value, grad=gradient, value_fn=surface)
        point = optax.apply_updates(point, updates)
        return (point, opt_state), point

    start = jnp.array(start)
    _, points = jax.lax.scan(body, (start, optimizer.init(start)), length=steps)
    return jnp.concatenate([start[None], points])


compared = {
    "SGD": optim.create("sgd", learning_rate=0.9),
    "momentum": optim.create("sgd", learning_rate=0.1, momentum=0.9),
    "Nesterov": optim.create("sgd", learning_rate=0.1, momentum=0.9, nesterov=True),
    "Adagrad": optim.create("adagrad", learning_rate=1.5),
    "RMSprop": optim.create("rmsprop", learning_rate=0.3, alpha=0.9),
    "Adadelta": optim.create("adadelta", learning_rate=20.0),
    "Adam": optim.create("adam", learning_rate=0.5),
    "AdamW": optim.create("adamw", learning_rate=0.5, weight_decay=0.01),
    "NAdam": optim.create("nadam", learning_rate=0.5),
    "L-BFGS": optim.create("lbfgs", learning_rate=1.0, max_iter=1, line_search="strong_wolfe"),
}
paths = {name: path(optimizer) for name, optimizer in compared.items()}
heights = {name: np.asarray(surface(points)) for name, points in paths.items()}
for name, height in heights.items():
    reached = np.flatnonzero(height < 0.01)
    when = f"below 0.01 after {reached[0]} updates" if len(reached) else "not below 0.01"
    print(f"{name:<9} from {height[0]:.2f} to {height[-1]:.2e}, {when}")
assert all(height[-1] < height[0] for height in heights.values())
assert np.flatnonzero(heights["L-BFGS"] < 0.01)[0] < np.flatnonzero(heights["SGD"] < 0.01)[0]

# %%
figure, axes = plots(5, 2, width=2.6, height=2.0, sharex=True, sharey=True)
x, y = np.meshgrid(np.linspace(-9, 9, 121), np.linspace(-3.5, 3.5, 81))
for axis, (name, points) in zip(axes.ravel(), paths.items(), strict=True):
    axis.contour(x, y, surface(np.stack([x, y], -1)), levels=12, colors="#c8c8c8", linewidths=0.6)
    axis.plot(*points.T, marker=".", markersize=3, linewidth=0.9)
    axis.plot(0, 0, marker="+", color="black")
    axis.set(title=name, xlim=(-9, 9), ylim=(-3.5, 3.5))
show(figure, "optimizers")

# %% [markdown]
# ## Weight decay, twice · 两种权重衰减
#
# PyTorch's `weight_decay` adds decay * w to the gradient (here `l2=`), except in AdamW, which takes it off the weight
# (here `weight_decay=`). For plain SGD the two are the same; for Adam they are not, because it divides by what it has
# seen of the gradient: a weight with large gradients would hardly decay.

# %%
weights, steep = jnp.array([1.0, 1.0]), jnp.array([10.0, 0.1])


def after(optimizer, updates=20):
    """The weights after updates by one constant gradient; mask=None decays all of them."""
    weights_now, opt_state = weights, optimizer.init(weights)
    for _ in range(updates):
        step, opt_state = optimizer.update(steep, opt_state, weights_now)
        weights_now = optax.apply_updates(weights_now, step)
    return np.asarray(weights_now)


pulled = {}
for name in ("sgd", "adam"):
    free = after(optim.create(name, learning_rate=0.01))
    for kind in ("l2", "weight_decay"):
        pulled[name, kind] = after(optim.create(name, learning_rate=0.01, mask=None, **{kind: 0.5})) - free
        print(f"{name:<5} {kind:<13} pulled by {np.round(pulled[name, kind], 4)}")
np.testing.assert_allclose(pulled["sgd", "l2"], pulled["sgd", "weight_decay"], atol=1e-5)
assert abs(pulled["adam", "l2"][0]) < 0.1 * abs(pulled["adam", "weight_decay"][0])

# %% [markdown]
# ## Schedules · 学习率调度
#
# A schedule is a function of the update's number, and goes where the learning rate goes.

# %%
schedules = {
    name: optim.schedule(name, learning_rate=0.1, steps=100, **options)
    for name, options in {
        "step": {"step_size": 30, "gamma": 0.3},
        "exponential": {"gamma": 0.96},
        "cosine": {},
        "one_cycle": {},
    }.items()
}
figure, axis = plots(width=5)
for name, schedule in schedules.items():
    axis.plot([float(schedule(step)) for step in range(101)], label=name)
axis.set(title="learning rate", xlabel="update")
axis.legend(frameon=False)
show(figure, "schedules")
np.testing.assert_allclose(float(schedules["step"](65)), 0.1 * 0.3**2, rtol=1e-5)

# %% [markdown]
# ## Try · 练习
#
# 1. Make the surface steeper, x^2 / 20 + 4 y^2. Which of the ten still arrive with the same learning rate?
# 2. Which optimizer is Adam with betas=(0.0, 0.999), but for its correction of the first updates?
