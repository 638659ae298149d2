# %% [markdown]
# # 22 · Logistic regression · 逻辑回归
#
# Rows: G5
#
# The same loop with another output: a sigmoid, and binary cross entropy. The notes' data are hours of study, 1, 2, 3,
# and whether the exam was passed, 0, 0, 1; asked about 4 hours the model says yes.
#
# 同样的循环，换成 sigmoid 输出和二元交叉熵。笔记的数据是学习 1、2、3 小时与是否通过考试 0、0、1；问 4 小时，
# 模型回答会通过。

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.linear_model import LogisticRegression

from experiments.course.drawing import plots
from experiments.course.stage import show
from jaxdl import losses, optim
from jaxdl.nn import Dense

hours = jnp.array([[1.0], [2.0], [3.0]])
passed = jnp.array([[0.0], [0.0], [1.0]])
model = Dense(1)
optimizer = optim.create("sgd", learning_rate=0.1)

# %% [markdown]
# ## The loss · 损失
#
# `BCELoss` of a sigmoid and `BCEWithLogitsLoss` are the same number, but the second does not overflow: the model puts
# out the logit, and the sigmoid comes after.


# %%
def loss(params):
    """Mean binary cross entropy."""
    logits = model.apply({"params": params}, hours)
    return losses.binary_cross_entropy_with_logits(logits, passed).mean()


@jax.jit
def train(params):
    """A thousand epochs in one program, and the loss at each."""

    def body(carry, _):
        params, opt_state = carry
        value, gradient = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), value

    (params, _), values = jax.lax.scan(body, (params, optimizer.init(params)), length=1000)
    return params, values


params, values = train(model.init(jax.random.key(0), hours)["params"])
share = jax.nn.sigmoid(model.apply({"params": params}, jnp.array([[4.0]])))[0, 0]
print(f"loss {values[0]:.4f} -> {values[-1]:.4f}; after 4 hours passes with probability {share:.3f}")
assert values[-1] < values[0]
assert share > 0.8

# %% [markdown]
# ## Where it decides · 决策边界
#
# At the hour where the logit is 0, between 2 and 3.

# %%
boundary = -float(params["bias"][0]) / float(params["kernel"][0, 0])
print(f"boundary at {boundary:.2f} hours")
assert 2 < boundary < 3

# %% [markdown]
# Three points that a line can separate have no best weight: it grows for ever, and the curve steepens. A penalty ends
# that, and then there is one answer, which scikit-learn finds as well. Its C is one over the strength.

# %%
penalised = optim.create("lbfgs", learning_rate=1.0, line_search="strong_wolfe", max_iter=50)


def objective(params):
    """Summed cross entropy and half the squared weight: scikit-learn's at C = 1."""
    logits = model.apply({"params": params}, hours)
    data = losses.binary_cross_entropy_with_logits(logits, passed).sum()
    return data + 0.5 * optim.l2_penalty(params)


start = jax.tree.map(jnp.zeros_like, params)
value, gradient = jax.value_and_grad(objective)(start)
updates, _ = penalised.update(gradient, penalised.init(start), start, value_fn=objective)
ours = optax.apply_updates(start, updates)
theirs = LogisticRegression(C=1.0, tol=1e-8).fit(np.asarray(hours), np.asarray(passed).ravel())
print("w, b: here", float(ours["kernel"][0, 0]), float(ours["bias"][0]))
print("scikit-learn", float(theirs.coef_[0, 0]), float(theirs.intercept_[0]))
np.testing.assert_allclose(ours["kernel"][0, 0], theirs.coef_[0, 0], rtol=1e-3)
np.testing.assert_allclose(ours["bias"][0], theirs.intercept_[0], rtol=1e-3)

# %%
line = jnp.linspace(0, 10, 200)[:, None]
figure, axis = plots(width=5)
axis.plot(line, jax.nn.sigmoid(model.apply({"params": params}, line)), label="1000 epochs")
axis.plot(line, jax.nn.sigmoid(model.apply({"params": ours}, line)), label="with a penalty")
axis.scatter(hours, passed, color="black", zorder=3)
axis.axhline(0.5, color="#c45100", linewidth=0.7)
axis.set(xlabel="hours", ylabel="probability of passing")
axis.legend(frameon=False)
show(figure, "logistic")

# %% [markdown]
# ## Try · 练习
#
# 1. Train for 100,000 epochs: how large does w become, and where does the boundary go?
# 2. Compute `losses.binary_cross_entropy(jax.nn.sigmoid(x), 0.0)` at x = 200 and the same from logits.
