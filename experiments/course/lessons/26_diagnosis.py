# %% [markdown]
# # 26 · Tuning by diagnosis · 诊断与调参
#
# Rows: G7
#
# The notes end with how to tell from the curves what is wrong, and what to try: underfitting, overfitting,
# oscillation, no convergence. `report.diagnosis.diagnose` reads the records of a run and says which it is, by which
# figures, and names the remedies. This lesson makes each fault on purpose, and then mends it.
#
# 笔记的最后讲如何从曲线看出问题并对症下药：欠拟合、过拟合、震荡、不收敛。`report.diagnosis.diagnose` 读取训练记录，
# 指出属于哪一种、依据哪些数字，并列出对策。本课逐一制造这些毛病，再治好它们。

# %%
from functools import partial

import flax.linen as nn
import jax
import numpy as np

from experiments.course.drawing import plots
from experiments.course.stage import show
from jaxdl import losses, metrics, optim
from jaxdl.data import augment, pipeline, sources
from jaxdl.data.dataset import Split
from jaxdl.nn import Dense, flatten
from jaxdl.report.diagnosis import as_text, diagnose
from jaxdl.run.remedies import remedies_of
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.loop import evaluate, fit
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step

digits = sources.load("digits")
small = Split(digits.train.images[:, ::4, ::4, :1], digits.train.labels)  # 8x8 pixels, one channel
train, val = small.take(np.arange(1000)), small.take(np.arange(1000, 1437))
prepare = partial(augment.normalize, mean=(0.3,), std=(0.38,))
EPOCHS = 12


class Network(nn.Module):
    """Hidden layers of these widths with ReLU, then ten classes."""

    widths: tuple[int, ...] = (128,)
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = flatten(x)
        for width in self.widths:
            x = nn.relu(Dense(width)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return Dense(10)(x)


def run(data=train, model=None, optimizer="sgd", lr=0.1, epochs=EPOCHS, loss=losses.cross_entropy, **options):
    """The records of a run: what ``metrics.jsonl`` holds."""
    model = model or Network()
    optimizer = optim.create(optimizer, learning_rate=lr, **options)
    measured = {"metrics": {"accuracy": metrics.correct}}
    step = make_train_step(model, optimizer, loss, augment=augment.plain(prepare), **measured)
    eval_step = make_eval_step(model, losses.cross_entropy, prepare=prepare, **measured)
    batch_size = min(50, len(data))
    per_epoch = pipeline.steps_per_epoch(len(data), batch_size)
    records = []
    fit(
        create_state(model, optimizer, jax.random.key(0), prepare(data.images[:1])),
        step,
        partial(pipeline.train_batch, data, batch_size=batch_size, seed=0),
        steps=epochs * per_epoch,
        steps_per_epoch=per_epoch,
        learning_rate=lambda step: lr,
        validate=lambda state: evaluate(eval_step, state, pipeline.eval_batches(val, batch_size=437)).means(),
        on_record=records.append,
    )
    return records


def found(records, **settings):
    """The cases that the diagnosis names, the likeliest first, printed in full."""
    findings = diagnose(records, classes=10, remedies=remedies_of(settings))
    print(*as_text(findings), sep="\n")
    return [finding.case for finding in findings]


drawn = {}

# %% [markdown]
# ## A healthy run · 正常的训练

# %%
drawn["healthy"] = run()
assert found(drawn["healthy"]) == ["healthy"]

# %% [markdown]
# ## Underfitting · 欠拟合
#
# Both losses stay high: too small a network, too low a learning rate, too few epochs, too much regularisation.
# Remedies: more of the first three, less of the last; batch norm, more non-linearity, cleaner data.

# %%
drawn["underfitting"] = run(lr=0.001)
assert "underfitting" in found(drawn["underfitting"], lr=0.001, epochs=EPOCHS)
mended = run(lr=0.1)
print("at a higher rate:", diagnose(mended, classes=10)[0].case)
assert mended[-1]["val_loss"] < 0.5 * drawn["underfitting"][-1]["val_loss"]

# %% [markdown]
# ## Overfitting · 过拟合
#
# The training loss goes to nothing and the validation loss does not follow, or rises. Remedies: more data,
# augmentation, early stopping, a smaller or sparser network, regularisation, dropout, fewer epochs.

# %%
few = train.take(np.arange(60))
drawn["overfitting"] = run(few, Network((256, 256)), "adam", lr=1e-2, epochs=60)
assert "overfitting" in found(drawn["overfitting"], epochs=60)
mended = run(train, Network((256, 256), dropout=0.3), "adam", lr=1e-3)
print("with all the data and dropout:", diagnose(mended, classes=10)[0].case)
assert mended[-1]["val_loss"] < drawn["overfitting"][-1]["val_loss"]

# %% [markdown]
# ## Oscillation · 震荡
#
# The validation loss jumps from epoch to epoch: too high a learning rate, too strong an augmentation, splits that
# differ, or a loss taken from one batch instead of the whole split.

# %%
drawn["oscillating"] = run(optimizer="adam", lr=0.1)
assert "oscillating" in found(drawn["oscillating"], lr=0.1)
mended = run(optimizer="adam", lr=0.001)
print("at a hundredth of the rate:", diagnose(mended, classes=10)[0].case)
assert "oscillating" not in [finding.case for finding in diagnose(mended, classes=10)]

# %% [markdown]
# ## No convergence · 不收敛
#
# The loss stays where guessing has it, ln 10 = 2.30. Compare with that first; then look for faults in the inputs, the
# augmentation, the labels, the initialisation, the loss and the optimizer. Here the labels are shuffled: nothing in
# the pictures says them.

# %%
shuffled = Split(train.images, np.random.default_rng(0).permutation(train.labels))
drawn["not converging"] = run(shuffled, lr=0.01)
assert "not converging" in found(drawn["not converging"])
print(f"guessing: {np.log(10):.3f}; this run's training loss: {drawn['not converging'][-1]['train_loss']:.3f}")

# %%
figure, axes = plots(len(drawn), width=2.5, height=2.4)
for axis, (name, records) in zip(axes, drawn.items(), strict=True):
    epochs = [record for record in records if record["kind"] == "epoch"]
    for split, style in (("train", "-"), ("val", "--")):
        axis.plot(
            [record["epoch"] for record in epochs], [record[f"{split}_loss"] for record in epochs], style, label=split
        )
    axis.axhline(np.log(10), color="#888888", linewidth=0.6)
    axis.set(title=name, xlabel="epoch", ylim=(0, 3))
axes[0].legend(frameon=False)
show(figure, "cases")

# %% [markdown]
# ## When it fits · 拟合良好之后
#
# Then make it smaller: fewer layers, fewer units, depthwise separable convolutions (lesson 11), and see how little is
# lost.

# %%
smaller = run(model=Network((16,)))
accuracies = [records[-1]["val_accuracy"] for records in (drawn["healthy"], smaller)]
print(f"128 hidden units: {accuracies[0]:.1%}; 16, an eighth of the parameters: {accuracies[1]:.1%}")
assert accuracies[1] > 0.9 * accuracies[0]

# %% [markdown]
# For a run of `experiments.cifar`: `python -m jaxdl diagnose RUN`, and `--check` before the first update looks
# at labels, inputs and the first loss.
#
# ## Try · 练习
#
# 1. Make vanishing gradients (lesson 15) and pass the layers' norms: `gradient_metrics=` and `groups=`.
# 2. Which remedy for the overfitting run helps most by itself?
