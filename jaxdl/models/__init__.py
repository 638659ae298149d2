"""Classifiers by name. Each is a linen module: ``model.apply(variables, images, train=...)`` returns logits."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import unknown
from jaxdl.models.cifar_cnn import CifarCNN
from jaxdl.models.quick_cnn import QuickCNN
from jaxdl.models.resnet import resnet18

MODELS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "cifar_cnn": CifarCNN,
        "quick_cnn": QuickCNN,
        "resnet18": resnet18,
    }
)


def names() -> list[str]:
    """Every name that ``create`` takes."""
    return sorted(MODELS)


def create(name: str, *, num_classes: int = 10, dtype: DTypeLike = jnp.float32) -> nn.Module:
    """The model of that name for images float[B, 32, 32, 3]; logits are float32[B, num_classes].

    dtype: of the computation; parameters are float32 whatever it is. Raises UserError for an unknown name.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name](num_classes=num_classes, dtype=dtype)
