"""The steps of evaluation and prediction: pure functions of arrays, compiled."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.cpu import compiler, convolution
from jaxdl.metrics import Mean
from jaxdl.train.batch_checks import Check, LabelCheck, check_batch, labels_fit
from jaxdl.train.collectives import all_gather, psum
from jaxdl.train.gradients import Batch, Inputs, PerExample, mask_of, mean_of
from jaxdl.train.state import TrainState

EvalStep = Callable[[TrainState, Batch], dict[str, Mean]]
PredictStep = Callable[[TrainState, Batch], jax.Array]
Sum = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def in_float32(logits: jax.Array) -> jax.Array:
    """The logits, all of them."""
    return logits.astype(jnp.float32)


def make_eval_step(
    model: nn.Module,
    loss: PerExample | None,
    *,
    prepare: Callable[[jax.Array], jax.Array] | None = None,
    views: Sequence[Callable[[jax.Array], jax.Array]] = (),
    inputs: Inputs | None = None,
    metrics: Mapping[str, PerExample] | None = None,
    sums: Mapping[str, Sum] | None = None,
    kept: Callable[[jax.Array], jax.Array] | None = None,
) -> EvalStep:
    """``step(state, batch) -> metrics``, jitted; nothing is donated. ``step.__wrapped__`` is the pure function.

    Raises UserError for what is no batch, and for labels that are not classes, as a training step does.

    loss: (logits, labels) -> float32[B, ...], or a pair of such values and their weights; not measured if None.
    prepare: images -> float images, inside the compiled step.
    inputs: in place of ``prepare`` and ``views``, batch -> (arguments, keyword arguments) of the model's call, of
    networks that take more than images.
    views: each makes another version of the prepared images (a mirror image, say); logits are averaged over the
    images themselves and all views.
    metrics: (logits, labels) -> float32[B], or a pair of such values and their weights, as a loss returns.
    sums: (logits, labels, mask: bool[B]) -> an array that is added up over batches, such as a confusion matrix: the
    ``total`` of a ``Mean`` whose ``count`` is that of the examples.
    kept: logits -> [B, ...], what is left of them: then it returns (metrics, that), by one program.
    """
    measured, added = {**({} if loss is None else {"loss": loss}), **(metrics or {})}, dict(sums or {})
    logits_of = _outputs(model, prepare, views, inputs)

    def step(state: TrainState, batch: Batch) -> dict[str, Mean]:
        labels, mask = batch["labels"], mask_of(batch)
        logits = logits_of(state, batch)
        means = {name: mean_of(each, logits, labels, mask) for name, each in measured.items()}
        examples = mask.sum(dtype=jnp.float32)
        means |= {name: Mean(each(logits, labels, mask), examples) for name, each in added.items()}
        found = psum(means)
        return found if kept is None else (found, all_gather(kept(logits)))

    check_labels = (lambda batch: None) if loss is None else LabelCheck(partial(labels_fit, model, loss))

    def check(batch: Batch) -> None:
        check_batch(batch, needed=("images", "labels"))
        check_labels(batch)

    return _checked(step, check)


def make_predict_step(
    model: nn.Module,
    *,
    prepare: Callable[[jax.Array], jax.Array] | None = None,
    views: Sequence[Callable[[jax.Array], jax.Array]] = (),
    inputs: Inputs | None = None,
    kept: Callable[[jax.Array], jax.Array] = in_float32,
) -> PredictStep:
    """``step(state, batch) -> logits: float32[B, classes]`` of every row, padding included, replicated on each device.

    kept: logits -> [B, ...], what it returns in their place. Otherwise as ``make_eval_step``.
    """
    logits_of = _outputs(model, prepare, views, inputs)

    def step(state: TrainState, batch: Batch) -> jax.Array:
        return all_gather(kept(logits_of(state, batch)))

    return _checked(step, check_batch)


def _checked(step: Callable[[TrainState, Batch], Any], check: Check) -> Callable[[TrainState, Batch], Any]:
    """``step``, compiled, of batches that ``check`` has seen."""
    jitted = jax.jit(step, compiler_options=compiler.options())

    def checked(state: TrainState, batch: Batch) -> Any:
        check(batch)
        return jitted(state, batch)

    checked.__wrapped__, checked.jitted, checked.check, checked.lower = step, jitted, check, jitted.lower
    return checked


def _outputs(
    model: nn.Module,
    prepare: Callable[[jax.Array], jax.Array] | None,
    views: Sequence[Callable[[jax.Array], jax.Array]],
    inputs: Inputs | None,
) -> Callable[[TrainState, Batch], Any]:
    """Logits averaged over the prepared images and all views of them; with ``inputs``, the outputs for these."""

    def logits_of(state: TrainState, batch: Batch) -> Any:
        if inputs is not None:
            args, named = inputs(batch)
            with convolution.fast():
                return model.apply(state.variables, *args, train=False, **named)
        images = batch["images"]
        if prepare is not None:
            images = prepare(images)
        seen = [images, *(view(images) for view in views)]
        with convolution.fast():
            return sum(model.apply(state.variables, version, train=False) for version in seen) / len(seen)

    return logits_of
