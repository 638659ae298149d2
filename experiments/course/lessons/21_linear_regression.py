# %% [markdown]
# # 21 · Linear regression · 线性回归
#
# Rows: G5
#
# The notes' second course begins here: `nn.Linear(1, 1)`, `MSELoss`, `SGD`, on (1, 2), (2, 4), (3, 6). They print the
# weight after 99 and after 999 epochs. The four steps they repeat from now on are: data, model, loss and optimizer,
# loop.
#
# 笔记的第二门课从这里开始：`nn.Linear(1, 1)`、`MSELoss`、`SGD`，数据为 (1, 2)、(2, 4)、(3, 6)，
# 分别打印 99 和 999 个 epoch 之后的权重。之后反复使用的四个步骤：数据、模型、损失与优化器、循环。

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.course.drawing import plots
from experiments.course.stage import show
from jaxdl import losses, optim
from jaxdl.nn import Dense

x = jnp.array([[1.0], [2.0], [3.0]])
y = 2 * x

# %% [markdown]
# ## Model, loss, optimizer · 模型、损失、优化器
#
# `MSELoss(reduction="sum")`, as the notes first have it, makes the step three times as long as the mean does.

# %%
model = Dense(1)
optimizer = optim.create("sgd", learning_rate=0.01)


def loss(params):
    """The sum of squared errors."""
    return losses.mse(model.apply({"params": params}, x), y).sum()


@jax.jit
def update(params, opt_state):
    """One epoch: all three examples at once."""
    value, gradient = jax.value_and_grad(loss)(params)
    updates, opt_state = optimizer.update(gradient, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, value


# %% [markdown]
# ## The loop · 训练循环

# %%
params = model.init(jax.random.key(0), x)["params"]
opt_state = optimizer.init(params)
weights, values = [float(params["kernel"][0, 0])], []
for epoch in range(1, 1000):
    params, opt_state, value = update(params, opt_state)
    weights.append(float(params["kernel"][0, 0]))
    values.append(float(value))
    if epoch in (1, 9, 99, 999):
        prediction = float(model.apply({"params": params}, jnp.array([[4.0]]))[0, 0])
        print(f"epoch {epoch:3}: loss {float(value):.2e}, w = {weights[-1]:.4f}, "
              f"b = {float(params['bias'][0]):.4f}, at x = 4: {prediction:.4f}")  # fmt: skip
assert abs(weights[-1] - 2) < 1e-2
assert abs(prediction - 8) < 1e-2
assert abs(weights[999] - 2) < 0.1 * abs(weights[99] - 2)  # at 99 it is not there yet

# %% [markdown]
# ## Against the closed form · 与闭式解比较
#
# Least squares has an exact answer, and the slowest direction of the descent a predictable pace: its error shrinks by
# 1 - rate * smallest eigenvalue of the Hessian at each epoch.

# %%
design = np.hstack([np.asarray(x), np.ones((3, 1))])
exact = np.linalg.lstsq(design, np.asarray(y), rcond=None)[0].ravel()
slowest = np.linalg.eigvalsh(2 * design.T @ design)[0]
pace = abs(weights[500] - 2) / abs(weights[499] - 2)
print("least squares: w, b =", exact.round(6), f"; pace measured {pace:.5f}, predicted {1 - 0.01 * slowest:.5f}")
np.testing.assert_allclose(exact, [2, 0], atol=1e-6)
np.testing.assert_allclose(pace, 1 - 0.01 * slowest, rtol=1e-3)

# %%
figure, (left, right) = plots(2)
left.semilogy(values)
left.set(title="loss", xlabel="epoch")
right.plot(weights)
right.axhline(2, color="black", linewidth=0.7)
right.set(title="w", xlabel="epoch")
show(figure, "linear")

# %% [markdown]
# ## Try · 练习
#
# 1. Try the other optimizers of lesson 13 here, as the notes ask. Which one is there after 99 epochs?
# 2. Above which learning rate does this diverge? (2 / largest eigenvalue.)
