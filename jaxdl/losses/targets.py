"""Whether targets are what a loss takes."""

import jax
import numpy as np

from jaxdl.errors import UserError
from jaxdl.wording import counted


def check_shapes(name: str, given: jax.Array, like: jax.Array) -> None:
    """Raises UserError where ``given`` has not the shape of ``like``."""
    if given.shape != like.shape:
        raise UserError(f"{name} must have shape {like.shape}, as what they are compared with; got {given.shape}.")


def check_labels(labels: jax.Array, classes: int, ignore_index: int | None = None) -> None:
    """Raises UserError outside jit for a label that is neither a class nor ``ignore_index``."""
    if isinstance(labels, jax.core.Tracer):
        return
    known = np.asarray(labels)
    wrong = known[((known < 0) | (known >= classes)) & (known != ignore_index)]
    if wrong.size:
        raise UserError(
            f"labels must be from 0 to {classes - 1} for {counted(classes, 'class', 'classes')}, got {wrong[0]}."
        )


def check_range(name: str, given: jax.Array, *, slack: float = 0.0) -> None:
    """Raises UserError outside jit for a number that is not from 0 to 1, or nearly."""
    if isinstance(given, jax.core.Tracer):
        return
    known = np.asarray(given)
    wrong = known[~((known >= -slack) & (known <= 1 + slack))]
    if wrong.size:
        raise UserError(f"{name} must be from 0 to 1, got {wrong[0]}.")
