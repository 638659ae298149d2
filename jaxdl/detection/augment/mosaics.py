"""Four pictures made one."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data.augment.arguments import check_within
from jaxdl.detection.augment.placement import (
    as_pixels,
    choose,
    keep,
    place,
    place_boxes,
    place_masks,
    something_left,
)
from jaxdl.detection.boxes import box_area
from jaxdl.detection.image_list import ImageList, Targets

ABOVE_LEFT = ((1, 1), (1, 0), (0, 1), (0, 0))  # whether each of the four is above the centre, and left of it


def mosaic(
    key: jax.Array,
    images: ImageList,
    targets: Targets,
    probability: float = 1.0,
    scale: float = 0.5,
    fill: float = 0,
) -> tuple[ImageList, Targets]:
    """With ``probability`` each picture and three others of the batch around a random point (Bochkovskiy et al. 2020).

    The four, in a random order, lie with a corner at a point that is drawn uniformly from the middle half of the
    batch's height and width, and are cut off at its border; the others are drawn with replacement, and are the picture
    itself in a batch of one. scale: the size of each, 1 where it just fits into the whole. fill: the value where none
    is. A mosaic's ``sizes`` are the batch's height and width. Under ``jax.pmap``, "the batch" is the device's share.
    Of the objects of all four at most M are kept, as many as one picture has room for: those whose boxes, as far as
    they are seen, are the largest to a pixel, in that order; of equal ones those that come first.
    Raises UserError where probability is outside [0, 1] or scale is not positive.
    """
    check_within("probability", probability, 0, 1)
    check_within("scale", scale, np.finfo(np.float32).tiny)
    count, *canvas, _ = images.images.shape
    canvas, sides, room = tuple(canvas), jnp.asarray(canvas, jnp.int32), targets.labels.shape[1]

    def one(key: jax.Array, index: jax.Array) -> tuple[ImageList, Targets]:
        done_key, other_key, order_key, centre_key = jax.random.split(key, 4)
        others = (index + jax.random.randint(other_key, (3,), 1, max(count, 2))) % count
        four = jax.random.permutation(order_key, jnp.append(index, others))
        centre = jax.random.randint(centre_key, (2,), sides // 4, sides - sides // 4 + 1)
        before = images.sizes[four]
        fitting = (sides[None] / before).min(1, keepdims=True)
        after = jnp.maximum(jnp.round(before * (scale * fitting)).astype(jnp.int32), 1)
        offset = centre[None] - after * jnp.asarray(ABOVE_LEFT)

        placed, inside = jax.vmap(place, (0, 0, 0, 0, None))(images.images[four], before, after, offset, canvas)
        pixels = as_pixels(jnp.where(inside.any(0), placed.sum(0), fill), images.images.dtype)
        boxes = jax.vmap(place_boxes, (0, 0, 0, 0, None))(targets.boxes[four], before, after, offset, canvas)
        boxes, labels = boxes.reshape(-1, 4), targets.labels[four].reshape(-1)
        seen = (labels > 0) & something_left(boxes)
        # In whole pixels: how XLA rounds must not decide between an object and its double.
        _, largest = jax.lax.top_k(jnp.where(seen, jnp.round(box_area(boxes)), -1), room)
        masks = targets.masks
        if masks is not None:
            source, row = largest // room, largest % room
            masks = jax.vmap(place_masks, (0, 0, 0, 0, None))(
                masks[four[source], row][:, None], before[source], after[source], offset[source], canvas
            )[:, 0]
        together = keep(Targets(boxes[largest], labels[largest], masks), seen[largest])
        itself = jax.tree.map(lambda array: array[index], (images, targets))
        done = jax.random.bernoulli(done_key, jnp.float32(probability))
        return choose(done, (ImageList(pixels, sides), together), itself)

    return jax.vmap(one)(jax.random.split(key, count), jnp.arange(count))
