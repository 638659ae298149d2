# %% [markdown]
# # 8 · Convolution · 卷积
#
# Rows: D2
#
# `nn.Conv2d` and `F.conv2d` become `jaxdl.nn.Conv`: PyTorch's options, defaults and initialisation, over as many axes
# as the window has. Images are [batch, height, width, channels] and kernels [height, width, in, out]. (linen's own
# `nn.Conv` pads to the same size unless told, and with a stride pads otherwise than PyTorch.)
#
# `nn.Conv2d`、`F.conv2d` 对应 `jaxdl.nn.Conv`，选项、默认值、初始化都与 PyTorch 一致，窗口有几个轴就是几维卷积。
# 图片是[批, 高, 宽, 通道]，卷积核是 [高, 宽, 输入, 输出]。（linen 自带的 `nn.Conv` 默认补零到同样大小，
# 与 PyTorch 不同。）

# %%
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_sample_image

from experiments.course.drawing import pictures, plots
from experiments.course.stage import show
from jaxdl.data import augment
from jaxdl.nn import Conv, output_size
from jaxdl.wording import counted

# %% [markdown]
# ## The notes' example · 笔记中的例子
#
# A 5x5 input, a 3x3 kernel: lay the kernel on the input, multiply what meets, add, move on.

# %%
picture = jnp.array([[1, 2, 0, 3, 1], [0, 1, 2, 3, 1], [1, 2, 1, 0, 0], [5, 2, 3, 1, 1], [2, 1, 0, 1, 1]], jnp.float32)
kernel = jnp.array([[1, 2, 1], [0, 1, 0], [2, 1, 0]], jnp.float32)


def convolve(picture, kernel, **options):
    """One channel in, one out, no bias; float[h', w']."""
    variables = {"params": {"kernel": kernel[:, :, None, None]}}
    layer = Conv(1, kernel.shape, use_bias=False, **options)
    return layer.apply(variables, picture[None, :, :, None])[0, :, :, 0]


for options in ({}, {"stride": 2}, {"padding": 1}):
    print(options or "stride 1", convolve(picture, kernel, **options).astype(int).tolist())
by_hand = float((picture[:3, :3] * kernel).sum())
print("the first number by hand:", by_hand)
assert convolve(picture, kernel).tolist() == [[10, 12, 12], [18, 16, 16], [13, 9, 3]]
assert convolve(picture, kernel, stride=2).tolist() == [[10, 12], [13, 3]]
assert convolve(picture, kernel, padding=1)[1:4, 1:4].tolist() == [[10, 12, 12], [18, 16, 16], [13, 9, 3]]
assert by_hand == 10

# %%
figure, axes = plots(4, width=2.4, height=2.4)
drawn = {"input": picture, "kernel": kernel, "stride 1": convolve(picture, kernel)}
drawn["padding 1"] = convolve(picture, kernel, padding=1)
for axis, (name, values) in zip(axes, drawn.items(), strict=True):
    axis.imshow(values, cmap="Blues", vmin=0, vmax=20)
    for (row, column), value in np.ndenumerate(values):
        axis.text(column, row, f"{value:.0f}", ha="center", va="center", color="white" if value > 12 else "black")
    axis.set_title(name)
    axis.axis("off")
show(figure, "example")

# %% [markdown]
# ## Sizes · 输出尺寸
#
# floor((n + 2 padding - dilation (kernel - 1) - 1) / stride) + 1: `output_size`, for pooling too. Held against what
# the layer puts out:

# %%
key = jax.random.key(0)
for size, window, options in (
    (5, 3, {}),
    (32, 5, {"padding": 2}),
    (224, 7, {"stride": 2, "padding": 3}),
    (32, 3, {"dilation": 2}),
):
    images = jnp.zeros((1, size, size, 3))
    output = jax.eval_shape(
        lambda images, window=window, options=options: Conv(8, (window, window), **options).init_with_output(
            key, images
        )[0],
        images,
    )
    print(f"{size:3} with {window}x{window} {options}: {output_size(size, window, **options)}")
    assert output.shape[1] == output_size(size, window, **options)

# %% [markdown]
# ## Parameters · 参数量
#
# kernel height x kernel width x channels in / groups x channels out, and one bias a channel out. Whatever the size of
# the image.

# %%
for groups in (1, 4):
    variables = Conv(8, (3, 3), groups=groups).init(key, jnp.zeros((1, 9, 9, 4)))
    count = sum(leaf.size for leaf in jax.tree.leaves(variables))
    shape = variables["params"]["kernel"].shape
    print(f"4 to 8 channels, 3x3, {counted(groups, 'group')}: {shape}, {count} parameters")
    assert count == 3 * 3 * (4 // groups) * 8 + 8

# %% [markdown]
# ## One, two, three axes · 一维、二维、三维

# %%
for window, shape in (((3,), (2, 9, 4)), ((3, 3), (2, 9, 9, 4)), ((3, 3, 3), (2, 9, 9, 9, 4))):
    output, _ = Conv(6, window, padding=1).init_with_output(key, jnp.zeros(shape))
    print(f"conv{len(window)}d", shape, "->", output.shape)
    assert output.shape == (*shape[:-1], 6)

# %% [markdown]
# ## What a kernel sees · 卷积核的作用
#
# Kernels made by hand: the mean of its surroundings, what differs from the right, what differs from below.

# %%
flower = augment.to_float(jnp.asarray(load_sample_image("flower.jpg")[60:420:2, 150:510:2])[None]).mean(-1)[0]
kernels = {
    "blur": jnp.ones((5, 5)) / 25,
    "vertical edges": jnp.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], jnp.float32),
    "horizontal edges": jnp.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], jnp.float32),
}
seen = {name: convolve(flower, each, padding=len(each) // 2) for name, each in kernels.items()}
show(pictures([flower, *seen.values()], ["flower", *seen], columns=4, size=2.2), "kernels")
assert float(seen["blur"][5:-5, 5:-5].std()) < float(flower[5:-5, 5:-5].std())
flat = convolve(jnp.ones((7, 7)), kernels["vertical edges"])
assert float(jnp.abs(flat).max()) == 0.0  # no edge, no answer

# %% [markdown]
# ## Try · 练习
#
# 1. Turn the kernel by 180 degrees and compare: what mathematicians call convolution, PyTorch and JAX call otherwise.
# 2. Two 3x3 convolutions see as far as one 5x5. How many parameters has each, with 64 channels in and out?
