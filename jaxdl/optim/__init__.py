"""Optimizers, schedules, parameter averages and penalties: all optax, with PyTorch's meaning and defaults."""

from jaxdl.optim.ema import ema_params, with_ema
from jaxdl.optim.lbfgs import lbfgs
from jaxdl.optim.mask import Mask, decay_mask
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
    "schedule",
    "with_ema",
]
