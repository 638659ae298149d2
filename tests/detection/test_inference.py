import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import Detected, ImageList, in_pictures
from tests import pytorch
from tests.detection import drawn

SIZES = [(45, 60), (60, 33), (10, 60)]  # of the pictures
SEEN = [(75, 100), (100, 55), (16, 100)]
COUNT, SIDE = 6, 28


def found_in(rng):
    boxes = np.stack([drawn.boxes(rng, COUNT, height=height, width=width) for height, width in SEEN])
    return Detected(
        boxes=jnp.asarray(boxes),
        labels=jnp.asarray(rng.integers(1, 9, (3, COUNT)), jnp.int32),
        scores=jnp.asarray(rng.random((3, COUNT)), jnp.float32),
        valid=jnp.asarray(rng.random((3, COUNT)) < 0.7),
        masks=jnp.asarray(rng.random((3, COUNT, SIDE, SIDE)), jnp.float32),
    )


@pytest.mark.parametrize("with_masks", [False, True])
def test_in_pictures_equals_torchvisions_postprocess(rng, with_masks):
    pytorch.detection_ops()
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    tensor = pytorch.torch().tensor
    found = found_in(rng) if with_masks else found_in(rng)._replace(masks=None)
    given = [{"boxes": tensor(np.asarray(boxes))} for boxes in found.boxes]
    if with_masks:
        for of, masks in zip(given, found.masks, strict=True):
            of["masks"] = tensor(np.asarray(masks))[:, None]
    transform = GeneralizedRCNNTransform(100, 100, [0.0] * 3, [1.0] * 3).eval()
    expected = transform.postprocess(given, SEEN, SIZES)

    pictures = ImageList(jnp.zeros((3, 60, 60, 3)), jnp.asarray(SIZES, jnp.int32))
    ours = jax.jit(in_pictures)(found, jnp.asarray(SEEN, jnp.int32), pictures)
    for index, (height, width) in enumerate(SIZES):
        pytorch.assert_close(ours.boxes[index], expected[index]["boxes"])
        if with_masks:
            assert ours.masks.dtype == bool
            assert ours.masks.shape == (3, COUNT, 60, 60)
            likely = expected[index]["masks"][:, 0].numpy()
            clear = np.abs(likely - 0.5) > 1e-4
            np.testing.assert_array_equal(
                np.asarray(ours.masks)[index, :, :height, :width][clear], (likely >= 0.5)[clear]
            )
            assert clear.mean() > 0.99
    for name in ("labels", "scores", "valid"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(found, name))


def test_in_pictures_of_batches_equals_that_of_each(rng):
    pictures = ImageList(jnp.zeros((3, 60, 60, 3)), jnp.asarray(SIZES, jnp.int32))
    arguments = (found_in(rng), jnp.asarray(SEEN, jnp.int32), pictures)
    together = jax.jit(in_pictures)(*arguments)
    one = jax.jit(in_pictures)
    for index in range(3):
        alone = one(*jax.tree.map(lambda x, i=index: x[i : i + 1], arguments))
        jax.tree.map(lambda x, y, i=index: np.testing.assert_allclose(x[i], y[0], atol=1e-5), together, alone)
