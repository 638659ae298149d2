"""A classifier as the backbone of another network: its stages' maps, the last of them finer than a classifier's."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import initial_values, traced
from jaxdl.errors import UserError
from jaxdl.nn import Conv, FrozenBatchNorm
from jaxdl.variables import flat, unflat

SIDE = 224  # of an image that every classifier takes


@dataclass(frozen=True)
class Course:
    """The way of an image through a classifier.

    strides: by stage in their order, how many pixels of the image lie between two places of its map, a power of two.
    stages: by the classifier's own layers, not those within them, the first stage whose map depends on it.
    """

    strides: dict[str, int]
    stages: dict[str, str]

    def stride_before(self, stage: str) -> int:
        """The stride of the map that the stage is given."""
        names = list(self.strides)
        at = names.index(stage)
        return self.strides[names[at - 1]] if at else 1


@functools.cache
def course(network: nn.Module) -> Course:
    """The course of a classifier that returns ``features``. Raises UserError where those are no maps."""
    if "features" not in inspect.signature(type(network).__call__).parameters:
        raise UserError(f"{type(network).__name__} does not give the maps of its stages: it is no backbone.")
    images = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
    shapes = initial_values.shapes(network, images)
    run = partial(network.apply, train=False, features=True)
    jaxpr, maps = jax.make_jaxpr(lambda *args: run(*args)[1], return_shape=True)(shapes, images)
    if any(each.ndim != 4 for each in maps.values()):
        raise UserError(f"{type(network).__name__} gives tokens, not maps: it is no backbone for these heads.")
    layers = [path[1] for path in flat(shapes)]
    needed = {stage: traced.arguments_of(jaxpr, place) for place, stage in enumerate(sorted(maps))}
    order = sorted(maps, key=lambda stage: len(needed[stage]))  # a tree has them by name
    stages: dict[str, str] = {}
    for stage in order:
        for index in sorted(needed[stage] - {len(layers)}):
            stages.setdefault(layers[index], stage)
    return Course({stage: 2 ** round(math.log2(SIDE / maps[stage].shape[1])) for stage in order}, stages)


class Backbone(nn.Module):
    """``network`` up to the last of ``stages``, its variables named as in it; its classifier is left out.

    network: a classifier whose call takes ``features``. stages: names of those, in their order.
    output_stride: the largest stride of a map. Convolutions that would go beyond it have stride 1, and those behind
    them are dilated instead, so that each sees what it saw (Yu and Koltun 2016; ``replace_stride_with_dilation`` of
    torchvision). 32 changes nothing.
    frozen_norms: whether its batch norms are ``FrozenBatchNorm`` of ``norm_epsilon``.
    Raises UserError for a stage that the network lacks, and where its maps shrink by something else: by pooling, say.
    """

    network: nn.Module
    stages: Sequence[str]
    output_stride: int = 32
    frozen_norms: bool = False
    norm_epsilon: float = 1e-5

    def setup(self) -> None:
        nn.share_scope(self, self.network)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> dict[str, jax.Array]:
        """x: float[B, H, W, 3]; returns float[B, h, w, C] of each of ``stages``."""
        way = course(self.network.clone(parent=None))
        for stage in self.stages:
            if stage not in way.strides:
                raise UserError(f"the network has no stage {stage!r}. It has: {', '.join(way.strides)}.")
        order = list(way.strides)
        last = max(map(order.index, self.stages))
        at_once = getattr(self.network, "dilated_at_once", False)
        passed: set[str] = set()  # stages whose strided convolution has been called

        def change(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
            layer, path = context.module, context.module.path[len(self.path) :]
            if context.method_name != "__call__" or not path:
                return call(*args, **kwargs)
            stage = way.stages.get(path[0])
            if len(path) == 1 and (stage is None or order.index(stage) > last):  # behind what is wanted: a classifier,
                return args[0]  # which so has no parameters
            if self.frozen_norms and isinstance(layer, nn.BatchNorm):
                return _frozen(layer, self.norm_epsilon)(*args)
            if not isinstance(layer, Conv) or way.strides[stage] <= self.output_stride:
                return call(*args, **kwargs)
            if layer.stride == 1:
                behind = stage in passed
            else:  # of branches each has one
                behind = at_once
                passed.add(stage)
            dilation = max(1, (way.strides[stage] if behind else way.stride_before(stage)) // self.output_stride)
            return _called_with(layer, dilation, call, args, kwargs)

        with nn.intercept_methods(change):
            _, maps = self.network(x, train=train, features=True)
        for stage in self.stages:
            shrunk = 2 ** round(math.log2(x.shape[1] / maps[stage].shape[1]))
            if shrunk > self.output_stride:
                raise UserError(
                    f"{type(self.network).__name__} shrinks its maps by more than strided convolutions of odd size, "
                    f"which cannot be dilated instead: output_stride must be {max(way.strides.values())}."
                )
        return {stage: maps[stage] for stage in self.stages}


def _frozen(layer: nn.BatchNorm, epsilon: float) -> FrozenBatchNorm:
    """The norm with its variables in its place."""
    frozen = FrozenBatchNorm(epsilon, layer.dtype, parent=layer, name=None)
    nn.share_scope(layer, frozen)
    return frozen


def _called_with(layer: Conv, dilation: int, call: Callable, args: tuple, kwargs: dict) -> jax.Array:
    """The convolution's output as if it had stride 1 and were dilated; it is as before afterwards."""
    before = layer.stride, layer.padding, layer.dilation
    padding = [dilation * pad for pad in np.broadcast_to(layer.padding, len(layer.kernel_size)).tolist()]
    after = 1, tuple(padding), dilation
    names = "stride", "padding", "dilation"
    try:
        for name, value in zip(names, after, strict=True):
            object.__setattr__(layer, name, value)  # linen's modules are frozen, and a copy would be another layer
        return call(*args, **kwargs)
    finally:
        for name, value in zip(names, before, strict=True):
            object.__setattr__(layer, name, value)


def with_backbone(
    variables: Mapping[str, Any], classifier: Mapping[str, Any], *, within: tuple[str, ...] = ("backbone",)
) -> dict[str, Any]:
    """``variables`` of a network with a backbone, whose parameters and statistics are those of ``classifier``.

    classifier: variables of the classifier that the backbone is, pretrained say. within: the place of the backbone's.
    Raises UserError where the classifier lacks one, or has one of another shape.
    """
    leaves, given = flat(variables), flat(classifier)
    filled = {}
    for path, leaf in leaves.items():
        filled[path] = leaf
        if path[1 : 1 + len(within)] != within:
            continue
        own = (path[0], *path[1 + len(within) :])
        if own not in given and own[-1] in ("scale", "bias"):  # of a frozen norm
            own = ("params", *own[1:])
        if own not in given or jnp.shape(given[own]) != jnp.shape(leaf):
            found = f"is {jnp.shape(given[own])}" if own in given else "is not there"
            raise UserError(
                f"the classifier is not this backbone: its {'.'.join(own[1:])} should be {jnp.shape(leaf)} and {found}."
            )
        filled[path] = given[own]
    return unflat(filled)
