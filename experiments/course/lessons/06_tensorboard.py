# %% [markdown]
# # 6 · TensorBoard
#
# Rows: C5
#
# TensorBoard is a viewer of files; it does not care who wrote them. `SummaryWriter` is `report.runlog.RunLog`, which
# writes each record twice: a curve for TensorBoard and a line of JSON for everything else. Images are NHWC, as all
# are.
#
# TensorBoard 只是查看文件的工具，并不关心由谁写出。`SummaryWriter` 对应 `report.runlog.RunLog`：每条记录写两次，
# 一份给 TensorBoard 画曲线，一份是一行 JSON。图片一律为 NHWC。

# %%
import json

import jax
import jax.numpy as jnp
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.course.stage import files
from jaxdl import models
from jaxdl.data import augment, sources
from jaxdl.report.feature_maps import feature_maps
from jaxdl.report.graph import graph
from jaxdl.report.layers import layers
from jaxdl.report.runlog import RunLog

digits = sources.load("digits")
folder = files("logs")

# %% [markdown]
# ## Scalars and curves · 标量与曲线
#
# `writer.add_scalar("y=2x", 2 * i, i)`. A record is a dict with a `kind`, a `step`, and any numbers: each number
# becomes the curve `<kind>/<name>`. Several numbers in one record are several curves; several runs below one folder
# are drawn over each other.
#
# ## Images · 图片
#
# `add_image` takes one picture, `add_images` a batch. The notes write a batch at each step, and beside it what a
# convolution made of it: the inputs under one name, the outputs under another, the same step.
#
# ## The graph · 网络图
#
# `add_graph(model, input)`: the modules of a linen model and how tensors pass between them.

# %%
model = models.create("cifar_cnn", num_classes=10)
images = augment.to_float(jnp.asarray(digits.train.images[:6]))
variables = model.init(jax.random.key(0), images, train=False)
convolution = next(layer.name for layer in layers(model, (32, 32, 3)) if layer.name)

with RunLog(folder) as log:
    for step in range(100):
        log.write({"kind": "line", "step": step, "double": 2.0 * step, "square": float(step**2)})
    for step in range(3):
        batch = digits.train.images[6 * step : 6 * step + 6]
        log.image("first", batch[0], step)
        log.images("inputs", batch, step)
        maps = feature_maps(model, variables, augment.to_float(jnp.asarray(batch)), layers=[convolution], channels=3)
        log.images("outputs", np.moveaxis(maps[convolution], 1, -1), step)  # three channels as red, green, blue
    log.histograms("parameters", variables["params"], 0)
    log.graph(graph(model, (32, 32, 3)))

# %% [markdown]
# ## What was written · 写出的内容
#
# Look at it with `tensorboard --logdir <folder>`, and read it back here as TensorBoard itself does.

# %%
written = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0})
written.Reload()
curve = [(event.step, event.value) for event in written.Scalars("line/double")]
print("curves   ", written.Tags()["scalars"])
print("images   ", sorted(written.Tags()["images"]))
print("tensorboard --logdir", folder)
assert curve[-1] == (99, 198.0)
assert len(curve) == 100
assert any(name.startswith("inputs") for name in written.Tags()["images"])
assert written.Tags()["graph"]

lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
print("and as JSON:", lines[-1])
assert lines[-1]["double"] == 198.0

# %% [markdown]
# A run of `python -m experiments.cifar` writes all of this by itself; `--histograms` adds parameters and gradients.
#
# ## Try · 练习
#
# 1. Write y = 2x and y = 3x into two folders below one, and look at them together.
# 2. Log the gradient norm of each layer: `jaxdl.metrics.norms_by_layer` of a gradient tree is a dict of scalars.
