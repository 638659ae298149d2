"""The training step and the evaluation step: pure functions of arrays, compiled."""

from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxdl.metrics import Mean
from jaxdl.train import compiler
from jaxdl.train.state import TrainState

Batch = Mapping[str, jax.Array]
PerExample = Callable[[jax.Array, jax.Array], jax.Array]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Mean]]]
EvalStep = Callable[[TrainState, Batch], dict[str, Mean]]


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: PerExample,
    *,
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    metrics: Mapping[str, PerExample] | None = None,
) -> TrainStep:
    """``step(state, batch) -> (state, metrics)``, jitted; the state passed in is donated and must not be used again.

    The pure function itself, to be compiled by an outer ``vmap`` or ``scan``, is ``step.__wrapped__``.

    batch: ``images`` [B, H, W, C], ``labels`` [B, ...], and optionally ``mask: bool[B]``, False for padding.
    loss, metrics: (logits, labels) -> float32[B], one value per example.
    augment: (key, images) -> float images, run inside the compiled step; None leaves the images as they are.
    The metrics returned are ``loss``, ``grad_norm`` (global L2, before clipping) and each of ``metrics``, as ``Mean``.
    """
    measured = dict(metrics or {})

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Mean]]:
        images, labels, mask = _unpack(batch)
        augment_key, dropout_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        if augment is not None:
            images = augment(augment_key, images)

        def objective(params):
            logits, changed = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                images,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": dropout_key},
            )
            mean = Mean.of(loss(logits, labels), mask)
            return mean.value, (mean, logits, changed.get("batch_stats", {}))

        gradients, (mean, logits, batch_stats) = jax.grad(objective, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        sums = {
            "loss": mean,
            "grad_norm": Mean(optax.tree.norm(gradients), jnp.ones(())),
            **{name: Mean.of(of(logits, labels), mask) for name, of in measured.items()},
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
    loss: PerExample,
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
    measured = {"loss": loss, **(metrics or {})}

    def step(state: TrainState, batch: Batch) -> dict[str, Mean]:
        images, labels, mask = _unpack(batch)
        if prepare is not None:
            images = prepare(images)
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        seen = [images, *(view(images) for view in views)]
        logits = sum(model.apply(variables, version, train=False) for version in seen) / len(seen)
        return {name: Mean.of(of(logits, labels), mask) for name, of in measured.items()}

    return jax.jit(step, compiler_options=compiler.options())


def _unpack(batch: Batch) -> tuple[jax.Array, jax.Array, jax.Array]:
    images, labels = batch["images"], batch["labels"]
    mask = batch["mask"] if "mask" in batch else jnp.ones(images.shape[:1], bool)
    return images, labels, mask
