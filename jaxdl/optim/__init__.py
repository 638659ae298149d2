"""Optimizers, schedules, parameter averages and penalties: all optax, with PyTorch's meaning and defaults."""

from jaxdl.optim.ema import ema_params, with_ema
from jaxdl.optim.lbfgs import lbfgs
from jaxdl.optim.lookahead import with_lookahead
from jaxdl.optim.mask import Mask, decay_mask, lone_biases
from jaxdl.optim.muon import muon
from jaxdl.optim.optimizers import OPTIMIZERS, create
from jaxdl.optim.penalties import l1_penalty, l2_penalty
from jaxdl.optim.schedules import SCHEDULES, schedule

__all__ = [
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
    "with_lookahead",
]
