"""The network that a file's arrays are of, by their names: another library's, another one of ours, or a part of one."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from jaxdl.transfer.conversion import located
from jaxdl.transfer.prefixes import COUNTER
from jaxdl.transfer.published import SEGMENTERS

PART = "in code, from_pytorch(..., only=[...]) loads a part"
# A sentence for names of which one matches; the first that does. Patterns are of a part of a name.
OTHERS = (
    (r"(^|\.)(rpn|roi_heads|bbox_head|rpn_head|roi_head|anchor_generator)\.|\.fpn\.|head\.classification_head\.",
     f"These are a detector's, of which a backbone is a part: {PART}."),
    (r"(^|\.)model\.\d+\.(cv\d|m\.\d|conv)\.", "These are a YOLO's, a detector of ultralytics, with names of its own."),
    (r"(^|\.)(decode_head|segmentation_head)\.",
     f"These are a segmenter's, of which a backbone is a part: {PART}."),
    (r"(^|\.)(dist_token|head_dist\.|embeddings\.distillation_token)",
     "These are a distilled DeiT's, which has a second token and classifier; DeiT's without them fit."),
    (r"embeddings\.patch_embeddings\.|\.attention\.attention\.query\.|\.embedder\.(embedder\.)?convolution\.|"
     r"encoder\.stages\.\d+\.layers\.",
     "The names are those of Hugging Face's transformers, of a network that is not torchvision's or not known here."),
    (r"(^|\.)(visual\.|image_encoder\.|vision_model\.)|(^|\.)transformer\.resblocks\.",
     "These are an image encoder's of CLIP, with names of its own."),
    (r"(^|\.)(blocks\.\d+\.(attn|mlp|norm1)|patch_embed\.proj|conv_stem|blocks\.\d+\.\d+\.|stages\.\d+\.blocks\.|"
     r"layers\.\d+\.blocks\.|pre_logits\.)",
     "The names are timm's, of a network that is not torchvision's or not known here."),
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
        "efficientnet_v2_s": 672, "efficientnet_v2_m": 963, "efficientnet_v2_l": 1331,
    }),
    ("features.1.block.0.0.weight", {"mobilenet_v3_large": 266, "mobilenet_v3_small": 210}),
    ("features.1.conv.0.0.weight", {"mobilenet_v2": 262}),
    ("inception3a.branch1.conv.weight", {"googlenet": 287}),
    ("Mixed_5b.branch1x1.conv.weight", {"inception_v3": 472}),
    ("stage2.0.branch1.0.weight", {
        "shufflenet_v2_x0_5": 282, "shufflenet_v2_x1_0": 282, "shufflenet_v2_x1_5": 282, "shufflenet_v2_x2_0": 282,
    }),
    ("features.3.squeeze.weight", {"squeezenet1_0": 52, "squeezenet1_1": 52}),
    ("encoder.layers.encoder_layer_0.ln_1.weight", {
        "vit_b_16": 152, "vit_b_32": 152, "vit_l_16": 296, "vit_l_32": 296, "vit_h_14": 392,
        "dinov2_vits14": 176, "dinov2_vitb14": 176, "dinov2_vitl14": 344,
        "dinov2_vits14_reg": 177, "dinov2_vitb14_reg": 177, "dinov2_vitl14_reg": 345,
    }),
    ("features.1.0.layer_scale", {
        "convnext_tiny": 182, "convnext_small": 344, "convnext_base": 344, "convnext_large": 344,
    }),
    ("features.1.0.attn.qkv.weight", {
        "swin_t": 173, "swin_s": 329, "swin_b": 329, "swin_v2_t": 209, "swin_v2_s": 401, "swin_v2_b": 401,
    }),
    ("blocks.0.layers.0.layers.MBconv.layers.conv_a.0.weight", {"maxvit_t": 526}),
    ("layers.8.0.layers.0.weight", {"mnasnet0_5": 262, "mnasnet0_75": 262, "mnasnet1_0": 262, "mnasnet1_3": 262}),
    ("trunk_output.block1.block1-0.f.a.0.weight", {
        "regnet_x_400mf": 357, "regnet_x_800mf": 267, "regnet_x_1_6gf": 297, "regnet_x_3_2gf": 402,
        "regnet_x_8gf": 372, "regnet_x_16gf": 357, "regnet_x_32gf": 372, "regnet_y_400mf": 331, "regnet_y_800mf": 293,
        "regnet_y_1_6gf": 540, "regnet_y_3_2gf": 426, "regnet_y_8gf": 350, "regnet_y_16gf": 369, "regnet_y_32gf": 407,
        "regnet_y_128gf": 540,
    }),
    ("features.0.weight", {
        "alexnet": 16, "vgg11": 22, "vgg11_bn": 54, "vgg13": 26, "vgg13_bn": 66, "vgg16": 32, "vgg16_bn": 84,
        "vgg19": 38, "vgg19_bn": 102,
    }),
)  # fmt: skip
# Of torchvision's segmenters: a name of the head, and of the backbone the last stage's.
HEADS = (("classifier.0.convs.", "deeplabv3"), ("classifier.cbr.", "lraspp"), ("classifier.4.weight", "fcn"))
BACKBONES = (
    ("backbone.layer3.22.", "resnet101"), ("backbone.layer4.2.", "resnet50"), ("backbone.16.", "mobilenet_v3_large"),
)  # fmt: skip
BESIDE = 20  # arrays that a file may have beside a network's
OTHER_SHAPES = 6  # arrays of classifiers, and a first layer, that may have other shapes
HEAD = 2  # arrays of a classifier, which files may lack
COMPUTED = ("relative_position_index", "relative_coords_table")  # buffers


class Network(NamedTuple):
    """One of ours. variables: or their shapes. names, buffers, may_lack: see ``conversion.from_pytorch``."""

    variables: Mapping[str, Any]
    names: Mapping[str, str]
    buffers: Mapping[str, Any]
    may_lack: Collection[str]


def whose(names: Iterable[str]) -> str | None:
    """A sentence on the library or the kind of network that has such names; None if they are of none that is known."""
    names = list(names)
    if (segmenter := segmenter_of(names)) is not None:
        return f"These are the weights of {segmenter}: model {segmenter}."
    for pattern, sentence in OTHERS:
        if any(re.search(pattern, name) for name in names):
            return sentence
    return None


def segmenter_of(names: Iterable[str]) -> str | None:
    """The name of torchvision's segmenter whose arrays are called so, under whatever prefix; None if it is none."""
    every = "\n".join(f".{name}" for name in names)
    head = next((model for mark, model in HEADS if f".{mark}" in every), None)
    backbone = next((model for mark, model in BACKBONES if f".{mark}" in every), None)
    name = f"{head}_{backbone}"
    return name if name in SEGMENTERS else None


def plausible(names: Iterable[str]) -> list[str]:
    """Our networks that have about as many arrays, and the names of whose family are among these."""
    names = [name for name in names if not name.endswith((COUNTER, *COMPUTED))]
    for mark, sizes in FAMILIES:
        if any(name == mark or name.endswith(f".{mark}") for name in names):
            return [model for model, size in sizes.items() if size - HEAD <= len(names) <= size + BESIDE]
    return []


def ours(arrays: Mapping[str, Any], network_of: Callable[[str], Network]) -> str | None:
    """The name of our network that these arrays are of, whatever its classes; None if they are of none.

    arrays: what has a shape, by PyTorch's names. network_of: gives a network by name; is called for those that are
    plausible alone.
    """
    found = {}
    for model in plausible(arrays):
        network = network_of(model)
        how = {"names": network.names, "buffers": network.buffers, "may_lack": network.may_lack}
        choice = located({"": arrays}, network.variables, **how)
        if choice.whole and choice.differing <= OTHER_SHAPES:
            found[model] = choice.differing
    return min(found, key=found.get, default=None)
