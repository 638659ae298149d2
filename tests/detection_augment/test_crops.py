import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxdl.detection import augment
from jaxdl.detection.augment.crops import acceptable
from jaxdl.detection.image_list import ImageList, Targets
from jaxdl.errors import UserError
from tests.data.augment.reference import transforms
from tests.detection_augment.painted import SIZES, assert_trees_equal, keys, painted
from tests.detection_augment.torchvision_objects import as_torchvision, from_torchvision
from tests.pytorch import torch

SIZE = (60, 90)
BOXES = np.array([[5, 8, 30, 40], [35, 20, 80, 55], [60, 2, 64, 9]], np.float32)


def reference(**options):
    """torchvision's transform, and a function of its draws for boxes in a picture of ``SIZE``."""
    transforms()
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import RandomIoUCrop

    transform = RandomIoUCrop(**options)
    image = tv_tensors.Image(torch().zeros(3, *SIZE))
    boxes = tv_tensors.BoundingBoxes(torch().tensor(BOXES), format="XYXY", canvas_size=SIZE)
    return transform, lambda: transform.make_params([image, boxes])


def places():
    """A picture whose pixels are their row and column, and its objects."""
    rows, columns = np.indices(SIZE)
    images = ImageList(jnp.asarray(np.stack([rows, columns], -1)[None], jnp.float32), jnp.asarray([SIZE], jnp.int32))
    return images, Targets(jnp.asarray(BOXES)[None], jnp.asarray([[1, 2, 3]], jnp.int32))


def drawn(count, **options):
    """(top, left, height, width) of that many draws, int[count, 4], and labels."""
    images, targets = places()

    def one(key):
        cropped, kept = augment.iou_crop(key, images, targets, **options)
        return jnp.append(cropped.images[0, 0, 0].astype(jnp.int32), cropped.sizes[0]), kept.labels[0]

    return [np.asarray(array) for array in jax.jit(jax.vmap(one))(keys(count))]


@pytest.mark.long
def test_iou_crop_crops_as_torchvision(rng):
    images, targets = painted(rng)
    rows, columns = np.indices(images.images.shape[1:3])
    there = np.asarray(images.images[..., -1:] > 0)
    where = jnp.asarray(np.stack([rows, columns], -1)[None] * there, jnp.float32)
    located = images.replace(images=jnp.append(images.images, where, -1))
    transforms()
    from torchvision.transforms.v2.functional import crop

    cropped = 0
    crops = jax.jit(augment.iou_crop)
    for key in keys(16):
        done, kept = crops(key, located, targets)
        for picture in range(len(SIZES)):
            (top, left), (height, width) = (
                np.asarray(array, int).tolist() for array in (done.images[picture, 0, 0, -2:], done.sizes[picture])
            )
            expected = [crop(each, top, left, height, width) for each in as_torchvision(located, targets, picture)]
            if (height, width) != SIZES[picture]:
                cropped += 1
                boxes = np.asarray(targets.boxes[picture])[np.asarray(targets.labels[picture]) > 0]
                centres = (boxes[:, :2] + boxes[:, 2:]) / 2
                outside = ~((centres > (left, top)) & (centres < (left + width, top + height))).all(1)
                expected[1][outside] = 0  # as torchvision marks them
            from_torchvision(expected, done, kept, picture)
            assert not done.images[picture, height:].any()
            assert not done.images[picture, :, width:].any()
    assert cropped > 10


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.3, 0.5, 0.7])
def test_acceptable_windows_are_torchvisions(monkeypatch, rng, overlap):
    transform, draw = reference(sampler_options=[overlap, 2.0], trials=1)
    _, targets = places()
    targets = jax.tree.map(lambda array: array[0], targets)
    fractions = rng.uniform(size=(400, 2, 2)).astype(np.float32)
    windows, accepted = [], []
    for shares, starts in fractions:
        sides = [int(side * (0.3 + 0.7 * share)) for side, share in zip(SIZE[::-1], shares, strict=True)]
        corner = [int((length - side) * start) for length, side, start in zip(SIZE[::-1], sides, starts, strict=True)]
        windows.append([*corner, corner[0] + sides[0], corner[1] + sides[1]])
        answers = iter([shares, starts])
        options = iter([0, 1])  # this overlap, and where the window is refused the picture as it is
        monkeypatch.setattr(torch(), "rand", lambda *_, answers=answers: torch().tensor(next(answers)))
        monkeypatch.setattr(torch(), "randint", lambda *_, options=options, **__: torch().tensor([next(options)]))
        params = draw()
        accepted.append(bool(params))
        if params:
            assert (params["left"], params["top"], params["width"], params["height"]) == (*corner, *sides)
    ours = acceptable(jnp.asarray(windows, jnp.int32), targets, overlap, (0.5, 2.0))
    assert transform.trials == 1
    assert 2 < sum(accepted) < 390
    np.testing.assert_array_equal(ours, accepted)


@pytest.mark.parametrize("overlap", [0.0, 0.3])
def test_iou_crop_draws_windows_as_torchvision(overlap):
    ours, _ = drawn(500, overlaps=(overlap,))
    torch().manual_seed(0)
    _, draw = reference(sampler_options=[overlap])
    theirs = np.array(
        [[params[name] for name in ("top", "left", "height", "width")] for params in map(lambda _: draw(), range(500))]
    )
    for place in range(4):
        assert stats.ks_2samp(ours[:, place], theirs[:, place]).pvalue > 0.01


def test_iou_crop_takes_the_first_window_that_holds():
    """Of windows that all hold the first is taken, whatever the number of trials: their draws are alike."""
    windows, _ = drawn(300, overlaps=(0.0,), trials=1, scale=(0.9, 1.0))
    assert (windows[:, 2:] < SIZE).any(1).mean() > 0.9
    hard, _ = drawn(300, overlaps=(0.7,), trials=1)
    easy, _ = drawn(300, overlaps=(0.7,), trials=40)
    as_it_is = [(each[:, 2:] == SIZE).all(1).mean() for each in (hard, easy)]
    assert as_it_is[0] > 0.8
    assert as_it_is[1] < as_it_is[0] - 0.3


def test_iou_crop_draws_overlaps_uniformly():
    windows, labels = drawn(700)
    as_it_is = (windows[:, 2:] == SIZE).all(1)
    assert (labels[as_it_is] == (1, 2, 3)).all()
    never, _ = drawn(700, overlaps=(0.0, 1.0))
    assert (never[:, 2:] == SIZE).all(1).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.long
def test_iou_crop_leaves_pictures_as_they_are_where_no_window_holds(rng):
    images, targets = painted(rng)
    outside = targets._replace(boxes=targets.boxes + 0.25)  # beyond the picture: nothing is clipped either
    assert_trees_equal(augment.iou_crop(keys(1)[0], images, outside, overlaps=(1.0,)), (images, outside))
    thin = painted(rng, sizes=((10, 640),), canvas=(10, 640))
    assert_trees_equal(augment.iou_crop(keys(1)[0], *thin, scale=(0.9, 1.0), overlaps=(0.0,)), thin)


def test_iou_crop_ignores_rows_without_an_object():
    images, targets = places()
    nothing = targets._replace(labels=jnp.zeros_like(targets.labels))
    for key in keys(4):
        assert_trees_equal(augment.iou_crop(key, images, nothing, overlaps=(0.0,)), (images, nothing))


@pytest.mark.parametrize("wrong", [{"scale": (0.3, 1.5)}, {"ratio": (0.0, 1.0)}, {"overlaps": ()}, {"trials": 0}])
def test_iou_crop_refuses_what_it_cannot_do(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        augment.iou_crop(keys(1)[0], *places(), **wrong)
