"""Muon: updates kernels by their orthogonalized momentum."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdl.errors import UserError
from jaxdl.optim.arguments import check_count, check_number

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the published quintic, chosen to be steepest at 0
TINY = 1e-7


class MuonState(NamedTuple):
    """count: int32[], updates made; trace: the momentum, like the parameters."""

    count: jax.Array
    trace: optax.Updates


def muon(
    learning_rate: optax.ScalarOrSchedule, *, momentum: float = 0.6, nesterov: bool = True, iterations: int = 3
) -> optax.GradientTransformation:
    """Muon for kernels [..., features], in the form of the published program for CIFAR-10 (Jordan 2024).

    The momentum, as a matrix of ``features`` rows, is made nearly orthogonal; the kernel is first scaled to Frobenius
    norm sqrt(features), then moved by ``-learning_rate`` times that matrix, whatever the gradient's norm.
    ``optax.contrib.muon`` corrects the momentum's bias, scales updates by the shape, and does not scale the kernel.

    Raises UserError for values out of range, for a leaf of less than two axes and, from update, without ``params``.
    """
    check_number("momentum", momentum, min=0, below=1)
    check_count("iterations", iterations)
    averaging = optax.trace(momentum, nesterov)

    def init(params: optax.Params) -> MuonState:
        for leaf in jax.tree.leaves(params):
            if leaf.ndim < 2:
                raise UserError(f"muon is for kernels, of two or more axes; got a leaf of the shape {leaf.shape}.")
        return MuonState(jnp.zeros((), jnp.int32), averaging.init(params).trace)

    def update(updates, state, params=None):
        if params is None:
            raise UserError("muon scales parameters: call update(gradients, opt_state, params).")
        directions, trace = averaging.update(updates, optax.TraceState(state.trace))
        rate = learning_rate(state.count) if callable(learning_rate) else learning_rate

        def move(kernel: jax.Array, direction: jax.Array) -> jax.Array:
            excess = kernel.shape[-1] ** 0.5 / jnp.linalg.norm(kernel.reshape(-1)) - 1
            matrix = orthogonalized(direction.reshape(-1, direction.shape[-1]), iterations)
            return kernel * excess - rate * matrix.reshape(kernel.shape)

        return jax.tree.map(move, params, directions), MuonState(optax.safe_increment(state.count), trace.trace)

    return optax.GradientTransformation(init, update)


def orthogonalized(matrix: jax.Array, iterations: int) -> jax.Array:
    """float[m, n] with the singular vectors of ``matrix`` and singular values brought near 1, within about 0.5 to 1.5.

    The Newton-Schulz iteration ``X <- a X + b (X X') X + c (X X')^2 X`` on the matrix over its Frobenius norm. The
    published program computes it in bfloat16; this, in the dtype of ``matrix``.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix / (jnp.linalg.norm(matrix) + TINY)
    x = x.T if tall else x
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
