# %% [markdown]
# # 18 · The complete training routine · 完整的训练流程
#
# Rows: F1, G1
#
# Data, model, loss, optimizer; a loop that logs every hundred steps and tests after each epoch; curves for
# TensorBoard; a checkpoint each epoch. First in twenty lines that call the library, then the same loop unrolled by
# hand with nothing hidden. Both compute the same numbers, up to rounding.
#
# 数据、模型、损失、优化器；每一百步打印一次，每个 epoch 之后测试，TensorBoard 曲线，每个 epoch 保存。
# 先用二十行库函数写一遍，再把同一个循环手工展开。两者得到相同的结果。

# %%
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.course.drawing import plots
from experiments.course.stage import files, pick, show
from jaxdl import losses, metrics, models, optim
from jaxdl.checkpoint import Checkpoints
from jaxdl.data import augment, pipeline, sources
from jaxdl.report.runlog import RunLog
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.loop import evaluate, fit
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step

# %% [markdown]
# The notes train on CIFAR-10. So that this takes a minute, not ten, it is scikit-learn's digits here, enlarged to
# 32x32; for CIFAR-10 replace the name by `"cifar10"` and give `data_dir=`, or run `python -m experiments.cifar
# --recipe course`.

# %%
digits = sources.load("digits")
BATCH = 32
EPOCHS = pick(full=4, quick=1)
per_epoch = pipeline.steps_per_epoch(len(digits.train), BATCH)

# %% [markdown]
# ## In twenty lines · 二十行

# %%
folder = files("run")
model = models.create("cifar_cnn", num_classes=10)
optimizer = optim.create("sgd", learning_rate=0.1)
prepare = augment.to_float
step = make_train_step(
    model, optimizer, losses.cross_entropy, augment=augment.plain(prepare), metrics={"accuracy": metrics.correct}
)
eval_step = make_eval_step(model, losses.cross_entropy, prepare=prepare, metrics={"accuracy": metrics.correct})
state = create_state(model, optimizer, jax.random.key(0), prepare(jnp.asarray(digits.train.images[:1])))
initial = jax.tree.map(np.asarray, state.params)
records = []


def validate(state):
    """Loss and accuracy over the test split, each example once."""
    return evaluate(eval_step, state, pipeline.eval_batches(digits.test, batch_size=120)).means()


with RunLog(folder) as log, Checkpoints(folder / "checkpoints") as checkpoints:

    def record(measured):
        records.append(measured)
        log.write(measured)
        print({name: round(measured[name], 4) for name in measured if name in ("step", "loss", "val_accuracy")})

    state = fit(
        state,
        step,
        partial(pipeline.train_batch, digits.train, batch_size=BATCH, seed=0),
        steps=EPOCHS * per_epoch,
        steps_per_epoch=per_epoch,
        learning_rate=lambda step: 0.1,
        validate=validate,
        save=lambda state, history, score: checkpoints.save(state, history.to_json(), score=score),
        log_every=20,
        on_record=record,
    )
print(f"{parameter_count(state.params):,} parameters; test accuracy {records[-1]['val_accuracy']:.1%}")
print("curves: tensorboard --logdir", folder)
assert parameter_count(state.params) == 145_578
assert records[-1]["val_accuracy"] > pick(full=0.85, quick=0.2)

# %% [markdown]
# ## Unrolled · 手工展开
#
# What the two steps hide. The network, layer by layer; the loss; its gradient; the update. `model.train()`,
# `zero_grad()`, `backward()` and `step()` have become one pure function, compiled once. The parameters start from
# those that the library's network started from, which are named alike.


# %%
class CourseNet(nn.Module):
    """Three 5x5 convolutions with pooling, two linear layers, no activations."""

    @nn.compact
    def __call__(self, x):
        for channels in (32, 32, 64):
            x = nn.Conv(channels, (5, 5), padding=2)(x)
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(len(x), -1)
        x = nn.Dense(64)(x)
        return nn.Dense(10)(x)


def mean_loss(params, images, labels):
    """The mean cross entropy of a batch, and its logits."""
    logits = CourseNet().apply({"params": params}, images / 255.0)
    shares = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(shares, labels[:, None], axis=1).mean(), logits


@jax.jit
def update(params, images, labels):
    """The parameters after one step of SGD, and the loss before it."""
    (loss, _), gradient = jax.value_and_grad(mean_loss, has_aux=True)(params, images, labels)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient), loss


@jax.jit
def count_right(params, images, labels):
    """How many a batch has right."""
    return (mean_loss(params, images, labels)[1].argmax(-1) == labels).sum()


params = initial
losses_by_hand = []
for epoch in range(EPOCHS):
    order = np.random.default_rng((0, epoch)).permutation(len(digits.train))  # anew each epoch, drawn from the seed
    for start in range(0, per_epoch * BATCH, BATCH):
        rows = order[start : start + BATCH]
        params, loss = update(params, digits.train.images[rows].astype(np.float32), digits.train.labels[rows])
        losses_by_hand.append(loss)
    right = sum(
        int(
            count_right(params, digits.test.images[at : at + 120].astype(np.float32), digits.test.labels[at : at + 120])
        )
        for at in range(0, 360, 120)
    )
    print(f"epoch {epoch + 1}: loss {float(loss):.4f}, test accuracy {right / 360:.1%}")

by_library = next(each["loss"] for each in records if each["kind"] == "step")
by_hand = float(np.mean([float(each) for each in losses_by_hand[:20]]))
print(f"mean loss of the first 20 updates: by the library {by_library:.6f}, by hand {by_hand:.6f}")
np.testing.assert_allclose(by_hand, by_library, rtol=1e-4)

# %%
figure, axis = plots(width=5)
axis.plot([float(each) for each in losses_by_hand], linewidth=0.8, label="by hand, each update")
steps = [each["step"] for each in records if each["kind"] == "step"]
axis.plot(steps, [each["loss"] for each in records if each["kind"] == "step"], marker="o", label="fit, mean of 20")
axis.set(xlabel="update", ylabel="loss")
axis.legend(frameon=False)
show(figure, "loss")

# %% [markdown]
# What the library adds to the loop by hand: it never waits for a result between steps, masks the padding, resumes to
# the same bits, stops at a loss that is not finite, and runs the same step on many devices.
#
# ## Try · 练习
#
# 1. Put ReLUs between the layers of the unrolled network. What does the notes' network lose without them?
# 2. Kill the run in the middle (`fit(..., should_stop=...)`), restore the checkpoint and go on.
