"""Network built from the flags: the model, and the layers of it that are frozen."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.run.config import TORCHVISION, Config

PRECISIONS = {"f32": jnp.float32, "bf16": jnp.bfloat16}
SYMMETRIC = ("googlenet", "inception_v3")  # whose published weights saw pixels in [-1, 1]


def name_of(model: nn.Module, config: Config) -> str:
    """The name of ``--model`` where it made ``model``, that of its class where a task of another program did."""
    return config.model if type(model) is type(models.NETWORKS[config.model]()) else type(model).__name__


def told(model: nn.Module, config: Config) -> str:
    """The network in words: its name, and that of its backbone where the name does not say it."""
    return with_backbone(name_of(model, config), model)


def with_backbone(name: str, model: nn.Module) -> str:
    """The name, with that of the model's backbone where it does not say it."""
    backbone = getattr(model, "backbone", None)
    return f"{name} on {backbone}" if isinstance(backbone, str) and backbone not in name else name


def model_of(config: Config, *, num_classes: int) -> nn.Module:
    """The network that the flags name."""
    stem = (config.stem or "cifar") if models.has_stem(config.model) else None
    fields = {}
    if config.model in SYMMETRIC:
        given = config.transform_input
        fields["transform_input"] = config.pretrained == TORCHVISION if given is None else given
    elif config.transform_input:
        raise UserError(f"transform_input is for {' and '.join(SYMMETRIC)}, not for {config.model}; leave it out.")
    dtype = PRECISIONS[config.precision]
    return models.create(config.model, num_classes=num_classes, dtype=dtype, stem=stem, **fields)


def frozen_patterns(freeze: str | None, model: nn.Module, images: jax.Array) -> list[str]:
    """The patterns that ``--freeze`` means: those it lists, or for ``backbone`` all but the classifier."""
    if freeze == "backbone":
        from jaxdl.transfer.heads import head

        return ["*", *(f"!{layer}" for layer in head(model, images))]
    return [] if freeze is None else [pattern.strip() for pattern in freeze.split(",")]
