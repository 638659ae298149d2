import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses
from jaxdl.errors import UserError
from jaxdl.train.gradients import mean_of
from tests import pytorch

CLASSES = 4


@pytest.fixture
def pixels(rng):
    """(logits, masks), some pixels ignored; the images have not as many each."""
    masks = rng.choice([0, 1, 2, 3, 255], (3, 6, 5), p=[0.4, 0.2, 0.1, 0.1, 0.2]).astype(np.int32)
    masks[0, :4] = 255
    return rng.normal(size=(3, 6, 5, CLASSES)).astype(np.float32), masks


def as_a_step_has_it(loss, logits, masks):
    return mean_of(loss, logits, masks, jnp.ones(len(logits), bool)).value


@pytest.mark.parametrize("options", [{}, {"weight": [0.5, 2.0, 1.0, 3.0]}, {"label_smoothing": 0.1}])
def test_cross_entropy_over_a_batch_and_its_gradient_are_pytorchs(pixels, options):
    torch = pytorch.torch()
    logits, masks = pixels
    theirs = {name: torch.tensor(value) if name == "weight" else value for name, value in options.items()}
    tensor = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        tensor.movedim(-1, 1), torch.tensor(masks, dtype=torch.long), ignore_index=255, **theirs
    )
    expected.backward()
    loss = lambda logits, masks: losses.pixel_cross_entropy(logits, masks, **options)  # noqa: E731
    value, slope = jax.value_and_grad(lambda x: as_a_step_has_it(loss, x, masks))(jnp.asarray(logits))
    np.testing.assert_allclose(value, expected.item(), rtol=1e-5)
    np.testing.assert_allclose(slope, tensor.grad, rtol=1e-4, atol=1e-7)


def test_focal_without_focus_is_cross_entropy_and_weighs_easy_pixels_less(pixels):
    plain = as_a_step_has_it(losses.pixel_cross_entropy, *pixels)
    same = as_a_step_has_it(lambda x, y: losses.pixel_focal(x, y, gamma=0.0), *pixels)
    np.testing.assert_allclose(same, plain, rtol=1e-6)
    values, counted = losses.pixel_focal(*pixels)
    np.testing.assert_array_equal(counted, pixels[1] != 255)
    p = np.asarray(jax.nn.softmax(pixels[0]))
    truth = np.where(pixels[1] == 255, 0, pixels[1])
    p = np.take_along_axis(p, truth[..., None], -1)[..., 0]
    np.testing.assert_allclose(values, np.where(counted, -((1 - p) ** 2) * np.log(p), 0), rtol=1e-4, atol=1e-6)


def test_dice_is_one_minus_the_f1_score_of_certain_predictions(rng):
    """Where each pixel's probability is 0 or 1 the coefficient is that of two sets."""
    from sklearn.metrics import f1_score

    masks = rng.integers(0, CLASSES, (3, 8, 8))
    masks[0][masks[0] == 2] = 1  # a class that the first image lacks
    masks[:, :2] = 255
    guess = rng.integers(0, CLASSES, (3, 8, 8))
    found = losses.dice(1e4 * jax.nn.one_hot(guess, CLASSES), masks, smooth=0.0)
    for value, truth, predicted in zip(found, masks, guess, strict=True):
        counted = truth != 255
        scores = f1_score(truth[counted], predicted[counted], labels=np.unique(truth[counted]), average=None)
        np.testing.assert_allclose(value, 1 - scores.mean(), rtol=1e-6)


@pytest.mark.parametrize("name", losses.OF_PIXELS)
def test_ignored_pixels_change_nothing(pixels, name):
    logits, masks = pixels
    loss = losses.OF_PIXELS[name]
    value, slope = jax.value_and_grad(lambda x: as_a_step_has_it(loss, x, masks))(jnp.asarray(logits))
    others = jnp.where((masks == 255)[..., None], 7.0, logits)
    assert as_a_step_has_it(loss, others, masks) == value
    assert (np.asarray(slope)[masks == 255] == 0).all()
    assert (np.abs(np.asarray(slope)[masks != 255]).sum(-1) > 0).all()


@pytest.mark.parametrize("name", losses.OF_PIXELS)
def test_an_image_without_a_class_has_no_loss_and_no_slope(pixels, name):
    logits, _ = pixels
    masks = np.full(logits.shape[:3], 255)
    value, slope = jax.value_and_grad(lambda x: as_a_step_has_it(losses.OF_PIXELS[name], x, masks))(logits)
    assert value == 0
    assert not np.asarray(slope).any()


@pytest.mark.parametrize("name", losses.OF_PIXELS)
def test_a_pixel_that_has_no_class_is_a_user_error_and_nan_inside_jit(pixels, name):
    logits, masks = pixels
    masks = np.where(masks == 3, 9, masks)
    with pytest.raises(UserError, match="labels must be from 0 to 3 for 4 classes, got 9"):
        losses.OF_PIXELS[name](logits, masks)
    assert np.isnan(jax.jit(lambda x, y: as_a_step_has_it(losses.OF_PIXELS[name], x, y))(logits, masks))


def test_a_negative_smoothing_is_a_user_error(pixels):
    with pytest.raises(UserError, match="smooth must be at least 0"):
        losses.dice(*pixels, smooth=-1.0)
