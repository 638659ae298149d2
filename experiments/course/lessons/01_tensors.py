# %% [markdown]
# # 1 · Tensors · 张量
#
# Rows: A1, A2, A3, A4, A5, A6, A7, A8
#
# `torch.Tensor` becomes `jax.Array`, and most calls keep their name or take NumPy's. One thing is different from the
# ground up: an array never changes. So there are no views to be surprised by, no methods ending in `_`, and a
# function of arrays can be differentiated, compiled and spread over devices without asking what else it touches.
#
# 张量在 JAX 里是 `jax.Array`，大多数函数与 NumPy 同名。最根本的区别只有一个：数组不可修改。因此没有视图与拷贝之分，
# 没有以下划线结尾的原地操作；正因如此，函数可以放心地求导、编译、分布到多个设备上。

# %%
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse

# %% [markdown]
# ## Shapes · 形状
#
# PyTorch distinguishes `view` (shares memory, needs a contiguous tensor) from `reshape` (copies if it must), and
# needs `contiguous()` after `permute`. Here there is `reshape`. Mind one name: `jnp.transpose` is PyTorch's
# `permute`, and PyTorch's `transpose`, which swaps two axes, is `swapaxes`.

# %%
a = jnp.arange(24).reshape(2, 3, 4)
print("reshape (6, 4)      ", a.reshape(6, 4).shape)
print("view (2, -1)        ", a.reshape(2, -1).shape)
print("permute (2, 0, 1)   ", a.transpose(2, 0, 1).shape)
print("transpose (1, 2)    ", a.swapaxes(1, 2).shape)
print("unsqueeze, squeeze  ", a[:, None].shape, a[:, None].squeeze(1).shape)
print("t() of a matrix     ", a[0].T.shape)
assert (a.swapaxes(0, 1).reshape(-1)[:8] == jnp.array([0, 1, 2, 3, 12, 13, 14, 15])).all()

# %% [markdown]
# ## Expanding and broadcasting · 扩展与广播
#
# `expand` makes no copy and `repeat` makes one: in PyTorch you choose. In JAX you say what you mean and the compiler
# decides what is kept in memory. `jnp.tile` is `repeat`; `jnp.repeat` is `repeat_interleave`, a classic trap.

# %%
row = jnp.array([[1, 2, 3, 4]])
print("expand to (3, 4)", jnp.broadcast_to(row, (3, 4)).tolist())
print("repeat (1, 2)   ", jnp.tile(row, (1, 2)).tolist())
print("interleaved     ", jnp.repeat(row, 2, axis=1).tolist())
grid = jnp.ones((2, 3, 2, 2))
print("(2,3,2,2) + 1   ", (grid + 1).shape, "all", float((grid + 1).max()))
assert jnp.tile(row, (1, 2)).tolist() != jnp.repeat(row, 2, axis=1).tolist()

# %% [markdown]
# Broadcasting follows NumPy's rules in both, and both align shapes at their ends. Adding an axis by hand is safer:
# JAX can be told to refuse two arrays of different rank, and this project's tests do.

# %%
with jax.numpy_rank_promotion("raise"):
    try:
        a + jnp.arange(4)
    except ValueError as error:
        print(str(error).split(" and with")[0])
    print("with [None, None]", (a + jnp.arange(4)[None, None]).shape)

# %% [markdown]
# ## Joining and cutting · 拼接与切分
#
# `torch.split` takes the *lengths* of the pieces, `jnp.split` the *places* to cut. `chunk(3)` of seven gives 3, 3, 1;
# `jnp.array_split` gives 3, 2, 2.

# %%
seven = jnp.arange(7)
b = a + 100
print("cat, stack          ", jnp.concatenate([a, b], axis=1).shape, jnp.stack([a, b]).shape)
print("split([1, 3], dim=2)", [part.shape for part in jnp.split(a, [1], axis=2)])
print("array_split in three", [len(part) for part in jnp.array_split(seven, 3)])
print("chunk(3), by places ", [len(part) for part in jnp.split(seven, [3, 6])])
assert jnp.concatenate(jnp.split(seven, [3, 6])).tolist() == seven.tolist()

# %% [markdown]
# ## Products of batches · 批量矩阵乘法
#
# `@` multiplies the last two axes and broadcasts those before: (2, 1, 3, 4) times (5, 4, 2) is (2, 5, 3, 2). Each of
# the ten products is an ordinary one.

# %%
left = jax.random.normal(jax.random.key(0), (2, 1, 3, 4))
right = jax.random.normal(jax.random.key(1), (5, 4, 2))
with jax.numpy_rank_promotion("allow"):
    product = left @ right
print("(2,1,3,4) @ (5,4,2) =", product.shape)
np.testing.assert_allclose(product[1, 3], left[1, 0] @ right[3], rtol=1e-5)
assert product.shape == (2, 5, 3, 2)

# %% [markdown]
# ## Rounding and limiting · 取整与截断

# %%
x = jnp.array([-1.7, -0.2, 0.5, 3.9])
for name, value in {
    "floor": jnp.floor(x),
    "ceil": jnp.ceil(x),
    "trunc": jnp.trunc(x),
    "frac": x - jnp.trunc(x),
    "clamp(-1, 1)": x.clip(-1, 1),
}.items():
    print(f"{name:<13}", np.round(np.asarray(value), 2))
np.testing.assert_allclose(jnp.trunc(x) + (x - jnp.trunc(x)), x)

# %% [markdown]
# ## Type, device, layout · 类型、设备、布局
#
# Numbers are 32 bits wide unless `jax_enable_x64` is set: integers are `int32` where PyTorch has `int64`. An array is
# born on the first accelerator, so there is no `.cuda()` to forget. A dense array has no strides that a program could
# see, so there is no layout either.

# %%
print("integers are", jnp.array([1, 2]).dtype, "and reals", x.dtype, "on", x.device)
moved = jax.device_put(x, jax.devices("cpu")[0])
print("moved to    ", moved.device, "as half precision:", moved.astype(jnp.bfloat16).dtype)
assert jnp.asarray(1).dtype == jnp.int32

# %% [markdown]
# ## Sparse · 稀疏张量
#
# `torch.sparse_coo_tensor` takes one *column* of indices for each entry, `BCOO` one *row*. `to_dense` is `todense`.

# %%
entries, places = jnp.array([3.0, 4.0]), jnp.array([[0, 2], [1, 0]])
matrix = sparse.BCOO((entries, places), shape=(2, 3))
print(matrix.todense())
np.testing.assert_array_equal(matrix @ jnp.ones(3), [3.0, 4.0])

# %% [markdown]
# ## Nothing in place · 没有原地操作
#
# `x[0] = 9` is an error whose text says what to write instead. `x.at[0].set(9)` gives a new array; inside `jit` no
# copy is made, because the compiler sees that the old one is no longer needed. And where `d += 1` would have changed
# `c` too, had both been the same tensor, here `d` becomes another array.

# %%
try:
    x[0] = 9.0
except TypeError as error:
    print(error)
c = x
d = c
d += 1
changed = x.at[0].set(9.0)
print("c", c[:2], "  d", d[:2], "  changed", changed[:2], "  x still", x[:2])
assert float(x[0]) == float(c[0]) == np.float32(-1.7)
assert float(changed[0]) == 9.0

# %% [markdown]
# `dir` and `help` explore as they do in any Python.

# %%
print([name for name in dir(jnp) if name.startswith("arg")])
print(jnp.argmax.__doc__.strip().splitlines()[0])

# %% [markdown]
# ## Try · 练习
#
# 1. Write `a.permute(1, 0, 2).contiguous().view(3, 8)` in one line, without looking above.
# 2. Normalise each channel of an image batch `[8, 32, 32, 3]` by broadcasting, then with rank promotion set to raise.
