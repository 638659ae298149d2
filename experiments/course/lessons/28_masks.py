# %% [markdown]
# # 28 · A run on pictures with masks · 用带掩码的图片完整训练
#
# Rows: F3
#
# The last lesson built a segmenter from parts. Here is the whole of it: a folder of pictures and masks as one brings
# it, one command that trains, validates by mean IoU, resumes and reports, and then the question that counts: where is
# it wrong?
#
# 上一课用零件搭出了分割网络。这一课走完整个流程：一个装着图片和掩码的文件夹，一条命令完成训练、按平均 IoU 验证、
# 中断后继续以及生成报告；最后回答最重要的问题：它错在哪里。

# %%
import contextlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np

from experiments.course.drawing import pictures, plots
from experiments.course.stage import pick, show
from jaxdl import overlap
from jaxdl.commands import segment
from jaxdl.data import mask_folder
from jaxdl.data.pictures import indexed_png, png
from jaxdl.report.class_colors import class_colors, overlaid
from jaxdl.run import finished_run

CLASSES = ("meadow", "lake", "house", "path")
HEIGHT, WIDTH = 40, 56
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## Pictures and masks in a folder · 文件夹里的图片和掩码
#
# `train/images/*`, `train/masks/*`, so for `val` and `test`, and `classes.txt`. A mask is a picture of the same size
# whose numbers are classes: here with a palette, so that any viewer shows it in colour. 255 is "nobody knows": such
# pixels are in no loss and in no figure.


# %%
def landscape(generator):
    """A picture, uint8[H, W, 3], and its mask; a lake is large, a house small, and a path thin."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    down, across = generator.integers(10, HEIGHT - 10), generator.integers(12, WIDTH - 12)
    mask[((rows - down) / 8) ** 2 + ((columns - across) / 13) ** 2 < 1] = 1
    first = generator.integers(4, WIDTH - 8)
    mask[:, first : first + 2] = 3
    top, left = generator.integers(2, HEIGHT - 9), generator.integers(2, WIDTH - 10)
    mask[top : top + 6, left : left + 7] = 2
    colors = np.array([(90, 140, 70), (60, 110, 150), (160, 90, 70), (150, 140, 110)])
    pixels = colors[mask] + generator.integers(-45, 46, (HEIGHT, WIDTH, 3))
    mask[generator.random(mask.shape) < 0.03] = 255
    return pixels.clip(0, 255).astype(np.uint8), mask


generator = np.random.default_rng(0)
for split, count in (("train", pick(full=96, quick=32)), ("val", 8), ("test", 16)):
    for kind in ("images", "masks"):
        (folder / split / kind).mkdir(parents=True)
    for number in range(count):
        pixels, mask = landscape(generator)
        (folder / split / "images" / f"{number:03}.png").write_bytes(png(pixels))
        (folder / split / "masks" / f"{number:03}.png").write_bytes(indexed_png(mask, class_colors(len(CLASSES))))
(folder / "classes.txt").write_text("\n".join(CLASSES))
data = mask_folder.load(folder)
shares = np.bincount(data.train.labels.ravel(), minlength=256)[: len(CLASSES)] / data.train.labels.size
print({name: f"{share:.1%} of the pixels" for name, share in zip(CLASSES, shares, strict=True)})
colors = class_colors(len(CLASSES))
shown = [overlaid(*each, colors) for each in zip(data.train.images[:6], data.train.labels[:6], strict=True)]
show(pictures(np.concatenate([data.train.images[:6], shown]), [""] * 12, columns=6, size=1.6), "data")

# %% [markdown]
# ## One command · 一条命令
#
# `python -m jaxdl segment --data-dir DIR` in a shell; `segment.main([...])` is the same here. It is the classifier's
# run with another task: what the loss, the figures and the augmentation are is handed in, and nothing is written twice.


# %%
def trained(name, *flags):
    """A short run in ``folder/name``; returns its folder and what it printed."""
    out, printed = folder / name, io.StringIO()
    common = ["--model", "unet", "--width", "8", "--crop-size", "32x40", "--batch-size", "8", "--lr", "0.01"]
    common += ["--min-scale", "0.8", "--max-scale", "1.25", "--no-report", "--data-dir", str(folder)]
    with contextlib.redirect_stdout(printed):
        status = segment.main([*common, "--epochs", str(pick(full=12, quick=8)), "--out", str(out), *flags])
    assert status == 0
    return out, printed.getvalue()


out, printed = trained("run")
print(printed[printed.index("epoch") :])
records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
epochs = [record for record in records if record["kind"] == "epoch"]
assert epochs[-1]["val_mean_iou"] > pick(full=0.75, quick=0.2)

# %% [markdown]
# ## IoU by class · 各类别的 IoU
#
# A mean hides which class is behind: thin things lose most of their IoU to a border that is one pixel off.

# %%
figure, (left, right) = plots(2)
for name, color in zip(CLASSES, colors / 255, strict=True):
    left.plot([each.get(f"val_iou/{name}", np.nan) for each in epochs], color=color, label=name)
left.set(title="IoU in validation", xlabel="epoch", ylim=(0, 1))
left.legend()
run = finished_run.load(str(out))
found = run.task.review().evaluated(run, data.test, None)
right.barh(CLASSES, overlap.iou(found.confusion), color=colors / 255)
right.set(title="IoU on the test pictures", xlim=(0, 1))
show(figure, "iou_by_class")
summary = json.loads((out / "summary.json").read_text())
np.testing.assert_allclose(overlap.mean_iou(found.confusion), summary["test_mean_iou"], rtol=1e-6)
print(f"test mean IoU {summary['test_mean_iou']:.3f}, pixels right {summary['test_accuracy']:.1%}")

# %% [markdown]
# ## Where it is wrong · 错在哪里
#
# The worst pictures first. The report of a run (`report.html`, left out here) shows the same, `jaxdl predict` writes
# masks and overlays of your own pictures, `jaxdl demo` lays them over a picture that you drop on a page.

# %%
worst = found.worst(4)
rows = [data.test.images[worst]]
rows += [
    np.stack([overlaid(*each, colors) for each in zip(data.test.images[worst], masks[worst], strict=True)])
    for masks in (found.masks, found.predicted)
]
show(pictures(np.concatenate(rows), ["seen"] * 4 + ["truth"] * 4 + ["predicted"] * 4, columns=4, size=1.8), "worst")
print("mean IoU of each:", found.mean_ious[worst].round(2))

# %% [markdown]
# ## Stopped and resumed · 中断后继续
#
# A batch is a function of the seed and the step, and a mask moves by the same key as its picture: so a run that is
# stopped halfway ends with the same numbers as one that is not.

# %%
half, _ = trained("half", "--steps", str(epochs[-1]["step"] // 2))
with contextlib.redirect_stdout(io.StringIO()):
    assert segment.main(["--resume", "--out", str(half), "--steps", str(epochs[-1]["step"])]) == 0
again = json.loads((half / "summary.json").read_text())
assert again["test_mean_iou"] == summary["test_mean_iou"]
print("resumed:", again["test_mean_iou"], "never stopped:", summary["test_mean_iou"])

# %% [markdown]
# ## Try · 练习
#
# 1. `--class-weights balanced` gives rare classes more weight. What does the path gain, and what does the meadow lose?
# 2. `--loss dice` asks for overlap itself. Is its mean IoU higher?
# 3. `--model lraspp --backbone resnet18 --output-stride 8` on these small pictures: why is U-Net better at paths?
