"""Batch norms whose statistics stay: they normalise by them in training too, as in evaluation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import flax.linen as nn
from flax import traverse_util


def statistics_stay(batch_stats: Any) -> AbstractContextManager:
    """A context in which each batch norm with statistics in ``batch_stats`` uses them and leaves them as they are.

    It is what ``module.eval()`` does to a frozen part in PyTorch. There ``requires_grad = False`` alone lets the
    statistics follow the new data under weights that were made for the old.
    """
    layers = {path[:-1] for path in traverse_util.flatten_dict(dict(batch_stats))}

    def evaluate(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        layer = context.module
        if not isinstance(layer, nn.BatchNorm) or layer.use_running_average or layer.path not in layers:
            return call(*args, **kwargs)
        evaluating = layer.clone(use_running_average=True, parent=layer, name=None)
        nn.share_scope(layer, evaluating)
        return evaluating(*args, **kwargs)

    return nn.intercept_methods(evaluate)
