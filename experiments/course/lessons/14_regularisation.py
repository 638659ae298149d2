# %% [markdown]
# # 14 · Regularisation · 正则化
#
# Rows: E3
#
# Sixty examples and a network with 85,002 parameters: it will learn the sixty by heart. Then what the notes offer
# against it: L1 and L2 penalties, weight decay, dropout, noise, early stopping; and clipping and decay of the
# learning rate, which keep training itself in order.
#
# 六十个样本，85,002 个参数：网络会把样本背下来。随后逐一尝试笔记中的办法：L1、L2 惩罚、权重衰退、Dropout、噪声、
# 提前停止；以及让训练本身保持稳定的梯度裁剪和学习率衰减。

# %%
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.course.drawing import plots
from experiments.course.stage import pick, show
from jaxdl import losses, metrics, optim
from jaxdl.data import augment, sources
from jaxdl.nn import Dense, flatten
from jaxdl.train.early_stopping import best, stops_early
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step

digits = sources.load("digits")
small = {"images": digits.train.images[:, ::4, ::4, :1], "labels": digits.train.labels}  # 8x8 pixels, one channel
train = {name: values[:60] for name, values in small.items()}
val = {name: values[60:1060] for name, values in small.items()}


class Network(nn.Module):
    """64-256-256-10, with dropout after each hidden layer."""

    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = flatten(x)
        for _ in range(2):
            x = nn.relu(Dense(256)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return Dense(10)(x)


# %% [markdown]
# ## By heart · 过拟合
#
# Each experiment is the same 300 updates with one thing changed.

# %%
STEPS = pick(full=300, quick=150)
prepare = partial(augment.normalize, mean=(0.3,), std=(0.38,))


def learn(model=None, optimizer=None, loss=losses.cross_entropy, **options):
    """The last state, and the loss and accuracy of both splits every ten updates."""
    model = model or Network()
    optimizer = optimizer or optim.create("adam", learning_rate=2e-3)
    options = {"augment": augment.plain(prepare), **options}
    train_step = make_train_step(model, optimizer, loss, **options)
    eval_step = make_eval_step(model, losses.cross_entropy, prepare=prepare, metrics={"accuracy": metrics.correct})
    state = create_state(model, optimizer, jax.random.key(0), prepare(train["images"]))
    curves = {"train loss": [], "val loss": [], "val accuracy": []}
    for step in range(1, STEPS + 1):
        state, _ = train_step(state, train)
        if step % 10 == 0:
            of_train, of_val = eval_step(state, train), eval_step(state, val)
            curves["train loss"].append(float(of_train["loss"].value))
            curves["val loss"].append(float(of_val["loss"].value))
            curves["val accuracy"].append(float(of_val["accuracy"].value))
    return state, curves


adam = partial(optim.create, "adam", learning_rate=2e-3)
experiments = {
    "nothing": {},
    "L1 penalty": {"penalty": lambda params: 3e-4 * optim.l1_penalty(params)},
    "L2 penalty": {"penalty": lambda params: 3e-3 * optim.l2_penalty(params)},
    "weight decay": {"optimizer": optim.create("adamw", learning_rate=2e-3, weight_decay=3.0)},
    "dropout 0.5": {"model": Network(dropout=0.5)},
    "noisy images": {"augment": lambda key, images: prepare(images) + jax.random.normal(key, images.shape)},
}
results = {name: learn(**changes) for name, changes in experiments.items()}
assert parameter_count(results["nothing"][0].params) == 85_002
for name, (_, curves) in results.items():
    last = {figure: values[-1] for figure, values in curves.items()}
    print(f"{name:<15} train loss {last['train loss']:.4f}, val loss {last['val loss']:.3f}, "
          f"val accuracy {last['val accuracy']:.1%}")  # fmt: skip
curves = {name: curves for name, (_, curves) in results.items()}
assert curves["nothing"]["train loss"][-1] < 0.02 < 0.3 < curves["nothing"]["val loss"][-1]
for name in ("L1 penalty", "L2 penalty", "weight decay"):
    assert curves[name]["val loss"][-1] < curves["nothing"]["val loss"][-1], name

# %%
figure, (left, right) = plots(2, width=4.6)
updates = np.arange(10, STEPS + 1, 10)
for name, each in curves.items():
    left.plot(updates, each["val loss"], label=name)
    right.plot(updates, each["train loss"])
left.set(title="validation loss", xlabel="update", ylim=(0, 1.5))
right.set(title="training loss", xlabel="update", yscale="log")
left.legend(frameon=False, fontsize=7)
show(figure, "regularisation")

# %% [markdown]
# ## What a penalty does to the weights · 惩罚对权重的影响
#
# L1 pulls every weight by the same amount, so small ones end at zero: a sparse network. L2 pulls in proportion: none
# vanish, all are smaller.


# %%
def weights(name):
    """All kernels of an experiment's last state, as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(results[name][0].params) if leaf.ndim == 2])


for name in ("nothing", "L1 penalty", "L2 penalty"):
    values = weights(name)
    print(f"{name:<11} mean size {np.abs(values).mean():.4f}, below 0.002: {np.mean(np.abs(values) < 2e-3):.0%}")
sparse = {name: np.mean(np.abs(weights(name)) < 2e-3) for name in results}
assert sparse["L1 penalty"] > 2 * sparse["L2 penalty"] > 2 * sparse["nothing"] * 0.5
assert np.abs(weights("L2 penalty")).mean() < np.abs(weights("nothing")).mean()

# %% [markdown]
# ## Early stopping · 提前停止
#
# A function of the values so far: whether the last `patience` brought nothing better. It holds no state, so a resumed
# run stops where one that was never stopped would.

# %%
values = curves["nothing"]["val loss"]
stop = next((end for end in range(1, len(values) + 1) if stops_early(values[:end], patience=5)), len(values))
print(f"best at update {10 * (best(values) + 1)}; with patience 5 stopped at {10 * stop}")
assert stops_early([3.0, 2.0, 2.5, 2.4], patience=2)
assert not stops_early([3.0, 2.0, 2.5, 1.9], patience=2)

# %% [markdown]
# ## Clipping · 梯度裁剪
#
# By value: each component is cut off. By norm: the whole gradient is made shorter and keeps its direction.

# %%
gradient = {"kernel": jnp.array([3.0, -4.0]), "bias": jnp.array([0.1])}
by_value, by_norm = (
    rule.update(gradient, rule.init(gradient))[0] for rule in (optax.clip(1.0), optax.clip_by_global_norm(1.0))
)
print("by value", by_value, "\nby norm ", by_norm)
np.testing.assert_allclose(by_value["kernel"], [1, -1])
np.testing.assert_allclose(optax.tree.norm(by_norm), 1, rtol=1e-5)
np.testing.assert_allclose(by_norm["kernel"][1] / by_norm["kernel"][0], -4 / 3, rtol=1e-5)

# %% [markdown]
# A learning rate far too high for plain SGD explodes at once; with `clip_norm` the same rate still learns.

# %%
wild = {norm: optim.create("sgd", learning_rate=2.0, clip_norm=norm) for norm in (None, 0.1)}
ends = {norm: learn(optimizer=optimizer)[1]["train loss"][-1] for norm, optimizer in wild.items()}
print("SGD at 2.0: training loss", {str(norm): round(value, 4) for norm, value in ends.items()})
assert ends[0.1] < 0.1
assert not ends[None] < 1

# %% [markdown]
# ## Decay of the learning rate · 学习率衰减
#
# A rate that is good at first keeps the last steps from settling. Here each update sees eight examples, drawn anew.

# %%
rates = {"constant": 0.3, "cosine to 0": optim.schedule("cosine", learning_rate=0.3, steps=STEPS)}
final = {}
for name, rate in rates.items():
    optimizer = optim.create("sgd", learning_rate=rate)
    step = make_train_step(Network(), optimizer, losses.cross_entropy, augment=augment.plain(prepare))
    state = create_state(Network(), optimizer, jax.random.key(0), prepare(train["images"]))
    measured = []
    for number in range(STEPS):
        rows = np.random.default_rng(number).integers(0, 1060, 8)
        state, metric = step(state, {name: values[rows] for name, values in small.items()})
        measured.append(metric["loss"])
    noise = np.array([float(each.value) for each in measured[-STEPS // 4 :]])
    final[name] = noise.mean()
    print(f"{name:<12} mean loss of the last quarter {noise.mean():.3f}, spread {noise.std():.3f}")
assert final["cosine to 0"] < final["constant"]

# %% [markdown]
# ## Try · 练习
#
# 1. Combine dropout and weight decay. Is the validation loss that of the better one, or better still?
# 2. How many examples does the plain network need to reach what dropout reaches with sixty?
