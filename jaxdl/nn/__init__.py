"""Layers that linen lacks, that differ from PyTorch's there, or that need a faster form.

What linen and PyTorch agree on is linen's: ``nn.LayerNorm``, ``nn.Embed``, ``nn.Dropout``;
``docs/pytorch-to-jax.md`` says how each is called.
"""

from typing import TYPE_CHECKING

from jaxdl.lazy import exports

if TYPE_CHECKING:
    from jaxdl.nn.activations import ACTIVATIONS, PReLU, activation
    from jaxdl.nn.adaptive_pool import adaptive_average_pool, adaptive_max_pool
    from jaxdl.nn.average_pooling import average_pool, global_average_pool
    from jaxdl.nn.conv import Conv, DepthwiseSeparableConv
    from jaxdl.nn.dense import Dense
    from jaxdl.nn.max_pooling import max_pool, max_pool_with_indices, max_unpool
    from jaxdl.nn.norm import BatchNorm, FrozenBatchNorm, batch_norm
    from jaxdl.nn.recurrent import GRU, LSTM, RNN
    from jaxdl.nn.reshape import channel_shuffle, flatten
    from jaxdl.nn.stochastic_depth import StochasticDepth
    from jaxdl.nn.whitening import Whiten
    from jaxdl.nn.windows import output_size

__getattr__, __dir__ = exports(
    __name__,
    {
        "activations": "ACTIVATIONS PReLU activation",
        "adaptive_pool": "adaptive_average_pool adaptive_max_pool",
        "average_pooling": "average_pool global_average_pool",
        "conv": "Conv DepthwiseSeparableConv",
        "dense": "Dense",
        "max_pooling": "max_pool max_pool_with_indices max_unpool",
        "norm": "BatchNorm FrozenBatchNorm batch_norm",
        "recurrent": "GRU LSTM RNN",
        "reshape": "channel_shuffle flatten",
        "stochastic_depth": "StochasticDepth",
        "whitening": "Whiten",
        "windows": "output_size",
    },
)
__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LSTM",
    "RNN",
    "BatchNorm",
    "Conv",
    "Dense",
    "DepthwiseSeparableConv",
    "FrozenBatchNorm",
    "PReLU",
    "StochasticDepth",
    "Whiten",
    "activation",
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "batch_norm",
    "channel_shuffle",
    "flatten",
    "global_average_pool",
    "max_pool",
    "max_pool_with_indices",
    "max_unpool",
    "output_size",
]
