# %% [markdown]
# # 5 · Transforms · 图像变换
#
# Rows: C4
#
# torchvision transforms one picture at a time, on the CPU, inside the loader's workers. Here a transform is a
# function `(key, images) -> images` of a whole batch, and runs on the device inside the compiled training step. It
# draws from the key it is given, each image for itself; the values are torchvision's.
#
# torchvision 在加载进程里逐张变换图片。这里的变换是作用于整个批次的函数 `(key, images) -> images`，
# 在编译后的训练步骤中于设备上运行；随机性来自传入的 key，每张图片各自抽取，数值与 torchvision 一致。

# %%
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_sample_image

from experiments.course.drawing import pictures
from experiments.course.stage import show
from jaxdl.data import augment

flower = load_sample_image("flower.jpg")[60:420, 150:510]
pixels = jnp.asarray(flower)[None]  # uint8[1, 360, 360, 3]: a batch of one
key = jax.random.key(0)

# %% [markdown]
# ## `ToTensor` and `Normalize` · 转为浮点数与标准化
#
# `ToTensor` brings [0, 255] to [0, 1] and moves the channels to the front; here they stay last. `Normalize` subtracts
# a mean and divides by a deviation, channel by channel. `augment.normalize` does both in one product.

# %%
images = augment.to_float(pixels)
mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
print("ToTensor ", images.dtype, images.shape, f"in [{float(images.min()):.2f}, {float(images.max()):.2f}]")
standardized = augment.standardize(images, mean, std)
print("Normalize", f"in [{float(standardized.min()):.2f}, {float(standardized.max()):.2f}]")
np.testing.assert_allclose(augment.normalize(pixels, mean, std), standardized, atol=1e-6)

# %% [markdown]
# ## Sizes and crops · 缩放与裁剪
#
# `Resize((h, w))` ignores the aspect; `Resize(n)` brings the shorter side to n and keeps it.

# %%
wide = images[:, 60:300]
sized = {
    "original": wide,
    "Resize((64, 64))": augment.resize(wide, (64, 64)),
    "Resize(64)": augment.resize(wide, 64),
    "CenterCrop(160)": augment.center_crop(wide, 160),
    "RandomCrop(160)": augment.random_crop(key, wide, 160),
    "RandomResizedCrop": augment.random_resized_crop(key, wide, 64, scale=(0.2, 0.6), ratio=(0.75, 1.33)),
}
for name, image in sized.items():
    print(f"{name:<18} {image.shape[1:3]}")
show(pictures([image[0] for image in sized.values()], list(sized), columns=6), "sizes")
assert sized["Resize(64)"].shape == (1, 64, 96, 3)
assert sized["Resize((64, 64))"].shape == (1, 64, 64, 3)

# %% [markdown]
# ## Flips, rotation, colour · 翻转、旋转、颜色
#
# Each random transform has its plain form beside it: `flip` draws which images `mirror` is for.

# %%
changed = {
    "mirror": augment.mirror(images),
    "upside_down": augment.upside_down(images),
    "rotate 30": augment.rotate(images, 30),
    "grayscale": augment.grayscale(images, 3),
    "brightness 1.6": augment.adjust_brightness(images, 1.6),
    "contrast 0.4": augment.adjust_contrast(images, 0.4),
    "saturation 2": augment.adjust_saturation(images, 2.0),
    "hue 0.3": augment.adjust_hue(images, 0.3),
}
show(pictures([image[0] for image in changed.values()], list(changed), columns=8), "changes")
np.testing.assert_array_equal(augment.mirror(changed["mirror"]), images)
assert float(jnp.ptp(changed["grayscale"], axis=-1).max()) < 1e-6

# %% [markdown]
# ## Chance · 随机性
#
# Eight copies of one flower go through `ColorJitter`, `RandomRotation` and flips: eight different flowers. The same
# key draws the same eight again; that is how a resumed run repeats its augmentation exactly.

# %%
eight = jnp.tile(augment.resize(images, 96), (8, 1, 1, 1))
transform = augment.compose(
    augment.flip,  # RandomHorizontalFlip(0.5)
    partial(augment.flip_vertical, p=0.2),
    partial(augment.random_rotation, degrees=30),
    partial(augment.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
)
transform = jax.jit(transform)
once, again, other = transform(key, eight), transform(key, eight), transform(jax.random.key(1), eight)
show(pictures(list(once)), "chance")
assert (once == again).all()
assert not (once == other).all()
assert len({float(image.sum()) for image in once}) == 8

# %% [markdown]
# How often does `flip` flip? Of 4,000 images, p of them, give or take.

# %%
marked = jnp.zeros((4000, 1, 2, 1)).at[:, :, 0].set(1.0)
share = float(augment.flip(key, marked, 0.3)[:, 0, 1, 0].mean())
print(f"RandomHorizontalFlip(0.3) flipped {share:.1%} of 4,000")
assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 4000) ** 0.5

# %% [markdown]
# ## `Compose` and `Lambda` · 组合与自定义
#
# `augment.compose` hands each transform a key of its own. A function of your own that draws nothing becomes a
# transform with `augment.plain`, PyTorch's `Lambda`. `augment.pipeline` is the composition that training uses: from
# uint8 to normalised floats, with the augmentations in between. It is what `make_train_step(augment=...)` takes.

# %%
darker = augment.compose(augment.plain(jnp.square), partial(augment.random_crop, size=80))
train_transform = augment.pipeline(flip_images=True, crop_padding=4, mean=mean, std=std)
small = jnp.asarray(augment.resize(images, 32) * 255, jnp.uint8)
print("Lambda, crop", darker(key, eight).shape, "  pipeline", train_transform(key, small).dtype, small.shape)
assert float(darker(key, eight).mean()) < float(eight.mean())
assert train_transform(key, small).shape == (1, 32, 32, 3)

# %% [markdown]
# ## Try · 练习
#
# 1. `augment.mixup` and `augment.cutmix` blend pairs of images and their labels. Draw a batch of each.
# 2. Time `transform` on 256 CIFAR-sized images, after a first call that compiles it.
