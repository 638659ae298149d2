"""Features of a network: what its classifier sees of an image."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.errors import UserError
from jaxdl.transfer.heads import head


class ClassifierInput(nn.Module):
    """``network`` up to its classifier, by the same variables: a network whose outputs are features.

    classifier: names of the classifier's layers, as ``transfer.head`` has them; of several the last that evaluation
    calls counts. A classifier that is a convolution sees places: their mean is taken.
    """

    network: nn.Module  # not "model", as an edited network calls the one within it
    classifier: tuple[str, ...]

    def setup(self) -> None:
        nn.share_scope(self, self.network)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: as the network takes it; returns float[B, features]."""
        seen: list[jax.Array] = []

        def note(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
            name = ".".join(context.module.path[len(self.path) :])
            if context.method_name == "__call__" and name in self.classifier:
                seen.append(args[0])
            return call(*args, **kwargs)

        with nn.intercept_methods(note):
            self.network(x, train=train)
        features = seen[-1]
        return jnp.mean(features, tuple(range(1, features.ndim - 1)))


def classifier_input(model: nn.Module, images: jax.Array) -> ClassifierInput:
    """The network of ``model``'s features.

    images: float[B, H, W, C] that the model takes; only their shape matters. Raises UserError where the classifier was
    replaced by layers of a fixed size: nothing tells then where it begins.
    """
    layers = head(model, images)
    if not layers:
        raise UserError("this network's classifier was replaced by layers of a fixed size: where it begins is unknown.")
    return ClassifierInput(model, tuple(layers))
