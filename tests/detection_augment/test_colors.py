import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxdl.detection import augment
from jaxdl.detection.image_list import ImageList, Targets
from jaxdl.errors import UserError
from tests.data.augment.reference import to_tensor, transforms
from tests.detection_augment.painted import assert_trees_equal, keys

NOTHING = {"brightness": (1.0, 1.0), "contrast": (1.0, 1.0), "saturation": (1.0, 1.0), "hue": (0.0, 0.0)}
AMOUNTS = {"brightness": 1.1, "contrast": 1.4, "saturation": 0.6, "hue": 0.04}
SIZES = ((9, 12), (12, 7), (5, 5))


def noise(rng, dtype=np.float32, sizes=SIZES, channels=3):
    pixels = rng.integers(0, 256, (len(sizes), 12, 12, channels))
    pixels = pixels.astype(np.uint8) if dtype == np.uint8 else (pixels / 255).astype(np.float32)
    targets = Targets(jnp.ones((len(sizes), 1, 4)), jnp.ones((len(sizes), 1), jnp.int32))
    return ImageList(jnp.asarray(pixels), jnp.asarray(sizes, jnp.int32)), targets


def expected_of(pixels, order):
    """The results of torchvision's functions with ``AMOUNTS`` in that order, for every order of channels."""
    transforms()
    from torchvision.transforms.v2 import functional

    tensor = to_tensor(pixels[None])[0]
    for name in order:
        tensor = getattr(functional, f"adjust_{name}")(tensor, AMOUNTS[name])
    return [
        functional.permute_channels(tensor, list(channels)).numpy().transpose(1, 2, 0)
        for channels in itertools.permutations(range(3))
    ]


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 2e-6), (np.uint8, 4)])
def test_photometric_distort_is_torchvisions(rng, dtype, atol):
    images, targets = noise(rng, dtype)
    exact = {name: (value, value) for name, value in AMOUNTS.items()}
    distort = jax.jit(lambda key: augment.photometric_distort(key, images, targets, **exact, probability=1.0)[0].images)
    before = ("brightness", "contrast", "saturation", "hue")
    after = ("brightness", "saturation", "hue", "contrast")
    seen = set()
    for key in keys(25):
        done = distort(key)
        for picture, (height, width) in enumerate(SIZES):
            pixels = np.asarray(images.images)[picture, :height, :width]
            found = np.asarray(done[picture, :height, :width], np.float32)
            apart = [
                abs(found - candidate.astype(np.float32)).max()
                for order in (before, after)
                for candidate in expected_of(pixels, order)
            ]
            assert min(apart) <= atol
            seen.add(int(np.argmin(apart)))
    assert seen == set(range(12))


def test_photometric_distort_leaves_what_fills_a_picture_up_and_objects(rng):
    images, targets = noise(rng)
    done, kept = augment.photometric_distort(keys(1)[0], images, targets, probability=1.0)
    for picture, (height, width) in enumerate(SIZES):
        for part in (np.s_[picture, height:], np.s_[picture, :, width:]):
            np.testing.assert_array_equal(done.images[part], images.images[part])
        assert (done.images[picture, :height, :width] != images.images[picture, :height, :width]).any()
    assert_trees_equal((kept, done.sizes), (targets, images.sizes))


def test_photometric_distort_does_not_see_what_fills_a_picture_up(rng):
    images, targets = noise(rng)
    rows, columns = np.indices((12, 12))
    inside = np.stack([(rows < height) & (columns < width) for height, width in SIZES])[..., None]
    other = images.replace(images=jnp.where(inside, images.images, 1.0))
    for key in keys(4):
        one, two = (augment.photometric_distort(key, each, targets)[0].images for each in (images, other))
        np.testing.assert_allclose(np.where(inside, one, 0), np.where(inside, two, 0), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("channels", [1, 3])
def test_photometric_distort_without_probability_is_the_picture_itself(rng, dtype, channels):
    images, targets = noise(rng, dtype, channels=channels)
    done = augment.photometric_distort(keys(1)[0], images, targets, probability=0.0)
    assert_trees_equal(done, (images, targets), atol=1e-7)


@pytest.mark.parametrize("name", NOTHING)
def test_photometric_distort_draws_amounts_uniformly_for_half(rng, name):
    """Channels are told apart by their values, so that their order does not matter."""
    ends = (-0.05, 0.05) if name == "hue" else (0.8, 1.2)
    dull = np.array([[[0.5, 0.35, 0.4], [0.3, 0.5, 0.45]]], np.float32)
    images = ImageList(jnp.asarray(dull)[None], jnp.asarray([[1, 2]], jnp.int32))
    targets = Targets(jnp.zeros((1, 1, 4)), jnp.zeros((1, 1), jnp.int32))
    distort = jax.jit(
        jax.vmap(lambda key: augment.photometric_distort(key, images, targets, **{**NOTHING, name: ends})[0].images[0])
    )
    found = np.asarray(distort(keys(1500)))
    found = np.sort(found.reshape(-1, 6), 1)  # as a set of values: neither channels nor places are in order
    amounts = np.linspace(*ends, 801)
    from jaxdl.data import augment as of_images

    table = getattr(of_images, f"adjust_{name}")(np.repeat(dull[None], 801, 0), amounts.astype(np.float32))
    table = np.sort(np.asarray(table).reshape(-1, 6), 1)
    drawn = amounts[abs(table[None] - found[:, None]).sum(2).argmin(1)]
    changed = abs(found - np.sort(dull.reshape(-1))[None]).max(1) > 1e-6
    assert changed.mean() == pytest.approx(0.5, abs=0.04)
    low, high = ends
    assert stats.kstest(drawn[changed], stats.uniform(low, high - low).cdf).pvalue > 0.01


def test_photometric_distort_orders_channels_uniformly_for_half():
    pixels = np.broadcast_to(np.array([0.1, 0.2, 0.3], np.float32), (1, 2, 2, 3))
    images = ImageList(jnp.asarray(pixels), jnp.asarray([[2, 2]], jnp.int32))
    targets = Targets(jnp.zeros((1, 1, 4)), jnp.zeros((1, 1), jnp.int32))
    distort = jax.jit(
        jax.vmap(lambda key: augment.photometric_distort(key, images, targets, **NOTHING)[0].images[0, 0, 0])
    )
    orders = np.round(np.asarray(distort(keys(1200))) * 10).astype(int) @ (100, 10, 1)
    found, counts = np.unique(orders, return_counts=True)
    assert len(found) == 6
    assert stats.chisquare(counts, 1200 * np.array([0.5 + 0.5 / 6, *[0.5 / 6] * 5])).pvalue > 0.01


@pytest.mark.parametrize(
    "wrong", [{"probability": 2}, {"contrast": (1.5, 0.5)}, {"brightness": (-1.0, 1.0)}, {"hue": (-1.0, 1.0)}]
)
def test_photometric_distort_refuses_what_it_cannot_do(rng, wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        augment.photometric_distort(keys(1)[0], *noise(rng), **wrong)
