# %% [markdown]
# # 29 · Boxes, anchors, suppression · 框、锚框与抑制
#
# Rows: F3
#
# A detector says where objects are: boxes. This lesson takes apart what every detector is made of, by hand and beside
# the functions that do it: how far two boxes overlap, anchors that cover a picture, a box told from an anchor, which
# anchor is to tell of which object, and how a hundred boxes on one object become one.
#
# 检测网络要回答物体在哪里，也就是给出框。这一课把检测网络的零件逐个拆开，先手算，再与库函数对照：两个框重叠多少，
# 铺满图片的锚框，怎样用锚框表示一个框，哪个锚框负责哪个物体，以及同一物体上的许多框怎样只留下一个。

# %%
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_sample_image

from experiments.course.drawing import pictures
from experiments.course.stage import show
from jaxdl import detection
from jaxdl.report.boxes_drawn import boxed
from jaxdl.report.class_colors import class_colors

# %% [markdown]
# ## Overlap by hand · 手算重叠
#
# A box is (x1, y1, x2, y2). Intersection over union: the area that two share over the area that they cover.
#
# 框写作 (x1, y1, x2, y2)。交并比：两个框共有的面积，除以它们一共覆盖的面积。

# %%
first, second = [10, 10, 50, 40], [30, 20, 70, 50]
shared = (min(50, 70) - max(10, 30)) * (min(40, 50) - max(10, 20))
covered = (50 - 10) * (40 - 10) + (70 - 30) * (50 - 20) - shared
print(f"shared {shared}, covered {covered}, IoU {shared / covered:.4f}")
iou = detection.box_iou(jnp.array([first], jnp.float32), jnp.array([second], jnp.float32))
np.testing.assert_allclose(iou, [[shared / covered]], rtol=1e-6)

# %% [markdown]
# ## Anchors · 锚框
#
# At each place of a map of stride 16, anchors of one size in three shapes. `cell_anchors` gives them around (0, 0), in
# whole pixels as torchvision has them: their area is 64² only nearly.

# %%
cell = detection.cell_anchors([64], [0.5, 1.0, 2.0])
print(cell, "areas", detection.box_area(cell))
[anchors] = detection.grid_anchors([(15, 20)], (240, 320), sizes=[[64]])
assert anchors.shape == (15 * 20 * 3, 4)
assert (np.abs(detection.box_area(cell) / 64**2 - 1) < 0.02).all()

# %% [markdown]
# ## A box told from an anchor · 用锚框表示框
#
# What a network predicts are four numbers: how far the centre is away, in sides of the anchor, and the logarithms of
# the sides over the anchor's. They are near 0 where the anchor fits, whatever its size.

# %%
anchor, box = jnp.array([100.0, 100, 164, 164]), jnp.array([108.0, 92, 204, 156])
dx = ((108 + 204) / 2 - 132) / 64
dy = ((92 + 156) / 2 - 132) / 64
by_hand = [dx, dy, np.log(96 / 64), np.log(64 / 64)]
told = detection.encode_boxes(box, anchor)
print("told    ", np.round(told, 4))
np.testing.assert_allclose(told, by_hand, atol=1e-6)
np.testing.assert_allclose(detection.decode_boxes(told, anchor), box, rtol=1e-6)

# %% [markdown]
# ## Which anchor tells of which object · 匹配
#
# An anchor of an IoU of 0.5 or more tells of that object, one below 0.4 of background, and those between of nothing.
# A small object may have no such anchor at all: then its best ones are taken, however little they overlap.

# %%
objects = jnp.array([[40.0, 60, 110, 130], [200.0, 150, 226, 178]])
there = jnp.ones(2, bool)
for low_quality in (False, True):
    matched = detection.match(objects, there, anchors, high=0.5, low=0.4, low_quality=low_quality)
    print(f"low quality {low_quality!s:5}: anchors of each object", [int((matched == each).sum()) for each in (0, 1)])
assert (matched == 1).any()

# %% [markdown]
# ## Suppression, drawn · 画出抑制的过程
#
# A detector finds each object many times over. The best box stays, what covers it too much goes, and so on with the
# next. Here thirty guesses around two objects; two are left.

# %%
generator = np.random.default_rng(0)
flower = load_sample_image("flower.jpg")[60:300, 120:440]
of = generator.integers(0, 2, 30)
wanted = np.array([[95, 45, 235, 185], [10, 150, 90, 230]], np.float32)
guesses = wanted[of] + generator.normal(0, 7, (30, 4)).astype(np.float32)
scores = 0.95 * np.exp(-np.abs(guesses - wanted[of]).mean(1) / 20)
kept = detection.nms(jnp.array(guesses), jnp.array(scores), 0.4, count=10)
left = np.asarray(kept.indices)[np.asarray(kept.valid)]
print("kept    ", left, "scores", np.round(scores[left], 3))
assert sorted(of[left]) == [0, 1]
colors = class_colors(2)
shown = [boxed(flower, guesses, colors[of]), boxed(flower, guesses[left], colors[of[left]])]
show(pictures([each / 255 for each in shown], ["30 guesses", f"{len(left)} left"], columns=2, size=3.2), "suppression")

# %% [markdown]
# The number of boxes that are left is not known before, and a compiled function has fixed shapes: so `count` places,
# and `valid` says which are used. That is how all of detection is written here, and why it runs under `vmap`.
#
# 留下多少个框事先不知道，而编译后的函数形状固定：所以给出 `count` 个位置，由 `valid` 说明哪些有效。

# %%
several = jax.vmap(lambda boxes, scores: detection.nms(boxes, scores, 0.4, count=10))
both = several(jnp.stack([guesses, guesses]), jnp.stack([scores, scores * 0.5]))
np.testing.assert_array_equal(both.indices[0], both.indices[1])

# %% [markdown]
# ## What is within a box · 框里的特征
#
# `roi_align` gives the features within any box at one size, by bilinear samples: a second network can look at them.

# %%
within = detection.roi_align(jnp.array(flower / 255.0, jnp.float32), jnp.array(wanted), 24, sampling_ratio=2)
show(pictures(list(within), ["the flower", "a corner"], columns=2, size=2.4), "within")
assert within.shape == (2, 24, 24, 3)

# %% [markdown]
# ## Try · 练习
#
# 1. Raise the threshold of `nms` to 0.9. Which boxes come back, and what would COCO's AP say of them?
# 2. Give a third object of 8 x 8 pixels. How many anchors tell of it, with and without `low_quality`?
# 3. `detection.nms(..., groups=of)` suppresses within a class alone. Where does that change what is left?
