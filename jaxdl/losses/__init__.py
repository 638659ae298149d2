"""Losses, unreduced: one value for each target. The training step masks and averages them.

A classification loss gives one value per example; an elementwise one has the shape of the targets, and the step
averages it over each example. ``reduce`` is PyTorch's ``reduction``, for use outside the step.
"""

from typing import TYPE_CHECKING

from jaxdl.lazy import Table, exports

if TYPE_CHECKING:
    from jaxdl.losses.elementwise import (
        binary_cross_entropy,
        binary_cross_entropy_with_logits,
        kl_div,
        l1,
        mse,
        smooth_l1,
    )
    from jaxdl.losses.of_classes import focal, of_constant_guess, one_vs_rest
    from jaxdl.losses.of_pixels import dice, pixel_cross_entropy, pixel_focal
    from jaxdl.losses.reduction import REDUCTIONS, reduce
    from jaxdl.losses.softmax import cross_entropy, target_weights

BY_NAME = Table(  # the losses that a classifier can be trained with
    "jaxdl.losses",
    {
        "cross_entropy": "softmax.cross_entropy",
        "one_vs_rest": "of_classes.one_vs_rest",
        "focal": "of_classes.focal",
    },
)

OF_PIXELS = Table(  # the losses that a segmenter can be trained with
    "jaxdl.losses",
    {
        "cross_entropy": "of_pixels.pixel_cross_entropy",
        "dice": "of_pixels.dice",
        "focal": "of_pixels.pixel_focal",
    },
)

__getattr__, __dir__ = exports(
    __name__,
    {
        "elementwise": "binary_cross_entropy binary_cross_entropy_with_logits kl_div l1 mse smooth_l1",
        "of_classes": "focal of_constant_guess one_vs_rest",
        "of_pixels": "dice pixel_cross_entropy pixel_focal",
        "reduction": "REDUCTIONS reduce",
        "softmax": "cross_entropy target_weights",
    },
)
__all__ = [
    "BY_NAME",
    "OF_PIXELS",
    "REDUCTIONS",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dice",
    "focal",
    "kl_div",
    "l1",
    "mse",
    "of_constant_guess",
    "one_vs_rest",
    "pixel_cross_entropy",
    "pixel_focal",
    "reduce",
    "smooth_l1",
    "target_weights",
]
