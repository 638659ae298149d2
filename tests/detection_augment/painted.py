"""Pictures in which every object is painted, so that picture, box and mask can be compared."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import tree_leaves_with_path

from jaxdl.detection import augment
from jaxdl.detection.image_list import ImageList, Targets

SIZES = ((40, 56), (33, 60), (48, 31), (10, 64), (48, 64), (17, 17))
CANVAS = (48, 64)
TRANSFORMS = {
    "flip": augment.flip,
    "scale_jitter": partial(augment.scale_jitter, canvas=(44, 52)),
    "iou_crop": augment.iou_crop,
    "mosaic": augment.mosaic,
    "composed": augment.compose(
        augment.flip, augment.iou_crop, partial(augment.scale_jitter, canvas=CANVAS), augment.mosaic
    ),
}


def painted(rng, sizes=SIZES, canvas=CANVAS, count=3, room=12, dtype=np.float32, masks=True):
    """Pictures of ``sizes``, each with ``count`` objects that do not touch: rectangles of one channel each.

    The channel of an object is its label less 1. Channels: one more, 1 wherever there is picture.
    """
    batch = len(sizes)
    high = 255 if np.issubdtype(dtype, np.integer) else 1
    images = np.zeros((batch, *canvas, batch * count + 1), dtype)
    boxes, labels = np.zeros((batch, room, 4), np.float32), np.zeros((batch, room), np.int32)
    drawn = np.zeros((batch, room, *canvas), bool)
    for picture, (height, width) in enumerate(sizes):
        images[picture, :height, :width, -1] = high
        strips = np.linspace(0, width, count + 1).astype(int)
        # Not in the first rows: what has no object must not be told from its place.
        for row, left, right in zip(rng.permutation(room)[:count], strips[:-1], strips[1:], strict=True):
            x1, y1 = rng.integers(left, right), rng.integers(0, height)
            x2, y2 = rng.integers(x1 + 1, right + 1), rng.integers(y1 + 1, height + 1)
            boxes[picture, row], labels[picture, row] = (x1, y1, x2, y2), labels.max() + 1
            drawn[picture, row, y1:y2, x1:x2] = True
            images[picture, y1:y2, x1:x2, labels.max() - 1] = high
    images = ImageList(jnp.asarray(images), jnp.asarray(sizes, jnp.int32))
    # There is room for all objects of a mosaic.
    return images, Targets(jnp.asarray(boxes), jnp.asarray(labels), jnp.asarray(drawn) if masks else None)


def assert_agree(images, targets, *, atol=1.0):
    """Each box is the bounding box of what is painted in the object's colour, within a pixel, and of its mask."""
    pixels, sizes = np.asarray(images.images, np.float32), np.asarray(images.sizes)
    pixels = pixels / pixels.max()
    rows, columns = np.arange(pixels.shape[1])[:, None], np.arange(pixels.shape[2])[None]
    for picture, (height, width) in enumerate(sizes):
        boxes, labels = (np.asarray(array[picture]) for array in targets[:2])
        assert not boxes[labels == 0].any()
        assert not np.asarray(targets.masks[picture])[labels == 0].any()
        for label in set(labels[labels > 0].tolist()):  # a mosaic may show an object more than once
            inner, outer = np.zeros((2, *pixels.shape[1:3]), bool)
            for x1, y1, x2, y2 in boxes[labels == label]:
                assert 0 <= x1 < x2 <= width
                assert 0 <= y1 < y2 <= height
                # Pixels that lie within the box, and those that touch it.
                inner |= (
                    (rows >= y1 + atol) & (rows + 1 <= y2 - atol) & (columns >= x1 + atol) & (columns + 1 <= x2 - atol)
                )
                outer |= (rows > y1 - 1 - atol) & (rows < y2 + atol) & (columns > x1 - 1 - atol) & (columns < x2 + atol)
            paint = pixels[picture, :, :, label - 1] > 0.5
            mask = np.asarray(targets.masks[picture])[labels == label].any(0)
            for seen in (paint, mask):
                assert seen[inner].all(), (picture, label)
                assert not seen[~outer].any(), (picture, label)
        beyond = ~((rows < height) & (columns < width))
        assert not pixels[picture][beyond].any()


def assert_trees_equal(ours, theirs, *, atol=0.0):
    for (path, one), (_, other) in zip(tree_leaves_with_path(ours), tree_leaves_with_path(theirs), strict=True):
        assert one.dtype == other.dtype, path
        one, other = (np.asarray(array, np.float32) for array in (one, other))
        np.testing.assert_allclose(one, other, rtol=0, atol=atol, err_msg=str(path))


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)
