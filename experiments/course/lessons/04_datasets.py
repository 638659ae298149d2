# %% [markdown]
# # 4 · Datasets and loaders · 数据集与数据加载
#
# Rows: C1, C2, C3
#
# A PyTorch `Dataset` answers for one item at a time, and a `DataLoader` asks it from several processes. Here a
# dataset is its arrays, and a batch is a *function of (seed, step)*: nothing remembers where it was, so a run can be
# resumed at any step, to the same bits. Only pictures that memory cannot hold need workers.
#
# PyTorch 的 `Dataset` 逐个返回样本，`DataLoader` 用多个进程去取。这里的数据集就是数组，
# 而一个批次由种子和步数唯一确定：没有隐藏状态，因此训练可以在任意一步恢复，结果逐位相同。
# 只有内存装不下的图片才需要多进程读取。

# %%
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from experiments.course.drawing import pictures as drawn
from experiments.course.stage import files, pick, show
from jaxdl.data import pipeline, sources
from jaxdl.data.dataset import Split, train_val_split
from jaxdl.data.prefetch import Prefetch
from jaxdl.data.streaming import TrainBatches

# %% [markdown]
# ## A folder a class · 按文件夹分类
#
# The notes have `root/ants/*.jpg` and `root/bees/*.jpg`. To be independent of a download this lesson draws its own
# "ants" (dark, three dots in a row) and "bees" (yellow, striped).


# %%
def picture(kind, rng):
    """uint8[40, 60, 3]: an insect of that kind somewhere on a meadow."""
    y, x = np.mgrid[:40, :60]
    pixels = np.full((40, 60, 3), (120, 170, 90)) + rng.integers(-20, 21, (40, 60, 3))
    top, left = rng.integers(12, 28), rng.integers(18, 42)
    for dot in (-8, 0, 8):
        inside = (y - top) ** 2 + (x - left - dot) ** 2 < 25
        striped = (x // 2 % 2 == 0)[inside][:, None]
        pixels[inside] = np.where(striped, (230, 190, 20), (60, 40, 10)) if kind == "bees" else (40, 25, 20)
    return pixels.clip(0, 255).astype(np.uint8)


rng = np.random.default_rng(0)
root = files("insects")
for split, count in {"train": 12, "test": 4}.items():
    for kind in ("ants", "bees"):
        (root / split / kind).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(picture(kind, rng)).save(root / split / kind / f"{number:02}.jpg", quality=95)

insects = sources.load("folder", root, image_size=32)
print(insects.classes, insects.train.images.shape, insects.train.images.dtype, insects.train.labels[:14])
assert insects.train.images.shape == (24, 32, 32, 3)
assert insects.train.labels.tolist() == [0] * 12 + [1] * 12
show(drawn(insects.train.images[[0, 1, 2, 3, 12, 13, 14, 15]], ["ants"] * 4 + ["bees"] * 4), "insects")

# %% [markdown]
# ## Labels in text files · 标签写在文本文件里
#
# The notes' second dataset keeps each label in a `.txt` of the picture's name. There is nothing to subclass: read
# what you have into two arrays and call them a `Split`.

# %%
beside = files("labelled")
for number in range(6):
    kind = ("ants", "bees")[number % 2]
    Image.fromarray(picture(kind, rng)).resize((32, 32)).save(beside / f"{number}.png")
    (beside / f"{number}.txt").write_text(kind)

paths = sorted(beside.glob("*.png"))
second = Split(
    np.stack([np.asarray(Image.open(path)) for path in paths]),
    np.array([insects.classes.index(path.with_suffix(".txt").read_text()) for path in paths], np.int32),
)
print("labels from text files", second.labels)
assert second.labels.tolist() == [0, 1, 0, 1, 0, 1]

# %% [markdown]
# ## Joining datasets · 合并数据集
#
# `ConcatDataset([first, second])`, and PyTorch's `first + second`, are concatenations.

# %%
first = insects.train
joined = Split(np.concatenate([first.images, second.images]), np.concatenate([first.labels, second.labels]))
print(len(first), "+", len(second), "=", len(joined))
assert (joined.images[24:] == second.images).all()

# %% [markdown]
# ## Batches · 批次
#
# `shuffle=True, drop_last=True` for training: a new order each epoch, drawn from (seed, epoch). For evaluation every
# example counts once: the last batch is filled up and a mask says with what, so that one compiled program serves all.

# %%
batch_size = 8
per_epoch = pipeline.steps_per_epoch(len(joined), batch_size)
for step in range(2 * per_epoch):
    batch = pipeline.train_batch(joined, step, batch_size=batch_size, seed=0)
    print(f"epoch {step // per_epoch} step {step}: labels {batch['labels']}")
again = pipeline.train_batch(joined, 4, batch_size=batch_size, seed=0)
other = pipeline.train_batch(joined, 4, batch_size=batch_size, seed=1)
assert (again["images"] == pipeline.train_batch(joined, 4, batch_size=batch_size, seed=0)["images"]).all()
assert (again["images"] != other["images"]).any()

masks = [batch["mask"] for batch in pipeline.eval_batches(joined, batch_size=batch_size)]
print("evaluation, rows that count:", [int(mask.sum()) for mask in masks])
assert sum(int(mask.sum()) for mask in masks) == len(joined)

# %% [markdown]
# A `sampler` is an order: an array of row numbers. Rare classes can be drawn more often, as `WeightedRandomSampler`
# does.

# %%
unbalanced = joined.take(np.flatnonzero((joined.labels == 0) | (np.arange(len(joined)) % 5 == 0)))
shares = np.bincount(unbalanced.labels) / len(unbalanced)
weights = 1 / shares[unbalanced.labels]
rows = np.random.default_rng(0).choice(len(unbalanced), 1000, p=weights / weights.sum())
print("shares of the classes", shares.round(2), "drawn", (np.bincount(unbalanced.labels[rows]) / 1000).round(2))
assert abs(np.mean(unbalanced.labels[rows]) - 0.5) < 0.05 < abs(shares[1] - 0.5)

# %% [markdown]
# ## `collate_fn` · 变长样本的拼接
#
# Sequences of different lengths are padded to the longest and travel with their lengths, which `jaxdl.nn.LSTM` takes.

# %%
sequences = [np.arange(length, dtype=np.float32)[:, None] for length in (3, 5, 2)]
lengths = np.array([len(each) for each in sequences])
padded = np.stack([np.pad(each, ((0, lengths.max() - len(each)), (0, 0))) for each in sequences])
print(padded[..., 0], "lengths", lengths)
assert padded.shape == (3, 5, 1)

# %% [markdown]
# ## Workers and prefetching · 多进程与预取
#
# `pin_memory` and asynchronous copies become `Prefetch`: a thread makes the next batches ready on the device while
# the step runs. With arrays in memory that is all: augmentation runs on the device, inside the compiled step.
# Pictures left in their files are decoded by worker processes (Grain's), and the batches are the same bit for bit
# whatever their number: there is nothing for `worker_init_fn` to seed.

# %%
with Prefetch(
    lambda step: pipeline.train_batch(joined, step, batch_size=batch_size, seed=0), start=0, stop=6, put=jax.device_put
) as batches:
    ahead = [batches(step) for step in range(6)]
assert isinstance(ahead[0]["images"], jax.Array)
np.testing.assert_array_equal(ahead[4]["images"], again["images"])

streamed = sources.load("folder", root, image_size=32, stream=True)
print("pictures left in their files:", type(streamed.train.images).__name__, streamed.train.images.shape)
for workers in (0, pick(full=2, quick=0)):
    with TrainBatches(streamed.train, batch_size=8, seed=0, workers=workers) as decoded:
        batch = decoded(2)
    same = (batch["images"] == pipeline.train_batch(insects.train, 2, batch_size=8, seed=0)["images"]).all()
    print(f"{workers} workers: as from memory: {bool(same)}")
    assert same

# %% [markdown]
# ## Training, validation, test · 训练集、验证集、测试集
#
# The training split teaches; the validation split, taken from it, chooses: the epoch, the learning rate, the network.
# The test split is read once, at the end. The notes take 10,000 of CIFAR-10's 50,000 to validate; `train_val_split`
# keeps classes in proportion and gives the same split for the same seed.

# %%
digits = sources.load("digits")
train, val = train_val_split(digits.train, val_size=287, seed=0)
print(f"{len(train)} to train, {len(val)} to validate, {len(digits.test)} to test")
print("of each digit, in percent:", (100 * np.bincount(val.labels) / len(val)).round().astype(int))
difference = jnp.abs(jnp.bincount(train.labels) / len(train) - jnp.bincount(val.labels) / len(val))
assert float(difference.max()) < 0.01

# %% [markdown]
# With CIFAR-10 prepared by TFDS, `sources.load("cifar10", data_dir=...)` is the same kind of `Dataset`, and
# `train_val_split(cifar.train, val_size=10_000, seed=0)` the notes' 40,000 / 10,000.
#
# ## Try · 练习
#
# 1. Point `sources.load("folder", ...)` at pictures of your own, in `train/<class>/` and `test/<class>/`.
# 2. Stop after step 7 of an epoch and go on from step 8 in a new Python. What had to be saved?
