import math
from functools import partial

import jax
import numpy as np
import pytest

from jaxdl.detection import decode_boxes, encode_boxes
from tests import pytorch
from tests.detection import drawn

WEIGHTS = [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0), (0.1, 3.0, 7.0, 0.3)]


def coder(weights):
    pytorch.detection_ops()
    from torchvision.models.detection._utils import BoxCoder

    return BoxCoder(weights)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_encode_boxes_equals_torchvisions_value_and_gradients(rng, weights, scale):
    boxes, references = (drawn.boxes(rng, 80) * np.float32(scale) for _ in range(2))
    pytorch.assert_same_function(
        partial(encode_boxes, weights=weights), coder(weights).encode_single, boxes, references, rtol=1e-4
    )


@pytest.mark.parametrize("spread", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_decode_boxes_equals_torchvisions_value_and_gradients(rng, weights, spread):
    told = (rng.normal(size=(80, 4)) * spread).astype(np.float32)
    clamped = told[:, 2:] / weights[2:] > math.log(1000 / 16)
    assert clamped.any() == (spread == 100 or (spread, weights) == (1.0, WEIGHTS[2]))
    pytorch.assert_same_function(
        partial(decode_boxes, weights=weights), coder(weights).decode_single, told, drawn.boxes(rng, 80)
    )


@pytest.mark.parametrize("huge", [1e4, 1e30])
def test_decode_boxes_of_huge_numbers_equals_torchvisions(rng, huge):
    told, references = (rng.normal(size=(80, 4)) * huge).astype(np.float32), drawn.boxes(rng, 80)
    ours = jax.jit(decode_boxes)(told, references)
    assert np.isfinite(ours).all()
    pytorch.assert_close(ours, coder(WEIGHTS[0]).decode_single(*map(pytorch.torch().tensor, (told, references))))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_decoding_is_the_inverse_of_encoding(rng, weights):
    boxes, references = drawn.boxes(rng, 80, whole=True), drawn.boxes(rng, 80, whole=True)
    boxes[:, 2:] = np.minimum(boxes[:, 2:], boxes[:, :2] + 60 * (references[:, 2:] - references[:, :2]))
    told = encode_boxes(boxes, references, weights=weights)
    np.testing.assert_allclose(decode_boxes(told, references, weights=weights), boxes, rtol=1e-4, atol=1e-3)


def test_coding_of_several_classes_and_pictures_equals_that_of_each(rng):
    told = rng.normal(size=(3, 6, 5, 4)).astype(np.float32)
    references = np.stack([drawn.boxes(rng, 6) for _ in range(3)])
    decode, encode = jax.jit(decode_boxes), jax.jit(encode_boxes)
    each = np.stack([decode(told[:, :, label], references) for label in range(5)], axis=2)
    np.testing.assert_allclose(decode(told, references[:, :, None]), each, rtol=1e-5, atol=1e-4)
    mapped = jax.vmap(decode)(told[:, :, 0], references)
    np.testing.assert_allclose(mapped, each[:, :, 0], rtol=1e-5, atol=1e-4)
    theirs = coder(WEIGHTS[0]).decode(
        pytorch.torch().tensor(told[0].reshape(6, 20)), [*pytorch.torch().tensor(references[:1])]
    )
    pytorch.assert_close(each[0], theirs)
    boxes = np.stack([drawn.boxes(rng, 6) for _ in range(3)])
    encoded = np.stack([encode(*pair) for pair in zip(boxes, references, strict=True)])
    np.testing.assert_allclose(jax.vmap(encode)(boxes, references), encoded, rtol=1e-4, atol=1e-5)
