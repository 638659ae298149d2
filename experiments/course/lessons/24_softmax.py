# %% [markdown]
# # 24 · A softmax classifier · softmax 分类器
#
# Rows: G5
#
# The notes classify MNIST with 784-512-256-128-64-10, ReLU, cross entropy, SGD with momentum 0.5, batches of 64.
# MNIST needs a download; scikit-learn's digits are the same task in 8x8 pixels, so the first layer has 64 inputs, and
# at 28x28 (enlarged) the notes' 784. Cross entropy takes logits: no softmax at the end of the network.
#
# 笔记用 784-512-256-128-64-10 的网络、ReLU、交叉熵、动量 0.5 的 SGD、每批 64 张来分类 MNIST。MNIST 需要下载，
# 这里用 scikit-learn 的 8x8 手写数字放大到 28x28，输入同样是 784。交叉熵直接接收 logits，网络末端不加 softmax。

# %%
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.course.drawing import pictures, plots
from experiments.course.stage import pick, show
from jaxdl import losses, metrics, optim
from jaxdl.data import augment, pipeline, sources
from jaxdl.data.dataset import Split
from jaxdl.nn import Dense, flatten
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.loop import evaluate
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step

digits = sources.load("digits")


def as_mnist(split):
    """The digits as uint8[N, 28, 28, 1]."""
    resized = augment.resize(augment.to_float(jnp.asarray(split.images[..., :1])), 28)
    return Split(np.asarray(jnp.round(255 * resized), np.uint8), split.labels)


train, test = as_mnist(digits.train), as_mnist(digits.test)
show(pictures(train.images[:16, ..., 0], [str(label) for label in train.labels[:16]], size=1.1), "digits")


class SoftmaxNet(nn.Module):
    """784-512-256-128-64-10 with ReLU; returns logits."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = flatten(x)
        for width in (512, 256, 128, 64):
            x = nn.relu(Dense(width)(x))
        return Dense(10)(x)


# %% [markdown]
# ## Softmax and its loss · softmax 与损失
#
# Softmax turns logits to shares that add up to one; the loss is minus the logarithm of the right one's. An untrained
# network knows nothing: about ln 10 = 2.30.

# %%
model = SoftmaxNet()
prepare = lambda images: augment.normalize(images, (0.3,), (0.35,))  # noqa: E731
optimizer = optim.create("sgd", learning_rate=0.05, momentum=0.5)
step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.plain(prepare))
eval_step = make_eval_step(model, losses.cross_entropy, prepare=prepare, metrics={"accuracy": metrics.correct})
state = create_state(model, optimizer, jax.random.key(0), prepare(train.images[:1]))
print(f"{parameter_count(state.params):,} parameters")
untrained = evaluate(eval_step, state, pipeline.eval_batches(test, batch_size=360)).means()
print(f"untrained: loss {untrained['loss']:.3f}, accuracy {untrained['accuracy']:.1%}")
assert abs(untrained["loss"] - np.log(10)) < 0.1
assert parameter_count(state.params) == sum(
    a * b + b for a, b in ((784, 512), (512, 256), (256, 128), (128, 64), (64, 10))
)

# %% [markdown]
# ## The loop · 训练循环

# %%
EPOCHS = pick(full=20, quick=8)
per_epoch = pipeline.steps_per_epoch(len(train), 64)
accuracies, step_losses = [], []
for number in range(EPOCHS * per_epoch):
    state, measured = step(state, pipeline.train_batch(train, number, batch_size=64, seed=0))
    step_losses.append(measured["loss"])
    if (number + 1) % per_epoch == 0:
        means = evaluate(eval_step, state, pipeline.eval_batches(test, batch_size=360)).means()
        accuracies.append(means["accuracy"])
        print(f"epoch {len(accuracies):2}: test loss {means['loss']:.3f}, accuracy {means['accuracy']:.1%}")
assert accuracies[-1] > pick(full=0.95, quick=0.75)

# %%
figure, (left, right) = plots(2)
left.plot([float(each.value) for each in step_losses], linewidth=0.7)
left.axhline(np.log(10), color="black", linewidth=0.7)
left.set(title="training loss; the line is guessing", xlabel="update")
right.plot(range(1, EPOCHS + 1), accuracies, marker="o")
right.set(title="test accuracy", xlabel="epoch", ylim=(0, 1))
show(figure, "softmax")

# %% [markdown]
# ## Softmax twice · 重复的 softmax
#
# A common mistake: a softmax at the end of the network, and then cross entropy, which has one inside. The loss cannot
# go below ln(1 + 9/e) = 1.46, and the gradient is faint.

# %%
sure = jax.nn.one_hot(jnp.array([3]), 10) * 50
once, twice = (float(losses.cross_entropy(x, jnp.array([3]))[0]) for x in (sure, jax.nn.softmax(sure)))
print(f"a certain and right answer: loss {once:.4f}, with softmax twice {twice:.4f}")
np.testing.assert_allclose(twice, np.log(1 + 9 / np.e), rtol=1e-5)
assert once < 1e-6

# %% [markdown]
# ## Try · 练习
#
# 1. Without the ReLUs, how accurate does the same network become, and why not more?
# 2. A convolution sees neighbouring pixels: compare with `models.create("cifar_cnn")` on the same digits at 32x32.
