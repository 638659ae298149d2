from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import to_array, to_tensor, transforms
from tests.pytorch import torch

KEY = jax.random.key(3)
LABELS = np.array([2, 0, 1, 2, 4], np.int32)


def torchvisions(name, ratio, images, labels, monkeypatch, centre=None):
    """torchvision's MixUp or CutMix of a batch, with lambda and the box's centre (y, x) given."""
    transforms()
    from torchvision.transforms import v2

    mix = getattr(v2, name)(alpha=1.0, num_classes=5)
    mix._dist = type("Given", (), {"sample": lambda self, shape: torch().tensor([ratio])})()
    with monkeypatch.context() as patch:
        if centre:
            draws = iter(centre[::-1])  # torchvision draws x first
            patch.setattr(torch(), "randint", lambda high, size: torch().tensor([next(draws)]))
        mixed, soft = mix(to_tensor(images), torch().tensor(labels))
    return to_array(mixed), soft.numpy()


def soft_or_not(labels, soft):
    return np.eye(5, dtype=np.float32)[labels] * 0.9 + 0.02 if soft else labels


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.875, 1.0])
def test_mixup_of_a_given_ratio_is_torchvisions(floats, monkeypatch, ratio, soft):
    images, labels = floats(5, 6, 7, 3), soft_or_not(LABELS.astype(np.int64), soft)
    expected = torchvisions("MixUp", ratio, images, labels, monkeypatch)
    monkeypatch.setattr(jax.random, "beta", lambda key, a, b: jnp.float32(ratio))
    mixed, mixed_labels = augment.mixup(KEY, images, labels, 5)
    np.testing.assert_allclose(mixed, expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed_labels, expected[1], rtol=1e-5, atol=1e-6)
    assert mixed_labels.dtype == jnp.float32


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(12, 17), (8, 8)])
def test_cutmix_of_a_given_box_is_torchvisions(floats, monkeypatch, ratio, soft, shape):
    images, labels = floats(5, *shape, 3), soft_or_not(LABELS.astype(np.int64), soft)
    for centre in [(0, 0), (4, 6), (7, 7), (1, 5)]:
        expected = torchvisions("CutMix", ratio, images, labels, monkeypatch, centre)
        with monkeypatch.context() as patch:
            draws = iter(centre)
            patch.setattr(jax.random, "beta", lambda key, a, b: jnp.float32(ratio))
            patch.setattr(jax.random, "randint", lambda *_, draws=draws: jnp.int32(next(draws)))
            mixed, mixed_labels = augment.cutmix(KEY, images, labels, 5)
        np.testing.assert_array_equal(mixed, expected[0])
        np.testing.assert_allclose(mixed_labels, expected[1], rtol=1e-5, atol=1e-6)
        assert mixed_labels.dtype == jnp.float32


@pytest.mark.parametrize("alpha", [0.2, 3.0])
def test_mixups_ratio_is_drawn_from_beta(floats, alpha):
    mix = jax.jit(jax.vmap(lambda key: augment.mixup(key, jnp.zeros((2, 1, 1, 1)), jnp.arange(2), 2, alpha)[1][0, 0]))
    ratios = mix(jax.random.split(KEY, 2000))
    assert stats.kstest(ratios, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_cutmixs_labels_and_boxes_are_distributed_as_torchvisions():
    transforms()
    from torchvision.transforms import v2

    images = np.stack([np.zeros((11, 16, 1), np.float32), np.ones((11, 16, 1), np.float32)])
    mix = jax.jit(jax.vmap(lambda key: augment.cutmix(key, images, jnp.arange(2), 2, alpha=0.5)))
    mixed, labels = jax.device_get(mix(jax.random.split(KEY, 2000)))
    boxes = mixed[:, 0, :, :, 0]
    np.testing.assert_allclose(boxes.mean((1, 2)), labels[:, 0, 1], atol=1e-6)
    torch().manual_seed(0)
    reference = v2.CutMix(alpha=0.5, num_classes=2)
    pair, classes = to_tensor(images), torch().arange(2)
    theirs = np.stack([reference(pair, classes)[0][0, 0].numpy() for _ in range(1000)])
    for statistic in (
        lambda box: box.mean((1, 2)),
        lambda box: box.any(2).sum(1),
        lambda box: box.any(1).sum(1),
        lambda box: (box * np.arange(11)[None, :, None]).sum((1, 2)),
        lambda box: (box * np.arange(16)[None, None]).sum((1, 2)),
    ):
        assert stats.ks_2samp(statistic(boxes), statistic(theirs)).pvalue > 0.01


def test_cutmix_keeps_uint8(images):
    cutmix = partial(augment.cutmix, num_classes=5)
    assert jax.eval_shape(cutmix, KEY, images, np.zeros(64, np.int32))[0].dtype == jnp.uint8


def test_random_choice_of_mixup_and_cutmix_is_one_of_the_two(floats):
    images = floats(5, 6, 7, 3)
    both = augment.random_choice(partial(augment.mixup, num_classes=5), partial(augment.cutmix, num_classes=5))
    compiled, cut = jax.jit(both), []
    for n in range(30):
        mixed, soft = compiled(jax.random.key(n), images, LABELS)
        np.testing.assert_allclose(soft.sum(1), 1, rtol=1e-6)
        from_either = np.isin(mixed, images).all()
        cut.append(bool(from_either))
    assert 5 < sum(cut) < 25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "alpha must be positive, got 0"),
        ({"labels": LABELS[:3]}, r"labels must be int\[5\] or float\[5, 5\], got int32\[3\]"),
        ({"labels": np.zeros((5, 4), np.float32)}, r"labels must be .* got float32\[5, 4\]"),
        ({"labels": LABELS.astype(np.float32)}, r"labels must be .* got float32\[5\]"),
    ],
)
@pytest.mark.parametrize("mix", [augment.mixup, augment.cutmix])
def test_mixing_names_the_argument_at_fault(floats, mix, arguments, message):
    with pytest.raises(UserError, match=message):
        mix(KEY, **{"images": floats(5, 6, 7, 3), "labels": LABELS, "num_classes": 5} | arguments)


def test_mixup_refuses_uint8_and_cutmix_a_single_image(images):
    with pytest.raises(UserError, match="images must be float"):
        augment.mixup(KEY, images, np.zeros(64, np.int32), 5)
    with pytest.raises(UserError, match=r"images must be .batch"):
        augment.cutmix(KEY, images[0], LABELS, 5)
