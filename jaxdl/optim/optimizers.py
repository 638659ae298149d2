"""Optimizers by name."""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from jaxdl.errors import UserError, unknown
from jaxdl.optim import DIRECTIONS, OPTIMIZERS
from jaxdl.optim.arguments import check_number, check_options
from jaxdl.optim.limited_memory_bfgs import lbfgs
from jaxdl.optim.mask import Mask, decay_mask
from jaxdl.optim.momentum_orthogonalized import muon


def create(
    name: str,
    *,
    learning_rate: optax.ScalarOrSchedule,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    l2: float = 0.0,
    weight_decay: float = 0.0,
    mask: Mask = decay_mask,
    **options: Any,
) -> optax.GradientTransformationExtraArgs:
    """The optimizer of that name, with the formula, options and defaults of ``torch.optim``.

    In this order: the gradient is clipped, ``l2 * param`` is added to it, the optimizer turns it into a direction, and
    the update is ``-learning_rate * (direction + weight_decay * param)``.

    learning_rate: a number, or a schedule: a function of the update count, which starts at 0.
    clip_value: gradients are clipped to [-clip_value, clip_value], as ``torch.nn.utils.clip_grad_value_`` does.
    clip_norm: gradients whose global L2 norm exceeds it are scaled down to it, after ``clip_value``, as
    ``torch.nn.utils.clip_grad_norm_`` does (which also adds 1e-6 to the norm). None leaves them.
    l2: what PyTorch calls ``weight_decay`` everywhere but in AdamW. Momentum m multiplies it by about 1 / (1 - m): 5e-4
    here at momentum 0.9 is about 5e-3 of ``weight_decay``.
    weight_decay: decoupled (Loshchilov and Hutter 2019), as in ``torch.optim.AdamW`` and ``NAdam(decoupled_...)``; 0
    unless given, for ``adamw`` too, where PyTorch has 1e-2.
    mask: the leaves that ``l2`` and ``weight_decay`` apply to; None for all, as PyTorch does.

    options, by optimizer:
    ``sgd``: momentum=0, dampening=0, nesterov=False.
    ``adam``, ``adamw`` (the same): betas=(0.9, 0.999), eps=1e-8, amsgrad=False.
    ``adagrad``: lr_decay=0, initial_accumulator_value=0, eps=1e-10.
    ``rmsprop``: alpha=0.99, eps=1e-8, momentum=0, centered=False.
    ``adadelta``: rho=0.9, eps=1e-6.
    ``nadam``: betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3.
    ``muon``: momentum=0.6, nesterov=True, iterations=3 for kernels of more than two axes, which it does not decay, and
    for all else ``sgd`` with nesterov: rest_momentum=0.9, at a learning rate rest_factor=1 times ``learning_rate``.
    ``lbfgs``: see the function of that name; it clips and decays nothing, and its update needs ``value_fn``.

    Raises UserError for an unknown name or option and for a value that PyTorch would refuse.
    """
    if name not in OPTIMIZERS:
        raise unknown("optimizer", name, OPTIMIZERS)
    if not callable(learning_rate) and not hasattr(learning_rate, "dtype"):  # nor an array, which may be traced
        check_number("learning_rate", learning_rate, min=0)
    for argument, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if limit is not None:
            check_number(argument, limit, above=0)
    check_number("l2", l2, min=0)
    check_number("weight_decay", weight_decay, min=0)
    if name == "lbfgs":
        given = {"clip_norm": clip_norm, "clip_value": clip_value, "l2": l2, "weight_decay": weight_decay}
        for argument, value in given.items():
            if value:
                raise UserError(
                    f"lbfgs has no {argument}, got {value}: it needs the gradient as it is. "
                    "To keep weights small, add jaxdl.optim.l2_penalty to the loss."
                )
        check_options(name, lbfgs, options)
        return lbfgs(learning_rate, **options)
    clips = [
        optax.clip(clip_value) if clip_value else None,
        optax.clip_by_global_norm(clip_norm) if clip_norm else None,
    ]
    if name == "muon":
        check_options(name, _muon, options)
        decay = {"l2": l2, "weight_decay": weight_decay, "mask": mask}
        parts = [*clips, _muon(learning_rate, decay, **options)]
        return optax.chain(*[part for part in parts if part is not None])
    check_options(name, DIRECTIONS[name], options)
    parts = [
        *clips,
        optax.add_decayed_weights(l2, mask) if l2 else None,
        DIRECTIONS[name](**options),
        optax.add_decayed_weights(weight_decay, mask) if weight_decay else None,
        optax.scale_by_learning_rate(learning_rate),
    ]
    return optax.chain(*[part for part in parts if part is not None])


def _muon(
    learning_rate: optax.ScalarOrSchedule,
    decay: Mapping[str, Any],
    *,
    momentum: float = 0.6,
    nesterov: bool = True,
    iterations: int = 3,
    rest_momentum: float = 0.9,
    rest_factor: float = 1.0,
) -> optax.GradientTransformation:
    check_number("rest_factor", rest_factor, above=0)
    rest_rate = learning_rate
    if rest_factor != 1:
        rate = learning_rate if callable(learning_rate) else lambda count: learning_rate
        rest_rate = lambda count: rest_factor * rate(count)  # noqa: E731
    groups = {
        "kernels": muon(learning_rate, momentum=momentum, nesterov=nesterov, iterations=iterations),
        "rest": create("sgd", learning_rate=rest_rate, momentum=rest_momentum, nesterov=rest_momentum > 0, **decay),
    }
    group = lambda leaf: "kernels" if leaf.ndim > 2 else "rest"  # noqa: E731
    return optax.partition(groups, lambda params: jax.tree.map(group, params))
