"""Mistakes in a batch, told before a compiled step makes an error of JAX's, or a NaN, of them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.errors import UserError

Check = Callable[[Any], None]  # of a batch


def check_batch(batch: Any, *, needed: tuple[str, ...] = ("images",)) -> None:
    """Raises UserError unless ``batch`` is a mapping of arrays of numbers, equally many rows each and not none.

    needed: names that must be in it.
    """
    if not isinstance(batch, Mapping):
        raise UserError(f"a batch must be a dict of arrays, images and labels, got {type(batch).__name__}.")
    for name in needed:
        if name not in batch:
            there = ", ".join(map(repr, batch)) or "nothing"
            raise UserError(f"a batch needs {name!r}; this one has {there}.")
    for name, array in batch.items():
        if not hasattr(array, "dtype") or not hasattr(array, "shape"):
            raise UserError(f"{name} of a batch must be an array, got {type(array).__name__}: see numpy.asarray.")
        if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == bool):
            raise UserError(f"{name} of a batch must be numbers, got an array of {array.dtype}.")
    rows = {name: array.shape[0] if array.shape else None for name, array in batch.items()}
    if None in rows.values() or len(set(rows.values())) != 1:
        found = ", ".join(f"{'no axis' if count is None else count} of {name}" for name, count in rows.items())
        raise UserError(f"the arrays of a batch must have equally many rows, got {found}.")
    if not rows[needed[0]]:
        raise UserError("a batch must have an example at least, got none.")


class LabelCheck:
    """Calls ``check`` with the labels of the first batch, and of a later one that has some outside those seen.

    So it costs a look at the least and the largest. Labels that a device is still computing are not waited for, nor
    are those on an accelerator fetched, after the first.
    """

    def __init__(self, check: Callable[[np.ndarray], None]):
        self._check, self._seen = check, (math.inf, -math.inf)  # the least and the largest label

    def __call__(self, batch: Mapping[str, Any]) -> None:
        labels, (low, high) = batch["labels"], self._seen
        if not self._at_hand(labels, seen=low <= high):
            return
        known = np.asarray(labels)
        if "mask" in batch and self._at_hand(batch["mask"], seen=True):
            known = known[np.asarray(batch["mask"])]
        if not known.size:
            return
        least, largest = known.min(), known.max()
        if not (low <= least and largest <= high):  # nor where they are NaN
            self._check(known)
            self._seen = min(low, least), max(high, largest)

    @staticmethod
    def _at_hand(array: Any, *, seen: bool) -> bool:
        if isinstance(array, jax.core.Tracer):
            return False
        if isinstance(array, np.ndarray):
            return True
        if not array.is_fully_addressable:
            return False
        return not seen or (array.is_ready() and all(device.platform == "cpu" for device in array.devices()))


def labels_fit(model: Any, loss: Callable[..., Any], labels: np.ndarray) -> None:
    """Raises what ``loss`` says of the values of ``labels``, which inside a compiled step it cannot see.

    Nothing where the model has no ``num_classes``, or the labels are of no classes.
    """
    if not hasattr(model, "num_classes"):
        return
    shape = (*labels.shape, model.num_classes)
    if labels.ndim > 1 and jnp.issubdtype(labels.dtype, jnp.floating):
        if labels.shape[-1] != model.num_classes:  # of a loss that knows what they are
            return
        shape = labels.shape  # probabilities of the classes
    jax.eval_shape(lambda logits: loss(logits, labels), jax.ShapeDtypeStruct(shape, jnp.float32))
