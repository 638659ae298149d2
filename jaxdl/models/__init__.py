"""Networks by name. Each is a linen module: ``model.apply(variables, images, train=...)`` returns logits.

``MODELS`` are classifiers, with logits of each image; ``SEGMENTERS`` have logits of each pixel; ``DETECTORS`` find
objects.
"""

from collections import ChainMap
from typing import TYPE_CHECKING

from jaxdl.lazy import Table, exports
from jaxdl.models.stems import STEMS

if TYPE_CHECKING:
    from jaxdl.models.creation import create, describe, has_stem

MODELS = Table(
    "jaxdl.models",
    {
        "alexnet": "alexnet.AlexNet",
        "cifar_cnn": "cifar_cnn.CifarCNN",
        "convnext_tiny": "convnext.convnext_tiny",
        "convnext_small": "convnext.convnext_small",
        "convnext_base": "convnext.convnext_base",
        "convnext_large": "convnext.convnext_large",
        "densenet121": "densenet.densenet121",
        "densenet161": "densenet.densenet161",
        "densenet169": "densenet.densenet169",
        "densenet201": "densenet.densenet201",
        "dinov2_vits14": "vit.dinov2_vits14",
        "dinov2_vits14_reg": "vit.dinov2_vits14_reg",
        "dinov2_vitb14": "vit.dinov2_vitb14",
        "dinov2_vitb14_reg": "vit.dinov2_vitb14_reg",
        "dinov2_vitl14": "vit.dinov2_vitl14",
        "dinov2_vitl14_reg": "vit.dinov2_vitl14_reg",
        "efficientnet_b0": "efficientnet.efficientnet_b0",
        "efficientnet_b1": "efficientnet.efficientnet_b1",
        "efficientnet_b2": "efficientnet.efficientnet_b2",
        "efficientnet_b3": "efficientnet.efficientnet_b3",
        "efficientnet_b4": "efficientnet.efficientnet_b4",
        "efficientnet_b5": "efficientnet.efficientnet_b5",
        "efficientnet_b6": "efficientnet.efficientnet_b6",
        "efficientnet_b7": "efficientnet.efficientnet_b7",
        "efficientnet_v2_s": "efficientnet.efficientnet_v2_s",
        "efficientnet_v2_m": "efficientnet.efficientnet_v2_m",
        "efficientnet_v2_l": "efficientnet.efficientnet_v2_l",
        "googlenet": "googlenet.googlenet",
        "inception_v3": "inception_v3.inception_v3",
        "maxvit_t": "maxvit.maxvit_t",
        "mnasnet0_5": "mnasnet.mnasnet0_5",
        "mnasnet0_75": "mnasnet.mnasnet0_75",
        "mnasnet1_0": "mnasnet.mnasnet1_0",
        "mnasnet1_3": "mnasnet.mnasnet1_3",
        "mobilenet_v2": "mobilenet_v2.mobilenet_v2",
        "mobilenet_v3_large": "mobilenet_v3.mobilenet_v3_large",
        "mobilenet_v3_small": "mobilenet_v3.mobilenet_v3_small",
        "quick_cnn": "quick_cnn.QuickCNN",
        "regnet_x_400mf": "regnet.regnet_x_400mf",
        "regnet_x_800mf": "regnet.regnet_x_800mf",
        "regnet_x_1_6gf": "regnet.regnet_x_1_6gf",
        "regnet_x_3_2gf": "regnet.regnet_x_3_2gf",
        "regnet_x_8gf": "regnet.regnet_x_8gf",
        "regnet_x_16gf": "regnet.regnet_x_16gf",
        "regnet_x_32gf": "regnet.regnet_x_32gf",
        "regnet_y_400mf": "regnet.regnet_y_400mf",
        "regnet_y_800mf": "regnet.regnet_y_800mf",
        "regnet_y_1_6gf": "regnet.regnet_y_1_6gf",
        "regnet_y_3_2gf": "regnet.regnet_y_3_2gf",
        "regnet_y_8gf": "regnet.regnet_y_8gf",
        "regnet_y_16gf": "regnet.regnet_y_16gf",
        "regnet_y_32gf": "regnet.regnet_y_32gf",
        "regnet_y_128gf": "regnet.regnet_y_128gf",
        "resnet18": "resnet.resnet18",
        "resnet34": "resnet.resnet34",
        "resnet50": "resnet.resnet50",
        "resnet101": "resnet.resnet101",
        "resnet152": "resnet.resnet152",
        "resnext50_32x4d": "resnet.resnext50_32x4d",
        "resnext101_32x8d": "resnet.resnext101_32x8d",
        "resnext101_64x4d": "resnet.resnext101_64x4d",
        "shufflenet_v2_x0_5": "shufflenet_v2.shufflenet_v2_x0_5",
        "shufflenet_v2_x1_0": "shufflenet_v2.shufflenet_v2_x1_0",
        "shufflenet_v2_x1_5": "shufflenet_v2.shufflenet_v2_x1_5",
        "shufflenet_v2_x2_0": "shufflenet_v2.shufflenet_v2_x2_0",
        "speed_cnn": "speed_cnn.SpeedCNN",
        "speed_cnn_muon": "speed_cnn.speed_cnn_muon",
        "squeezenet1_0": "squeezenet.squeezenet1_0",
        "squeezenet1_1": "squeezenet.squeezenet1_1",
        "swin_b": "swin.swin_b",
        "swin_s": "swin.swin_s",
        "swin_t": "swin.swin_t",
        "swin_v2_b": "swin_v2.swin_v2_b",
        "swin_v2_s": "swin_v2.swin_v2_s",
        "swin_v2_t": "swin_v2.swin_v2_t",
        "vgg11": "vgg.vgg11",
        "vgg11_bn": "vgg.vgg11_bn",
        "vgg13": "vgg.vgg13",
        "vgg13_bn": "vgg.vgg13_bn",
        "vgg16": "vgg.vgg16",
        "vgg16_bn": "vgg.vgg16_bn",
        "vgg19": "vgg.vgg19",
        "vgg19_bn": "vgg.vgg19_bn",
        "vit_b_16": "vit.vit_b_16",
        "vit_b_32": "vit.vit_b_32",
        "vit_l_16": "vit.vit_l_16",
        "vit_l_32": "vit.vit_l_32",
        "vit_h_14": "vit.vit_h_14",
        "wide_resnet50_2": "resnet.wide_resnet50_2",
        "wide_resnet101_2": "resnet.wide_resnet101_2",
    },
)


SEGMENTERS = Table(
    "jaxdl.models",
    {
        "deeplabv3": "deeplabv3.DeepLabV3",
        "deeplabv3_mobilenet_v3_large": "deeplabv3.deeplabv3_mobilenet_v3_large",
        "deeplabv3_resnet50": "deeplabv3.deeplabv3_resnet50",
        "deeplabv3_resnet101": "deeplabv3.deeplabv3_resnet101",
        "fcn": "fcn.FCN",
        "fcn_resnet50": "fcn.fcn_resnet50",
        "fcn_resnet101": "fcn.fcn_resnet101",
        "lraspp": "lraspp.LRASPP",
        "lraspp_mobilenet_v3_large": "lraspp.lraspp_mobilenet_v3_large",
        "unet": "unet.UNet",
    },
)


DETECTORS = Table(
    "jaxdl.models",
    {
        "faster_rcnn": "faster_rcnn.FasterRCNN",
        "fasterrcnn_mobilenet_v3_large_320_fpn": "faster_rcnn.fasterrcnn_mobilenet_v3_large_320_fpn",
        "fasterrcnn_mobilenet_v3_large_fpn": "faster_rcnn.fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_resnet50_fpn": "faster_rcnn.fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2": "faster_rcnn.fasterrcnn_resnet50_fpn_v2",
        "mask_rcnn": "mask_rcnn.MaskRCNN",
        "maskrcnn_resnet50_fpn": "mask_rcnn.maskrcnn_resnet50_fpn",
        "maskrcnn_resnet50_fpn_v2": "mask_rcnn.maskrcnn_resnet50_fpn_v2",
        "retinanet": "retinanet.RetinaNet",
        "retinanet_resnet50_fpn": "retinanet.retinanet_resnet50_fpn",
        "retinanet_resnet50_fpn_v2": "retinanet.retinanet_resnet50_fpn_v2",
    },
)


NETWORKS = ChainMap(MODELS, SEGMENTERS, DETECTORS)  # all of them


def names() -> list[str]:
    """Every name of a classifier that ``create`` takes."""
    return sorted(MODELS)


__getattr__, __dir__ = exports(
    __name__,
    {
        "creation": "create describe has_stem",
    },
)
__all__ = ["DETECTORS", "MODELS", "NETWORKS", "SEGMENTERS", "STEMS", "create", "describe", "has_stem", "names"]
