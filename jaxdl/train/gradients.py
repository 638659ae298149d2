"""Gradients of a batch's loss: the forward pass, its accumulation over parts, and the loss as a function."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.cpu import convolution
from jaxdl.metrics import Mean
from jaxdl.train.accumulation import split_rows, sum_over_parts
from jaxdl.train.collectives import psum, whole_batch
from jaxdl.train.freezing import frozen_batch_norm
from jaxdl.train.state import TrainState
from jaxdl.variables import flat, merge, restrict

Batch = Mapping[str, jax.Array]
Values = jax.Array | tuple[jax.Array, jax.Array]
PerExample = Callable[[Any, Any], Values]  # a metric
Loss = Callable[[Any, Any], Values | Mapping[str, Values]]
Inputs = Callable[[Batch], tuple[tuple, dict[str, Any]]]
GATHERED = "gathered"  # the name under which ``jax.checkpoint`` knows what is gathered again rather than kept


class Gradients(NamedTuple):
    """gradients: a tree as ``state.params``. loss: float32[], as it is differentiated. metrics: ``loss``, of the logits
    alone, and those asked for, summed over the batch. batch_stats: after the forward pass. value_fn: params -> loss.
    """

    gradients: Any
    loss: jax.Array
    metrics: dict[str, Mean]
    batch_stats: Any
    value_fn: Callable[[Any], jax.Array]


def make_gradients(
    model: nn.Module,
    loss: Loss,
    *,
    metrics: Mapping[str, PerExample] | None = None,
    accumulate: int = 1,
    inputs: Inputs | None = None,
) -> Callable[..., Gradients]:
    """``compute(state, batch, key, *, gather=None) -> Gradients``, a pure function, of what ``make_train_step`` takes.

    batch: prepared. key: of dropout. gather: makes whole parameters of those in the state, where they are used.
    """
    measured, inputs = dict(metrics or {}), inputs or images_alone

    def forward(variables: Any, frozen: Any, part: dict[str, jax.Array]) -> tuple[Mean, dict[str, Mean], Any]:
        labels, mask = part["labels"], mask_of(part)
        frozen_stats = frozen.get("batch_stats", {})
        args, named = inputs(part)
        with convolution.fast(), frozen_batch_norm(frozen_stats), whole_batch(part.get("mask")):
            logits, changed = model.apply(
                merge(variables, frozen),
                *args,
                train=True,
                mutable=["batch_stats", "auxiliary"],
                rngs={"dropout": part["key"]},
                **named,
            )
        means = {name: mean_of(each, logits, labels, mask) for name, each in measured.items()}
        found = loss(logits, labels)
        if isinstance(found, Mapping):
            means |= {name: _mean(each, mask) for name, each in found.items()}
            objective = _sum_of([means[name] for name in found], mask)
        else:
            objective = _mean(found, mask)
        means["loss"] = objective
        for others in jax.tree.leaves(changed.get("auxiliary", {})):
            extra = mean_of(loss, others, labels, mask)
            objective = objective.replace(total=objective.total + model.auxiliary_weight * extra.total)
        return objective, means, restrict(changed.get("batch_stats", {}), flat(variables["batch_stats"]))

    def compute(
        state: TrainState, batch: Batch, key: jax.Array, *, gather: Callable[[Any], Any] | None = None
    ) -> Gradients:
        keys = key[None] if accumulate == 1 else jax.random.split(key, accumulate)
        parts = {**split_rows(dict(batch), accumulate), "key": keys}

        def objective(params: Any, batch_stats: Any, part: dict[str, jax.Array]) -> tuple[jax.Array, tuple]:
            whole = gather or (lambda tree: tree)
            variables = {"params": whole(params), "batch_stats": batch_stats}
            mean, means, changed = forward(variables, whole(state.frozen), part)
            share = mean.total if accumulate > 1 else Mean(mean.total, psum(mean.count)).value
            return share, (mean, means, changed)

        if gather:
            kept = jax.checkpoint_policies.save_anything_except_these_names(GATHERED)
            objective = jax.checkpoint(objective, policy=kept)

        def differentiate(params: Any) -> tuple[Any, Mean, dict[str, Mean], Any]:
            def of_part(batch_stats: Any, part: dict[str, jax.Array]) -> tuple[Any, tuple]:
                gradients, (mean, means, changed) = jax.grad(objective, has_aux=True)(params, batch_stats, part)
                return changed, (gradients, mean, means)

            batch_stats, sums = sum_over_parts(of_part, state.batch_stats, parts)
            gradients, mean, means = psum(sums)
            if accumulate > 1:
                gradients = jax.tree.map(lambda leaf: leaf / jnp.where(mean.count > 0, mean.count, 1.0), gradients)
            return gradients, mean, means, batch_stats

        def data_loss(params: Any) -> jax.Array:
            def of_part(batch_stats: Any, part: dict[str, jax.Array]) -> tuple[Any, Mean]:
                _, (mean, _, changed) = objective(params, batch_stats, part)
                return changed, mean

            return psum(sum_over_parts(of_part, state.batch_stats, parts)[1]).value

        def data_loss_and_gradient(params: Any) -> tuple[jax.Array, Any]:
            gradients, mean, _, _ = differentiate(params)
            return mean.value, gradients

        def value_fn(params: Any) -> jax.Array:
            with convolution.tracing(looped=True):  # of a line search
                return with_gradient(data_loss, data_loss_and_gradient)(params)

        gradients, mean, means, batch_stats = differentiate(state.params)
        return Gradients(gradients, mean.value, means, batch_stats, value_fn)

    return compute


def mask_of(batch: Batch) -> jax.Array:
    """The batch's mask, bool[B]; True throughout if it has none."""
    return batch["mask"] if "mask" in batch else jnp.ones(batch["images"].shape[:1], bool)


def mean_of(measure: PerExample, logits: jax.Array, labels: jax.Array, mask: jax.Array) -> Mean:
    """A loss or a metric averaged over the rows of ``mask``, by its weights if it returns any."""
    return _mean(measure(logits, labels), mask)


def images_alone(batch: Batch) -> tuple[tuple, dict[str, Any]]:
    """Arguments of most networks."""
    return (batch["images"],), {}


def _mean(result: Values, mask: jax.Array) -> Mean:
    values, weights = result if isinstance(result, tuple) else (result, None)
    return Mean.of(values, mask, weights)


def _sum_of(means: Sequence[Mean], mask: jax.Array) -> Mean:
    """The sum of the means over the whole batch, as one over its examples, of which this is a device's share."""
    examples = mask.sum(dtype=jnp.float32)
    total = sum(Mean(mean.total, psum(mean.count)).value for mean in means)
    return Mean(total * psum(examples), examples)


def with_gradient(
    value: Callable[[Any], jax.Array], value_and_gradient: Callable[[Any], tuple[jax.Array, Any]]
) -> Callable[[Any], jax.Array]:
    """``value`` with the gradient of ``value_and_gradient`` in reverse mode, both functions of a tree to a scalar.

    ``jax.grad`` of a sum over devices would add up the gradients of every device's copy of the sum.
    """
    function = jax.custom_vjp(value)
    function.defvjp(value_and_gradient, lambda gradient, slope: (jax.tree.map(lambda leaf: slope * leaf, gradient),))
    return function
