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
from jaxdl.train.gradients import Batch, Loss, PerExample, mask_of, mean_loss
from jaxdl.train.state import TrainState

EvalStep = Callable[[TrainState, Batch], dict[str, Mean]]
PredictStep = Callable[[TrainState, Batch], jax.Array]


def make_eval_step(
    model: nn.Module,
    loss: Loss,
    *,
    prepare: Callable[[jax.Array], jax.Array] | None = None,
    views: Sequence[Callable[[jax.Array], jax.Array]] = (),
    metrics: Mapping[str, PerExample] | None = None,
    outputs: bool = False,
) -> EvalStep:
    """``step(state, batch) -> metrics``, jitted; nothing is donated. ``step.__wrapped__`` is the pure function.

    Raises UserError for what is no batch, and for labels that are not classes, as a training step does.

    prepare: images -> float images, inside the compiled step.
    views: each makes another version of the prepared images (a mirror image, say); logits are averaged over the
    images themselves and all views.
    outputs: returns (metrics, what ``make_predict_step``'s step would), by one program.
    """
    measured = dict(metrics or {})
    logits_of = _averaged(model, prepare, views)

    def step(state: TrainState, batch: Batch) -> dict[str, Mean]:
        labels, mask = batch["labels"], mask_of(batch)
        logits = logits_of(state, batch["images"])
        means = {name: Mean.of(of(logits, labels), mask) for name, of in measured.items()}
        sums = psum({"loss": mean_loss(loss, logits, labels, mask), **means})
        return (sums, all_gather(logits.astype(jnp.float32))) if outputs else sums

    check_labels = LabelCheck(partial(labels_fit, model, loss))

    def check(batch: Batch) -> None:
        check_batch(batch, needed=("images", "labels"))
        check_labels(batch)

    return _checked(step, check)


def make_predict_step(
    model: nn.Module,
    *,
    prepare: Callable[[jax.Array], jax.Array] | None = None,
    views: Sequence[Callable[[jax.Array], jax.Array]] = (),
) -> PredictStep:
    """``step(state, batch) -> logits: float32[B, classes]`` of every row, padding included, replicated on each device.

    Otherwise as ``make_eval_step``.
    """
    logits_of = _averaged(model, prepare, views)

    def step(state: TrainState, batch: Batch) -> jax.Array:
        return all_gather(logits_of(state, batch["images"]).astype(jnp.float32))

    return _checked(step, check_batch)


def _checked(step: Callable[[TrainState, Batch], Any], check: Check) -> Callable[[TrainState, Batch], Any]:
    """``step``, compiled, of batches that ``check`` has seen."""
    jitted = jax.jit(step, compiler_options=compiler.options())

    def checked(state: TrainState, batch: Batch) -> Any:
        check(batch)
        return jitted(state, batch)

    checked.__wrapped__, checked.jitted, checked.check, checked.lower = step, jitted, check, jitted.lower
    return checked


def _averaged(
    model: nn.Module,
    prepare: Callable[[jax.Array], jax.Array] | None,
    views: Sequence[Callable[[jax.Array], jax.Array]],
) -> Callable[[TrainState, jax.Array], jax.Array]:
    """Logits averaged over the prepared images and all views of them."""

    def logits_of(state: TrainState, images: jax.Array) -> jax.Array:
        if prepare is not None:
            images = prepare(images)
        seen = [images, *(view(images) for view in views)]
        with convolution.fast():
            return sum(model.apply(state.variables, version, train=False) for version in seen) / len(seen)

    return logits_of
