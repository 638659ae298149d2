"""Detectors beside torchvision's: names, parameters, detections in real pictures, and losses of a training step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import detection, models
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from jaxdl.transfer.prefixes import COUNTER
from tests import pytorch
from tests.photographs import of_coco, two

PUBLISHED = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": 19_386_354,
    "fasterrcnn_mobilenet_v3_large_fpn": 19_386_354,
    "fasterrcnn_resnet50_fpn": 41_755_286,
    "fasterrcnn_resnet50_fpn_v2": 43_712_278,
    "maskrcnn_resnet50_fpn": 44_401_393,
    "maskrcnn_resnet50_fpn_v2": 46_359_409,
    "retinanet_resnet50_fpn": 34_014_999,
    "retinanet_resnet50_fpn_v2": 38_198_935,
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SPREAD = {  # of what the last layers of a head give: so much that there is something to find
    "rpn.head.cls_logits": 2.0,
    "rpn.head.bbox_pred": 0.3,
    "box_predictor.cls_score": 2.5,
    "box_predictor.bbox_pred": 1.0,
    "mask_fcn_logits": 2.0,
    "classification_head.cls_logits": 1.0,
    "regression_head.bbox_reg": 0.3,
}


@functools.cache
def reference(name, **arguments):
    """torchvision's model of that name in float64, with random weights that make it find something."""
    torch = pytorch.torch()
    pytorch.detection_ops()
    from torchvision.models import detection as theirs

    torch.manual_seed(0)
    if callable(getattr(theirs, name, None)):
        module = getattr(theirs, name)(weights=None, weights_backbone=None, **arguments)
    else:
        backbone = theirs.backbone_utils.resnet_fpn_backbone(
            backbone_name=arguments.pop("backbone"), weights=None, norm_layer=torch.nn.BatchNorm2d
        )
        module = {"faster_rcnn": theirs.FasterRCNN, "mask_rcnn": theirs.MaskRCNN}[name](backbone, 91, **arguments)
    module = module.double().eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.6, 1.0)
            torch.nn.init.normal_(layer.bias, 0.0, 0.1)
            torch.nn.init.normal_(layer.running_mean, 0.0, 0.1)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2.0)
    spread(torch, module, [tensor_of(two()[0])])
    return module


def spread(torch, module, images):
    """Scales the heads' last layers, each when it is first called, so that the next sees what it will see."""

    def scale(wanted, layer, inputs, outputs):
        if hook := hooks.pop(layer, None):
            hook.remove()
            bias = layer.bias.reshape(1, -1, *[1] * (outputs.ndim - 2))
            layer.weight.mul_(wanted / (outputs - bias).std())
            return layer(*inputs)

    if hasattr(module, "head"):
        torch.nn.init.constant_(module.head.classification_head.cls_logits.bias, -5.0)
    hooks = {
        layer: layer.register_forward_hook(functools.partial(scale, wanted))
        for name, layer in module.named_modules()
        for ending, wanted in SPREAD.items()
        if name.endswith(ending)
    }
    with torch.no_grad():
        module(images)
    assert not hooks


def tensor_of(picture):
    return pytorch.torch().tensor(picture).movedim(-1, 0).double() / 255


def ours_of(name, module, **arguments):
    """(model, variables) in float64 with the module's arrays, for use under ``jax.enable_x64``."""
    arrays = {key: tensor.detach().numpy() for key, tensor in module.state_dict().items()}
    model = models.create(name, dtype=jnp.float64, **arguments)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, np.float64), shapes_of(model))
    return model, from_pytorch(arrays, shapes, **layout(model))


def shapes_of(model):
    images = jax.ShapeDtypeStruct((1, 64, 96, 3), jnp.float32)
    return jax.eval_shape(lambda images: model.init(jax.random.key(0), images, train=False), images)


def image_list(batch):
    """The pictures filled up to the largest, in [0, 1]."""
    sizes = np.array([picture.shape[:2] for picture in batch], np.int32)
    images = np.zeros((len(batch), *sizes.max(0), 3))
    for row, picture in enumerate(batch):
        images[row, : picture.shape[0], : picture.shape[1]] = picture / 255
    return detection.ImageList(images, sizes)


@pytest.mark.parametrize("name", PUBLISHED)
def test_arrays_have_torchvisions_names_and_the_published_parameters(name):
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision.models import detection as theirs

    with torch.device("meta"):
        module = getattr(theirs, name)(weights=None, weights_backbone=None)
    expected = {key: tuple(array.shape) for key, array in module.state_dict().items() if not key.endswith(COUNTER)}
    model = models.create(name)
    shapes = shapes_of(model)
    zeros = jax.tree.map(lambda leaf: np.broadcast_to(np.int8(0), leaf.shape), shapes)
    assert {key: array.shape for key, array in to_pytorch(zeros, **layout(model)).items()} == expected
    assert parameter_count(shapes["params"]) == PUBLISHED[name]


def assert_same_detections(name, batches, **arguments):
    """Detections in batches of pictures equal torchvision's, in their order."""
    module = reference(name, **arguments)
    sizes = {field: arguments[field] for field in ("min_size", "max_size")}
    found = 0
    with jax.enable_x64(True):
        model, variables = ours_of(name, module, **arguments)
        detect = jax.jit(detection.make_detect(model, mean=MEAN, std=STD), static_argnums=3)
        for batch in batches:
            with pytorch.torch().no_grad():
                theirs = module([tensor_of(picture) for picture in batch])
            x = image_list(batch)
            seen = detection.seen_sizes(x.sizes, **sizes)
            ours = jax.device_get(detect(variables, x, seen, detection.canvas_of(seen)))
            for row, expected in enumerate(theirs):
                count = len(expected["boxes"])
                found += count
                np.testing.assert_array_equal(ours.valid[row], np.arange(ours.valid.shape[1]) < count)
                np.testing.assert_array_equal(ours.labels[row, :count], expected["labels"])
                np.testing.assert_allclose(ours.scores[row, :count], expected["scores"], atol=1e-9)
                np.testing.assert_allclose(ours.boxes[row, :count], expected["boxes"], atol=1e-6)
                if "masks" in expected:
                    height, width = x.sizes[row]
                    masks = expected["masks"][:, 0].numpy() >= 0.5
                    assert masks.any()
                    assert (ours.masks[row, :count, :height, :width] != masks).mean() <= 1e-3
    assert found >= 10 * sum(map(len, batches))


@pytest.mark.long
def test_detections_of_a_small_detector_equal_torchvisions():
    china, flower = two()
    batches = [[china, flower[:, 100:400]], [china]]
    assert_same_detections("mask_rcnn", batches, backbone="resnet18", min_size=128, max_size=256)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_detections_in_twenty_pictures_equal_torchvisions(name):
    batches = [[picture] for picture in of_coco(20)]
    assert_same_detections(name, batches, min_size=128, max_size=256)


class InOrder:
    """torchvision's sampler that takes the first of the candidates, as ours does where all its draws are falling."""

    def __init__(self, sampler):
        self.size, self.fraction = sampler.batch_size_per_image, sampler.positive_fraction

    def __call__(self, labels):
        torch, chosen = pytorch.torch(), ([], [])
        for each in labels:
            positive, negative = torch.where(each >= 1)[0], torch.where(each == 0)[0]
            positive = positive[: int(self.size * self.fraction)]
            negative = negative[: self.size - len(positive)]
            for kept, taken in zip(chosen, (positive, negative), strict=True):
                mask = torch.zeros_like(each, dtype=torch.uint8)
                mask[taken] = 1
                kept.append(mask)
        return chosen


def falling(key, shape):
    return jnp.linspace(1.0, 0.0, shape[0])


def targets_of(batch, rng):
    """Objects in the pictures, none in the last, for torchvision and for us."""
    theirs, most = [], 4
    boxes, labels = np.zeros((len(batch), most, 4)), np.zeros((len(batch), most), np.int32)
    masks = np.zeros((len(batch), most, *np.max([picture.shape[:2] for picture in batch], axis=0)), bool)
    for row, picture in enumerate(batch):
        height, width = picture.shape[:2]
        count = 0 if row == len(batch) - 1 else most - row
        corners = rng.uniform(0, 0.6, (count, 2)) * [width, height]
        sides = rng.uniform(0.1, 0.4, (count, 2)) * [width, height]
        boxes[row, :count] = np.concatenate([corners, corners + sides], axis=1)
        labels[row, :count] = rng.integers(1, 91, count)
        for index in range(count):
            x1, y1, x2, y2 = boxes[row, index].astype(int)
            masks[row, index, y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < 0.7
        torch = pytorch.torch()
        theirs.append(
            {
                "boxes": torch.tensor(boxes[row, :count]),
                "labels": torch.tensor(labels[row, :count].astype(np.int64)),
                "masks": torch.tensor(masks[row, :count, :height, :width].astype(np.uint8)),
            }
        )
    return theirs, detection.Targets(boxes, labels, masks)


def assert_same_losses(name, monkeypatch, batch, **arguments):
    """Losses of a training step, and their gradients, equal torchvision's, where both draw the first candidates."""
    torch, module = pytorch.torch(), reference(name, **arguments)
    theirs, ours = targets_of(batch, np.random.default_rng(0))
    module.train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    if hasattr(module, "rpn"):
        module.rpn.fg_bg_sampler = InOrder(module.rpn.fg_bg_sampler)
        module.roi_heads.fg_bg_sampler = InOrder(module.roi_heads.fg_bg_sampler)
    try:
        expected = module([tensor_of(picture) for picture in batch], theirs)
        sum(expected.values()).backward()
        slopes = {key: each.grad.numpy() for key, each in module.named_parameters() if each.grad is not None}
    finally:
        module.eval()
        module.zero_grad()
    monkeypatch.setattr("jaxdl.detection.sampling.jax.random.uniform", falling)
    with jax.enable_x64(True):
        model, variables = ours_of(name, module, frozen_norms=True, **arguments)
        x = image_list(batch)
        sizes = {field: arguments[field] for field in ("min_size", "max_size")}
        seen = detection.seen_sizes(x.sizes, **sizes)
        canvas = detection.canvas_of(seen)
        targets = detection.resize_targets(ours, x.sizes, seen, canvas)
        prepared = detection.normalised(x, seen, canvas, mean=MEAN, std=STD)

        def losses(params):
            found = model.apply(
                {**variables, "params": params},
                prepared,
                train=True,
                targets=targets,
                rngs={"dropout": jax.random.key(0)},
            )
            means = {key: values.sum() / jnp.maximum(weights.sum(), 1) for key, (values, weights) in found.items()}
            return sum(means.values()), means

        (_, found), gradients = jax.jit(jax.value_and_grad(losses, has_aux=True))(variables["params"])
        gradients = to_pytorch({"params": gradients}, **layout(model))
    assert found.keys() == expected.keys()
    for key, loss in expected.items():
        np.testing.assert_allclose(found[key], loss.item(), rtol=1e-6, err_msg=key)
    largest = max(np.abs(slope).max() for slope in slopes.values())
    for key, slope in gradients.items():
        if "running" not in key:
            np.testing.assert_allclose(slope, slopes[key], rtol=1e-4, atol=1e-7 * largest, err_msg=key)


@pytest.mark.slow
def test_losses_of_a_small_detector_equal_torchvisions(monkeypatch):
    china, flower = two()
    batch = [china, flower[:, 100:400], flower]
    assert_same_losses("mask_rcnn", monkeypatch, batch, backbone="resnet18", min_size=96, max_size=192)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_losses_and_gradients_equal_torchvisions(name, monkeypatch):
    assert_same_losses(name, monkeypatch, of_coco(2), min_size=96, max_size=192)
