"""The training step: a pure function of arrays, compiled."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxdl.cpu import compiler, convolution
from jaxdl.metrics import Mean
from jaxdl.train.batch_checks import LabelCheck, check_batch, labels_fit
from jaxdl.train.collectives import AXIS, psum, shared
from jaxdl.train.gradients import Batch, Inputs, Loss, PerExample, make_gradients, mask_of
from jaxdl.train.state import TrainState


class TrainStep:
    """``step(state, batch) -> (state, metrics)``, jitted; the state passed in is donated and must not be used again.

    prepare: (key, step, batch) -> batch; random augmentation and mixing, of the whole batch at once.
    update: (state, batch) -> (state, metrics); the rest of the step, also on a device's share of the batch; ``gather=``
    gathers the state's sharded parameters where they are used.
    parts: the batch size must be a multiple of it.
    check_labels: called with each batch, before the step; raises UserError.
    """

    def __init__(
        self,
        prepare: Callable[[jax.Array, jax.Array, Batch], Batch],
        update: Callable[..., tuple[TrainState, dict[str, Mean]]],
        *,
        parts: int = 1,
        check_labels: Callable[[Batch], None] = lambda batch: None,
    ):
        self.prepare, self.update, self.parts = prepare, update, parts
        self.check_labels = check_labels
        self.jitted = jax.jit(self.__wrapped__, donate_argnums=0, compiler_options=compiler.options())

    def __call__(self, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Mean]]:
        self.check(batch)
        return self.jitted(state, batch)

    def check(self, batch: Batch) -> None:
        """Raises UserError for what is no batch, and for labels that are not classes."""
        check_batch(batch, needed=("images", "labels"))
        self.check_labels(batch)

    @cached_property
    def plain(self) -> "TrainStep":
        """The same step with XLA's own convolutions, on a CPU too: several times sooner compiled, and slower."""
        update = convolution.tracing(plain=True)(self.update)
        return TrainStep(self.prepare, update, parts=self.parts, check_labels=self.check_labels)

    def lower(self, state: TrainState, batch: Batch) -> jax.stages.Lowered:
        """Lowers the step, as ``jax.jit(...).lower``."""
        return self.jitted.lower(state, batch)

    def __wrapped__(self, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Mean]]:
        """The pure function itself, to be compiled by an outer ``vmap``, ``scan`` or ``pmap``.

        Under your own ``pmap`` each device augments its rows with its own random numbers, which differ from those on
        one device; ``jaxdl.train.parallel`` prepares the whole batch.
        """
        key = jax.random.fold_in(state.key, jax.lax.axis_index(AXIS)) if shared() else state.key
        return self.update(state, self.prepare(key, state.step, batch))


def prepare_batch(
    key: jax.Array,
    step: jax.Array | int,
    batch: Batch,
    *,
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    mix: Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None = None,
    transform: Callable[[jax.Array, Batch], Batch] | None = None,
) -> Batch:
    """Batch as the network sees it in training step ``step`` (from 0); ``key`` is the state's.

    augment, mix, transform: as in ``make_train_step``; images marked by ``mirrored: bool[B]`` are mirrored before.
    """
    augment_key = _keys(key, step)[0]
    images, labels = batch["images"], batch["labels"]
    if "mirrored" in batch:
        images = jnp.where(batch["mirrored"][:, None, None, None], images[:, :, ::-1], images)
    if augment is not None:
        images = augment(augment_key, images)
    if mix is not None:
        images, labels = mix(jax.random.fold_in(augment_key, 1), images, labels)
    batch = {**batch, "images": images, "labels": labels}
    return batch if transform is None else transform(jax.random.fold_in(augment_key, 2), batch)


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: Loss,
    *,
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    mix: Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None = None,
    transform: Callable[[jax.Array, Batch], Batch] | None = None,
    inputs: Inputs | None = None,
    penalty: Callable[[Any], jax.Array] | None = None,
    accumulate: int = 1,
    skip_not_finite: bool = False,
    metrics: Mapping[str, PerExample] | None = None,
    gradient_metrics: Callable[[Any], Mapping[str, jax.Array]] | None = None,
) -> TrainStep:
    """The step ``(state, batch) -> (state, metrics)``. It runs on one device; ``jaxdl.train.parallel`` and an axis
    named "batch" of ``jax.pmap`` run the same on several.

    Variables in ``state.frozen`` have no gradient, and their batch norms keep their statistics.
    batch: ``images`` [B, H, W, C], ``labels`` [B, ...], and optionally ``mask: bool[B]``, False for padding, which
    is ignored everywhere, also by batch norm, and ``mirrored: bool[B]``, True for images to be mirrored.
    optimizer: its update is also given ``value_fn``, the batch's loss as a function of the parameters, for optimizers
    that evaluate the loss again, as L-BFGS does.
    loss: (logits, labels) -> float32[B, ...], averaged over each example and then over the batch; or a pair of such
    values and their weights, the total divided by the sum of the weights; or several of either by name, of which the
    sum of the means is minimised, and each is a metric. Of parts of a batch, ``accumulate``, that sum is averaged.
    augment: (key, images) -> float images, run inside the compiled step; None leaves the images as they are.
    mix: (key, images, labels) -> (images, labels), run after ``augment``; ``loss`` and ``metrics`` get its labels.
    transform: (key, batch) -> batch, run after both, of networks that take more than images, as detectors do.
    inputs: batch -> (arguments, keyword arguments) of the model's call, ``train`` apart; its images alone if None.
    penalty: params -> float32[], added to the loss before differentiation.
    accumulate: gradient accumulation: the batch is processed in so many parts, one after another, for the same update
    in less memory; only batch norm sees the parts. It must divide B.
    skip_not_finite: skips an update whose loss or gradient is not finite: only ``step`` changes in the state, and the
    metrics count nothing but ``skipped``.
    metrics: (logits, labels) -> float32[B], one value per example, or a pair of such values and their weights.
    gradient_metrics: gradients -> float32[] by name, before clipping.
    If the model sows logits of auxiliary classifiers into the collection ``auxiliary``, their losses are added to the
    one that is differentiated, each weighted by the model's ``auxiliary_weight``.
    If the model has ``num_classes`` and ``loss`` checks labels, the step raises its UserError for labels that are not
    classes before compiling anything.
    The metrics returned, as ``Mean``, are ``loss`` (without penalty and auxiliary classifiers), ``grad_norm`` (global
    L2, before clipping), ``penalty`` and ``skipped`` if used, ``metrics`` and ``gradient_metrics``.
    """
    optimizer = optax.with_extra_args_support(optimizer)
    gradients_of = make_gradients(model, loss, metrics=metrics, accumulate=accumulate, inputs=inputs)

    def update(
        state: TrainState, batch: Batch, *, gather: Callable[[Any], Any] | None = None
    ) -> tuple[TrainState, dict[str, Mean]]:
        found = gradients_of(state, batch, _keys(state.key, state.step)[1], gather=gather)
        gradients, value, value_fn, extra = found.gradients, found.loss, found.value_fn, {}
        if penalty is not None:
            added, slope = jax.value_and_grad(penalty)(state.params)
            gradients = jax.tree.map(jnp.add, gradients, slope)
            value, extra = value + added, {"penalty": Mean(added, jnp.ones(()))}
            value_fn = lambda params: found.value_fn(params) + penalty(params)  # noqa: E731
        updates, opt_state = optimizer.update(
            gradients, state.opt_state, state.params, value=value, grad=gradients, value_fn=value_fn
        )
        norm = optax.tree.norm(gradients)
        if gradient_metrics is not None:
            extra |= {name: Mean(measure, jnp.ones(())) for name, measure in gradient_metrics(gradients).items()}
        after = state.replace(
            params=optax.apply_updates(state.params, updates),
            batch_stats=found.batch_stats,
            opt_state=opt_state,
            step=state.step + 1,
        )
        sums = {
            **found.metrics,
            "loss": found.metrics["loss"].over(psum(mask_of(batch).sum(dtype=jnp.float32))),
            "grad_norm": Mean(norm, jnp.ones(())),
            **extra,
        }
        if skip_not_finite:
            finite = jnp.isfinite(value) & jnp.isfinite(norm)
            after, sums = _only_if(finite, (after, sums), (state.replace(step=after.step), _zeros(sums)))
            sums["skipped"] = Mean(1.0 - finite, jnp.ones(()))
        return after, sums

    prepare = partial(prepare_batch, augment=augment, mix=mix, transform=transform)
    return TrainStep(prepare, update, parts=accumulate, check_labels=LabelCheck(partial(labels_fit, model, loss)))


def make_gradient_step(model: nn.Module, loss: Loss, **options: Any) -> Callable[[TrainState, Batch], Any]:
    """``step(state, batch) -> gradients``, a tree as ``state.params``: those that the next training step would take.

    options: as in ``make_train_step``. A pure function, not jitted; nothing is donated.
    """
    memory = optax.trace(decay=0.0)  # whose state is the gradient that it was given
    train_step = make_train_step(model, memory, loss, **options)

    def step(state: TrainState, batch: Batch) -> Any:
        after, _ = train_step.__wrapped__(state.replace(opt_state=memory.init(state.params)), batch)
        return after.opt_state.trace

    return step


def _keys(key: jax.Array, step: jax.Array) -> jax.Array:
    """The keys of augmentation and of dropout."""
    return jax.random.split(jax.random.fold_in(key, step))


def _only_if(holds: jax.Array, value: Any, otherwise: Any) -> Any:
    return jax.tree.map(lambda new, old: jnp.where(holds, new, old), value, otherwise)


def _zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)
