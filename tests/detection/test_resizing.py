from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import ImageList, Targets, canvas_of, normalised, resize, resize_boxes, resize_targets, seen_sizes
from jaxdl.detection.resizing import interpolation
from tests import pytorch
from tests.detection import drawn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LIMITS = [(800, 1333), (320, 640), (64, 107), (7, 1000), (600, 600), (333, 777)]


def transform(min_size, max_size):
    pytorch.detection_ops()
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    return GeneralizedRCNNTransform(min_size, max_size, MEAN, STD).eval()


@pytest.fixture
def their_sizes(monkeypatch):
    """Of torchvision's own resize, less the work of making the pictures."""
    torch = pytorch.torch()
    empty = {"dtype": torch.float32, "device": "meta"}
    made = lambda _, size, *others: torch.empty((1, 1, *size), **empty)  # noqa: E731
    monkeypatch.setattr(torch._C._nn, "upsample_bilinear2d", made)

    def function(sizes, min_size, max_size):
        of = transform(min_size, max_size)
        return np.asarray([of.resize(torch.empty((1, *size), **empty))[0].shape[-2:] for size in sizes.tolist()])

    return function


@pytest.mark.parametrize(("min_size", "max_size"), LIMITS)
def test_seen_sizes_equal_torchvisions(rng, their_sizes, min_size, max_size):
    heights = np.arange(1, 701)
    random = rng.integers(1, 2000, (300, 2))
    square = np.stack([heights, heights], axis=-1)
    beside = np.stack([heights, rng.integers(heights // 2 + 1, 2 * heights + 1)], axis=-1)
    sizes = np.concatenate([random, square, beside, beside[:, ::-1], [(10, 640), (640, 10), (480, 640), (1333, 800)]])
    least = max_size * sizes.min(1) >= sizes.max(1) * 1.01  # of others a side is no pixel, which PyTorch refuses
    ours = seen_sizes(sizes, min_size=min_size, max_size=max_size)
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours[least], their_sizes(sizes[least], min_size, max_size))
    assert least.mean() > 0.9


def test_seen_sizes_round_as_pythons_numbers_do(their_sizes):
    """There are heights of which the factor times the height falls short of a whole number."""
    sizes = np.asarray([(height, 3 * height) for height in range(1, 701)])
    ours = seen_sizes(sizes, min_size=800, max_size=1333)
    assert (ours[:, 1] == 1332).any()
    np.testing.assert_array_equal(ours, their_sizes(sizes, 800, 1333))


def test_seen_sizes_are_at_least_a_pixel():
    sizes = np.asarray([(1, 5000), (5000, 1)])
    np.testing.assert_array_equal(seen_sizes(sizes, min_size=60, max_size=100), [(1, 100), (100, 1)])


@pytest.mark.parametrize("divisible", [1, 32, 128])
def test_canvas_of_equals_torchvisions(rng, divisible):
    for _ in range(20):
        sizes = rng.integers(1, 300, (3, 2))
        of, torch = transform(64, 107), pytorch.torch()
        expected = of.batch_images([torch.empty((1, *size)) for size in sizes.tolist()], divisible).shape[-2:]
        canvas = canvas_of(sizes, divisible=divisible)
        assert canvas == tuple(expected)
        assert all(type(side) is int for side in canvas)


def batch_of(pictures):
    """An ImageList of pictures [h, w, 3], with something else around them."""
    sizes = np.asarray([each.shape[:2] for each in pictures])
    images = np.full((len(pictures), *sizes.max(0), 3), 100.0, np.float32)
    for image, picture in zip(images, pictures, strict=True):
        image[: picture.shape[0], : picture.shape[1]] = picture
    return ImageList(jnp.asarray(images), jnp.asarray(sizes, jnp.int32))


SHAPES = [
    [(10, 640), (640, 10)],
    [(37, 53), (64, 64), (107, 31)],
    [(1, 1), (2, 90), (90, 3)],
    [(200, 300), (20, 30)],
    [(64, 107)],
    [(701, 499), (333, 517)],
]


@pytest.mark.parametrize("shapes", SHAPES)
def test_pictures_equal_torchvisions_transform(rng, shapes):
    pictures = [rng.random((*shape, 3)).astype(np.float32) for shape in shapes]
    torch = pytorch.torch()
    expected, _ = transform(64, 107)([torch.tensor(each).movedim(-1, 0) for each in pictures])
    batch = batch_of(pictures)
    sizes = seen_sizes(np.asarray(shapes), min_size=64, max_size=107)
    canvas = canvas_of(sizes)
    found = jax.jit(partial(normalised, canvas=canvas, mean=MEAN, std=STD))(batch, jnp.asarray(sizes))
    np.testing.assert_array_equal(found.sizes, expected.image_sizes)
    pytorch.assert_close(found.images, expected.tensors.movedim(1, -1), rtol=5e-5)
    for image, (height, width) in zip(np.array(found.images), sizes, strict=True):
        image[:height, :width] = 0
        assert not image.any()


def test_normalised_takes_whole_numbers_for_parts_of_255(rng):
    pictures = ImageList.of(jnp.asarray(rng.integers(0, 256, (2, 20, 30, 3), np.uint8)))
    sizes = jnp.asarray(seen_sizes(np.asarray([(20, 30)] * 2), min_size=32, max_size=64))
    prepare = jax.jit(partial(normalised, canvas=(32, 64), mean=MEAN, std=STD))
    parts = pictures.replace(images=pictures.images.astype(jnp.float32) / 255)
    np.testing.assert_allclose(prepare(pictures, sizes).images, prepare(parts, sizes).images, atol=1e-5)


def test_resize_equals_pytorchs_interpolation_and_gradient(rng):
    interpolate = pytorch.torch().nn.functional.interpolate
    for before, after in [((20, 31), (64, 99)), ((64, 80), (23, 80)), ((17, 90), (18, 89))]:
        x = rng.normal(size=(2, *before, 2)).astype(np.float32)
        sizes = jnp.asarray([after, after])
        pytorch.assert_same_function(
            lambda x, sizes=sizes, after=after: resize(ImageList.of(x), sizes, after).images,
            pytorch.channels_first(partial(interpolate, size=after, mode="bilinear", align_corners=False)),
            x,
        )


def test_interpolation_equals_pytorchs_weights_of_many_sizes(rng):
    """Of ``before`` pixels in each of ``after``, as PyTorch enlarges or shrinks the identity."""
    functional, torch = pytorch.torch().nn.functional, pytorch.torch()
    weights = jax.jit(lambda before, after: interpolation(jnp.arange(200), before, after, 200))
    for before, after in [
        (1, 200),
        (200, 1),
        (200, 200),
        (199, 200),
        (100, 200),
        *rng.integers(1, 201, (25, 2)).tolist(),
    ]:
        identity = torch.eye(before)[None, :, :, None]
        expected = functional.interpolate(identity, size=(after, 1), mode="bilinear", align_corners=False)
        ours = np.asarray(weights(np.int32(before), np.int32(after)))
        np.testing.assert_allclose(ours[:after, :before], expected[0, :, :, 0].T, atol=4e-5)
        assert not ours[:, before:].any()


def test_resize_of_batches_equals_that_of_each(rng):
    shapes = [(37, 53), (64, 64), (107, 31)]
    batch = batch_of([rng.random((*shape, 3)).astype(np.float32) for shape in shapes])
    sizes = jnp.asarray(seen_sizes(np.asarray(shapes), min_size=40, max_size=60))
    of_canvas = jax.jit(lambda x, sizes: resize(x, sizes, (64, 96)))
    each = [of_canvas(jax.tree.map(lambda x, i=i: x[i][None], batch), sizes[i][None]).images[0] for i in range(3)]
    np.testing.assert_allclose(of_canvas(batch, sizes).images, jnp.stack(each), atol=1e-6)
    mapped = jax.vmap(of_canvas)(jax.tree.map(lambda x: x[:, None], batch), sizes[:, None])
    np.testing.assert_allclose(mapped.images[:, 0], jnp.stack(each), atol=1e-6)


@pytest.mark.parametrize("shapes", SHAPES)
def test_resize_targets_equals_torchvisions_transform(rng, shapes):
    torch = pytorch.torch()
    masks = [rng.integers(0, 2, (2, *shape), np.uint8) for shape in shapes]
    boxes = [drawn.boxes(rng, 2, height=shape[0], width=shape[1]) for shape in shapes]
    given = [{"boxes": torch.tensor(box), "masks": torch.tensor(mask)} for box, mask in zip(boxes, masks, strict=True)]
    _, expected = transform(64, 107)([torch.zeros((3, *shape)) for shape in shapes], given)
    sizes = seen_sizes(np.asarray(shapes), min_size=64, max_size=107)
    canvas = canvas_of(sizes)
    filled = np.ones((len(shapes), 2, *np.max(shapes, axis=0)), np.uint8)
    for of, mask in zip(filled, masks, strict=True):
        of[:, : mask.shape[1], : mask.shape[2]] = mask
    labels = jnp.ones((len(shapes), 2), jnp.int32)
    targets = Targets(jnp.asarray(np.stack(boxes)), labels, jnp.asarray(filled))
    found = jax.jit(partial(resize_targets, canvas=canvas))(targets, jnp.asarray(shapes), jnp.asarray(sizes))
    assert found.masks.dtype == jnp.uint8
    for index, (height, width) in enumerate(sizes):
        pytorch.assert_close(found.boxes[index], expected[index]["boxes"])
        mask = np.array(found.masks[index])
        np.testing.assert_array_equal(mask[:, :height, :width], expected[index]["masks"])
        mask[:, :height, :width] = 0
        assert not mask.any()
    np.testing.assert_array_equal(found.labels, labels)


def test_resize_targets_takes_the_pixels_that_pytorch_takes(rng):
    """In float32, where a whole number of pixels may be rounded down to the pixel before."""
    interpolate = pytorch.torch().nn.functional.interpolate
    pairs = np.concatenate([rng.integers(1, 801, (500, 2)), [(n, n * 13 // 10 + 1) for n in range(1, 600)]])
    before, after = jnp.asarray(np.stack([pairs, np.ones_like(pairs)], axis=-1).transpose(1, 0, 2), jnp.int32)
    rows = np.arange(800)
    digits = np.stack([rows % 256, rows // 256]).astype(np.uint8)[None, :, :, None]
    targets = Targets(
        jnp.zeros((len(pairs), 2, 4)), jnp.ones((len(pairs), 2), jnp.int32), np.tile(digits, (len(pairs), 1, 1, 1))
    )
    found = jax.jit(partial(resize_targets, canvas=(800, 1)))(targets, before, after)
    places = np.asarray(found.masks[:, 0, :, 0], int) + 256 * np.asarray(found.masks[:, 1, :, 0], int)
    exact = 0
    for ours, (number, size) in zip(places, pairs.tolist(), strict=True):
        line = pytorch.torch().arange(number).float()[None, None, :, None]
        expected = interpolate(line, size=(size, 1)).numpy().reshape(-1)
        np.testing.assert_array_equal(ours[:size], expected)
        exact += (expected == np.arange(size) * number // size).all()
    assert exact < len(pairs)


def test_resize_boxes_equals_torchvisions_value_and_gradient(rng):
    pytorch.detection_ops()
    from torchvision.models.detection.transform import resize_boxes as theirs

    before, after = rng.integers(1, 900, (2, 30, 2))
    boxes = np.stack([drawn.boxes(rng, 5, height=side[0], width=side[1]) for side in before])
    pytorch.assert_same_function(
        lambda boxes: resize_boxes(boxes, jnp.asarray(before), jnp.asarray(after)),
        lambda boxes: pytorch.torch().stack(
            [theirs(*each) for each in zip(boxes, before.tolist(), after.tolist(), strict=True)]
        ),
        boxes,
    )
