"""Optimizers, schedules, parameter averages and penalties: all optax, with PyTorch's meaning and defaults."""

from typing import TYPE_CHECKING

from jaxdl.lazy import Table, exports

if TYPE_CHECKING:
    from jaxdl.optim.ema import ema_params, with_ema
    from jaxdl.optim.layer_decay import with_layer_decay
    from jaxdl.optim.limited_memory_bfgs import lbfgs
    from jaxdl.optim.lookahead import with_lookahead
    from jaxdl.optim.mask import Mask, decay_mask, lone_biases
    from jaxdl.optim.momentum_orthogonalized import muon
    from jaxdl.optim.optimizers import create
    from jaxdl.optim.penalties import l1_penalty, l2_penalty
    from jaxdl.optim.schedules import schedule

DIRECTIONS = Table(
    "jaxdl.optim",
    {
        "sgd": "torch_directions.sgd",
        "adam": "torch_directions.adam",
        "adamw": "torch_directions.adam",
        "adagrad": "torch_directions.adagrad",
        "rmsprop": "torch_directions.rmsprop",
        "adadelta": "torch_directions.adadelta",
        "nadam": "torch_directions.nadam",
    },
)
OPTIMIZERS = (*DIRECTIONS, "muon", "lbfgs")
SCHEDULES = Table(
    "jaxdl.optim",
    {
        "constant": "schedules.constant",
        "cosine": "schedules.cosine",
        "linear": "schedules.linear",
        "step": "schedules.step",
        "multistep": "schedules.multistep",
        "exponential": "schedules.exponential",
        "one_cycle": "schedules.one_cycle",
    },
)

__getattr__, __dir__ = exports(
    __name__,
    {
        "ema": "ema_params with_ema",
        "layer_decay": "with_layer_decay",
        "limited_memory_bfgs": "lbfgs",
        "lookahead": "with_lookahead",
        "mask": "Mask decay_mask lone_biases",
        "momentum_orthogonalized": "muon",
        "optimizers": "create",
        "penalties": "l1_penalty l2_penalty",
        "schedules": "schedule",
    },
)
__all__ = [
    "DIRECTIONS",
    "OPTIMIZERS",
    "SCHEDULES",
    "Mask",
    "create",
    "decay_mask",
    "ema_params",
    "l1_penalty",
    "l2_penalty",
    "lbfgs",
    "lone_biases",
    "muon",
    "schedule",
    "with_ema",
    "with_layer_decay",
    "with_lookahead",
]
