# %% [markdown]
# # 19 · The complete validation routine · 完整的验证流程
#
# Rows: G2, G3
#
# Load the model, `eval()`, `no_grad()`, loss and accuracy, F1, a confusion matrix drawn, the mistakes drawn, results
# in files. `train=False` is the eval mode; gradients that nobody asks for are not computed; the figures are
# scikit-learn's. Then the model on a picture of your own.
#
# 加载模型、`eval()`、`no_grad()`、损失与准确率、F1、混淆矩阵、错分样本、结果写入文件。`train=False` 即评估模式；
# 没有人求的梯度不会计算；各项指标来自 scikit-learn。最后用自己的图片试一试。

# %%
import json
from functools import partial

import jax
import numpy as np
from PIL import Image

from experiments.course.drawing import pictures, plots
from experiments.course.stage import files, pick, show
from jaxdl import losses, metrics, models, optim, saved_model
from jaxdl.data import augment, pipeline, sources
from jaxdl.data.dataset import channel_statistics
from jaxdl.data.pictures import open_picture
from jaxdl.report.confusion_picture import confusion_picture
from jaxdl.report.evaluation import Predictions, evaluation_of
from jaxdl.train.eval_step import make_eval_step, make_predict_step
from jaxdl.train.loop import evaluate, predict
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from jaxdl.wording import counted

folder = files("validated")
digits = sources.load("digits")
mean, std = channel_statistics(digits.train.images)
prepare = partial(augment.normalize, mean=mean, std=std)

# %% [markdown]
# ## A trained model · 训练好的模型
#
# Briefly trained, so that there are mistakes to look at, saved, and loaded as a stranger would.

# %%
model = models.create("quick_cnn", num_classes=10)
optimizer = optim.create("sgd", learning_rate=0.05, momentum=0.9)
step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.plain(prepare))
state = create_state(model, optimizer, jax.random.key(0), prepare(digits.train.images[:500]))
for number in range(pick(full=40, quick=20)):
    state, _ = step(state, pipeline.train_batch(digits.train, number, batch_size=64, seed=0))
saved_model.save_model(folder / "network", model, state.variables, image=(32, 32, 3), about={"classes": digits.classes})

loaded = saved_model.load_model(folder / "network")
state = state.replace(params=loaded.variables["params"], batch_stats=loaded.variables["batch_stats"])

# %% [markdown]
# ## Loss and accuracy · 损失与准确率
#
# Over the whole split, not one batch of it: the last batch is filled up and masked, so 360 examples in batches of 100
# count 360 times.

# %%
eval_step = make_eval_step(loaded.model, losses.cross_entropy, prepare=prepare, metrics={"accuracy": metrics.correct})
totals = evaluate(eval_step, state, pipeline.eval_batches(digits.test, batch_size=100))
print(totals.means(), "of", totals.count("loss"), "examples")
assert totals.count("loss") == 360

# %% [markdown]
# Eval mode is not decoration: in training batch norm uses the batch's statistics, so that an example's answer depends
# on its neighbours.

# %%
images = prepare(digits.test.images[:100])
in_evaluation = jax.jit(lambda images: loaded.model.apply(loaded.variables, images, train=False))
alone, together = (in_evaluation(part)[0] for part in (images[:1], images))
np.testing.assert_allclose(alone, together, atol=1e-4)
training = jax.jit(lambda images: loaded.model.apply(loaded.variables, images, train=True, mutable=["batch_stats"])[0])
in_training = [training(part)[0] for part in (images[:2], images)]
print(
    "train=True, the same image among 2 and among 100:",
    np.round(in_training[0][:3], 2),
    np.round(in_training[1][:3], 2),
)
assert np.abs(in_training[0] - in_training[1]).max() > 0.1

# %% [markdown]
# ## F1 and confusion · F1 与混淆矩阵

# %%
predict_step = make_predict_step(loaded.model, prepare=prepare)
batches = pipeline.eval_batches(digits.test, batch_size=100)
predictions = Predictions(predict(predict_step, state, batches, examples=360), digits.test.labels, digits.classes)
evaluation = evaluation_of(predictions)
print(f"accuracy {evaluation.top1:.1%}, mean F1 of the classes {evaluation.macro['f1']:.3f}")
counts = np.array(evaluation.confusion)
true_positives = counts.diagonal()
f1 = 2 * true_positives / (counts.sum(0) + counts.sum(1))
for name, score in zip(digits.classes, f1, strict=True):
    assert abs(evaluation.per_class[name]["f1"] - score) < 1e-9
    print(f"  digit {name}: F1 {score:.3f}")
for true, predicted, count in evaluation.confused_pairs(3):
    print(f"  {counted(count, 'time')} {digits.classes[true]} was taken for {digits.classes[predicted]}")
assert counts.sum() == 360
np.testing.assert_allclose(true_positives.sum() / 360, totals.means()["accuracy"], rtol=1e-6)

figure, axis = plots(width=6, height=6)
axis.imshow(confusion_picture(evaluation))
axis.axis("off")
show(figure, "confusion")

# %% [markdown]
# ## Mistakes · 错分样本
#
# The surest first: they say most about the data and the network.

# %%
rows = predictions.confident_mistakes(16)
titles = [
    f"{digits.classes[predictions.labels[row]]} taken for {digits.classes[predictions.predicted[row]]}" for row in rows
]
show(pictures(digits.test.images[rows], titles), "mistakes")
assert (predictions.predicted[rows] != predictions.labels[rows]).all()

# %% [markdown]
# ## Results in files · 保存结果

# %%
(folder / "evaluation.json").write_text(json.dumps(evaluation.to_json(), indent=2))
predictions.write(folder / "predictions.csv")
print((folder / "predictions.csv").read_text().splitlines()[1][:80], "...")
assert len((folder / "predictions.csv").read_text().splitlines()) == 361

# %% [markdown]
# ## A picture of your own · 自己的图片
#
# Open, to RGB, to 32x32, predict, name the class. `open_picture` turns photographs upright and puts transparent ones
# on white. Here the picture is a five from the test split, saved as a large JPEG.

# %%
five = int(np.argmax(predictions.confidence * (predictions.correct & (predictions.labels == 5))))  # the surest
Image.fromarray(digits.test.images[five]).resize((300, 200)).save(folder / "mine.jpg")
pixels = open_picture(folder / "mine.jpg", 32)
shares = jax.nn.softmax(in_evaluation(prepare(pixels[None])))[0]
names = loaded.about["classes"]
for place in np.argsort(-np.asarray(shares))[:3]:
    print(f"  {names[place]}: {float(shares[place]):.1%}")
assert pixels.shape == (32, 32, 3)
assert names[int(shares.argmax())] == "5"

# %% [markdown]
# For a run of `experiments.cifar` all of this is there already: `python -m jaxdl evaluate RUN`, `python -m
# jaxdl predict RUN picture.jpg`, `python -m jaxdl demo RUN`, and `report.html` in its folder.
#
# ## Try · 练习
#
# 1. Evaluate with `train=True` (and `mutable=["batch_stats"]`): how much accuracy does the wrong mode cost here?
# 2. Average the logits of an image and of the same moved by a pixel: `make_predict_step(..., views=[...])`.
