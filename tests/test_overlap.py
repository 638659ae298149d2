import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from jaxdl import overlap
from jaxdl.errors import UserError

CLASSES = 5


@pytest.fixture
def predicted(rng):
    """(logits, masks): of five classes one is never true, another neither true nor predicted."""
    logits = rng.normal(size=(6, 9, 7, CLASSES)).astype(np.float32)
    logits[..., 4] = -9.0
    masks = rng.choice([0, 1, 2, 255], (6, 9, 7), p=[0.5, 0.3, 0.1, 0.1]).astype(np.uint8)
    return logits, masks


def test_figures_are_scikit_learns(predicted):
    logits, masks = predicted
    matrix = np.asarray(jax.jit(overlap.confusion)(logits, masks))
    truth, guess = masks[masks != 255], logits.argmax(-1)[masks != 255]
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, guess, labels=range(CLASSES)))
    occurring = sorted({*truth, *guess})
    assert occurring == [0, 1, 2, 3]
    expected = jaccard_score(truth, guess, labels=occurring, average=None)
    np.testing.assert_allclose(overlap.iou(matrix), [*expected, np.nan])
    assert overlap.mean_iou(matrix) == pytest.approx(expected.mean())
    assert overlap.pixel_accuracy(matrix) == pytest.approx(accuracy_score(truth, guess))


def test_matrices_add_up_and_padding_counts_nowhere(predicted):
    logits, masks = predicted
    parts = [overlap.confusion(logits[rows], masks[rows]) for rows in (slice(0, 4), slice(4, 6))]
    np.testing.assert_array_equal(sum(parts), overlap.confusion(logits, masks))
    kept = overlap.confusion(logits, masks, jnp.arange(6) < 4)
    np.testing.assert_array_equal(kept, parts[0])


def test_nothing_has_no_figures():
    nothing = np.zeros((3, 3), np.int64)
    assert np.isnan([overlap.mean_iou(nothing), overlap.pixel_accuracy(nothing), *overlap.iou(nothing)]).all()


def test_masks_of_another_size_are_a_user_error(predicted):
    with pytest.raises(UserError, match=r"masks must have shape \(6, 9, 7\) for logits .*, got \(6, 4, 7\)"):
        overlap.confusion(predicted[0], predicted[1][:, :4])
