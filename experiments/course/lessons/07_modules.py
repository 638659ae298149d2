# %% [markdown]
# # 7 · Modules and containers · 模块与容器
#
# Rows: D1
#
# An `nn.Module` of PyTorch owns its parameters and its mode. A linen module is a *description*: `init` makes the
# parameters, a tree of arrays, and `apply` uses those it is given. Whether it is training is an argument. So the same
# module can be run with other parameters, with a hundred sets of them at once, or differentiated by them.
#
# PyTorch 的模块自己持有参数和模式。linen 模块只是一份*描述*：`init` 生成参数（数组组成的树），
# `apply` 使用传入的参数；是否在训练也是一个参数。于是同一个模块可以换一组参数运行，可以同时运行一百组，
# 也可以对参数求导。

# %%
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import models
from jaxdl.nn import Conv, Dense, flatten, max_pool
from jaxdl.report.layers import layers
from jaxdl.transfer.conversion import layout, to_pytorch

key = jax.random.key(0)

# %% [markdown]
# ## The smallest module · 最小的模块
#
# The notes begin with a module whose `forward` returns the input plus one. Without parameters it can be a function;
# as a module, `forward` is `__call__`.


# %%
class AddOne(nn.Module):
    """x + 1."""

    @nn.compact
    def __call__(self, x):
        return x + 1


print("AddOne of 1.0:", AddOne().apply({}, jnp.array(1.0)))
assert AddOne().apply({}, jnp.array(1.0)) == 2.0
assert AddOne().init(key, jnp.array(1.0)) == {}

# %% [markdown]
# ## `Sequential` · 顺序容器
#
# A list of layers; plain functions are layers too. The shape that comes in is seen at `init`: nothing like
# `in_features` has to be worked out.

# %%
network = nn.Sequential([Dense(4), nn.relu, Dense(2)])
x = jnp.ones((1, 3))
variables = network.init(key, x)
print(jax.tree.map(jnp.shape, variables["params"]))
assert network.apply(variables, x).shape == (1, 2)

# %% [markdown]
# ## `ModuleList` and `ModuleDict` · 模块列表与字典
#
# PyTorch needs them so that it finds the parameters. Here a Python list or dict will do; layers are named by `name=`
# or by the attribute that holds them.


# %%
class Towers(nn.Module):
    """A few layers from a list, then one of two chosen by name."""

    def setup(self):
        self.blocks = [Dense(8) for _ in range(3)]
        self.heads = {"digit": Dense(10), "parity": Dense(2)}

    def __call__(self, x, head):
        for block in self.blocks:
            x = nn.relu(block(x))
        return self.heads[head](x)

    def every_head(self, x):
        """All heads, so that init makes them all."""
        return {head: self(x, head) for head in self.heads}


towers = Towers()
variables = towers.init(key, x, method="every_head")
print("children:", list(variables["params"]))
print("digit", towers.apply(variables, x, "digit").shape, " parity", towers.apply(variables, x, "parity").shape)
assert list(variables["params"]) == ["blocks_0", "blocks_1", "blocks_2", "heads_digit", "heads_parity"]

# %% [markdown]
# ## Parameters, names, `state_dict` · 参数、名称、状态字典
#
# `named_parameters()` is the tree and its paths. The course's CIFAR-10 network, by hand and from the library: three
# 5x5 convolutions, each followed by pooling, two linear layers, 145,578 parameters.


# %%
class CourseNet(nn.Module):
    """The notes' network, layer by layer."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        for channels in (32, 32, 64):
            x = max_pool(Conv(channels, (5, 5), padding=2)(x), 2)
        x = flatten(x)
        return Dense(10)(Dense(64)(x))


image = jnp.ones((1, 32, 32, 3))
own = CourseNet().init(key, image, train=False)
library = models.create("cifar_cnn", num_classes=10)
theirs = library.init(key, image, train=False)
count = sum(leaf.size for leaf in jax.tree.leaves(own))
print(f"{count:,} parameters")
for layer in layers(library, (32, 32, 3)):
    print(f"{layer.name:<10} {layer.kind:<10} {layer.output!s:<14} {layer.parameters:>7,} parameters")
assert count == sum(leaf.size for leaf in jax.tree.leaves(theirs)) == 145_578

# %% [markdown]
# `state_dict()` for PyTorch, with its names and layouts (kernels as [out, in, h, w]):

# %%
state_dict = to_pytorch(theirs, **layout(library))
for name, array in state_dict.items():
    print(f"{name:<10} {array.shape}")
assert next(iter(state_dict)).endswith("weight")
assert next(iter(state_dict.values())).shape == (32, 3, 5, 5)

# %% [markdown]
# ## Many networks at once · 同时运行多个网络
#
# What a description and a tree of arrays make possible: three initialisations, stacked, applied in one call.

# %%
three = jax.vmap(lambda key: network.init(key, x))(jax.random.split(key, 3))
outputs = jax.vmap(network.apply, in_axes=(0, None))(three, x)
print("three networks, one call:", outputs.shape)
one = network.apply(jax.tree.map(lambda leaf: leaf[1], three), x)
np.testing.assert_allclose(outputs[1], one, rtol=1e-5)

# %% [markdown]
# ## Try · 练习
#
# 1. Give `AddOne` a learned offset: `self.param("offset", nn.initializers.zeros, ())`.
# 2. `python -m jaxdl summary resnet50 --depth 1` prints a network of the library by stages.
