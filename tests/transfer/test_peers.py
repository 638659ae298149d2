"""timm and transformers themselves: their networks' logits are ours with the files that they write, and back."""

import functools
import importlib
import json
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models
from jaxdl.train.state import parameter_count
from jaxdl.transfer import from_library, load_weights, to_library
from jaxdl.transfer.accompanying import accompanying
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from tests import pytorch
from tests.pytorch import assert_close
from tests.transfer.files import save

TRANSFORMER = {"depth": 2, "heads": 6, "width": 384}
CONVNEXT = {"sizes": (2, 1, 1, 1), "widths": (8, 16, 32, 64)}
# by timm's name: ours, the images' size, arguments of timm's, fields of ours
OF_TIMM = {
    "vit_small_patch16_224": ("vit_b_16", 64, {"img_size": 64, "depth": 2}, TRANSFORMER),
    "deit_small_patch16_224": ("vit_b_16", 64, {"img_size": 64, "depth": 2}, TRANSFORMER),
    "vit_small_patch14_dinov2": ("dinov2_vits14", 56, {"img_size": 56, "depth": 2}, TRANSFORMER),
    "vit_small_patch14_reg4_dinov2": ("dinov2_vits14_reg", 56, {"img_size": 56, "depth": 2}, TRANSFORMER),
    "convnext_tiny": ("convnext_tiny", 64, {"depths": (2, 1, 1, 1), "dims": (8, 16, 32, 64)}, CONVNEXT),
    "swin_tiny_patch4_window7_224": (
        *("swin_t", 56, {"img_size": 56, "depths": (2, 2), "num_heads": (3, 6)}, {"depths": (2, 2), "heads": (3, 6)}),
    ),
    "swinv2_tiny_window8_256": (
        *("swin_v2_t", 64, {"img_size": 64, "depths": (2, 2), "num_heads": (3, 6)}),
        {"depths": (2, 2), "heads": (3, 6)},
    ),
    "mobilenetv3_small_100": ("mobilenet_v3_small", 64, {}, {}),
    "resnet18": ("resnet18", 64, {}, {}),
}
LARGER = {
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "regnetx_004_tv": "regnet_x_400mf",
    "regnety_004": "regnet_y_400mf",
    "efficientnet_b0": "efficientnet_b0",
    "efficientnet_b1": "efficientnet_b1",
    "efficientnet_b5": "efficientnet_b5",
    "efficientnetv2_s": "efficientnet_v2_s",
    "efficientnetv2_m": "efficientnet_v2_m",
}
VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
OUR_VIT = {"depth": 2, "heads": 2, "width": 32}
CONVNEXTS = {"hidden_sizes": [8, 16, 32, 64], "depths": [2, 1, 1, 1]}
SWIN = {"embed_dim": 12, "depths": [2, 2], "num_heads": [1, 2], "image_size": 56}
BASIC = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]}
# by a name of transformers' classes: ours, the images' size, the configuration, fields of ours
OF_TRANSFORMERS = {
    "ViT": ("vit_b_16", 32, {**VIT, "intermediate_size": 128, "image_size": 32}, OUR_VIT),
    "ConvNext": ("convnext_tiny", 64, CONVNEXTS, CONVNEXT),
    "Swin": ("swin_t", 56, SWIN, {"width": 12, "depths": (2, 2), "heads": (1, 2)}),
    "ResNet": ("resnet50", 64, {"depths": [1, 1, 1, 1]}, {"sizes": (1, 1, 1, 1)}),
    "ResNet, basic": ("resnet18", 64, {"depths": [1, 1, 1, 1], **BASIC}, {"sizes": (1, 1, 1, 1)}),
}


@functools.cache
def library(name):
    """timm or transformers; skips where it, or what it needs, is not installed."""
    pytorch.torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            pytest.skip(f"{name} is not installed")


def drawn(build, size):
    """The module that ``build`` gives, for evaluation: values away from where they begin, and the statistics of the
    images that are compared and two more, see ``tests.models.parity``."""
    torch = pytorch.torch()
    torch.manual_seed(0)
    module = build()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim < 2 or "token" in name or "pos" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            if parameter.ndim == 2 and ("head" in name or "classifier" in name):
                parameter.normal_(0, parameter.shape[-1] ** -0.5)
        norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None
        if norms:
            convolutions = [layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d)]
            convolutions[1].weight.mul_(0.03)  # so small that the epsilon of the norm behind it shows
            images = torch.tensor(images_of(size)).permute(0, 3, 1, 2)
            module.train()(torch.cat([images, torch.randn(2, 3, size, size)]))
    return module.eval()


def images_of(size):
    return np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)


def loaded(arrays, name, size, fields, classes=7):
    """Our network and its variables; without a classifier in the file, that is zeros."""
    model = models.create(name, num_classes=classes, stem="imagenet", **fields)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, size, size, 3)), train=False))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    how = {"may_lack": ["heads.head"]} if name.startswith("dinov2") else {}
    return model, from_pytorch(from_library(arrays), zeros, **how, **layout(model))


def assert_same_logits(model, variables, size, theirs):
    torch = pytorch.torch()
    images = images_of(size)
    ours = jax.jit(lambda variables, x: model.apply(variables, x, train=False))(variables, images)
    with torch.no_grad():
        expected = theirs(torch.tensor(images).permute(0, 3, 1, 2))
    assert expected.std() > 1e-3
    assert_close(ours, expected, rtol=1e-4)


def as_tensors(arrays):
    return {name: pytorch.torch().tensor(array) for name, array in arrays.items()}


@pytest.mark.parametrize("form", ["zip", "safetensors"])
@pytest.mark.parametrize(
    "name",
    [
        *OF_TIMM,
        *(pytest.param(name, marks=pytest.mark.long) for name in LARGER),
    ],
)
def test_timms_logits_are_ours(name, form, tmp_path):
    timm = library("timm")
    ours, size, arguments, fields = OF_TIMM.get(name) or (LARGER[name], 64, {}, {})
    module = drawn(partial(timm.create_model, name, num_classes=7, **arguments), size)
    if form == "zip":
        save(module.state_dict(), tmp_path / "weights", form)
    else:
        importlib.import_module("safetensors.torch").save_file(module.state_dict(), tmp_path / "weights")
    model, variables = loaded(load_weights(tmp_path / "weights"), ours, size, fields)
    assert_same_logits(model, variables, size, module)
    other = timm.create_model(name, num_classes=7, **arguments)
    other.load_state_dict(as_tensors(to_library(to_pytorch(variables, **layout(model)), "timm")), strict=True)
    for each, tensor in module.state_dict().items():
        if not each.endswith("num_batches_tracked"):
            assert_close(other.state_dict()[each], tensor, rtol=1e-6)


@pytest.mark.parametrize("name", list(OF_TRANSFORMERS))
def test_transformers_logits_are_ours(name, tmp_path):
    transformers = library("transformers")
    ours, size, settings, fields = OF_TRANSFORMERS[name]
    kind = name.partition(",")[0]
    configuration = getattr(transformers, f"{kind}Config")(num_labels=7, **settings)
    network = getattr(transformers, f"{kind}ForImageClassification")
    module = drawn(partial(network, configuration), size)
    module.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    model, variables = loaded(load_weights(file), ours, size, fields)
    assert_same_logits(model, variables, size, lambda images: module(images).logits)
    back = to_pytorch(variables, **layout(model))
    in_files = to_library(back, "transformers")
    written = {each for each in load_weights(file) if not each.endswith("num_batches_tracked")}
    assert in_files.keys() == written
    network(configuration).load_state_dict(as_tensors(to_library(back, "transformers_5")), strict=True)
    importlib.import_module("safetensors.torch").save_file(as_tensors(in_files), file, {"format": "pt"})
    again = network.from_pretrained(tmp_path)
    for each, tensor in module.state_dict().items():
        if not each.endswith("num_batches_tracked"):
            assert_close(again.state_dict()[each], tensor, rtol=1e-6)
    _, variables = loaded(
        {name: np.asarray(tensor) for name, tensor in module.state_dict().items()}, ours, size, fields
    )
    assert_same_logits(model, variables, size, lambda images: module(images).logits)


@pytest.mark.parametrize(("kind", "ours"), [("Dinov2", "dinov2_vits14"), ("Dinov2WithRegisters", "dinov2_vits14_reg")])
def test_transformers_features_of_dinov2_are_ours(kind, ours, tmp_path):
    transformers = library("transformers")
    configuration = getattr(transformers, f"{kind}Config")(**VIT, image_size=28, patch_size=14)
    module = drawn(partial(getattr(transformers, f"{kind}Model"), configuration), 28)
    module.save_pretrained(tmp_path)
    model, variables = loaded(load_weights(tmp_path / "model.safetensors"), ours, 28, OUR_VIT, classes=32)
    variables["params"]["heads.head"]["kernel"] = np.eye(32, dtype=np.float32)
    assert_same_logits(model, variables, 28, lambda images: module(images).last_hidden_state[:, 0])
    back = to_library(to_pytorch(variables, **layout(model)), "transformers_5")
    other = getattr(transformers, f"{kind}Model")(configuration)
    other.load_state_dict(as_tensors(back), strict=True)


@pytest.mark.long
@pytest.mark.parametrize("size", ["s", "b", "l"])
@pytest.mark.parametrize("registers", ["", "_reg"])
def test_dinov2_has_timms_number_of_parameters(size, registers):
    timm, torch = library("timm"), pytorch.torch()
    whole = {"s": "small", "b": "base", "l": "large"}[size]
    with torch.device("meta"):
        module = timm.create_model(f"vit_{whole}_patch14{registers and '_reg4'}_dinov2", num_classes=1000)
    model = models.create(f"dinov2_vit{size}14{registers}", num_classes=1000)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 518, 518, 3)), train=False))
    position = model.width if registers else 0  # a class token's own, which timm has in the token
    assert parameter_count(shapes["params"]) == position + sum(each.numel() for each in module.parameters())


def test_timms_description_says_what_pictures_are_like(tmp_path):
    timm = library("timm")
    module = timm.create_model("mobilenetv3_small_050")
    timm.models.save_for_hf(module, tmp_path, safe_serialization=True)
    found, expected = accompanying(tmp_path), module.pretrained_cfg
    assert (found.size, found.interpolation) == (expected["input_size"][1], expected["interpolation"])
    assert (found.mean, found.std) == (tuple(expected["mean"]), tuple(expected["std"]))
    assert found.resize == int(found.size / expected["crop_pct"])


def test_transformers_descriptions_say_what_pictures_are_like(tmp_path):
    transformers = library("transformers")
    try:
        processor = transformers.ViTImageProcessor(size={"height": 192, "width": 192})
        text = processor.to_json_string()
    except (ImportError, RuntimeError):
        pytest.skip("transformers has no image processors without torchvision's operators")
    (tmp_path / "preprocessor_config.json").write_text(text)
    configuration = transformers.ViTConfig(id2label={0: "ant", 1: "bee"}, label2id={"ant": 0, "bee": 1})
    configuration.save_pretrained(tmp_path)
    found = accompanying(tmp_path)
    assert (found.size, found.resize, found.mean) == (192, 0, (0.5, 0.5, 0.5))
    assert found.interpolation == "bilinear"
    assert found.classes == ("ant", "bee")
    assert json.loads(text)["do_rescale"]
