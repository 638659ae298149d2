"""Which anchors or proposals a loss looks at: so many, and not too few of objects among them."""

import jax
import jax.numpy as jnp


def balanced_sample(
    key: jax.Array, positive: jax.Array, negative: jax.Array, *, size: int, positive_fraction: float
) -> tuple[jax.Array, jax.Array]:
    """Up to ``size`` boxes at random: those of ``positive`` and those of ``negative`` that are chosen, bool[N] each.

    As many positive ones as there are, up to their fraction; the rest are negative.
    torchvision's ``BalancedPositiveNegativeSampler``.
    """
    first, second = jax.random.split(key)
    most = int(size * positive_fraction)
    chosen = _some(first, positive, most, jnp.int32(most))
    return chosen, _some(second, negative, size, size - chosen.sum(dtype=jnp.int32))


def _some(key: jax.Array, among: jax.Array, most: int, count: jax.Array) -> jax.Array:
    """``count`` of those that are True, ``most`` at most: bool[N]."""
    most = min(most, len(among))
    order, places = jax.lax.top_k(jnp.where(among, jax.random.uniform(key, among.shape), -1.0), most)
    taken = (jnp.arange(most) < count) & (order >= 0)
    return jnp.zeros_like(among).at[places].set(taken)
