"""A network from its name and its fields, and the name and the fields of a network."""

import dataclasses
from functools import partial
from numbers import Integral, Real
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import UserError, unknown
from jaxdl.models import MODELS, NETWORKS
from jaxdl.models.stems import STEMS

OUTPUT_STRIDES = (4, 8, 16, 32)


def has_stem(name: str) -> bool:
    """Whether the model of that name has a ``stem`` to choose. Raises UserError for an unknown name."""
    return "stem" in _fields(name)


def create(
    name: str, *, num_classes: int | None = None, dtype: DTypeLike = jnp.float32, stem: str | None = None, **fields: Any
) -> nn.Module:
    """The model of that name for images float[B, H, W, 3]; logits are float32[B, num_classes], or of a segmenter
    float32[B, H, W, num_classes]; a detector returns ``detection.Detected``.

    num_classes: None for the model's default, 10 of a classifier, 21 of a segmenter and 91 of a detector.
    dtype: of the computation; parameters are always float32. A network without such a field computes in float32.
    stem: "imagenet", which downsamples at once, or "cifar", which keeps the resolution of images of 32 pixels; None for
    the model's default, "imagenet" if it has a choice.
    fields: further fields of the module, ``dropout=0.1``.
    Raises UserError for an unknown name or field, a value of the wrong type, and a stem where the model has none.
    """
    if not isinstance(name, str):
        raise UserError(f"the name of a model must be a text, got {name!r:.40}.")
    if stem is not None and stem not in STEMS:
        raise unknown("stem", str(stem), STEMS)
    if stem is not None and not has_stem(name):
        raise UserError(f"{name} has no stem to choose, got stem={stem!r}.")
    known = set(_fields(name))
    for field in fields:
        if field not in known:
            raise unknown(f"field of {name}", field, known)
    if num_classes is not None:
        if isinstance(num_classes, bool) or not isinstance(num_classes, Integral) or num_classes < 1:
            raise UserError(f"num_classes must be a whole number of at least 1, got {num_classes!r}.")
        fields["num_classes"] = num_classes
    if "dtype" in known:
        fields["dtype"] = dtype
    elif jnp.dtype(dtype) != jnp.float32:
        raise UserError(f"{name} has no dtype to choose: it computes in float32.")
    usual = NETWORKS[name]()
    for field, value in fields.items():
        _check_kind(field, value, getattr(usual, field))
    return usual.clone(**fields) if stem is None else usual.clone(**fields, stem=stem)


def describe(model: nn.Module) -> tuple[str, dict[str, Any]]:
    """The name and non-default keyword arguments with which ``create`` makes ``model``.

    Raises UserError for a module that is not one of these models.
    """
    found = []
    for name, build in NETWORKS.items():
        usual = build()
        if type(usual) is type(model):
            values = {field: getattr(model, field) for field in _fields(name)}
            found.append((name, {field: value for field, value in values.items() if value != getattr(usual, field)}))
    if not found:
        raise UserError(f"{type(model).__name__} is none of the networks that create knows by name.")
    return min(found, key=lambda pair: len(pair[1]))


def _check_kind(field: str, value: Any, usual: Any) -> None:
    """Raises where the field is a number and the value none, or where only one of both is true or false."""
    a_number = not isinstance(usual, Real) or isinstance(value, Real)
    if not a_number or isinstance(value, bool) != isinstance(usual, bool):
        raise UserError(f"{field} must be of the kind of its default, {usual!r}; got {value!r}.")
    if field == "backbone" and value not in MODELS:
        raise unknown("model", str(value), MODELS)
    if field == "output_stride" and value not in OUTPUT_STRIDES:
        raise UserError(f"output_stride must be one of {', '.join(map(str, OUTPUT_STRIDES))}, got {value!r}.")
    if ("dropout" in field or field == "stochastic_depth") and not 0 <= value <= 1:
        raise UserError(f"{field} must be from 0 to 1, got {value!r}.")


def _fields(name: str) -> list[str]:
    """The names of the model's dataclass fields, without linen's own. Raises UserError for an unknown model."""
    if name not in NETWORKS:
        raise unknown("model", name, NETWORKS)
    build = NETWORKS[name]
    family = build.func if isinstance(build, partial) else build
    return [field.name for field in dataclasses.fields(family) if field.name not in ("parent", "name")]
