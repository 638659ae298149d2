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


class FromClassifierInput(nn.Module):
    """``network`` from its classifier on, by the same variables: takes what ``ClassifierInput`` returns.

    What comes before the classifier is left out of what is compiled. Dropout before it is left out, too, as of a part
    that is frozen. image: (H, W, C) of what the network takes.
    """

    network: nn.Module
    classifier: tuple[str, ...]
    image: tuple[int, int, int]

    @property
    def num_classes(self) -> int:
        """The network's."""
        return self.network.num_classes

    def setup(self) -> None:
        nn.share_scope(self, self.network)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, 1, 1, features]; returns the network's outputs. Raises UserError for a classifier of places."""

        def begin(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
            name = ".".join(context.module.path[len(self.path) :])
            if context.method_name != "__call__" or name not in self.classifier:
                return call(*args, **kwargs)
            if args[0].ndim != 2:
                raise UserError("the classifier sees places of an image: there are no features that would do.")
            return call(x.reshape(len(x), -1).astype(args[0].dtype), *args[1:], **kwargs)

        with nn.intercept_methods(begin):
            return self.network(jnp.zeros((len(x), *self.image), x.dtype), train=train)


def classifier_input(model: nn.Module, images: jax.Array) -> ClassifierInput:
    """The network of ``model``'s features.

    images: float[B, H, W, C] that the model takes; their shape is enough. Raises UserError where the classifier was
    replaced by layers of a fixed size: nothing tells then where it begins.
    """
    layers = head(model, images)
    if not layers:
        raise UserError("this network's classifier was replaced by layers of a fixed size: where it begins is unknown.")
    return ClassifierInput(model, tuple(layers))
