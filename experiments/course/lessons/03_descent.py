# %% [markdown]
# # 3 · Gradient descent by hand · 手写梯度下降
#
# Rows: B4
#
# The notes fit y = 2x with one weight: compute the loss, `backward()`, subtract 0.01 times the gradient, zero it. The
# same here takes three lines, because an update is a function from the old weight to the new one. Then the three ways
# to choose the examples of an update, and what happens when the step is too long.
#
# 笔记用一个权重拟合 y = 2x：计算损失、反向传播、减去 0.01 倍的梯度、清零。这里一次更新就是从旧权重到新权重的函数，
# 三行即可。随后比较批量、随机、小批量三种梯度下降，以及学习率过大时会发生什么。

# %%
import jax
import jax.numpy as jnp
import numpy as np

from experiments.course.drawing import plots
from experiments.course.stage import pick, show

x = jnp.arange(1.0, 4.0)  # 1, 2, 3
y = 2 * x


def loss(w, x, y):
    """Mean squared error of the line w x."""
    return jnp.mean((w * x - y) ** 2)


# %% [markdown]
# ## Batch gradient descent · 批量梯度下降
#
# The gradient by hand is the mean of 2x(wx - y). `jax.grad` agrees, and the weight goes to 2.

# %%
w = jnp.float32(1.0)
by_hand = jnp.mean(2 * x * (w * x - y))
print("gradient at w = 1: by hand", by_hand, "  jax.grad", jax.grad(loss)(w, x, y))
np.testing.assert_allclose(by_hand, jax.grad(loss)(w, x, y), rtol=1e-6)

update = jax.jit(lambda w: w - 0.01 * jax.grad(loss)(w, x, y))
for epoch in range(100):
    if epoch % 20 == 0:
        print(f"epoch {epoch:3}: w = {float(w):.4f}, loss {float(loss(w, x, y)):.6f}")
    w = update(w)
print(f"after 100 epochs w = {float(w):.5f}; at x = 4 it says {float(4 * w):.4f}")
assert abs(float(w) - 2) < 1e-3

# %% [markdown]
# ## Stochastic and mini-batch · 随机与小批量
#
# One example an update is quick and noisy, all of them slow and smooth, a few a compromise. Noise shows once the
# examples disagree, so here the targets have some: a hundred points around y = 2x. Which examples an update sees is
# drawn from a key: no global generator, and the same key draws the same.

# %%
many = jax.random.uniform(jax.random.key(0), (100,), minval=0.5, maxval=2.0)
noisy = 2 * many + 0.5 * jax.random.normal(jax.random.key(1), (100,))
best = float((many * noisy).sum() / (many**2).sum())  # least squares, in closed form


def path(batch_size, updates, rate):
    """The weight after each update, float32[updates + 1]."""

    def body(w, key):
        rows = jax.random.choice(key, 100, (batch_size,), replace=False)
        w = w - rate * jax.grad(loss)(w, many[rows], noisy[rows])
        return w, w

    _, weights = jax.lax.scan(body, jnp.float32(0.0), jax.random.split(jax.random.key(2), updates))
    return jnp.concatenate([jnp.zeros(1), weights])


updates = pick(full=400, quick=200)
paths = {size: path(size, updates, 0.05) for size in (1, 10, 100)}
noise = {size: float(weights[updates // 2 :].std()) for size, weights in paths.items()}
for size, spread in noise.items():
    print(f"batch {size:3}: ends at {float(paths[size][-1]):.3f}, spread of the second half {spread:.4f}")
print(f"least squares: {best:.3f}")
assert noise[1] > 2 * noise[10] > 4 * noise[100]
assert abs(float(paths[100][-1]) - best) < 1e-3

# %% [markdown]
# ## Too long a step · 学习率过大
#
# The loss is a parabola in w with curvature 2 mean(x^2). A step of `rate` multiplies the distance from the minimum by
# 1 - rate * curvature: the steps converge while the rate is below 2 / curvature, fastest at half of that, and above
# it each is longer than the last.

# %%
curvature = float(jax.grad(jax.grad(loss))(1.0, many, noisy))
limit = 2 / curvature
rates = {f"{share:g} of the limit": share * limit for share in (0.05, 0.5, 0.95, 1.05)}
descents = {name: path(100, 30, rate) for name, rate in rates.items()}
print(f"curvature {curvature:.3f}, limit of the rate {limit:.3f}")
for name, weights in descents.items():
    print(f"{name:>17}: distance from the minimum at the end {abs(float(weights[-1]) - best):.2e}")
assert abs(float(descents["1.05 of the limit"][-1]) - best) > best
assert abs(float(descents["0.95 of the limit"][-1]) - best) < 0.1 * best
assert abs(float(descents["0.5 of the limit"][1]) - best) < 1e-5  # one step is enough

# %%
figure, (left, right) = plots(2)
for size, weights in paths.items():
    left.plot(weights, label=f"batch {size}", linewidth=1)
left.axhline(best, color="black", linewidth=0.7)
left.set(title="what an update sees", xlabel="update", ylabel="w")
left.legend(frameon=False)
for name, weights in descents.items():
    right.plot(weights, label=name, linewidth=1.2)
right.set(title="learning rate", xlabel="update", ylim=(best - 4, best + 4))
right.legend(framealpha=0.9, edgecolor="none", fontsize=7)
show(figure, "descent")

# %% [markdown]
# ## Try · 练习
#
# 1. Add a bias b and fit y = 2x + 1: make the parameters a dict and use `jax.tree.map` in the update.
# 2. Replace the update by `jaxdl.optim.create("sgd", learning_rate=0.01)`, its `init` and its `update`.
