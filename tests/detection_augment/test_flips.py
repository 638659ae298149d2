import jax
import numpy as np
import pytest

from jaxdl.detection import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import transforms
from tests.detection_augment.painted import SIZES, assert_trees_equal, keys, painted
from tests.detection_augment.torchvision_objects import as_torchvision, from_torchvision


def test_flip_is_torchvisions_within_the_true_size(rng):
    images, targets = painted(rng)
    flipped = augment.flip(keys(1)[0], images, targets, probability=1.0)
    transforms()
    from torchvision.transforms.v2.functional import horizontal_flip

    for picture in range(len(SIZES)):
        expected = [horizontal_flip(each) for each in as_torchvision(images, targets, picture)]
        from_torchvision(expected, *flipped, picture)
    assert_trees_equal(flipped[0].sizes, images.sizes)


def test_flip_leaves_what_fills_a_picture_up(rng):
    images, targets = painted(rng)
    filled = images.replace(images=np.where(images.images[..., -1:] > 0, images.images, 0.25))
    flipped, _ = augment.flip(keys(1)[0], filled, targets, probability=1.0)
    for picture, (height, width) in enumerate(SIZES):
        assert (flipped.images[picture, :, width:] == 0.25).all()
        assert (flipped.images[picture, height:] == 0.25).all()


def test_flip_twice_is_the_picture_itself(rng):
    batch = painted(rng)
    once = augment.flip(keys(1)[0], *batch, probability=1.0)
    assert_trees_equal(augment.flip(keys(1)[0], *once, probability=1.0), batch)


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5])
def test_flip_mirrors_as_many_as_asked_for(rng, probability):
    images, targets = painted(rng, masks=False)
    drawn = jax.jit(jax.vmap(lambda key: augment.flip(key, images, targets, probability)[1].boxes))(keys(500))
    changed = np.asarray((drawn != targets.boxes[None]).any((2, 3)))
    assert changed.mean() == pytest.approx(probability, abs=0.04)
    if probability:
        assert abs(np.corrcoef(changed.T.astype(float)) - np.eye(len(SIZES))).max() < 0.2  # each for itself


def test_flip_refuses_a_probability_beyond_1(rng):
    with pytest.raises(UserError, match="probability must be between 0 and 1, got 2"):
        augment.flip(keys(1)[0], *painted(rng), probability=2)
