# %% [markdown]
# # 11 · Layers · 常用层
#
# Rows: D5, D6, D7
#
# Linear layers, embeddings, normalisation, dropout, recurrent networks, and the cheaper kinds of convolution. What
# needs care coming from PyTorch is what is not a parameter: batch norm's running statistics are a second tree,
# `batch_stats`, which training returns changed; dropout needs a key; and neither has a mode to forget, because
# `train` is an argument.
#
# 全连接、嵌入、归一化、Dropout、循环网络，以及更省的卷积。从 PyTorch 过来需要留意的是参数以外的东西：
# 批归一化的滑动统计量在另一棵树 `batch_stats` 里，训练时返回更新后的值；Dropout 需要一个 key；
# 没有 `model.eval()` 可忘，因为 `train` 是参数。

# %%
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.nn import GRU, LSTM, RNN, Conv, Dense, DepthwiseSeparableConv, batch_norm, channel_shuffle, flatten
from jaxdl.report.layers import layers, total

key = jax.random.key(0)

# %% [markdown]
# ## Linear and flatten · 全连接与展平
#
# `Dense` is `nn.Linear` with PyTorch's initialisation; its kernel is [in, out], the transpose of PyTorch's weight.
# `Flatten` keeps the batch. The order differs: [H, W, C] here, [C, H, W] there, which matters when weights are
# brought over and to nothing else.

# %%
images = jax.random.normal(key, (2, 4, 4, 3))
features = flatten(images)
output, variables = Dense(5).init_with_output(key, features)
print("flatten", images.shape, "->", features.shape, "  part", flatten(images, start_dim=1, end_dim=2).shape)
print("linear ", features.shape, "->", output.shape, "kernel", variables["params"]["kernel"].shape)
assert features.shape == (2, 48)
assert variables["params"]["kernel"].shape == (48, 5)
limit = float(jnp.abs(variables["params"]["kernel"]).max())
assert 0.9 / 48**0.5 < limit <= 1 / 48**0.5  # uniform in +-1/sqrt(in), as nn.Linear starts

# %% [markdown]
# ## Embedding · 嵌入
#
# A table of vectors looked up by number: the same as a product with one-hot rows.

# %%
words = jnp.array([[1, 2, 4, 5], [4, 3, 2, 9]])
vectors, variables = nn.Embed(10, 3).init_with_output(key, words)
print("embedding", words.shape, "->", vectors.shape)
np.testing.assert_allclose(vectors, jax.nn.one_hot(words, 10) @ variables["params"]["embedding"], rtol=1e-6)

# %% [markdown]
# ## Batch norm · 批归一化
#
# In training: normalise with the batch's mean and variance, and note both in `batch_stats`. In evaluation: use what
# was noted. `mutable=["batch_stats"]` is how `apply` is asked for the notes.

# %%
batch = 5 + 3 * jax.random.normal(key, (256, 4))
norm = batch_norm(train=True)()
variables = norm.init(key, batch)
normalised, noted = norm.apply(variables, batch, mutable=["batch_stats"])
print("mean, deviation before", float(batch.mean()), float(batch.std()))
print("               after  ", float(normalised.mean()), float(normalised.std()))
print("running mean", noted["batch_stats"]["mean"], "= 0.9 x 0 + 0.1 x the batch's")
np.testing.assert_allclose(normalised.mean(0), 0, atol=1e-5)
np.testing.assert_allclose(normalised.std(0), 1, atol=1e-3)
np.testing.assert_allclose(noted["batch_stats"]["mean"], 0.1 * batch.mean(0), rtol=1e-5)

evaluated = batch_norm(train=False)().apply({**variables, **noted}, batch)
print("in evaluation, by what was noted so far:", float(evaluated.mean()))
assert abs(float(evaluated.mean())) > 1  # one batch's notes are not yet the data's statistics

# %% [markdown]
# ## Layer norm · 层归一化
#
# Each example by itself, over its features: no batch, no notes. (epsilon is 1e-6 in linen, 1e-5 in PyTorch.)

# %%
normalised, _ = nn.LayerNorm(epsilon=1e-5).init_with_output(key, batch)
np.testing.assert_allclose(normalised.mean(1), 0, atol=1e-5)
print("each row's mean and deviation", float(normalised[0].mean()), float(normalised[0].std()))

# %% [markdown]
# ## Dropout
#
# Zeros with probability p, the rest multiplied by 1 / (1 - p), so that the mean stays. `Dropout2d` drops whole
# channels: `broadcast_dims` names the axes that share one draw.

# %%
ones = jnp.ones((64, 8, 8, 16))
dropped = nn.Dropout(0.25, deterministic=False).apply({}, ones, rngs={"dropout": key})
channels = nn.Dropout(0.25, broadcast_dims=(1, 2), deterministic=False).apply({}, ones, rngs={"dropout": key})
print(f"zeros {float((dropped == 0).mean()):.3f}, mean {float(dropped.mean()):.3f}, values {jnp.unique(dropped)}")
print("a channel is whole or gone:", bool((channels.std((1, 2)) == 0).all()))
assert abs(float(dropped.mean()) - 1) < 0.02
assert (channels.std((1, 2)) == 0).all()
assert (dropped.std((1, 2)) > 0).any()
assert (nn.Dropout(0.25, deterministic=True).apply({}, ones) == 1).all()

# %% [markdown]
# ## RNN, LSTM, GRU · 循环网络
#
# Batch first. Stacked with `num_layers`, both ways with `bidirectional`: the outputs of both directions side by side.
# Sequences padded to one length come with `lengths`, as PyTorch's packed sequences do.

# %%
sequence = jax.random.normal(key, (2, 7, 4))
for layer, name in ((RNN, "RNN"), (LSTM, "LSTM"), (GRU, "GRU")):
    module = layer(6, num_layers=2, bidirectional=True)
    (outputs, last), variables = module.init_with_output(key, sequence, train=False)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables))
    print(f"{name:<5} outputs {outputs.shape}, last states {jax.tree.map(jnp.shape, last)}, {count:,} parameters")
    assert outputs.shape == (2, 7, 12)

single = LSTM(6)
variables = single.init(key, sequence, train=False)
whole, _ = single.apply(variables, sequence[:1, :3], train=False)
padded, _ = single.apply(variables, sequence, lengths=jnp.array([3, 7]), train=False)
np.testing.assert_allclose(padded[0, :3], whole[0], atol=1e-6)
assert (padded[0, 3:] == 0).all()

# %% [markdown]
# ## Cheaper convolutions · 更省的卷积
#
# A depthwise separable convolution looks at each channel by itself and then mixes them: for k x k kernels and C
# channels out, about 1/C + 1/k^2 of the work. A channel shuffle lets groups exchange what they saw. Pooling or a
# stride of two quarters what follows, and doubles how far it sees.


# %%
def cost(layer, size=32, channels=64):
    """Parameters and multiply-adds for images of size x size."""
    return total(layers(Taken(layer), (size, size, channels)))


class Taken(nn.Module):
    """A layer as a network of its own."""

    layer: nn.Module

    @nn.compact
    def __call__(self, x, *, train: bool):
        return self.layer(x)


full = cost(Conv(128, (3, 3), padding=1, use_bias=False))
separable = cost(DepthwiseSeparableConv(128, (3, 3), padding=1, use_bias=False))
strided = cost(Conv(128, (3, 3), padding=1, stride=2, use_bias=False))
for name, each in {"3x3 convolution": full, "depthwise separable": separable, "3x3, stride 2": strided}.items():
    print(f"{name:<20} {each.parameters:>7,} parameters {each.multiply_adds:>11,} multiply-adds an image")
assert full.parameters == 3 * 3 * 64 * 128
assert separable.parameters == 3 * 3 * 64 + 64 * 128
np.testing.assert_allclose(separable.multiply_adds / full.multiply_adds, 1 / 128 + 1 / 9, rtol=1e-3)
assert strided.multiply_adds * 4 == full.multiply_adds

# %%
print("shuffled in two groups:", channel_shuffle(jnp.arange(8)[None], 2)[0].tolist())
assert channel_shuffle(jnp.arange(8)[None], 2)[0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]

# %% [markdown]
# ## Try · 练习
#
# 1. Run batch norm over a hundred batches: do the running statistics reach the mean 5 and the deviation 3?
# 2. Which has fewer parameters for the same hidden size, an LSTM or a GRU, and by what factor?
