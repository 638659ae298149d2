# %% [markdown]
# # 10 · Activations · 激活函数
#
# Rows: D4
#
# Activations are functions: `jax.nn.relu`, not `nn.ReLU()`. Only PReLU learns something and is a module. One default
# differs: `jax.nn.gelu` is the approximation by tanh unless told, PyTorch's is exact; `jaxdl.nn.activation(name)`
# gives PyTorch's for every name.
#
# 激活函数就是函数：写 `jax.nn.relu`，不是 `nn.ReLU()`。只有 PReLU 有参数，因而是模块。
# 注意 `jax.nn.gelu` 默认用 tanh 近似，PyTorch 默认是精确值；`jaxdl.nn.activation(名称)` 一律与 PyTorch 一致。

# %%
import jax
import jax.numpy as jnp
import numpy as np

from experiments.course.drawing import plots
from experiments.course.stage import show
from jaxdl.nn import ACTIVATIONS, PReLU, activation

# %% [markdown]
# ## The notes' example · 笔记中的例子

# %%
x = jnp.array([[1.0, -0.5], [-1.0, 3.0]])
print("ReLU   ", jax.nn.relu(x).tolist())
print("Sigmoid", np.round(jax.nn.sigmoid(x), 4).tolist())
assert jax.nn.relu(x).tolist() == [[1.0, 0.0], [0.0, 3.0]]
np.testing.assert_allclose(jax.nn.sigmoid(x), 1 / (1 + np.exp(-np.asarray(x))), rtol=1e-6)

# %% [markdown]
# ## Curves and slopes · 曲线与导数
#
# The slope is what a gradient is multiplied with on its way back. A sigmoid's is at most a quarter: ten of them in a
# row leave less than a millionth. ReLU's is 1 or 0.

# %%
line = jnp.linspace(-4, 4, 401)
names = [name for name in ACTIVATIONS if "softmax" not in name]
figure, (left, right) = plots(2, width=4.8, height=3.6)
steepest = {}
for number, name in enumerate(names):
    function = activation(name)
    slopes = jax.vmap(jax.grad(lambda x, function=function: function(x[None])[0]))(line)
    steepest[name] = float(slopes.max())
    style = {"label": name, "linewidth": 1.3, "linestyle": ("-", "--")[number // 8 % 2]}
    left.plot(line, function(line), **style)
    right.plot(line, slopes, **style)
left.set(title="activation", ylim=(-2, 4))
right.set(title="its slope", ylim=(-0.3, 1.3))
right.legend(frameon=False, fontsize=7)
show(figure, "activations")
for name, slope in steepest.items():
    print(f"{name:<11} steepest slope {slope:.4f}; of ten in a row {slope**10:.2g}")
assert abs(steepest["sigmoid"] - 0.25) < 1e-4
assert steepest["relu"] == 1.0

# %% [markdown]
# ## Softmax
#
# Numbers to probabilities, along the last axis unless told. A constant added to all changes nothing, which is how
# large logits are kept from overflowing.

# %%
logits = jnp.array([[2.0, 1.0, 0.1], [1000.0, 1000.0, 999.0]])
shares = jax.nn.softmax(logits)
print(np.round(shares, 4), "sums", shares.sum(-1))
np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-6)
np.testing.assert_allclose(jax.nn.softmax(logits - logits.max(-1, keepdims=True)), shares, rtol=1e-6)
assert not jnp.isfinite(jnp.exp(logits)).all()

# %% [markdown]
# ## PReLU, which learns · 可学习的 PReLU
#
# One slope for all, or one a channel; 0.25 at first, as in PyTorch.

# %%
features = jax.random.normal(jax.random.key(0), (5, 4))
for per_channel in (False, True):
    variables = PReLU(per_channel=per_channel).init(jax.random.key(0), features)
    print(f"per_channel={per_channel}:", jax.tree.map(lambda leaf: leaf.tolist(), variables["params"]))
slope = jax.tree.leaves(variables)[0]
assert slope.tolist() == [0.25] * 4

# %% [markdown]
# ## Why activations at all · 为什么需要激活函数
#
# Two linear layers without one are a single linear layer: the course's own CIFAR-10 network is linear but for
# pooling.

# %%
first, second = jax.random.normal(jax.random.key(1), (4, 8)), jax.random.normal(jax.random.key(2), (8, 3))
np.testing.assert_allclose(features @ first @ second, features @ (first @ second), atol=1e-4)
difference = jnp.abs(jax.nn.relu(features @ first) @ second - features @ (first @ second)).max()
print("with a ReLU between, no single matrix does it: largest difference", float(difference))
assert float(difference) > 0.1

# %% [markdown]
# ## Try · 练习
#
# 1. Where does swish (SiLU) turn round? Find its minimum with `jax.grad` and a few steps of descent.
# 2. By how much does the tanh approximation of GELU differ from the exact one at most?
