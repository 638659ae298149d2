"""One picture of a batch and its objects as torchvision has them, and back."""

import numpy as np

from tests.data.augment.reference import to_array, to_tensor
from tests.pytorch import torch, torchvision


def as_torchvision(images, targets, picture):
    """(Image [C, H, W], BoundingBoxes [N, 4], Mask [N, H, W]) of the true size, of objects that there are."""
    torchvision()
    from torchvision import tv_tensors

    height, width = np.asarray(images.sizes[picture]).tolist()
    image = to_tensor(images.images[picture : picture + 1, :height, :width])[0]
    there = np.asarray(targets.labels[picture]) > 0
    boxes = torch().tensor(np.asarray(targets.boxes[picture])[there])
    masks = torch().tensor(np.asarray(targets.masks[picture])[there][:, :height, :width])
    return (
        tv_tensors.Image(image),
        tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width)),
        tv_tensors.Mask(masks),
    )


def from_torchvision(expected, images, targets, picture, *, atol=1e-5):
    """Asserts that a picture of the batch is what torchvision made; its objects may be more, which have no area."""
    image, boxes, masks = expected
    height, width = np.asarray(images.sizes[picture]).tolist()
    np.testing.assert_allclose(images.images[picture, :height, :width], to_array(image[None])[0], rtol=0, atol=atol)
    there = np.asarray(targets.labels[picture]) > 0
    boxes = boxes.numpy()
    some = (boxes[:, 2:] > boxes[:, :2]).all(1)
    np.testing.assert_allclose(targets.boxes[picture][there], boxes[some], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(targets.masks[picture][there][:, :height, :width], masks.numpy()[some])
