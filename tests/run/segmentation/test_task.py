"""What makes a run one of segmentation: configuration, losses, figures and augmentation."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from jaxdl import losses, models, overlap
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.metrics import Mean, Totals
from jaxdl.run.asked import parse
from jaxdl.run.config import Config
from jaxdl.run.flags import understood
from jaxdl.run.segmentation.augmentation import colors_of, geometry_of
from jaxdl.run.segmentation.config import SegmentationConfig, weights_of, window_of
from jaxdl.run.segmentation.fitted import to_data, to_weights
from jaxdl.run.segmentation.network import model_of
from jaxdl.run.segmentation.recipes import RECIPES
from jaxdl.run.segmentation.task import SEGMENTATION, figures_of, loss_of, right_pixels


@pytest.fixture
def drawn():
    """Logits of three classes for four pictures, and masks in which some pixels have none."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 5, 6, 3)).astype(np.float32), rng.choice([0, 1, 2, 255], (4, 5, 6)).astype(np.uint8)


def dataset_of(masks, *, val=None):
    images = np.zeros((*masks.shape, 3), np.uint8)
    stored = {"train_images": images, "train_labels": masks, "test_images": images[:1], "test_labels": masks[:1]}
    if val is not None:
        stored |= {"val_images": images[:val], "val_labels": masks[:val]}
    return Dataset.of("drawn", stored, classes=("a", "b", "c"), source="drawn", fingerprint="")


def test_figures_over_batches_are_scikit_learns(drawn):
    logits, masks = drawn
    totals = Totals()
    for rows in (slice(0, 3), slice(3, 4)):
        part, true = logits[rows], masks[rows]
        everything = np.ones(len(part), bool)
        totals.add(
            {
                "loss": Mean(np.float32(2.0), np.float32(1)),
                "accuracy": Mean(*(each.sum() for each in right_pixels(part, true))),
                "confusion": Mean(np.asarray(overlap.confusion(part, true, everything)), np.float32(len(part))),
            }
        )
    found, counted = figures_of(totals, ("a", "b", "c")), masks != 255
    true, predicted = masks[counted], logits.argmax(-1)[counted]
    each = jaccard_score(true, predicted, average=None)
    assert [found[f"iou/{name}"] for name in "abc"] == pytest.approx(each)
    assert found["mean_iou"] == pytest.approx(each.mean())
    assert found["accuracy"] == pytest.approx((true == predicted).mean())
    assert found["loss"] == 2.0
    assert "confusion" in totals  # which is not its own to change


def test_a_class_that_occurs_nowhere_has_no_iou():
    totals = Totals({"loss": [1.0, 1.0], "confusion": [[[3, 1, 0], [0, 4, 0], [0, 0, 0]], 1.0]})
    found = figures_of(totals, ("a", "b", "c"))
    assert "iou/c" not in found
    assert found["mean_iou"] == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_balanced_weights_are_the_median_share_over_each(capsys):
    masks = np.repeat(np.array([0, 0, 0, 0, 1, 1, 2, 255], np.uint8), 6).reshape(2, 4, 6)
    config = to_data(SegmentationConfig(class_weights="balanced"), dataset_of(masks), frozenset())
    assert weights_of(config.class_weights) == [0.5, 1.0, 2.0]
    assert "weights of the classes" in capsys.readouterr().out
    again = to_data(config, dataset_of(masks), frozenset())  # as a resumed run has it
    assert again.class_weights == config.class_weights


def test_validation_is_vals_or_a_tenth():
    masks = np.zeros((20, 4, 6), np.uint8)
    assert to_data(SegmentationConfig(), dataset_of(masks), frozenset()).val_size == 2
    beside = dataset_of(masks, val=5)
    assert to_data(SegmentationConfig(), beside, frozenset()).val_size == 5
    none = to_data(SegmentationConfig(val_size=0), beside, frozenset({"val_size"}))
    assert beside.held_out(val_size=none.val_size, seed=0)[1] is None
    with pytest.raises(UserError, match="val/ holds the pictures"):
        to_data(SegmentationConfig(val_size=3), beside, frozenset({"val_size"}))


@pytest.mark.parametrize("name", list(losses.OF_PIXELS))
def test_every_loss_is_one_of_a_run(drawn, name):
    logits, masks = drawn
    found = loss_of(SegmentationConfig(loss=name))(logits, masks)
    reference = losses.OF_PIXELS[name](logits, masks)
    jax.tree.map(np.testing.assert_array_equal, found, reference)


def test_weights_and_smoothing_reach_the_loss(drawn):
    logits, masks = drawn
    config = SegmentationConfig(class_weights="1,2,0.5", label_smoothing=0.1)
    expected = losses.pixel_cross_entropy(logits, masks, weight=[1, 2, 0.5], label_smoothing=0.1)
    jax.tree.map(np.testing.assert_array_equal, loss_of(config)(logits, masks), expected)


@pytest.mark.parametrize(("crop_size", "expected"), [(None, None), ("48", (48, 48)), ("24x36", (24, 36))])
def test_a_window_is_one_number_or_two(crop_size, expected):
    assert window_of(crop_size) == expected


@pytest.mark.parametrize("crop_size", ["", "0", "-3", "a", "3x", "3x4x5", "99999", "4.5"])
def test_what_is_no_size_is_refused(crop_size):
    with pytest.raises(UserError, match="--crop-size must be"):
        SegmentationConfig(crop_size=crop_size)


@pytest.mark.parametrize("class_weights", ["", "heavy", "1,,2", "nan,1", "-1,2", "0,0"])
def test_what_are_no_weights_is_refused(class_weights):
    with pytest.raises(UserError, match="--class-weights must be"):
        SegmentationConfig(class_weights=class_weights)


def test_pictures_and_masks_share_the_draw():
    masks = np.random.default_rng(0).integers(0, 3, (6, 24, 32)).astype(np.uint8)
    images = np.repeat(masks[..., None], 3, -1).astype(np.float32)
    config = SegmentationConfig(crop_size="16x20", min_scale=1.0, max_scale=1.0)
    moved, moved_masks = jax.jit(geometry_of(config, num_classes=3))(jax.random.key(0), images, masks)
    assert moved.shape == (6, 16, 20, 3)
    np.testing.assert_array_equal(np.asarray(moved[..., 0]).round(), moved_masks)
    whole = SegmentationConfig(flip=False, min_scale=1.0, max_scale=1.0)
    assert geometry_of(whole, num_classes=3) is None


def test_a_named_network_keeps_its_own_backbone():
    config = to_weights(dataclasses.replace(RECIPES["small"], model="fcn_resnet50"), frozenset({"model"}))
    assert model_of(config, num_classes=3).backbone == "resnet50"
    chosen = dataclasses.replace(RECIPES["small"], model="fcn", backbone="resnet18")
    assert model_of(to_weights(chosen, frozenset({"model", "backbone"})), num_classes=3).backbone == "resnet18"


def test_flags_of_images_with_one_label_are_none_of_its_own():
    for flag in ("--mixup 0.2", "--image-size 64", "--stem cifar", "--alternate-flips", "--model resnet18"):
        assert understood(flag, Config)
        assert not understood(flag, SegmentationConfig)
    for flag in ("--lr 0.1 --epochs 3", "--no-flip", "--model unet", "--loss dice"):
        assert understood(flag, SegmentationConfig)
    with pytest.raises(UserError, match="--mixup is not for python -m segment"):
        parse(["--mixup", "0.2"], RECIPES, "segment")


def test_every_recipe_makes_its_network():
    for config in RECIPES.values():
        assert model_of(config, num_classes=11).num_classes == 11
        assert SEGMENTATION.loss(config) is losses.pixel_cross_entropy


def test_jitter_changes_colours_before_they_are_normalised():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 9, 3)).astype(np.uint8)
    about, key = {"mean": (0.5,) * 3, "std": (0.2,) * 3}, jax.random.key(0)
    plain = colors_of(SegmentationConfig(), **about)(key, images)
    np.testing.assert_allclose(plain, (images / 255 - 0.5) / 0.2, atol=1e-5)
    changed = jax.jit(colors_of(SegmentationConfig(jitter=0.4), **about))(key, images)
    pixels = np.asarray(changed) * 0.2 + 0.5
    assert ((pixels > -1e-5) & (pixels < 1 + 1e-5)).all()
    assert np.abs(changed - plain).mean() > 0.1


def test_a_backbone_without_maps_is_refused():
    with pytest.raises(UserError, match="CifarCNN does not give the maps"):
        jax.eval_shape(
            lambda: models.create("fcn", backbone="cifar_cnn").init(
                jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32), train=False
            )
        )


def test_masks_without_any_class_are_refused():
    masks = np.zeros((4, 4, 6), np.uint8)
    with pytest.raises(UserError, match="no pixel of the masks in test has a class"):
        to_data(SegmentationConfig(), dataset_of(np.concatenate([masks[:1] + 255, masks])), frozenset())
