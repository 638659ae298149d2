"""Networks with logits of each pixel, beside torchvision's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses, models
from jaxdl.errors import UserError
from jaxdl.models.backbone import with_backbone
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from jaxdl.transfer.prefixes import COUNTER
from tests import pytorch

PUBLISHED = {
    "fcn_resnet50": 35_322_218,
    "fcn_resnet101": 54_314_346,
    "deeplabv3_resnet50": 42_004_074,
    "deeplabv3_resnet101": 60_996_202,
    "deeplabv3_mobilenet_v3_large": 11_029_328,
    "lraspp_mobilenet_v3_large": 3_221_538,
}
SIZES = [(61, 75), (33, 90), (52, 41)]  # no multiples of 8
LARGE = pytest.mark.slow


def reference(name):
    """torchvision's model of that name in evaluation mode, its norms those of the images that are compared."""
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision.models import segmentation

    torch.manual_seed(0)
    auxiliary = {} if "lraspp" in name else {"aux_loss": True}
    module = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=21, **auxiliary).double()
    norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for layer in norms:
        torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
        torch.nn.init.normal_(layer.bias, 0.0, 0.1)
        layer.momentum = 1.0
    with torch.no_grad():
        module(torch.tensor(images_of(SIZES[0])).movedim(-1, 1))
    return module.eval()


def images_of(size):
    return np.random.default_rng(0).normal(size=(2, *size, 3))


def ours_of(name, module):
    """(model, variables) in float64 with the module's arrays."""
    arrays = {key: tensor.detach().numpy() for key, tensor in module.state_dict().items()}
    model = models.create(name)
    shapes = shapes_of(model)
    variables = from_pytorch(arrays, shapes, **layout(model))
    for key, array in to_pytorch(variables, **layout(model)).items():
        np.testing.assert_array_equal(array, arrays[key].astype(np.float32))
    double = from_pytorch(
        arrays, jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, np.float64), shapes), **layout(model)
    )
    return models.create(name, dtype=jnp.float64), double


def shapes_of(model, size=(64, 64)):
    images = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    return jax.eval_shape(lambda images: model.init(jax.random.key(0), images, train=False), images)


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        "deeplabv3_mobilenet_v3_large",
        "lraspp_mobilenet_v3_large",
        pytest.param("fcn_resnet50", marks=LARGE),
        pytest.param("fcn_resnet101", marks=LARGE),
        pytest.param("deeplabv3_resnet50", marks=LARGE),
        pytest.param("deeplabv3_resnet101", marks=LARGE),
    ],
)
def test_logits_and_gradients_equal_torchvisions(name):
    torch, module = pytorch.torch(), reference(name)
    labels = np.random.default_rng(1).integers(0, 21, (2, *SIZES[-1]))
    with jax.enable_x64(True):
        model, variables = ours_of(name, module)
        apply = jax.jit(lambda x: model.apply(variables, x, train=False, mutable=["auxiliary"]))
        for size in SIZES:
            theirs = module(torch.tensor(images_of(size)).movedim(-1, 1))
            logits, sown = apply(images_of(size))
            others = jax.tree.leaves(sown)
            assert set(theirs) == ({"out", "aux"} if others else {"out"})
            for found, key in zip((logits, *others), theirs, strict=True):
                pytorch.assert_close(found, theirs[key].detach().movedim(1, -1), 1e-4)

        images = images_of(SIZES[-1])

        def loss(params):
            logits, sown = model.apply({**variables, "params": params}, images, train=False, mutable=["auxiliary"])
            each = [losses.cross_entropy(found, labels).mean() for found in (logits, *jax.tree.leaves(sown))]
            return each[0] + 0.4 * sum(each[1:])

        slopes = to_pytorch({"params": jax.jit(jax.grad(loss))(variables["params"])}, names=model.pytorch_names)
    each = [torch.nn.functional.cross_entropy(found, torch.tensor(labels)) for found in theirs.values()]
    (each[0] + 0.4 * sum(each[1:])).backward()
    expected = {key: parameter.grad.numpy() for key, parameter in module.named_parameters()}
    assert slopes.keys() == expected.keys()
    largest = max(np.abs(slope).max() for slope in expected.values())
    for key, slope in slopes.items():
        np.testing.assert_allclose(slope, expected[key], rtol=1e-3, atol=1e-5 * largest, err_msg=key)


@pytest.mark.parametrize("name", PUBLISHED)
def test_arrays_have_torchvisions_names_and_the_published_parameters(name):
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision.models import segmentation

    auxiliary = {} if "lraspp" in name else {"aux_loss": True}
    with torch.device("meta"):
        module = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=21, **auxiliary)
    theirs = {key: tuple(array.shape) for key, array in module.state_dict().items() if not key.endswith(COUNTER)}
    model = models.create(name)
    shapes = shapes_of(model)
    zeros = jax.tree.map(lambda leaf: np.broadcast_to(np.int8(0), leaf.shape), shapes)
    assert {key: array.shape for key, array in to_pytorch(zeros, **layout(model)).items()} == theirs
    assert parameter_count(shapes["params"]) == PUBLISHED[name]


@pytest.mark.parametrize("head", ["fcn", "deeplabv3", "lraspp"])
@pytest.mark.parametrize(
    "backbone",
    ["resnet18", *(pytest.param(name, marks=pytest.mark.long) for name in ("mobilenet_v2", "regnet_y_400mf"))],
)
def test_heads_take_any_backbone_of_strided_convolutions(head, backbone):
    model = models.create(head, backbone=backbone, num_classes=11, output_stride=16)
    images = jax.ShapeDtypeStruct((2, 45, 70, 3), jnp.float32)
    logits, variables = jax.eval_shape(
        lambda images: model.init_with_output(jax.random.key(0), images, train=False), images
    )
    assert (logits.shape, logits.dtype) == ((2, 45, 70, 11), jnp.float32)
    assert set(variables["params"]) == {"backbone", "classifier"} | ({"aux_classifier"} if head != "lraspp" else set())
    assert (
        not any("aux" in name for name in shapes_of(model.clone(auxiliary=False))["params"]) if head != "lraspp" else 1
    )


def test_a_backbones_weights_are_a_classifiers():
    classifier, model = models.create("resnet18"), models.create("fcn", backbone="resnet18", output_stride=16)
    zeros, ones = (
        jax.tree.map(lambda leaf, value=value: np.full(leaf.shape, value, leaf.dtype), shapes_of(network))
        for network, value in ((model, 0), (classifier, 1))
    )
    filled = with_backbone(zeros, ones)
    assert jax.tree.map(jnp.shape, filled) == jax.tree.map(jnp.shape, zeros)
    for name in ("params", "batch_stats"):
        own = {layer: leaves for layer, leaves in ones[name].items() if layer != "fc"}
        assert jax.tree.map(jnp.shape, filled[name]["backbone"]) == jax.tree.map(jnp.shape, own)
        assert all(leaf.all() for leaf in jax.tree.leaves(filled[name]["backbone"]))
    assert not any(leaf.any() for leaf in jax.tree.leaves(filled["params"]["classifier"]))


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet34", "resnet50", "mobilenet_v2"])
def test_another_classifiers_weights_are_a_user_error(name):
    variables = shapes_of(models.create("fcn", backbone="wide_resnet50_2"))
    with pytest.raises(UserError, match=r"the classifier is not this backbone: its .* should be"):
        with_backbone(variables, shapes_of(models.create(name)))


@pytest.mark.parametrize("size", [(48, 64), (45, 70), (16, 16), (7, 100)])
def test_unet_has_logits_of_each_pixel_of_any_picture(size):
    model = models.create("unet", width=4, num_classes=3)
    logits, _ = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, *size, 3)), train=False))
    assert logits.shape == (2, *size, 3)


def test_unet_is_the_papers_but_for_norms():
    """The layers that the paper's figure 1 shows, of gray images and two classes, each with a bias."""
    model = models.create("unet", width=64, num_classes=2)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 64, 64, 1)), train=False))["params"]
    widths = [64, 128, 256, 512, 1024]
    down = [9 * (inner * outer + outer * outer) + 2 * outer for inner, outer in zip([1, *widths], widths, strict=False)]
    up = [4 * 2 * w * w + w + 9 * (2 * w * w + w * w) + 2 * w for w in widths[:-1]]
    papers = sum(down) + sum(up) + 64 * 2 + 2
    of_norms = sum(each["bias"].size for name, each in params.items() if ".bn" in name)  # a scale takes a bias's place
    assert parameter_count(params) == papers + of_norms


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backbone": "resnet5"}, "Did you mean resnet50"),
        ({"backbone": "fcn"}, "unknown model 'fcn'"),
        ({"dropout": 2.0}, "from 0 to 1"),
        ({"output_stride": 7}, "output_stride must be one of 4, 8, 16, 32, got 7"),
    ],
)
def test_fields_that_no_network_can_have_are_a_user_error(fields, message):
    with pytest.raises(UserError, match=message):
        models.create("fcn", **fields)


def test_a_network_is_named_by_what_made_it():
    for name, fields in [("deeplabv3", {"backbone": "mobilenet_v2", "num_classes": 11}), ("unet", {"width": 8})]:
        assert models.describe(models.create(name, **fields)) == (name, fields)
