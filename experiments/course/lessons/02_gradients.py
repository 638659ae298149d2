# %% [markdown]
# # 2 · Gradients and graphs · 梯度与计算图
#
# Rows: B1, B2, B3
#
# In PyTorch a tensor remembers how it was made, and `backward()` walks that graph and *adds* what it finds to
# `.grad`; hence `zero_grad`, `retain_graph`, `create_graph`, `detach` and `no_grad`. In JAX `jax.grad` takes a
# function and returns another: its gradient. Nothing is recorded on arrays, so nothing has to be cleared, kept or cut
# off.
#
# PyTorch 的张量记录自己的来历，`backward()` 沿计算图反向传播，并把结果*累加*到 `.grad`，因此需要 `zero_grad`、
# `retain_graph`、`create_graph`、`detach`、`no_grad`。JAX 的 `jax.grad` 接受一个函数，返回它的梯度函数；
# 数组上不记录任何东西，自然也不需要清零。

# %%
import jax
import jax.numpy as jnp
import numpy as np

# %% [markdown]
# ## From `backward` to `jax.grad` · 从 backward 到 grad
#
# The notes' first graph is y = (x + w)(w + 1) at x = 2, w = 1: `y.backward()` leaves 5 in `w.grad`. Called twice
# without `zero_grad` it leaves 10. A function called twice gives the same twice.


# %%
def y(w, x):
    return (x + w) * (w + 1)


gradient = jax.grad(y)  # with respect to the first argument; argnums= says otherwise
print("dy/dw =", gradient(1.0, 2.0), "and again", gradient(1.0, 2.0))
print("both  =", *jax.grad(y, argnums=(0, 1))(1.0, 2.0))
assert gradient(1.0, 2.0) == gradient(1.0, 2.0) == 5.0

# %% [markdown]
# ## The graph · 计算图
#
# The graph exists here too, but as a value that can be looked at: JAX runs the function once on stand-ins for its
# arguments and writes down what it does. `jit` compiles this list; `grad` turns it round.

# %%
print(jax.make_jaxpr(y)(1.0, 2.0))
operations = [equation.primitive.name for equation in jax.make_jaxpr(y)(1.0, 2.0).eqns]
assert operations == ["add", "add", "mul"]

# %% [markdown]
# ## One path, several paths · 链式法则
#
# Along a path derivatives multiply; where paths meet they add. y = (x + w)(w + 1) has two paths from w: with a = x +
# w and b = w + 1, dy/dw = dy/da * da/dw + dy/db * db/dw = b * 1 + a * 1 = 2 + 3. For z = x^2 sin x: 2x sin x + x^2
# cos x.

# %%
a, b = 2.0 + 1.0, 1.0 + 1.0
by_hand = b * 1 + a * 1
print("by hand", by_hand, "  by jax", gradient(1.0, 2.0))
z = jax.grad(lambda x: x**2 * jnp.sin(x))(2.0)
print("x^2 sin x at 2:", z)
assert by_hand == gradient(1.0, 2.0)
np.testing.assert_allclose(z, 4 * np.sin(2) + 4 * np.cos(2), rtol=1e-6)

# %% [markdown]
# One path: sin(exp(x^2)) is a chain of three, and its derivative the product of three.

# %%
chain = [lambda x: x**2, jnp.exp, jnp.sin]
value, factors = 0.5, []
for link in chain:
    factors.append(jax.grad(link)(value))
    value = link(value)
whole = jax.grad(lambda x: jnp.sin(jnp.exp(x**2)))(0.5)
print("factors", [round(float(factor), 4) for factor in factors], "product", np.prod(factors), "whole", whole)
np.testing.assert_allclose(np.prod(factors), whole, rtol=1e-6)

# %% [markdown]
# ## `retain_graph` · 多次反向传播
#
# `jax.vjp` runs the function forward and hands back its *pullback*, which can be called as often as wanted: there is
# no buffer to be freed. `grad_outputs` (or `grad_tensors`, or `backward(gradient=...)`) is the pullback's argument:
# what each output counts for.


# %%
def square_and_cube(w):
    return jnp.stack([w**2, w**3])


outputs, pullback = jax.vjp(square_and_cube, 2.0)
print("outputs", outputs)
print("of the first alone ", *pullback(jnp.array([1.0, 0.0])))
print("of the second alone", *pullback(jnp.array([0.0, 1.0])))
print("weighted 1 and 10  ", *pullback(jnp.array([1.0, 10.0])))
assert float(pullback(jnp.array([1.0, 10.0]))[0]) == 2 * 2 + 10 * 3 * 4

# %% [markdown]
# ## `create_graph` · 高阶导数
#
# A gradient is a function like any other, so it has a gradient. `w^3` has 3w^2, 6w, 6, 0.

# %%
function = derivative = lambda w: w**3
for order in range(1, 5):
    derivative = jax.grad(derivative)
    print("derivative", order, "at 2:", derivative(2.0))
assert float(jax.grad(jax.grad(function))(2.0)) == 12.0
print("hessian of sum(w^3):\n", jax.hessian(lambda w: (w**3).sum())(jnp.array([1.0, 2.0])))

# %% [markdown]
# ## `detach` · 截断梯度
#
# `jax.lax.stop_gradient` is `detach`. There is no `no_grad`: what you do not differentiate is not recorded.

# %%
cut = jax.grad(lambda w: w * jax.lax.stop_gradient(w))(3.0)
print("w * detached w at 3:", cut, "  w * w:", jax.grad(lambda w: w * w)(3.0))
assert cut == 3.0

# %% [markdown]
# ## Value and gradient of a whole network · 参数树的梯度
#
# The argument may be any tree of arrays. The gradient is a tree of the same shape: this is all that `state.params`
# and an optimizer need.

# %%
params = {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros(3)}
inputs = jnp.array([[1.0, 2.0]])
loss, gradients = jax.value_and_grad(lambda p: ((inputs @ p["kernel"] + p["bias"][None]) ** 2).sum())(params)
print("loss", loss, jax.tree.map(lambda leaf: leaf.tolist(), gradients))
assert jax.tree.structure(gradients) == jax.tree.structure(params)
assert gradients["bias"].tolist() == [6.0, 6.0, 6.0]

# %% [markdown]
# ## Try · 练习
#
# 1. Accumulate gradients over two batches as `.grad` would. (`jax.tree.map(jnp.add, first, second)`.)
# 2. `jax.grad(jnp.abs)(0.0)` is 1 and PyTorch's is 0. Which would you want in an L1 penalty, and what does
#    `jaxdl.optim.l1_penalty` have?
