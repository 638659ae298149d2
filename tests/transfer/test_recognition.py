"""A file that does not fit is told by whose names it bears."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.run.flags import in_flags
from jaxdl.run.initial_weights import start_from
from jaxdl.transfer import conversion, recognition, safetensors
from tests.pytorch import torch


@functools.cache
def variables_of(name, num_classes=10):
    model = models.create(name, num_classes=num_classes)
    images = jax.ShapeDtypeStruct((1, 96, 96, 3), jnp.float32)
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)


def described(name, **options):
    """What has a shape, by PyTorch's names."""
    return {
        theirs: jax.ShapeDtypeStruct(shape, jnp.float32)
        for theirs, shape in conversion.shapes(variables_of(name, **options)).items()
    }


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["blocks.0.attn.qkv.weight", "patch_embed.proj.weight"], "timm's"),
        (["conv_stem.weight", "bn1.weight"], "timm's"),
        (["model.stages.0.blocks.0.conv_dw.weight"], "timm's"),
        (["vit.embeddings.patch_embeddings.projection.weight"], "Hugging Face's"),
        (["resnet.embedder.embedder.convolution.weight"], "Hugging Face's"),
        (["backbone.body.conv1.weight", "rpn.head.conv.weight"], "detector's"),
        (["model.0.conv.weight", "model.22.cv2.0.0.conv.weight"], "YOLO's"),
        (["backbone.conv1.weight", "decode_head.conv_seg.weight"], "segmenter's"),
        (["visual.conv1.weight", "visual.transformer.resblocks.0.ln_1.weight"], "CLIP"),
        (["module.encoder_q.conv1.weight", "module.queue"], "learning without labels"),
        (["fc.weight_g", "fc.weight_v"], "two parts"),
    ],
)
def test_names_of_others_are_known(names, says):
    assert says in recognition.whose(names)


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "vit_b_32", "squeezenet1_0"])
def test_names_of_ours_are_nobody_elses(name):
    assert recognition.whose(described(name)) is None


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(sizes, id=name, marks=() if name in ("resnet18", "alexnet") else pytest.mark.slow)
        for _, sizes in recognition.FAMILIES
        for name in [next(iter(sizes))]
    ],
)  # fmt: skip
def test_members_of_a_family_are_plausible_by_their_numbers_of_arrays(family):
    for name in list(family)[:2]:
        names = described(name)
        assert family[name] == sum(each.partition(".")[0] not in conversion.AUXILIARY for each in names)
        assert name in recognition.plausible(names)


def test_every_published_network_is_in_a_family():
    listed = {name for _, sizes in recognition.FAMILIES for name in sizes}
    own = {"cifar_cnn", "quick_cnn", "speed_cnn", "speed_cnn_muon"}
    assert listed | own == set(models.names())


def test_another_of_our_networks_is_found_without_a_look_at_those_that_cannot_be():
    asked = []

    def look(name):
        asked.append(name)
        return recognition.Network(variables_of(name), {}, {}, ("fc",))

    arrays = {f"module.{name}": array for name, array in described("resnet34", num_classes=7).items()}
    assert recognition.ours(arrays, look) == "resnet34"
    assert asked == ["resnet34"]
    assert recognition.ours({"fc.weight": arrays["module.fc.weight"]}, look) is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("squeezenet1_1", "These are the weights of squeezenet1_1: --model squeezenet1_1."),
        ("timm", "The names are timm's"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_whose_they_are(given, says, tmp_path):
    shapes = {"conv_stem.weight": (1,)} if given == "timm" else conversion.shapes(variables_of(given))
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    safetensors.write(tmp_path / "weights.safetensors", arrays)
    model = models.create("cifar_cnn")
    with pytest.raises(UserError, match="for another network") as raised:
        start_from(tmp_path / "weights.safetensors", model, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert says in in_flags(str(raised.value), Config)
    assert len(str(raised.value).splitlines()) == 1


def test_what_was_chosen_and_left_out_is_told(tmp_path):
    model, images = models.create("cifar_cnn"), jnp.zeros((1, 96, 96, 3))
    shapes = conversion.shapes(variables_of("cifar_cnn"), names=conversion.layout(model)["names"])
    state = {name: torch().ones(shape) for name, shape in shapes.items()}
    beside = {"criterion.weight": torch().ones(3), **{f"net.{name}": held for name, held in state.items()}}
    average = {name: held * 2 for name, held in state.items()}
    torch().save({"state_dict": beside, "state_dict_ema": average}, tmp_path / "weights.pth")
    for key, lines in ((None, 2), ("ema", 0), ("raw", 1)):
        told = []
        start_from(tmp_path / "weights.pth", model, jax.random.key(0), images, weights_key=key, tell=told.append)
        assert len(told) == lines
    start_from(tmp_path / "weights.pth", model, jax.random.key(0), images, tell=told.append)
    assert in_flags(told[1], Config) == (
        "weights of 'state_dict'; 'state_dict_ema' is there too: --weights-key state_dict_ema"
    )
