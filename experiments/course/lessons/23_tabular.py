# %% [markdown]
# # 23 · A network for a table · 表格数据的网络
#
# Rows: C6, G5
#
# The notes read `diabetes.csv.gz`, eight features and a binary label, with `np.loadtxt`, and train 8-6-4-1 with
# sigmoids. That file is not here; this lesson writes one of the same form from scikit-learn's breast cancer data (its
# first eight features, 569 rows) and reads it back. Then normalisation, without which this network learns nothing.
#
# 笔记用 `np.loadtxt` 读取 `diabetes.csv.gz`（八个特征、一个二分类标签），训练 8-6-4-1 的 sigmoid 网络。
# 这里没有那个文件，改用 scikit-learn 的乳腺癌数据（前八个特征，569 行）写出同样格式的文件再读回。随后讲归一化：
# 没有它，这个网络学不到东西。

# %%
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from experiments.course.drawing import plots
from experiments.course.stage import files, pick, show
from jaxdl import losses, optim
from jaxdl.nn import Dense
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step

# %% [markdown]
# ## A gzipped table · 压缩的 CSV
#
# `np.loadtxt` opens `.gz` by itself, in both worlds.

# %%
path = files("table") / "cancer.csv.gz"
cancer = load_breast_cancer()
np.savetxt(path, np.column_stack([cancer.data[:, :8], cancer.target]), delimiter=",", fmt="%.6g")
table = np.loadtxt(path, delimiter=",", dtype=np.float32)
features, labels = table[:, :-1], table[:, -1:]
print(path.name, table.shape, f"share of ones {labels.mean():.2f}, largest feature {features.max():.0f}")
assert table.shape == (569, 9)
assert set(labels.ravel()) == {0.0, 1.0}

# %% [markdown]
# ## Normalisation · 归一化
#
# By minimum and maximum to [0, 1], or by mean and deviation: the figures come from the training rows alone, and are
# used for all. Otherwise the test rows would have had a say.

# %%
rows, test_rows = train_test_split(np.arange(569), test_size=169, stratify=labels, random_state=0)
low, high = features[rows].min(0), features[rows].max(0)
mean, std = features[rows].mean(0), features[rows].std(0)
prepared = {
    "as it is": features,
    "min-max": (features - low) / (high - low),
    "mean and deviation": (features - mean) / std,
}
for name, values in prepared.items():
    print(f"{name:<19} from {values[rows].min():8.2f} to {values[rows].max():8.2f}")
np.testing.assert_allclose(prepared["min-max"][rows].max(0), 1, rtol=1e-5)
np.testing.assert_allclose(prepared["mean and deviation"][rows].std(0), 1, rtol=1e-4)

# %% [markdown]
# ## 8-6-4-1
#
# Sigmoids between the layers, a logit at the end. The train step does not ask what an input is: `images` is the name
# of whatever the model takes.


# %%
class TableNet(nn.Module):
    """8-6-4-1, sigmoids between."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        for width in (6, 4):
            x = nn.sigmoid(Dense(width)(x))
        return Dense(1)(x)


def learn(inputs, epochs):
    """The losses, and the share of the test rows that is right."""
    model, optimizer = TableNet(), optim.create("sgd", learning_rate=0.1, momentum=0.9)
    step = make_train_step(model, optimizer, losses.binary_cross_entropy_with_logits)
    state = create_state(model, optimizer, jax.random.key(0), inputs[:1])
    batch, values = {"images": inputs[rows], "labels": labels[rows]}, []
    for _ in range(epochs):
        state, measured = step(state, batch)
        values.append(measured["loss"])
    logits = model.apply(state.variables, jnp.asarray(inputs[test_rows]), train=False)
    right = ((logits > 0) == (labels[test_rows] > 0.5)).mean()
    return state, np.array([float(each.value) for each in values]), float(right)


epochs = pick(full=1500, quick=600)
results = {name: learn(values, epochs) for name, values in prepared.items()}
always_one = max(labels[test_rows].mean(), 1 - labels[test_rows].mean())
print(f"parameters: {parameter_count(results['min-max'][0].params)}; always the commoner class: {always_one:.1%}")
for name, (_, values, right) in results.items():
    print(f"{name:<19} loss {values[0]:.3f} -> {values[-1]:.3f}, test accuracy {right:.1%}")
assert parameter_count(results["min-max"][0].params) == 8 * 6 + 6 + 6 * 4 + 4 + 4 + 1
assert results["mean and deviation"][2] > 0.9 > results["as it is"][2]

# %%
figure, axis = plots(width=5)
for name, (_, values, _) in results.items():
    axis.plot(values, label=name)
axis.set(xlabel="epoch", ylabel="loss")
axis.legend(frameon=False)
show(figure, "normalisation")

# %% [markdown]
# ## Try · 练习
#
# 1. Replace the sigmoids by ReLU, as the notes suggest. How many epochs are saved?
# 2. Train in mini-batches of 32 with `jaxdl.data.pipeline.train_batch`: a `Split` holds any two arrays.
