# %% [markdown]
# # 9 · Pooling · 池化
#
# Rows: D3
#
# `jaxdl.nn.max_pool` and `average_pool` are functions: pooling has no parameters, so there is no module to make.
# Their options and defaults are PyTorch's; above all, the stride is the window unless told. (linen's `nn.max_pool`
# has stride 1 unless told, and neither dilation nor `ceil_mode`.)
#
# 池化没有参数，所以 `jaxdl.nn.max_pool`、`average_pool` 是函数而不是模块。选项与默认值都与 PyTorch 相同，
# 尤其是步幅默认等于窗口大小。（linen 的 `nn.max_pool` 默认步幅为 1，也没有 dilation 和 `ceil_mode`。）

# %%
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_sample_image

from experiments.course.drawing import pictures
from experiments.course.stage import show
from jaxdl.data import augment
from jaxdl.nn import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    max_pool,
    max_pool_with_indices,
    max_unpool,
)

rows = [[1, 2, 0, 3, 1], [0, 1, 2, 3, 1], [1, 2, 1, 0, 0], [5, 2, 3, 1, 1], [2, 1, 0, 1, 1]]
picture = jnp.array(rows, jnp.float32)[None, :, :, None]


def numbers(images):
    """The first image's first channel as nested lists."""
    return images[0, :, :, 0].tolist()


# %% [markdown]
# ## `ceil_mode` · 向上取整
#
# A 3x3 window moved by 3 over 5x5 fits once. With `ceil_mode=True` the windows that hang over the edge count as well.

# %%
print("ceil_mode=False", numbers(max_pool(picture, 3)))
print("ceil_mode=True ", numbers(max_pool(picture, 3, ceil_mode=True)))
assert numbers(max_pool(picture, 3)) == [[2]]
assert numbers(max_pool(picture, 3, ceil_mode=True)) == [[2, 3], [5, 1]]

# %% [markdown]
# ## Window, stride, padding, dilation · 窗口、步幅、填充、空洞

# %%
print("2x2, stride 2 (default)", numbers(max_pool(picture, 2)))
print("2x2, stride 1          ", numbers(max_pool(picture, 2, stride=1)))
print("3x3, padding 1         ", numbers(max_pool(picture, 3, padding=1)))
print("2x2, dilation 2        ", numbers(max_pool(picture, 2, stride=1, dilation=2)))
print("average 2x2            ", numbers(average_pool(picture, 2)))
assert numbers(max_pool(picture, 2)) == [[2, 3], [5, 3]]
assert numbers(average_pool(picture, 2)) == [[1.0, 2.0], [2.5, 1.25]]

# %% [markdown]
# ## Where the largest was · 最大值的位置
#
# `return_indices=True` and `MaxUnpool2d`: each maximum goes back where it came from, the rest is zero. This is also
# what the gradient of pooling does.

# %%
values, indices = max_pool_with_indices(picture, 2)
print("indices ", numbers(indices))
print("unpooled", numbers(max_unpool(values, indices, (5, 5))))
gradient = jax.grad(lambda images: max_pool(images, 2).sum())(picture)
print("gradient", numbers(gradient))
np.testing.assert_array_equal(gradient, max_unpool(jnp.ones_like(values), indices, (5, 5)))

# %% [markdown]
# ## To any size · 自适应池化
#
# Adaptive pooling chooses its windows so that the output has the size asked for: a classifier then takes images of
# any size. Global pooling is the case 1x1.

# %%
for size in (5, 12, 31):
    features = jax.random.normal(jax.random.key(size), (2, size, size, 3))
    shapes = adaptive_average_pool(features, (4, 3)).shape, adaptive_max_pool(features, 2).shape
    print(f"{size}x{size} -> {shapes[0][1:3]}, {shapes[1][1:3]}, global {global_average_pool(features).shape}")
    np.testing.assert_allclose(global_average_pool(features), adaptive_average_pool(features, 1)[:, 0, 0], atol=1e-6)

# %% [markdown]
# ## One, two, three axes · 一维、二维、三维

# %%
for shape in ((1, 8, 2), (1, 8, 8, 2), (1, 8, 8, 8, 2)):
    print(shape, "->", max_pool(jnp.zeros(shape), 2).shape)
    assert max_pool(jnp.zeros(shape), 2).shape[1:-1] == (4,) * (len(shape) - 2)

# %% [markdown]
# ## Seen · 效果
#
# Maxima keep what is bright, averages blur.

# %%
flower = augment.to_float(jnp.asarray(load_sample_image("flower.jpg")[60:420, 150:510])[None])
pooled = {"input": flower, "maximum 12x12": max_pool(flower, 12), "average 12x12": average_pool(flower, 12)}
show(pictures([each[0] for each in pooled.values()], list(pooled), columns=3, size=2.4), "pooling")
assert (pooled["maximum 12x12"] >= pooled["average 12x12"]).all()

# %% [markdown]
# ## Try · 练习
#
# 1. A translation by one pixel changes the pooled picture little. How little, on average, for maxima and for averages?
# 2. Predict the shapes that the course's network passes through for images of 40x40, then run it.
