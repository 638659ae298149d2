"""Frozen batch norms: in training too they normalise by their running statistics, as in evaluation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import flax.linen as nn
from flax import traverse_util


def frozen_batch_norm(batch_stats: Any) -> AbstractContextManager:
    """A context in which each batch norm with statistics in ``batch_stats`` uses them and leaves them as they are.

    As ``module.eval()`` on the frozen part in PyTorch, where ``requires_grad = False`` alone would let the statistics
    follow the new data.
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
