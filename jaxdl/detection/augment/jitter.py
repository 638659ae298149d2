"""Random sizes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data.augment.arguments import height_width, number_pair
from jaxdl.detection.augment.placement import as_pixels, keep, place, place_boxes, place_masks, something_left
from jaxdl.detection.image_list import ImageList, Targets


def scale_jitter(
    key: jax.Array,
    images: ImageList,
    targets: Targets,
    canvas: int | tuple[int, int],
    scale: tuple[float, float] = (0.1, 2.0),
    fill: float = 0,
) -> tuple[ImageList, Targets]:
    """Large scale jitter: each picture at a random size, of which a random window is taken (Ghiasi et al. 2021).

    canvas: (height, width) of the result, or one number for both. scale: the least and the largest factor, drawn
    uniformly; at 1 a picture just fits into the canvas. fill: the value below and to the right of a picture that is
    smaller; ``sizes`` tells how much of the canvas is picture. Objects of which nothing is left are removed.
    As ``ScaleJitter``, ``FixedSizeCrop`` of torchvision's reference for detection, in one resampling. There a canvas is
    taken for (width, height) to fit into and for (height, width) to cut, and windows lie on the picture's diagonal;
    here every place is equally likely.
    Raises UserError where scale is not in order, or not positive, or canvas not positive.
    """
    canvas = height_width("canvas", canvas)
    scale = number_pair("scale", scale, low=np.finfo(np.float32).tiny)
    keys = jax.random.split(key, len(images.sizes))
    return jax.vmap(partial(_jitter, canvas=canvas, scale=scale, fill=fill))(keys, images, targets)


def _jitter(
    key: jax.Array,
    image: ImageList,
    targets: Targets,
    *,
    canvas: tuple[int, int],
    scale: tuple[float, float],
    fill: float,
) -> tuple[ImageList, Targets]:
    factor_key, place_key = jax.random.split(key)
    before, sides = image.sizes, jnp.asarray(canvas)
    factor = jax.random.uniform(factor_key, minval=scale[0], maxval=scale[1])
    after = jnp.maximum((before * (jnp.min(sides / before) * factor)).astype(jnp.int32), 1)
    offset = -jax.random.randint(place_key, (2,), 0, jnp.maximum(after - sides, 0) + 1)

    pixels, inside = place(image.images, before, after, offset, canvas)
    pixels = as_pixels(jnp.where(inside, pixels, fill), image.images.dtype)
    boxes, masks = place_boxes(targets.boxes, before, after, offset, canvas), targets.masks
    if masks is not None:
        masks = place_masks(masks, before, after, offset, canvas)
    return (
        ImageList(pixels, jnp.minimum(after, sides)),
        keep(Targets(boxes, targets.labels, masks), something_left(boxes)),
    )
