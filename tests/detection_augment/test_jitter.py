import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxdl.detection import augment
from jaxdl.detection.image_list import ImageList, Targets
from jaxdl.errors import UserError
from tests.data.augment.reference import transforms
from tests.detection_augment.painted import assert_trees_equal, keys, painted
from tests.detection_augment.torchvision_objects import as_torchvision, from_torchvision

pytestmark = pytest.mark.long


def noisy(rng, sizes, canvas, dtype=np.float32):
    """Pictures of noise, with objects."""
    images, targets = painted(rng, sizes, canvas)
    noise = rng.integers(0, 256, (*images.images.shape[:3], 3))
    pixels = noise.astype(np.uint8) if dtype == np.uint8 else (noise / 255).astype(np.float32)
    return images.replace(images=jnp.asarray(pixels)), targets


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("factor", [0.23, 0.7, 1.0])
def test_scale_jitter_resizes_as_torchvision(rng, factor, dtype):
    canvas = (40, 40)  # of one side: torchvision takes it for (width, height)
    images, targets = noisy(rng, ((30, 50), (64, 20), (13, 17)), (64, 50), dtype)
    done = augment.scale_jitter(keys(1)[0], images, targets, canvas, scale=(factor, factor))
    transforms()
    from torchvision.transforms.v2 import ScaleJitter

    for picture in range(3):
        # The picture: torchvision computes that of uint8 in whole numbers.
        expected = ScaleJitter(canvas, (factor, factor))(*as_torchvision(images, targets, picture))
        from_torchvision(expected, *done, picture, atol=1 if dtype == np.uint8 else 1e-5)


def test_scale_jitter_takes_a_window_of_a_larger_picture(rng):
    canvas, count = (20, 30), 64
    images, targets = noisy(rng, ((26, 30),), (26, 30))
    images, targets = jax.tree.map(lambda array: jnp.repeat(array, count, 0), (images, targets))
    done, kept = augment.scale_jitter(keys(1)[0], images, targets, canvas, scale=(1.5, 1.5))
    transforms()
    from torchvision.transforms.v2.functional import crop, resize

    size = tuple(int(np.float32(side) * np.float32(20 / 26 * 1.5)) for side in (26, 30))  # (30, 34)
    resized = [resize(each, size) for each in as_torchvision(images, targets, 0)]
    found = set()
    for top in range(size[0] - canvas[0] + 1):
        for left in range(size[1] - canvas[1] + 1):
            expected = [crop(each, top, left, *canvas) for each in resized]
            same = abs(np.asarray(done.images) - expected[0].numpy().transpose(1, 2, 0)[None]).max((1, 2, 3)) < 1e-5
            for picture in np.flatnonzero(same):
                from_torchvision(expected, done, kept, picture)
                found.add((picture, top, left))
    assert sorted(picture for picture, *_ in found) == list(range(count))
    places = {place for _, *place in map(tuple, found) for place in [tuple(place)]}
    assert any(top * 4 != left * 10 for top, left in places)  # not on the diagonal alone
    assert {top for top, _ in places} >= {0, size[0] - canvas[0]}
    assert {left for _, left in places} >= {0, size[1] - canvas[1]}


def test_scale_jitter_draws_factors_uniformly():
    images = ImageList(jnp.ones((1, 100, 100, 1)), jnp.asarray([[100, 100]], jnp.int32))
    targets = Targets(jnp.zeros((1, 1, 4)), jnp.zeros((1, 1), jnp.int32))
    sizes = jax.vmap(lambda key: augment.scale_jitter(key, images, targets, 1000, scale=(0.2, 1.0))[0].sizes)
    sides = np.asarray(jax.lax.map(lambda key: sizes(key[None])[0, 0], keys(400)))
    assert (sides[:, 0] == sides[:, 1]).all()
    assert stats.kstest(sides[:, 0] / 1000, stats.uniform(0.2, 0.8).cdf).pvalue > 0.01


def test_scale_jitter_places_windows_uniformly():
    ramp = jnp.arange(64.0)[:, None] + 100 * jnp.arange(64.0)[None]
    images = ImageList(ramp[None, :, :, None], jnp.asarray([[64, 64]], jnp.int32))
    targets = Targets(jnp.zeros((1, 1, 4)), jnp.zeros((1, 1), jnp.int32))
    first = jax.jit(
        jax.vmap(lambda key: augment.scale_jitter(key, images, targets, 32, scale=(2.0, 2.0))[0].images[0, 0, 0, 0])
    )(keys(3300))
    left, top = np.divmod(np.round(np.asarray(first)).astype(int), 100)
    for start in (left, top):
        counts = np.bincount(start, minlength=33)
        assert len(counts) == 33
        assert stats.chisquare(counts).pvalue > 0.01
    assert abs(np.corrcoef(left, top)[0, 1]) < 0.05


def test_scale_jitter_fills_up_and_tells_the_true_size(rng):
    images, targets = noisy(rng, ((30, 50),), (30, 50), np.uint8)
    done, kept = augment.scale_jitter(keys(1)[0], images, targets, (60, 50), scale=(0.5, 0.5), fill=114)
    assert done.sizes.tolist() == [[15, 25]]
    assert (done.images[0, 15:] == 114).all()
    assert (done.images[0, :, 25:] == 114).all()
    assert not kept.masks[0, :, 15:].any()


def test_scale_jitter_that_changes_nothing_is_the_picture_itself(rng):
    images, targets = noisy(rng, ((48, 64),), (48, 64))
    done = augment.scale_jitter(keys(1)[0], images, targets, (48, 64), scale=(1.0, 1.0))
    assert_trees_equal(done, (images, targets), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"canvas": 0}, "canvas must be"), ({"scale": (2.0, 1.0)}, "scale must be"), ({"scale": (0.0, 1.0)}, "scale")],
)
def test_scale_jitter_refuses_what_it_cannot_do(rng, wrong, said):
    with pytest.raises(UserError, match=said):
        augment.scale_jitter(keys(1)[0], *painted(rng), **{"canvas": 32, **wrong})
