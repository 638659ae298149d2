"""The same fifty updates by optax and by PyTorch."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.pytorch import torch

SHAPES = {"conv": (3, 3, 2, 5), "dense": {"bias": (3,), "kernel": (5, 3)}, "scale": (), "slope": (1,)}
STEPS = 50


def draw(rng, dtype=np.float32):
    """Parameters as NumPy arrays: two kernels, a vector, a scalar, a vector of one."""
    return jax.tree.map(
        lambda shape: np.asarray(rng.normal(size=shape), dtype), SHAPES, is_leaf=lambda node: isinstance(node, tuple)
    )


def precision(dtype):
    """JAX's defaults hold float64 only inside of this."""
    return jax.enable_x64(True) if dtype == np.float64 else contextlib.nullcontext()


def trajectory(optimizer, params):
    """Minimises a quartic bowl whose gradient changes at every step; compiled. [STEPS, ...] parameters."""

    def one(carry, step):
        params, opt_state = carry
        gradients = jax.tree.map(lambda p: p**3 + jnp.cos(step.astype(p.dtype) + p), params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        params = optax.apply_updates(params, updates)
        return (params, opt_state), params

    def run(params):
        return jax.lax.scan(one, (params, optimizer.init(params)), jnp.arange(STEPS))[1]

    return jax.jit(run)(jax.tree.map(jnp.asarray, params))


def torch_trajectory(make, params, *, clip=lambda tensors: None, schedule=None):
    """``trajectory`` by ``make(torch, tensors)``; ``clip(tensors)`` before each step, ``schedule(optimizer)`` after."""
    library = torch()
    leaves, structure = jax.tree.flatten(params)
    tensors = [library.tensor(leaf, requires_grad=True) for leaf in leaves]
    default = library.get_default_dtype()
    library.set_default_dtype(tensors[0].dtype)  # NAdam keeps its product of momenta in it
    try:
        optimizer = make(library, tensors)
        scheduler = schedule(library, optimizer) if schedule else None
        seen = []
        for step in range(STEPS):
            for tensor in tensors:
                value = tensor.detach()
                tensor.grad = value**3 + library.cos(step + value)
            clip(tensors)
            optimizer.step()
            if scheduler:
                scheduler.step()
            seen.append([tensor.detach().numpy().copy() for tensor in tensors])
    finally:
        library.set_default_dtype(default)
    return jax.tree.unflatten(structure, [np.stack(leaf) for leaf in zip(*seen, strict=True)])


def assert_close(ours, theirs, rtol):
    """Relative to the larger of the value and 0.1: a parameter that crosses 0 is not compared with 0."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=0.1 * rtol), ours, theirs)
