# %% [markdown]
# # 12 · Losses and backpropagation · 损失函数与反向传播
#
# Rows: E1
#
# A loss of `jaxdl.losses` returns one value a target: PyTorch's `reduction="none"`. The training step averages them
# once, over the rows that count; elsewhere `losses.reduce` does it. Then the classic exercise: one backward pass
# worked out by hand.
#
# `jaxdl.losses` 的损失对每个目标返回一个值，即 PyTorch 的 `reduction="none"`；由训练步骤统一求平均，
# 也可用 `losses.reduce`。最后手算一次反向传播。

# %%
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import losses

# %% [markdown]
# ## MSE and L1 · 均方误差与绝对误差
#
# The notes' example: outputs 1, 2, 3 for targets 1, 2, 5. The mean absolute error is 2/3, the sum 2, the mean squared
# error 4/3.

# %%
outputs, targets = jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 2.0, 5.0])
print("L1 none", losses.l1(outputs, targets), " mean", losses.l1(outputs, targets).mean())
print("L1 sum ", losses.reduce(losses.l1(outputs, targets), "sum"), " MSE", losses.mse(outputs, targets).mean())
assert losses.reduce(losses.l1(outputs, targets), "sum") == 2.0
np.testing.assert_allclose(losses.mse(outputs, targets).mean(), 4 / 3, rtol=1e-6)

# %% [markdown]
# Smooth L1 is squared near zero and straight beyond `beta`: outliers pull no harder than others.

# %%
errors = jnp.array([0.1, 0.5, 1.0, 2.0, 10.0])
smooth = losses.smooth_l1(errors, jnp.zeros(5), beta=1.0)
print("errors", errors, "\nsmooth", smooth, "\nslopes", jax.grad(lambda e: losses.smooth_l1(e, 0 * e).sum())(errors))
np.testing.assert_allclose(smooth, [0.005, 0.125, 0.5, 1.5, 9.5], rtol=1e-6)

# %% [markdown]
# ## Cross entropy · 交叉熵
#
# The notes: logits 0.1, 0.2, 0.3 and class 1 give -0.2 + ln(e^0.1 + e^0.2 + e^0.3) = 1.1019. The classes are the last
# axis, also of [B, H, W, classes].

# %%
logits, label = jnp.array([[0.1, 0.2, 0.3]]), jnp.array([1])
loss = losses.cross_entropy(logits, label)
print("cross entropy", loss)
np.testing.assert_allclose(loss, [-0.2 + np.log(np.exp([0.1, 0.2, 0.3]).sum())], rtol=1e-6)
np.testing.assert_allclose(loss, 1.1019, atol=1e-4)

# %% [markdown]
# Its gradient is softmax minus one-hot: what is too sure of itself is pushed down, the right class up.

# %%
gradient = jax.grad(lambda logits: losses.cross_entropy(logits, label).sum())(logits)
print("gradient", gradient)
np.testing.assert_allclose(gradient, jax.nn.softmax(logits) - jax.nn.one_hot(label, 3), atol=1e-6)

# %% [markdown]
# `weight` counts classes differently, `ignore_index` leaves targets out, `label_smoothing` asks for less than
# certainty. PyTorch's mean divides by the weights of what counts; `target_weights` are those.

# %%
many = jax.random.normal(jax.random.key(0), (5, 3))
labels, weight = jnp.array([0, 1, 2, 1, 255]), jnp.array([1.0, 2.0, 0.5])
values = losses.cross_entropy(many, labels, weight=weight, ignore_index=255)
counted = losses.target_weights(labels, weight=weight, ignore_index=255)
print("values", np.round(values, 3), "weights", counted, "mean", losses.reduce(values, weights=counted))
np.testing.assert_allclose(losses.reduce(values, weights=counted), values.sum() / (1 + 2 + 0.5 + 2), rtol=1e-6)
assert values[4] == counted[4] == 0

sure = jnp.array([[20.0, 0.0, 0.0]])
plain, smoothed = (losses.cross_entropy(sure, jnp.array([0]), label_smoothing=s)[0] for s in (0.0, 0.1))
print(f"of a certain, right answer: {plain:.2g}; with label smoothing 0.1: {smoothed:.3f}")
assert smoothed > 1 > 1e-3 > plain

# %% [markdown]
# ## Two classes, distributions · 二分类与分布
#
# BCE of probabilities; BCE of logits, which does not overflow; KL divergence of log probabilities.

# %%
scores, truth = jnp.array([2.0, -1.0, 100.0]), jnp.array([1.0, 0.0, 0.0])
from_logits = losses.binary_cross_entropy_with_logits(scores, truth)
from_shares = losses.binary_cross_entropy(jax.nn.sigmoid(scores[:2]), truth[:2])
print("BCE with logits", from_logits, " of probabilities", from_shares)
np.testing.assert_allclose(from_logits[:2], from_shares, rtol=1e-5)
assert from_logits[2] == 100

p, q = jnp.array([0.5, 0.3, 0.2]), jnp.array([0.4, 0.4, 0.2])
print("KL(p || q)", losses.kl_div(jnp.log(q), p).sum(), " KL(p || p)", losses.kl_div(jnp.log(p), p).sum())
np.testing.assert_allclose(losses.kl_div(jnp.log(q), p).sum(), (p * jnp.log(p / q)).sum(), rtol=1e-5)

# %% [markdown]
# ## One of your own · 自定义损失
#
# A function. Its gradient comes by itself.


# %%
def focal(logits, labels, gamma=2.0):
    """float32[B]: cross entropy that counts what is already right for less (Lin et al. 2017)."""
    loss = losses.cross_entropy(logits, labels)
    return (1 - jnp.exp(-loss)) ** gamma * loss


easy, hard = jnp.array([[4.0, 0.0, 0.0]]), jnp.array([[0.0, 1.0, 0.0]])
ratio = [float(focal(each, jnp.array([0]))[0] / losses.cross_entropy(each, jnp.array([0]))[0]) for each in (easy, hard)]
print(f"focal / cross entropy: easy {ratio[0]:.4f}, hard {ratio[1]:.2f}")
assert ratio[0] < 0.01 < 0.5 < ratio[1]

# %% [markdown]
# ## Backpropagation by hand · 手算反向传播
#
# One hidden unit: h = relu(w x), y = v h, loss (y - t)^2, at x = 2, w = 0.5, v = 3, t = 1. Forward: h = 1, y = 3,
# loss 4. Backward, from the end: dloss/dy = 2 (y - t) = 4; dloss/dv = 4 h = 4; dloss/dh = 4 v = 12; through relu 12,
# as w x > 0; dloss/dw = 12 x = 24.

# %%
x, w, v, t = 2.0, 0.5, 3.0, 1.0
by_hand = {"w": 24.0, "v": 4.0}
by_jax = jax.grad(lambda p: (p["v"] * jax.nn.relu(p["w"] * x) - t) ** 2)({"w": w, "v": v})
print("by hand", by_hand, " by jax", {name: float(value) for name, value in by_jax.items()})
assert by_jax == by_hand

# %% [markdown]
# ## Try · 练习
#
# 1. At w = -0.5 the gradient of w is 0, and of v too. Why, and what is such a unit called?
# 2. Train with `focal` by handing it to `make_train_step(model, optimizer, focal)`.
