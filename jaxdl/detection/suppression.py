"""Non-maximum suppression of a fixed length, so that it compiles."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxdl.detection.boxes import box_iou


class Kept(NamedTuple):
    """indices: int32[count], of the boxes that are kept, the best first. valid: bool[count], False behind the last."""

    indices: jax.Array
    valid: jax.Array


def nms(
    boxes: jax.Array,
    scores: jax.Array,
    iou_threshold: float,
    *,
    count: int,
    valid: jax.Array | None = None,
    groups: jax.Array | None = None,
) -> Kept:
    """The best ``count`` boxes that overlap no better one by more than ``iou_threshold``.

    boxes: float[N, 4]; scores: float[N]. valid: bool[N], boxes that are there at all; all of them if None.
    groups: int[N], a class or a level each: boxes of two groups do not suppress one another.
    As ``torchvision.ops.nms``, and with ``groups`` as ``batched_nms``, cut off at ``count``; equal scores in their
    order. Each turn of a loop takes the best box that is left and strikes out those that it covers.
    """
    order = jnp.argsort(-scores if valid is None else jnp.where(valid, -scores, jnp.inf), stable=True)
    boxes = boxes[order]
    left = jnp.ones(len(scores), bool) if valid is None else valid[order]
    groups = None if groups is None else groups[order]

    def take(turn: jax.Array, carry: tuple[jax.Array, Kept]) -> tuple[jax.Array, Kept]:
        left, (indices, found) = carry
        best, some = jnp.argmax(left), left.any()
        covered = box_iou(boxes[best][None], boxes)[0] > iou_threshold
        if groups is not None:
            covered &= groups == groups[best]
        left = left & ~covered & (jnp.arange(len(left)) != best)
        return left, Kept(
            indices.at[turn].set(jnp.where(some, order[best], 0).astype(jnp.int32)), found.at[turn].set(some)
        )

    none = Kept(jnp.zeros(count, jnp.int32), jnp.zeros(count, bool))
    return jax.lax.fori_loop(0, min(count, len(scores)), take, (left, none))[1]
