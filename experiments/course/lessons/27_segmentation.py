# %% [markdown]
# # 27 · A class for each pixel · 语义分割
#
# Rows: F3
#
# The notes load `fcn_resnet50` and `deeplabv3_resnet101` from torchvision. How does a classifier become a segmenter?
# Its linear layer is a 1x1 convolution in disguise: without the mean before it, the same weights give a class for each
# place, and an interpolation brings places back to pixels. This lesson does that by hand, trains a small network on
# pixels, and counts how well regions overlap. (Detection, the other half of the row, is not here yet.)
#
# 笔记从 torchvision 载入 `fcn_resnet50` 和 `deeplabv3_resnet101`。分类网络之所以能变成分割网络，是因为它的全连接层
# 其实是一个 1x1 卷积：去掉前面的全局平均，同样的权重就能给每个位置一个类别，再用插值把位置还原成像素。
# 本课先手工做一遍，再在像素上训练一个小网络，最后计算区域的重合程度（IoU）。该行的另一半“目标检测”尚未包含。

# %%
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.course.drawing import pictures, plots
from experiments.course.stage import pick, show
from jaxdl import losses, models, optim, overlap
from jaxdl.data import augment, pipeline, sources
from jaxdl.data.dataset import Split
from jaxdl.nn import Conv, Dense, global_average_pool, max_pool
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step

digits = sources.load("digits")
SIDE, CANVAS = 16, 48


def small(split):
    """The digits as uint8[N, 16, 16, 1]."""
    resized = augment.resize(augment.to_float(jnp.asarray(split.images[..., :1])), SIDE)
    return Split(np.asarray(jnp.round(255 * resized), np.uint8), split.labels)


train, test = small(digits.train), small(digits.test)

# %% [markdown]
# ## A classifier of single digits · 单个数字的分类器
#
# Two convolutions, the mean over all places, a linear layer.


# %%
class Classifier(nn.Module):
    """Logits of an image or, with ``places``, of each place of its last map."""

    @nn.compact
    def __call__(self, x, *, train: bool, places: bool = False):
        x = max_pool(nn.relu(Conv(24, (3, 3), padding=1)(x)), 2)
        x = nn.relu(Conv(48, (3, 3), padding=1)(x))
        if places:
            return Conv(10, (1, 1), name="Dense_0")(x)
        return Dense(10)(global_average_pool(x))


prepare = lambda images: augment.normalize(images, (0.3,), (0.35,))  # noqa: E731
model, optimizer = Classifier(), optim.create("adam", learning_rate=3e-3)
step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.plain(prepare))
state = create_state(model, optimizer, jax.random.key(0), prepare(train.images[:1]))
for number in range(pick(full=300, quick=150)):
    state, measured = step(state, pipeline.train_batch(train, number, batch_size=128, seed=0))
logits = model.apply(state.variables, prepare(test.images), train=False)
accuracy = float((logits.argmax(-1) == test.labels).mean())
print(f"single digits: {accuracy:.1%} of {len(test)} right")
assert accuracy > pick(full=0.9, quick=0.6)

# %% [markdown]
# ## The same weights at each place · 同样的权重用在每个位置
#
# `nn.Linear(48, 10)` has a kernel [48, 10]; as a 1x1 convolution it is [1, 1, 48, 10]. The mean of the places' logits
# is the logits of the mean: both orders are linear. So the classifier works on an image of any size, and says what it
# sees where.

# %%
params = dict(state.params)
dense = params["Dense_0"]
params["Dense_0"] = {"kernel": dense["kernel"][None, None], "bias": dense["bias"]}
at_places = jax.jit(partial(model.apply, {"params": params}, train=False, places=True))
maps = at_places(prepare(test.images))
print("logits of images", logits.shape, "and of places", maps.shape)
np.testing.assert_allclose(maps.mean((1, 2)), logits, rtol=1e-3, atol=1e-3)


def scattered(split, count, seed):
    """Canvases uint8[N, 48, 48, 1] with five digits each; masks int32[N, 48, 48]: 0 is paper, n + 1 the ink of n."""
    generator = np.random.default_rng(seed)
    images = np.zeros((count, CANVAS, CANVAS, 1), np.uint8)
    masks = np.zeros((count, CANVAS, CANVAS), np.int32)
    cells = [(row, column) for row in range(0, CANVAS, SIDE) for column in range(0, CANVAS, SIDE)]
    for image, mask in zip(images, masks, strict=True):
        for cell in generator.choice(len(cells), 5, replace=False):
            row, column = cells[cell]
            chosen = generator.integers(len(split))
            digit, place = split.images[chosen], (slice(row, row + SIDE), slice(column, column + SIDE))
            image[place], mask[place] = digit, np.where(digit[..., 0] > 100, split.labels[chosen] + 1, 0)
    return images, masks


canvases, masks = scattered(train, pick(full=2000, quick=500), seed=0)
seen, truth = scattered(test, 100, seed=1)
shades = lambda masks: (np.asarray(masks) * 23).astype(np.uint8)  # noqa: E731
show(
    pictures(np.concatenate([seen[:6, ..., 0], shades(truth[:6])]), [""] * 12, columns=6, size=1.4),
    "canvases_and_masks",
)

# %% [markdown]
# ## From places to pixels · 从位置到像素
#
# `F.interpolate(mode="bilinear", align_corners=False)` is `jax.image.resize(..., "bilinear", antialias=False)`: a
# pixel's centre lies between the centres of places.

# %%
line = jax.image.resize(jnp.array([0.0, 1.0]), (4,), "bilinear", antialias=False)
print("0, 1 enlarged to four:", line)
np.testing.assert_allclose(line, [0, 0.25, 0.75, 1])
enlarged = jax.image.resize(at_places(prepare(seen)), (len(seen), CANVAS, CANVAS, 10), "bilinear", antialias=False)
guess = jnp.where(jnp.asarray(seen[..., 0]) > 100, enlarged.argmax(-1) + 1, 0)  # the ink is given; which digit is asked
first = float((guess == truth)[truth > 0].mean())
print(f"the classifier, never trained on places, names {first:.1%} of the ink; guessing would name 10%")
assert first > 0.15

# %% [markdown]
# ## Trained on pixels · 在像素上训练
#
# A U-Net goes down to see far and up again to be exact. The loss is cross entropy of each pixel; 255 in a mask counts
# nowhere. `augment.jointly` moves an image and its mask by the same draw.

# %%
network = models.create("unet", width=12, depth=3, num_classes=11)
move = augment.jointly(partial(augment.random_crop, size=CANVAS, padding=6))
step = make_train_step(network, optimizer, losses.pixel_cross_entropy, augment=augment.plain(prepare), mix=move)
state = create_state(network, optimizer, jax.random.key(0), prepare(canvases[:1]))
updates = pick(full=220, quick=120)
print(f"{parameter_count(state.params):,} parameters, {updates} updates: about a minute", flush=True)
curve = []
for number in range(updates):
    rows = np.random.default_rng(number).integers(0, len(canvases), 32)
    state, measured = step(state, {"images": canvases[rows], "labels": masks[rows]})
    curve.append(measured["loss"])
outputs = jax.jit(lambda x: network.apply(state.variables, prepare(x), train=False))(seen)
predicted = np.asarray(outputs.argmax(-1))

# %% [markdown]
# ## Intersection over union · 交并比
#
# Most pixels are paper: who says "paper" everywhere is right for four in five. So regions are compared: of a class, the
# pixels that are both true and predicted, over those that are either. A confusion matrix holds all of it, and the sum
# of two batches' matrices is that of both.

# %%
by_hand = [
    ((predicted == label) & (truth == label)).sum() / ((predicted == label) | (truth == label)).sum()
    for label in range(11)
]
halves = [jax.jit(overlap.confusion)(outputs[part], truth[part]) for part in (slice(0, 50), slice(50, 100))]
matrix = halves[0] + halves[1]
np.testing.assert_allclose(overlap.iou(matrix), by_hand, rtol=1e-6)
paper = overlap.confusion(jax.nn.one_hot(jnp.zeros_like(truth), 11), truth)
for name, each in (("paper everywhere", paper), ("the network", matrix)):
    print(f"{name:<17} pixels right {overlap.pixel_accuracy(each):.1%}, mean IoU {overlap.mean_iou(each):.3f}")
assert overlap.pixel_accuracy(paper) > 0.75
assert overlap.mean_iou(matrix) > pick(full=0.6, quick=0.12) > overlap.mean_iou(paper)

# %%
figure, (left, right) = plots(2)
left.plot([float(each.value) for each in curve], linewidth=0.7)
left.set(title="training loss of a pixel", xlabel="update", yscale="log")
right.bar(["paper", *map(str, range(10))], overlap.iou(matrix))
right.set(title="IoU of each class", ylim=(0, 1))
show(figure, "learning")
rows = np.concatenate([seen[:6, ..., 0], shades(truth[:6]), shades(predicted[:6])])
show(pictures(rows, ["seen"] * 6 + ["truth"] * 6 + ["predicted"] * 6, columns=6, size=1.4), "predictions")

# %% [markdown]
# ## torchvision's networks · torchvision 的分割网络
#
# The same heads, names and parameters; and on any classifier whose stages give maps. Its last stages keep their
# resolution: strides become dilation, `replace_stride_with_dilation` there.

# %%
for name, fields, published in [
    ("fcn_resnet50", {}, 35_322_218),
    ("deeplabv3_mobilenet_v3_large", {}, 11_029_328),
    ("lraspp_mobilenet_v3_large", {}, 3_221_538),
    ("deeplabv3", {"backbone": "mobilenet_v2", "output_stride": 16}, None),
]:
    network = models.create(name, **fields)
    images = jax.ShapeDtypeStruct((1, 97, 130, 3), jnp.float32)
    logits, variables = jax.eval_shape(
        lambda images, network=network: network.init_with_output(jax.random.key(0), images, train=False), images
    )
    print(f"{name:<29} {parameter_count(variables['params']):>11,} parameters, logits {logits.shape}")
    assert published in (None, parameter_count(variables["params"]))

# %% [markdown]
# ## Try · 练习
#
# 1. Train with `losses.dice` in place of cross entropy. Which classes gain?
# 2. Give pixels of ink ten times the weight of paper: `partial(losses.pixel_cross_entropy, weight=...)`.
# 3. `jaxdl.data.mask_folder.load` reads pictures and masks of your own;
#    [docs/segmentation.md](../../../docs/segmentation.md) says in which folders.
