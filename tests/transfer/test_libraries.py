"""Names of timm and transformers: for every network that has them, to and back; and files with them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.models.swin_v2 import relative_coords_table
from jaxdl.run.initial_weights import classes_in, start_from
from jaxdl.transfer import from_library, recognition, safetensors, to_library
from jaxdl.transfer.conversion import AUXILIARY, layout, to_pytorch
from jaxdl.transfer.heads import head
from jaxdl.transfer.libraries.translation import COMPUTED, FAMILIES, LIBRARIES
from jaxdl.transfer.weights import contents
from jaxdl.variables import flat

FITTING = {
    "timm": ("convnext", "dinov2", "efficientnet", "mobilenet_v3", "regnet", "swin", "vit"),
    "transformers": ("convnext", "dinov2", "resnet", "resnext", "swin_t", "swin_s", "swin_b", "vit", "wide_resnet"),
}
FITTING["transformers_5"] = FITTING["transformers"]
MEMBERS = [(library, name) for library in LIBRARIES for name in models.names() if name.startswith(FITTING[library])]
QUICK = {
    *("convnext_tiny", "dinov2_vits14", "dinov2_vits14_reg", "mobilenet_v3_small", "mobilenet_v3_large", "resnet18"),
    *("regnet_y_400mf", "swin_t", "swin_v2_t", "vit_b_16"),
}
SMALL = {
    "vit_b_16": {"depth": 2, "heads": 2, "width": 8},
    "dinov2_vits14": {"depth": 2, "heads": 2, "width": 8},
    "dinov2_vits14_reg": {"depth": 2, "heads": 2, "width": 8, "registers": 3},
    "convnext_tiny": {"sizes": (2, 1), "widths": (4, 8)},
    "swin_t": {"depths": (2, 1), "heads": (1, 2), "width": 4, "window": 2},
    "swin_v2_t": {"depths": (2, 1), "heads": (1, 2), "width": 4, "window": 2},
    "regnet_y_400mf": {"depth": 4, "width": 8, "group": 8},
    "efficientnet_b0": {"width": 0.1},
    "mobilenet_v3_small": {},
    "resnet18": {"sizes": (2, 1, 1, 1)},
}


def shapes_of(name, **fields):
    """A ``state_dict`` of arrays without memory of their own."""
    model = models.create(name, **fields)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3)), train=False))
    arrays = {path: np.broadcast_to(np.float32(0), leaf.shape) for path, leaf in flat(shapes).items()}
    names = {".".join(path[1:]): array for path, array in arrays.items()}
    assert len(names) == len(arrays)
    leaves = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
    given = {}
    for name, array in names.items():
        layer, dot, leaf = name.rpartition(".")
        shape = (array.shape[-1], *array.shape[-2:-1], *array.shape[:-2]) if leaf == "kernel" else array.shape
        given[layer + dot + leaves.get(leaf, leaf)] = np.broadcast_to(np.float32(0), shape)
    return given


def network(name, size, **fields):
    """A small network with random variables, and images."""
    model = models.create(name, num_classes=3, stem="imagenet", **fields)
    images = jnp.zeros((1, size, size, 3))
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32), shapes)
    return model, variables, images


@pytest.mark.parametrize(
    ("library", "name"),
    [each if each[1] in QUICK else pytest.param(*each, marks=pytest.mark.slow) for each in MEMBERS],
)
def test_every_name_of_a_network_has_another_and_comes_back(library, name):
    arrays = shapes_of(name)
    family = next(each for each in FAMILIES if each.library == library and each.fits(arrays, each.ours))
    pairs = [(ours, theirs) for ours in arrays for theirs in family.to_theirs(ours)]
    lacking = {ours for ours in arrays if not family.to_theirs(ours)}
    assert {each.rpartition(".")[0] for each in lacking} <= ({"heads.head"} if family.headless else set())
    assert len({theirs.name for _, theirs in pairs}) == len(pairs)
    for ours, theirs in pairs:
        assert family.to_ours(theirs.name) == theirs._replace(name=ours)
    held = {theirs.name: arrays[ours] for ours, theirs in pairs}
    known = [each for each in FAMILIES if each.library == library and each.fits(held, each.marks)]
    assert known[0] is family


@pytest.mark.parametrize("prefix", ["", "module.model."])
@pytest.mark.parametrize(
    ("library", "name"),
    [(library, name) for library in LIBRARIES for name in SMALL if name.startswith(FITTING[library])],
)
def test_values_come_back(library, name, prefix):
    model, variables, _ = network(name, 112, **SMALL[name])
    ours = to_pytorch(variables, **layout(model))
    ours = {each: array for each, array in ours.items() if not each.endswith(COMPUTED)}
    if name == "dinov2_vits14_reg" and library == "timm":  # whose class token has its position in it
        ours["encoder.pos_embedding"][:, 0] = 0
    if name == "swin_v2_t":  # whose keys have no bias
        for each, array in ours.items():
            if each.endswith("qkv.bias"):
                array[len(array) // 3 : -(len(array) // 3)] = 0
    theirs = to_library(ours, library)
    assert theirs.keys() != ours.keys()
    back = from_library({prefix + each: array for each, array in theirs.items()})
    if name.startswith("dinov2") and library != "timm":  # whose classifier is of another kind there
        ours = {each: array for each, array in ours.items() if not each.startswith("heads.")}
    assert back.keys() == {prefix + each for each in ours}
    for each, array in ours.items():
        moved = each.endswith("running_var") and "mobilenet" in name  # by the difference of two epsilons
        np.testing.assert_allclose(back[prefix + each], array, rtol=2e-7 if moved else 0, err_msg=each)


def test_a_class_tokens_position_goes_where_registers_have_it():
    model, variables, _ = network("dinov2_vits14_reg", 28, **SMALL["dinov2_vits14_reg"])
    ours = to_pytorch(variables, **layout(model))
    theirs = to_library(ours, "timm")
    assert theirs["pos_embed"].shape == (1, 4, 8)
    token = ours["class_token"] + ours["encoder.pos_embedding"][:, :1]
    np.testing.assert_array_equal(theirs["cls_token"], token)


def test_windows_merge_at_the_end_of_a_stage_in_older_files():
    model, variables, _ = network("swin_t", 56, **SMALL["swin_t"])
    theirs = to_library(to_pytorch(variables, **layout(model)), "timm")
    older = {
        name.replace("layers.1.downsample", "layers.0.downsample").replace("head.fc", "head"): array
        for name, array in theirs.items()
    }
    older["layers.0.blocks.1.attn_mask"] = np.zeros((4, 4, 4), np.float32)
    older["layers.0.blocks.0.attn.relative_position_index"] = np.zeros((4, 4), np.int64)
    assert from_library(older).keys() == from_library(theirs).keys()


def test_windows_of_another_size_are_told_by_older_files(tmp_path):
    model, variables, images = network("swin_v2_t", 16, **SMALL["swin_v2_t"])
    theirs = to_library(to_pytorch(variables, **layout(model)), "timm")
    for window, count in ((2, 3), (4, 7)):
        table = relative_coords_table(window)
        assert table.shape == (1, count, count, 2)
        safetensors.write(tmp_path / f"{window}", {**theirs, "layers.0.blocks.0.attn.relative_coords_table": table})
    start_from(tmp_path / "2", model, None, images)
    with pytest.raises(UserError, match="for other windows"):
        start_from(tmp_path / "4", model, None, images)


def test_another_networks_arrays_stay_as_they_are():
    arrays = {"conv1.weight": np.zeros(3), "blocks.0.attn.qkv.weight": np.zeros((3, 1))}
    assert from_library(arrays) == arrays


def test_a_network_that_the_library_lacks_is_refused():
    with pytest.raises(UserError, match="names of this network are not known here"):
        to_library({"features.0.weight": np.zeros(3)}, "timm")
    with pytest.raises(UserError, match="unknown library 'tim'"):
        to_library({}, "tim")
    arrays = to_pytorch(network("vit_b_16", 32, **SMALL["vit_b_16"])[1])
    with pytest.raises(UserError, match=r"no place for heads\.extra\.weight"):
        to_library({**arrays, "heads.extra.weight": np.zeros(3)}, "timm")


def test_arrays_beyond_memory_are_refused_unread():
    large = np.broadcast_to(np.float32(0), (2**30, 2**10))
    part = "vit.encoder.layer.0.attention.attention."
    arrays = {f"{part}{name}.weight": large for name in ("query", "key", "value")}
    arrays |= {"vit.embeddings.cls_token": large, "vit.encoder.layer.0.layernorm_before.weight": large}
    with pytest.raises(UserError, match="beyond any network's"):
        from_library(arrays)


@pytest.mark.parametrize("library", ["timm", "transformers"])
@pytest.mark.parametrize("classes", [3, 5])
def test_a_run_starts_from_another_librarys_file(library, classes, tmp_path):
    model, variables, images = network("vit_b_16", 32, **SMALL["vit_b_16"])
    safetensors.write(tmp_path / "weights", to_library(to_pytorch(variables, **layout(model)), library))
    told = []
    other = model.clone(num_classes=classes)
    loaded, anew = start_from(tmp_path / "weights", other, jax.random.key(0), images, tell=told.append)
    assert anew == ([] if classes == 3 else ["heads.head"])
    assert told == [f"the weights have the names of {library}"]
    jax.tree.map(np.testing.assert_array_equal, loaded["params"]["encoder"], variables["params"]["encoder"])
    assert classes_in(contents(tmp_path / "weights"), other, images) == 3


def test_positions_are_brought_to_the_images(tmp_path):
    model, variables, _ = network("dinov2_vits14_reg", 28, **SMALL["dinov2_vits14_reg"])
    safetensors.write(tmp_path / "weights", to_library(to_pytorch(variables, **layout(model)), "timm"))
    loaded, anew = start_from(tmp_path / "weights", model, jax.random.key(0), jnp.zeros((1, 42, 42, 3)))
    assert loaded["params"]["encoder"]["pos_embedding"].shape == (1, 10, 8)
    assert anew == []


def test_a_backbone_gets_a_classifier(tmp_path):
    model, variables, images = network("dinov2_vits14", 28, **SMALL["dinov2_vits14"])
    arrays = to_library(to_pytorch(variables, **layout(model)), "transformers")
    assert not any("classifier" in name or name.startswith("dinov2.") for name in arrays)
    safetensors.write(tmp_path / "weights", arrays)
    told = []
    _, anew = start_from(tmp_path / "weights", model, jax.random.key(0), images, tell=told.append)
    assert anew == ["heads.head"]
    assert "the weights have no classifier" in told
    assert classes_in(contents(tmp_path / "weights"), model, images) is None


def test_what_only_seems_the_same_network_is_refused(tmp_path):
    model, variables, images = network("vit_b_16", 32, **SMALL["vit_b_16"])
    arrays = to_library(to_pytorch(variables, **layout(model)), "timm")
    distilled = {**arrays, "dist_token": arrays["cls_token"], "head_dist.weight": arrays["head.weight"]}
    safetensors.write(tmp_path / "weights", distilled)
    with pytest.raises(UserError, match="a distilled DeiT's"):
        start_from(tmp_path / "weights", model, None, images)
    safetensors.write(tmp_path / "weights", arrays)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "tf_efficientnet_b0"}))
    with pytest.raises(UserError, match="timm's tf_efficientnet_b0, which pads and normalises as TensorFlow does"):
        start_from(tmp_path / "weights", model, None, images)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit", "num_attention_heads": 4}))
    with pytest.raises(UserError, match="has num_attention_heads 4, and the network here has 2"):
        start_from(tmp_path / "weights", model, None, images)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "vit_base_patch16_224"}))
    start_from(tmp_path / "weights", model, None, images)


def test_a_network_that_is_not_known_is_told_by_the_names_in_its_file(tmp_path):
    arrays = to_library(shapes_of("efficientnet_b0"), "timm")
    held = {name: np.zeros(1, np.float32) for name in arrays if ".se." not in name}
    safetensors.write(tmp_path / "weights", {**held, "conv_head.weight": np.zeros((1280, 1, 1, 1), np.float32)})
    with pytest.raises(UserError, match=r"they have bn1.*, blocks\.0\.0.*The names are timm's") as raised:
        start_from(tmp_path / "weights", models.create("mobilenet_v2"), None, jnp.zeros((1, 32, 32, 3)))
    assert "features.8" not in str(raised.value)


def known(name):
    model, images = models.create(name), jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    shapes = jax.eval_shape(lambda images: model.init(jax.random.key(0), images, train=False), images)
    how = layout(model)
    return recognition.Network(shapes, how["names"], how["buffers"], (*AUXILIARY, *head(model, images)))


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("convnext_tiny", "swin_t") else pytest.param(name, marks=pytest.mark.slow)
        for _, sizes in recognition.FAMILIES
        for name in sizes
    ],
)
def test_a_networks_arrays_are_known_as_its(name):
    model = known(name)
    arrays = to_pytorch(jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), model.variables), names=model.names)
    assert recognition.ours(arrays, known) == name


def test_every_network_that_torchvision_has_is_known():
    listed = {name for _, sizes in recognition.FAMILIES for name in sizes}
    assert {name for name in models.names() if "cnn" not in name} == listed
