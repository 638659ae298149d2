from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxdl.detection import augment
from jaxdl.detection.image_list import ImageList, Targets
from jaxdl.errors import UserError
from tests.data.augment.reference import transforms
from tests.detection_augment.painted import SIZES, keys, painted
from tests.detection_augment.torchvision_objects import as_torchvision

pytestmark = pytest.mark.long

SIDE = 64
BATCH = 6


def plain(batch=BATCH, side=SIDE, room=1):
    """Pictures of one value each, from 1, each an object as a whole, whose label is that value."""
    values = jnp.arange(1, batch + 1)
    pixels = jnp.broadcast_to(values.reshape(-1, 1, 1, 1).astype(jnp.uint8), (batch, side, side, 1))
    boxes = jnp.zeros((batch, room, 4)).at[:, 0].set(jnp.asarray([0.0, 0, side, side]))
    labels = jnp.zeros((batch, room), jnp.int32).at[:, 0].set(values)
    return ImageList.of(pixels), Targets(boxes, labels)


def drawn(count, **options):
    """For that many keys: the four values around the centre [count, B, 4], and the centre [count, B, (y, x)]."""
    images, targets = plain()

    def one(key):
        pixels = augment.mosaic(key, images, targets, scale=1.0, **options)[0].images[..., 0]
        corners = jnp.stack([pixels[:, 0, 0], pixels[:, 0, -1], pixels[:, -1, 0], pixels[:, -1, -1]], 1)
        return corners, pixels

    corners, pixels = (np.asarray(array) for array in jax.jit(jax.vmap(one))(keys(count)))
    return corners, pixels


def test_mosaic_holds_the_picture_itself_and_others_in_any_order():
    corners, _ = drawn(600)
    own = np.arange(1, BATCH + 1)
    itself = corners == own[None, :, None]
    assert (itself.sum(2) == 1).all()  # the others are others
    assert stats.chisquare(itself.reshape(-1, 4).sum(0)).pvalue > 0.01
    others = (corners - own[None, :, None]) % BATCH
    assert stats.chisquare(np.bincount(others[others > 0], minlength=BATCH)[1:]).pvalue > 0.01


def test_mosaic_draws_its_centre_uniformly_from_the_middle_half():
    corners, pixels = drawn(400)
    top_left = corners[:, :, :1]
    apart = (corners[:, :, 1] != corners[:, :, 0]) & (corners[:, :, 2] != corners[:, :, 0])
    rows = (np.cumprod(pixels[:, :, :, 0] == top_left, 2).sum(2))[apart]
    columns = (np.cumprod(pixels[:, :, 0] == top_left, 2).sum(2))[apart]
    for centre in (rows, columns):
        counts = np.bincount(centre, minlength=SIDE)
        assert counts[SIDE // 4 : SIDE - SIDE // 4 + 1].sum() == apart.sum()
        assert stats.chisquare(counts[SIDE // 4 : SIDE - SIDE // 4 + 1]).pvalue > 0.01
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.05


@pytest.mark.parametrize("scale", [0.5, 0.8])
def test_mosaic_places_resized_pictures_at_its_centre(rng, scale):
    """Against torchvision's resizing: each of the four is found in whole, or what of it the border leaves."""
    sizes, canvas = ((48, 64), (30, 64), (48, 20)), (48, 64)
    images, targets = painted(rng, sizes, canvas, room=12)
    noise = jnp.asarray(rng.uniform(0.1, 1, (3, *canvas, 3)).astype(np.float32))
    images = images.replace(images=noise)
    transforms()
    from torchvision.transforms.v2.functional import resize

    fitted = []
    for picture, (height, width) in enumerate(sizes):
        factor = min(canvas[0] / height, canvas[1] / width) * scale
        size = round(height * factor), round(width * factor)
        image, boxes, masks = (resize(each, size) for each in as_torchvision(images, targets, picture))
        fitted.append((image.numpy().transpose(1, 2, 0), boxes.numpy(), masks.numpy()))
    mosaic = jax.jit(lambda key: augment.mosaic(key, images, targets, scale=scale, fill=0.0))
    for key in keys(4):
        done, kept = mosaic(key)
        for result, boxes, labels in zip(*map(np.asarray, (done.images, kept.boxes, kept.labels)), strict=True):
            found = explained(result, fitted)
            assert found is not None
            expected = []
            for picture, (y, x) in found:
                shifted = fitted[picture][1] + (x, y, x, y)
                clipped = np.clip(shifted, 0, (canvas[1], canvas[0]) * 2)
                expected += clipped[((clipped[:, 2:] - clipped[:, :2]) > 0).all(1)].tolist()
            ours = boxes[labels > 0]
            assert len(ours) == len(expected)
            np.testing.assert_allclose(np.array(sorted(ours.tolist())), np.array(sorted(expected)), atol=1e-3)
    assert (done.sizes == jnp.asarray([canvas])).all()


def explained(result, fitted):
    """(picture, (row, column) of its first pixel) of the four in a mosaic: a centre and pictures that make it up."""
    height, width = result.shape[:2]
    for y in range(height // 4, height - height // 4 + 1):
        for x in range(width // 4, width - width // 4 + 1):
            whole, places = np.zeros_like(result), []
            for above, left in ((1, 1), (1, 0), (0, 1), (0, 0)):
                for picture, (image, *_) in enumerate(fitted):
                    top, start = y - above * len(image), x - left * image.shape[1]
                    rows = slice(max(top, 0), min(top + len(image), height))
                    columns = slice(max(start, 0), min(start + image.shape[1], width))
                    part = image[rows.start - top : rows.stop - top, columns.start - start : columns.stop - start]
                    if np.allclose(result[rows, columns], part, atol=1e-4):
                        whole[rows, columns] = part
                        places.append((picture, (top, start)))
                        break
                else:
                    break
            if len(places) == 4 and np.allclose(whole, result, atol=1e-4):
                return places
    return None


@pytest.mark.parametrize("room", [1, 2, 3])
def test_mosaic_keeps_the_largest_objects(room):
    images, targets = plain(room=room)
    done, kept = jax.jit(partial(augment.mosaic, scale=1.0))(keys(1)[0], images, targets)
    areas = np.asarray((kept.boxes[..., 2] - kept.boxes[..., 0]) * (kept.boxes[..., 3] - kept.boxes[..., 1]))
    pixels, labels = np.asarray(done.images[..., 0]), np.asarray(kept.labels)
    assert (np.diff(areas, axis=1) <= 0).all()
    for picture in range(BATCH):
        x, y = (np.asarray(kept.boxes[picture, :, column : column + 2]).astype(int) for column in (0, 2))
        for (x1, y1), (x2, y2), label in zip(x, y, labels[picture], strict=True):
            assert (pixels[picture, y1:y2, x1:x2] == label).all()
    # The quadrants' areas, from a draw with room for all four.
    _, all_four = jax.jit(partial(augment.mosaic, scale=1.0))(keys(1)[0], *plain(room=4))
    np.testing.assert_array_equal(kept.labels, all_four.labels[:, :room])
    assert (all_four.labels > 0).all()


@pytest.mark.parametrize("probability", [0.0, 0.4])
def test_mosaic_is_made_as_often_as_asked_for(rng, probability):
    images, targets = painted(rng)
    mosaic = jax.jit(lambda key: augment.mosaic(key, images, targets, probability))
    made = []
    for key in keys(60):
        done, kept = mosaic(key)
        new = np.asarray((done.images != images.images).any((1, 2, 3)))
        made.append(new)
        for after, before in zip(*map(jax.tree.leaves, ((done, kept), (images, targets))), strict=True):
            np.testing.assert_array_equal(after[~new], before[~new])
    assert np.mean(made) == pytest.approx(probability, abs=0.08)


def test_mosaic_of_one_picture_is_of_itself():
    images, targets = plain(batch=1, room=4)
    done, kept = jax.jit(partial(augment.mosaic, scale=1.0))(keys(1)[0], images, targets)
    assert (done.images == 1).all()
    assert kept.labels.tolist() == [[1, 1, 1, 1]]


def test_mosaic_fills_where_no_picture_is(rng):
    images, targets = painted(rng, dtype=np.uint8)
    done, _ = jax.jit(partial(augment.mosaic, fill=114))(keys(1)[0], images, targets)
    values = np.asarray(done.images[..., -1])
    assert set(np.unique(values)) == {114, 255}
    assert ((values == 114).reshape(len(SIZES), -1).any(1)).all()


@pytest.mark.parametrize("wrong", [{"probability": -1}, {"scale": 0}])
def test_mosaic_refuses_what_it_cannot_do(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        augment.mosaic(keys(1)[0], *plain(), **wrong)
