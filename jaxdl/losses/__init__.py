"""Losses, unreduced: one value for each target. The training step masks and averages them.

A classification loss gives one value per example; an elementwise one has the shape of the targets, and the step
averages it over each example. ``reduce`` is PyTorch's ``reduction``, for use outside the step.
"""

from jaxdl.losses.elementwise import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    kl_div,
    l1,
    mse,
    smooth_l1,
)
from jaxdl.losses.of_classes import BY_NAME, focal, of_constant_guess, one_vs_rest
from jaxdl.losses.reduction import REDUCTIONS, reduce
from jaxdl.losses.softmax import cross_entropy, target_weights

__all__ = [
    "BY_NAME",
    "REDUCTIONS",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "focal",
    "kl_div",
    "l1",
    "mse",
    "of_constant_guess",
    "one_vs_rest",
    "reduce",
    "smooth_l1",
    "target_weights",
]
