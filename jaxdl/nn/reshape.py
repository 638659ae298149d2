"""Layers that only rearrange axes."""

import jax

from jaxdl.errors import UserError


def flatten(x: jax.Array, *, start_dim: int = 1, end_dim: int = -1) -> jax.Array:
    """Merges axes ``start_dim`` to ``end_dim``, both included, as ``torch.nn.Flatten``.

    An image comes out in the order [H, W, C]; PyTorch's in [C, H, W], so a linear layer behind it has its rows in
    another order. Raises UserError for axes that ``x`` lacks.
    """
    for name, dim in (("start_dim", start_dim), ("end_dim", end_dim)):
        if not -x.ndim <= dim < x.ndim:
            raise UserError(f"{name} must be an axis of x, which has {x.ndim}; got {dim}.")
    start, end = start_dim % x.ndim, end_dim % x.ndim
    if start > end:
        raise UserError(f"start_dim must not come after end_dim, got {start_dim} and {end_dim} for shape {x.shape}.")
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def channel_shuffle(x: jax.Array, groups: int) -> jax.Array:
    """Shuffles channels, so that the next grouped convolution sees some of every group: ``[..., C]``.

    As ``torch.nn.ChannelShuffle`` (Zhang et al. 2018, ShuffleNet): channel i of group g goes to i * groups + g.
    """
    channels = x.shape[-1]
    if groups < 1 or channels % groups:
        raise UserError(f"groups must divide the channels, got groups {groups} for {channels} channels.")
    return x.reshape(*x.shape[:-1], groups, -1).swapaxes(-1, -2).reshape(x.shape)
