"""The training step and the evaluation step: pure functions of arrays, compiled."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxdl.metrics import Mean
from jaxdl.train import compiler
from jaxdl.train.accumulation import split, sum_over_parts
from jaxdl.train.freezing import statistics_stay
from jaxdl.train.state import TrainState
from jaxdl.variables import flat, merge, restrict

Batch = Mapping[str, jax.Array]
PerExample = Callable[[jax.Array, jax.Array], jax.Array]
Loss = Callable[[jax.Array, jax.Array], jax.Array | tuple[jax.Array, jax.Array]]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Mean]]]
EvalStep = Callable[[TrainState, Batch], dict[str, Mean]]


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: Loss,
    *,
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    mix: Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None = None,
    penalty: Callable[[Any], jax.Array] | None = None,
    accumulate: int = 1,
    metrics: Mapping[str, PerExample] | None = None,
) -> TrainStep:
    """``step(state, batch) -> (state, metrics)``, jitted; the state passed in is donated and must not be used again.

    The pure function itself, to be compiled by an outer ``vmap`` or ``scan``, is ``step.__wrapped__``.

    What ``state.frozen`` holds is read only: no gradient is taken for it, and its batch norms keep their statistics.
    batch: ``images`` [B, H, W, C], ``labels`` [B, ...], and optionally ``mask: bool[B]``, False for padding.
    optimizer: one that evaluates the loss again, as L-BFGS does, is given ``value_fn``: the batch's loss as a function
    of the parameters.
    loss: (logits, labels) -> float32[B, ...], averaged over each example and then over the batch; or a pair of such
    values and their weights, the total divided by the sum of the weights.
    augment: (key, images) -> float images, run inside the compiled step; None leaves the images as they are.
    mix: (key, images, labels) -> (images, labels), run after ``augment``; ``loss`` and ``metrics`` get its labels.
    penalty: params -> float32[], added to the loss that is differentiated.
    accumulate: the batch goes through the model in so many parts, one after another, for the update of the whole batch
    in less memory; only batch norm sees the parts. It must divide B.
    metrics: (logits, labels) -> float32[B], one value per example.
    A model that sows the logits of auxiliary classifiers into the collection ``auxiliary`` has their losses added to
    the one that is differentiated, each weighted by the model's ``auxiliary_weight``.
    The metrics returned are ``loss`` (of the logits, no penalty and no auxiliary classifier in it), ``grad_norm``
    (global L2, before clipping), ``penalty`` if there is one, and each of ``metrics``, as ``Mean``.
    """
    measured = dict(metrics or {})
    optimizer = optax.with_extra_args_support(optimizer)

    def forward(
        params: Any, batch_stats: Any, frozen: Any, part: tuple[jax.Array, ...]
    ) -> tuple[Mean, dict[str, Mean], Any]:
        images, labels, mask, key = part
        with statistics_stay(frozen.get("batch_stats", {})):
            logits, changed = model.apply(
                merge({"params": params, "batch_stats": batch_stats}, frozen),
                images,
                train=True,
                mutable=["batch_stats", "auxiliary"],
                rngs={"dropout": key},
            )
        means = {name: Mean.of(of(logits, labels), mask) for name, of in measured.items()}
        objective = means["loss"] = _mean_loss(loss, logits, labels, mask)
        for others in jax.tree.leaves(changed.get("auxiliary", {})):
            extra = _mean_loss(loss, others, labels, mask)
            objective = objective.replace(total=objective.total + model.auxiliary_weight * extra.total)
        return objective, means, restrict(changed.get("batch_stats", {}), flat(batch_stats))

    def differentiate(params: Any, batch_stats: Any, frozen: Any, part: tuple[jax.Array, ...]) -> tuple[Any, tuple]:
        def objective(params):
            mean, means, changed = forward(params, batch_stats, frozen, part)
            return mean.value if accumulate == 1 else mean.total, (mean, means, changed)

        gradients, (mean, means, changed) = jax.grad(objective, has_aux=True)(params)
        return changed, (gradients, mean, means)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Mean]]:
        images, labels, mask = _unpack(batch)
        augment_key, dropout_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        if augment is not None:
            images = augment(augment_key, images)
        if mix is not None:
            images, labels = mix(jax.random.fold_in(augment_key, 1), images, labels)
        keys = dropout_key[None] if accumulate == 1 else jax.random.split(dropout_key, accumulate)
        parts = (*split((images, labels, mask), accumulate), keys)

        def value_fn(params):
            def value(batch_stats, part):
                mean, _, changed = forward(params, batch_stats, state.frozen, part)
                return changed, mean

            _, mean = sum_over_parts(value, state.batch_stats, parts)
            return mean.value if penalty is None else mean.value + penalty(params)

        batch_stats, (gradients, mean, means) = sum_over_parts(
            lambda batch_stats, part: differentiate(state.params, batch_stats, state.frozen, part),
            state.batch_stats,
            parts,
        )
        if accumulate > 1:
            gradients = jax.tree.map(lambda leaf: leaf / jnp.where(mean.count > 0, mean.count, 1.0), gradients)
        value, extra = mean.value, {}
        if penalty is not None:
            added, slope = jax.value_and_grad(penalty)(state.params)
            gradients = jax.tree.map(jnp.add, gradients, slope)
            value, extra = value + added, {"penalty": Mean(added, jnp.ones(()))}
        updates, opt_state = optimizer.update(
            gradients, state.opt_state, state.params, value=value, grad=gradients, value_fn=value_fn
        )
        sums = {
            **means,
            "loss": means["loss"].over(mask.sum(dtype=jnp.float32)),
            "grad_norm": Mean(optax.tree.norm(gradients), jnp.ones(())),
            **extra,
        }
        state = state.replace(
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
            step=state.step + 1,
        )
        return state, sums

    return jax.jit(step, donate_argnums=0, compiler_options=compiler.options())


def make_eval_step(
    model: nn.Module,
    loss: Loss,
    *,
    prepare: Callable[[jax.Array], jax.Array] | None = None,
    views: Sequence[Callable[[jax.Array], jax.Array]] = (),
    metrics: Mapping[str, PerExample] | None = None,
) -> EvalStep:
    """``step(state, batch) -> metrics``, jitted; nothing is donated. ``step.__wrapped__`` is the pure function.

    prepare: images -> float images, inside the compiled step.
    views: each makes another version of the prepared images (a mirror image, say); logits are averaged over the images
    as they are and all views.
    """
    measured = dict(metrics or {})

    def step(state: TrainState, batch: Batch) -> dict[str, Mean]:
        images, labels, mask = _unpack(batch)
        if prepare is not None:
            images = prepare(images)
        seen = [images, *(view(images) for view in views)]
        logits = sum(model.apply(state.variables, version, train=False) for version in seen) / len(seen)
        means = {name: Mean.of(of(logits, labels), mask) for name, of in measured.items()}
        return {"loss": _mean_loss(loss, logits, labels, mask), **means}

    return jax.jit(step, compiler_options=compiler.options())


def _mean_loss(loss: Loss, logits: jax.Array, labels: jax.Array, mask: jax.Array) -> Mean:
    result = loss(logits, labels)
    values, weights = result if isinstance(result, tuple) else (result, None)
    return Mean.of(values, mask, weights)


def _unpack(batch: Batch) -> tuple[jax.Array, jax.Array, jax.Array]:
    images, labels = batch["images"], batch["labels"]
    mask = batch["mask"] if "mask" in batch else jnp.ones(images.shape[:1], bool)
    return images, labels, mask
