"""What timm and transformers write beside weights; where they are installed, against themselves."""

import json

import pytest

from jaxdl.errors import UserError
from jaxdl.transfer.accompanying import accompanying, check_architecture
from tests import pytorch

VIT = {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor", "image_std": [0.5, 0.5, 0.5], "resample": 2,
    "rescale_factor": 0.00392156862745098, "size": {"height": 224, "width": 224},
}  # fmt: skip
DINO = {
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True,
    "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": {"shortest_edge": 256},
}  # fmt: skip
CONVNEXT = {
    "crop_pct": 0.875, "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "ConvNextImageProcessor",
    "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": {"shortest_edge": 224},
}  # fmt: skip
OLD = {"do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2, "size": 224}
TIMM = {
    "architecture": "vit_tiny_patch16_224", "num_classes": 1000,
    "pretrained_cfg": {
        "crop_mode": "center", "crop_pct": 0.9, "input_size": [3, 224, 224], "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
    },
}  # fmt: skip

SAVED = {"num_classes": 5, "in_chans": 3, "img_size": [224, 224]}  # what timm's save_for_hf writes of every network


def write(folder, name, content):
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (VIT, (224, 0, "bilinear", (0.5,) * 3)),
        (DINO, (224, 256, "bicubic", (0.485, 0.456, 0.406))),
        (CONVNEXT, (224, 256, "bicubic", (0.485, 0.456, 0.406))),
        (CONVNEXT | {"size": {"shortest_edge": 384}}, (384, 0, "bicubic", (0.485, 0.456, 0.406))),
        (OLD, (224, 0, "bilinear", (0.5,) * 3)),
        (OLD | {"do_normalize": False}, (224, 0, "bilinear", (0.0,))),
        (OLD | {"feature_extractor_type": "ConvNextFeatureExtractor"}, (224, 256, "bilinear", (0.5,) * 3)),
        (OLD | {"feature_extractor_type": "ConvNextFeatureExtractor", "size": 384}, (384, 0, "bilinear", (0.5,) * 3)),
        (OLD | {"crop_pct": 0.9}, (224, 248, "bilinear", (0.5,) * 3)),
        (OLD | {"size": 256, "crop_size": 224, "do_center_crop": True}, (224, 256, "bilinear", (0.5,) * 3)),
    ],
)
def test_image_processor_says_what_pictures_are_like(content, expected, tmp_path):
    found = accompanying(write(tmp_path, "preprocessor_config.json", content))
    assert (found.size, found.resize, found.interpolation, found.mean) == expected
    assert found.classes is None


def test_classes_are_those_of_the_config_beside_it(tmp_path):
    write(tmp_path, "preprocessor_config.json", VIT)
    write(tmp_path, "config.json", {"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}})
    assert accompanying(tmp_path).classes == ("cat", "dog")
    write(tmp_path, "config.json", {"id2label": {"0": "cat", "2": "dog"}})
    assert accompanying(tmp_path).classes is None


def test_timms_config_says_what_pictures_are_like(tmp_path):
    found = accompanying(write(tmp_path, "config.json", TIMM))
    assert (found.size, found.resize, found.interpolation, found.std) == (224, 248, "bicubic", (0.5,) * 3)
    squashed = TIMM | {"pretrained_cfg": TIMM["pretrained_cfg"] | {"crop_mode": "squash", "crop_pct": 1.0}}
    assert accompanying(write(tmp_path, "config.json", squashed)).resize == 0


def test_a_folder_without_them_says_nothing(tmp_path):
    assert accompanying(tmp_path) is None
    for others in ({"architectures": ["ResNet"]}, "[1]", "// a comment", {"pretrained_cfg": "resnet18"}):
        assert accompanying(write(tmp_path, "config.json", others)) is None


@pytest.mark.parametrize(
    "content",
    [
        *("", "[1]", "{", "[" * 100_000, '{"size": 1e400}', '{"size": {"height": 224}}'),
        VIT | {"size": {"height": 224, "width": 192}},
        VIT | {"image_std": [0, 0, 0]},
        VIT | {"image_mean": [0.5]},
        VIT | {"image_mean": "x"},
        VIT | {"size": {"height": 10**9, "width": 10**9}},
        VIT | {"rescale_factor": 1.0},
        VIT | {"resample": 0},
        VIT | {"size": None},
        VIT | {"do_resize": False},
        OLD | {"feature_extractor_type": "DeiTFeatureExtractor", "size": 256, "crop_size": 224, "do_center_crop": True},
    ],
)
def test_one_that_is_damaged_or_asks_for_the_impossible_is_a_user_error(content, tmp_path):
    with pytest.raises(UserError, match=r"preprocessor_config\.json"):
        accompanying(write(tmp_path, "preprocessor_config.json", content))


@pytest.mark.parametrize("field", ["do_flip_channel_order", "rescale_offset", "include_top", "do_pad"])
def test_what_is_not_done_to_pictures_is_named(field, tmp_path):
    with pytest.raises(UserError, match=rf"preprocessor_config\.json has {field} True"):
        accompanying(write(tmp_path, "preprocessor_config.json", VIT | {field: True}))
    assert accompanying(write(tmp_path, "preprocessor_config.json", VIT | {field: False})).size == 224


def test_pictures_that_are_not_cut_to_squares_are_a_user_error(tmp_path):
    with pytest.raises(UserError, match="do_center_crop false"):
        accompanying(write(tmp_path, "preprocessor_config.json", DINO | {"do_center_crop": False}))
    found = accompanying(write(tmp_path, "preprocessor_config.json", CONVNEXT | {"do_center_crop": False}))
    assert (found.size, found.resize) == (224, 256)


@pytest.mark.parametrize(
    "content",
    [
        {"architecture": "resnetaa50", "pretrained_cfg": {}},
        {"architecture": "tf_efficientnet_b0"},
        {"architecture": "resnet18", "model_args": {"act_layer": "silu"}},
        {"architecture": "resnet18", "model_args": {"output_stride": 8}},
        {"architecture": "resnet18", "model_args": {"global_pool": "max"}},
        {"architecture": "vit_base_patch32_224", "model_args": {"global_pool": "avg"}},
        {"architecture": "vit_base_patch32_224", "global_pool": "avg"},
        {"architecture": "swin_base_patch4_window12_384"},
        {"architecture": "swinv2_tiny_window16_256", "model_args": {"global_pool": "avg", "img_size": [256, 256]}},
        {"architecture": "swinv2_tiny_window8_256", "model_args": {"img_size": [224, 224]}},
        {"model_type": "resnet", "downsample_in_bottleneck": True},
        {"model_type": "resnet", "hidden_act": "gelu"},
        {"model_type": "vit", "hidden_act": "relu"},
        {"model_type": "dinov2_with_registers", "hidden_act": "relu"},
        {"model_type": "vit", "layer_norm_eps": 1e-3},
    ],
)
def test_a_config_of_another_network_is_a_user_error(content, tmp_path):
    with pytest.raises(UserError, match=r"config\.json"):
        check_architecture(write(tmp_path, "config.json", content))


@pytest.mark.parametrize(
    "content",
    [
        {"architecture": "resnet18", "model_args": {"num_classes": 10, "drop_rate": 0.1}},
        {"architecture": "resnet18", "global_pool": "avg", "model_args": SAVED | {"global_pool": "avg"}},
        {"architecture": "vit_base_patch32_224", "model_args": SAVED | {"global_pool": "token"}},
        {"architecture": "deit_base_patch16_224", "model_args": SAVED | {"global_pool": ""}},
        {"architecture": "swin_tiny_patch4_window7_224", "model_args": SAVED | {"global_pool": "avg"}},
        {"architecture": "swinv2_tiny_window8_256", "model_args": {"global_pool": "avg", "img_size": [256, 256]}},
        {"model_type": "resnet", "downsample_in_bottleneck": False, "hidden_act": "relu"},
        {"model_type": "convnext", "hidden_act": "gelu", "layer_norm_eps": 1e-12},
        {"model_type": "bert", "hidden_act": "tanh"},
        {"model_type": ["vit"], "layer_norm_eps": "small"},
        {"learning_rate": 0.1},
    ],
)
def test_a_config_of_the_same_network_or_of_something_else_is_none(content, tmp_path):
    check_architecture(write(tmp_path, "config.json", content))


@pytest.mark.parametrize(
    ("model_type", "field", "heads", "others"),
    [
        ("vit", "num_attention_heads", 12, [8, 24, "12", None, [12]]),
        ("dinov2_with_registers", "num_attention_heads", 6, [12]),
        ("swin", "num_heads", (3, 6, 12, 24), [[6, 12, 24, 48], 3]),
    ],
)
def test_heads_are_those_of_the_network(model_type, field, heads, others, tmp_path):
    check_architecture(write(tmp_path, "config.json", {"model_type": model_type, field: heads}), heads)
    check_architecture(write(tmp_path, "config.json", {"model_type": model_type}), heads)
    check_architecture(write(tmp_path, "config.json", {"model_type": "bert", field: 5}), heads)
    for other in others:
        with pytest.raises(UserError, match=rf"config\.json has {field} .*, and the network here has"):
            check_architecture(write(tmp_path, "config.json", {"model_type": model_type, field: other}), heads)


def test_timms_squashed_and_cut_pictures_are_a_user_error(tmp_path):
    squashed = TIMM | {"pretrained_cfg": TIMM["pretrained_cfg"] | {"crop_mode": "squash", "crop_pct": 0.9}}
    with pytest.raises(UserError, match="crop_mode squash"):
        accompanying(write(tmp_path, "config.json", squashed))


def test_resizing_is_timms_own(tmp_path):
    pytest.importorskip("torch")
    pytorch.torchvision()  # which timm imports
    timm = pytest.importorskip("timm")
    for share in (0.875, 0.9, 0.95, 1.0):
        content = TIMM | {"pretrained_cfg": TIMM["pretrained_cfg"] | {"crop_pct": share}}
        found = accompanying(write(tmp_path, "config.json", content))
        theirs = timm.data.create_transform(input_size=(3, 224, 224), crop_pct=share, interpolation="bicubic")
        assert found.resize == theirs.transforms[0].size
