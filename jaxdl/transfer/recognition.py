"""The network that a file's arrays are of, by their names: another library's, another one of ours, or a part of one."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxdl.transfer.conversion import AUXILIARY, located
from jaxdl.transfer.prefixes import COUNTER

PART = "in code, from_pytorch(..., only=[...]) loads a part"
# A sentence for names of which one matches; the first that does. Patterns are of a part of a name.
OTHERS = (
    (r"(^|\.)(rpn|roi_heads|bbox_head|rpn_head|roi_head|anchor_generator)\.|\.fpn\.|head\.classification_head\.",
     f"These are a detector's, of which a backbone is a part: {PART}."),
    (r"(^|\.)model\.\d+\.(cv\d|m\.\d|conv)\.", "These are a YOLO's, a detector of ultralytics, with names of its own."),
    (r"(^|\.)(decode_head|aux_classifier|segmentation_head)\.|(^|\.)classifier\.0\.convs\.",
     f"These are a segmenter's, of which a backbone is a part: {PART}."),
    (r"embeddings\.patch_embeddings\.|\.attention\.attention\.query\.|\.embedder\.(embedder\.)?convolution\.|"
     r"encoder\.stages\.\d+\.layers\.",
     "The names are those of Hugging Face's transformers, which this library does not know; torchvision's or, of a "
     "ResNet, timm's fit."),
    (r"(^|\.)(visual\.|image_encoder\.|vision_model\.)|(^|\.)transformer\.resblocks\.",
     "These are an image encoder's of CLIP, with names of its own."),
    (r"(^|\.)(blocks\.\d+\.(attn|mlp|norm1)|patch_embed\.proj|conv_stem|blocks\.\d+\.\d+\.|stages\.\d+\.blocks\.|"
     r"layers\.\d+\.blocks\.|stem\.\d+\.|pre_logits\.)",
     "The names are timm's, which this library knows of ResNets alone; torchvision's file of the same network fits."),
    (r"(^|\.)(encoder_q|encoder_k|student|teacher|online_encoder|projector|predictor)\.",
     f"These are of learning without labels, a backbone without a classifier: {PART}."),
    (r"\.weight_(g|v|orig|mask)$|\.parametrizations\.",
     "Layers have weights in two parts (weight_norm or pruning). Remove those in PyTorch before saving."),
    (r"\.(lora_[AB]|base_layer)\.", "Layers have adapters (LoRA). Merge them in PyTorch before saving."),
)  # fmt: skip
# Of our networks: a name that all of a family have, and each with its number of arrays, without counters and
# auxiliary classifiers.
FAMILIES = (
    ("layer1.0.conv1.weight", {
        "resnet18": 102, "resnet34": 182, "resnet50": 267, "resnet101": 522, "resnet152": 777, "resnext50_32x4d": 267,
        "resnext101_32x8d": 522, "resnext101_64x4d": 522, "wide_resnet50_2": 267, "wide_resnet101_2": 522,
    }),
    ("features.denseblock1.denselayer1.norm1.weight", {
        "densenet121": 606, "densenet161": 806, "densenet169": 846, "densenet201": 1006,
    }),
    ("features.1.0.block.0.0.weight", {
        "efficientnet_b0": 311, "efficientnet_b1": 439, "efficientnet_b2": 439, "efficientnet_b3": 496,
        "efficientnet_b4": 610, "efficientnet_b5": 738, "efficientnet_b6": 852, "efficientnet_b7": 1037,
    }),
    ("features.1.block.0.0.weight", {"mobilenet_v3_large": 266, "mobilenet_v3_small": 210}),
    ("features.1.conv.0.0.weight", {"mobilenet_v2": 262}),
    ("inception3a.branch1.conv.weight", {"googlenet": 287}),
    ("Mixed_5b.branch1x1.conv.weight", {"inception_v3": 472}),
    ("stage2.0.branch1.0.weight", {
        "shufflenet_v2_x0_5": 282, "shufflenet_v2_x1_0": 282, "shufflenet_v2_x1_5": 282, "shufflenet_v2_x2_0": 282,
    }),
    ("features.3.squeeze.weight", {"squeezenet1_0": 52, "squeezenet1_1": 52}),
    ("encoder.layers.encoder_layer_0.ln_1.weight", {"vit_b_16": 152, "vit_b_32": 152, "vit_l_16": 296}),
    ("features.0.weight", {
        "alexnet": 16, "vgg11": 22, "vgg11_bn": 54, "vgg13": 26, "vgg13_bn": 66, "vgg16": 32, "vgg16_bn": 84,
        "vgg19": 38, "vgg19_bn": 102,
    }),
)  # fmt: skip
BESIDE = 20  # arrays that a file may have beside a network's
OTHER_SHAPES = 6  # arrays of classifiers, and a first layer, that may have other shapes


def whose(names: Iterable[str]) -> str | None:
    """A sentence on the library or the kind of network that has such names; None if they are of none that is known."""
    names = list(names)
    for pattern, sentence in OTHERS:
        if any(re.search(pattern, name) for name in names):
            return sentence
    return None


def plausible(names: Iterable[str]) -> list[str]:
    """Our networks that have about as many arrays, and the names of whose family are among these."""
    names = [name for name in names if not name.endswith(COUNTER)]
    for mark, sizes in FAMILIES:
        if any(name == mark or name.endswith(f".{mark}") for name in names):
            return [model for model, size in sizes.items() if size <= len(names) <= size + BESIDE]
    return []


def ours(arrays: Mapping[str, Any], variables_of: Callable[[str], Mapping[str, Any]]) -> str | None:
    """The name of our network that these arrays are of, whatever its classes; None if they are of none.

    arrays: what has a shape, by PyTorch's names. variables_of: gives a network's variables, or their shapes, by name;
    is called for those that are plausible alone.
    """
    found = {}
    for model in plausible(arrays):
        choice = located({"": arrays}, variables_of(model), may_lack=AUXILIARY)
        if choice.whole and choice.differing <= OTHER_SHAPES:
            found[model] = choice.differing
    return min(found, key=found.get, default=None)
