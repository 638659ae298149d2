"""A network saved as a folder is the same network when loaded, in another process and in PyTorch."""

import json
import subprocess
import sys
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models, saved_model, transfer
from jaxdl.errors import UserError
from jaxdl.nn import BatchNorm, Conv, Dense
from jaxdl.saved_model import load_model, save_model
from jaxdl.transfer import safetensors
from tests import pytorch

IMAGES = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
NEW = {"key": jax.random.key(1), "images": IMAGES}


def network(name, **options):
    model = models.create(name, **options)
    return model, jax.jit(lambda key: model.init(key, IMAGES, train=False))(jax.random.key(0))


def assert_same(saved, model, variables):
    jax.tree.map(np.testing.assert_array_equal, saved.variables, variables)
    assert jax.tree.structure(saved.variables) == jax.tree.structure(variables)
    assert jax.tree.map(lambda leaf: leaf.dtype, saved.variables) == jax.tree.map(lambda leaf: leaf.dtype, variables)
    np.testing.assert_array_equal(
        jax.jit(lambda v: saved.model.apply(v, IMAGES, train=False))(saved.variables),
        jax.jit(lambda v: model.apply(v, IMAGES, train=False))(variables),
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cifar_cnn", {}),
        ("quick_cnn", {"num_classes": 3}),
        ("resnet18", {"stem": "cifar", "dtype": jnp.bfloat16}),
        pytest.param("shufflenet_v2_x0_5", {"widths": (24, 48, 96, 128)}, marks=pytest.mark.slow),
        ("vit_b_32", {"stem": "cifar", "depth": 1, "width": 24, "heads": 3}),
    ],
)
def test_a_network_comes_back_bit_for_bit(name, options, tmp_path):
    model, variables = network(name, **options)
    save_model(tmp_path / "net", model, variables, image=(32, 32, 3), about={"classes": ["ant", "bee"]})
    saved = load_model(tmp_path / "net")
    assert saved.model == model
    assert saved.image == (32, 32, 3)
    assert saved.about == {"classes": ["ant", "bee"]}
    assert_same(saved, model, variables)


@pytest.mark.long
def test_a_changed_network_comes_back(tmp_path):
    model, variables = network("resnet18", stem="cifar")
    changed = transfer.replace(model, variables, "fc", [Dense(16), nn.relu, nn.Dropout(0.25), Dense(3)], **NEW)
    changed = transfer.insert(
        *changed, [Conv(128, (3, 3), padding=1, use_bias=False), BatchNorm()], after="layer2.1", name="extra", **NEW
    )
    save_model(tmp_path / "net", *changed, image=(32, 32, 3))
    saved = load_model(tmp_path / "net")
    assert saved.model.edits[0].layers[2].rate == 0.25
    assert_same(saved, *changed)


def test_another_process_needs_no_class_and_may_choose_the_device(tmp_path):
    model, variables = network("cifar_cnn")
    save_model(tmp_path / "net", model, variables, image=(32, 32, 3))
    np.save(tmp_path / "images.npy", IMAGES)
    program = """
import sys, jax, numpy as np
from jaxdl.saved_model import load_model
saved = load_model(sys.argv[1] + "/net", device=jax.devices()[3])
assert {leaf.device for leaf in jax.tree.leaves(saved.variables)} == {jax.devices()[3]}
images = np.load(sys.argv[1] + "/images.npy")
np.save(sys.argv[1] + "/logits.npy", saved.model.apply(saved.variables, images, train=False))
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    pytorch.assert_close(np.load(tmp_path / "logits.npy"), model.apply(variables, IMAGES, train=False))


@pytest.mark.long
def test_pytorch_loads_the_weights(tmp_path):
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision.models import resnet18

    model, variables = network("resnet18", num_classes=7)
    save_model(tmp_path / "net", model, variables, image=(32, 32, 3))
    arrays = pytest.importorskip("safetensors.numpy").load_file(tmp_path / "net" / "weights.safetensors")
    theirs = resnet18(num_classes=7).eval()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    expected = theirs(torch.tensor(IMAGES).movedim(-1, 1)).detach()
    pytorch.assert_close(jax.jit(lambda v: model.apply(v, IMAGES, train=False))(variables), expected, 1e-4)


def test_what_could_not_be_rebuilt_is_refused(tmp_path):
    class Mine(nn.Module):
        num_classes: int = 3

        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(self.num_classes)(x.mean((1, 2)))

    variables = Mine().init(jax.random.key(0), IMAGES, train=False)
    with pytest.raises(UserError, match="Mine is none of the networks"):
        save_model(tmp_path / "net", Mine(), variables, image=(32, 32, 3))
    model, variables = network("cifar_cnn")
    changed = transfer.append(model, variables, [lambda x: x], name="mine", **NEW)
    with pytest.raises(UserError, match="the layer <lambda> cannot be saved: only BatchNorm, Conv, Dense"):
        save_model(tmp_path / "net", *changed, image=(32, 32, 3))
    assert list(tmp_path.iterdir()) == []
    save_model(tmp_path / "net", model, variables, image=(32, 32, 3))
    with pytest.raises(UserError, match="nothing is overwritten"):
        save_model(tmp_path / "net", model, variables, image=(32, 32, 3))
    with pytest.raises(UserError, match="cannot write"):
        save_model(tmp_path / "net" / "model.json" / "x", model, variables, image=(32, 32, 3))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "cifar_cn"}, "Did you mean cifar_cnn"),
        ({"version": 2}, "no version that is known"),
        ({"arguments": {"num_classes": 3}}, "other shapes than the network"),
        ({"arguments": {"num_classes": -1}}, "describes no network"),
        ({"arguments": {"dtype": {"dtype": "flaot32"}}}, "describes no network"),
        ({"arguments": {"parent": 1}}, "unknown field"),
        ({"arguments": []}, "describes no network"),
        ({"image": [32]}, "describes no network"),
        ({"edits": [{"place": "beside", "at": "", "name": "", "layers": []}]}, "unknown place"),
        (
            {"edits": [{"place": "after", "at": "", "name": "x", "layers": [{"function": "eval"}]}]},
            "unknown function 'eval'",
        ),
        (
            {"edits": [{"place": "after", "at": "", "name": "x", "layers": [{"module": "os.system"}]}]},
            "unknown module 'os.system'",
        ),
    ],
)
def test_a_description_that_was_changed_is_answered_in_a_line(change, says, tmp_path):
    model, variables = network("cifar_cnn")
    save_model(tmp_path / "net", model, variables, image=(32, 32, 3))
    path = tmp_path / "net" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=says) as raised:
        load_model(tmp_path / "net")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("model", "change", "says"),
    [
        ("vit_b_16", {"arguments": {"depth": 10**9}}, "more than 204 layers"),
        ("quick_cnn", {"arguments": {"depths": [1, 10**9, 1]}}, "more than 204 layers"),
        ("efficientnet_b0", {"arguments": {"depth": 1e9}}, "more than 204 layers"),
        ("regnet_x_400mf", {"arguments": {"depth": 10**9}}, "more than 204 layers"),
        ("convnext_tiny", {"arguments": {"sizes": [3, 3, 10**9, 3]}}, "more than 204 layers"),
        ("speed_cnn", {"arguments": {"widths": [8] * 10**6}}, "more than 5,000 values"),
        ("cifar_cnn", {"edits": [{"place": "after", "at": "", "name": "x", "layers": [{}] * 10**5}]}, "5,000 values"),
        ("a" * 10**6, {}, "unknown model 'a{100}'"),
        ("cifar_cnn", {"arguments": {"a" * 10**6: 1}}, "unknown field"),
        ("cifar_cnn", {"about": [0] * 10**7}, "larger than any description"),
    ],
)
def test_a_small_folder_cannot_ask_for_much_work(model, change, says, tmp_path):
    description = {"version": 1, "model": model, "arguments": {}, "edits": [], "image": [224, 224, 3], "about": {}}
    (tmp_path / "model.json").write_text(json.dumps(description | change))
    safetensors.write(tmp_path / "weights.safetensors", {"weight": np.zeros(1)})
    begin = time.process_time()
    with pytest.raises(UserError, match=says) as raised:
        load_model(tmp_path)
    assert time.process_time() - begin < 5
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 2000


def test_a_folder_that_could_not_be_read_again_is_not_written(tmp_path):
    model, variables = network("cifar_cnn")
    with pytest.raises(UserError, match="more than a description of a network may"):
        save_model(tmp_path / "net", model, variables, image=(32, 32, 3), about={"notes": "x" * 10**7})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["densenet201", "efficientnet_v2_l"])
def test_the_deepest_networks_are_within_half_of_the_bounds(name, monkeypatch, tmp_path):
    monkeypatch.setattr(saved_model, "MOST_CALLS", saved_model.MOST_CALLS // 2)
    model = models.create(name, num_classes=2)
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    shapes = jax.eval_shape(lambda key: model.init(key, jnp.zeros(image.shape), train=False), jax.random.key(0))
    # one number each: the names are the network's, and the shapes are found wrong after it was built
    save_model(tmp_path / "net", model, jax.tree.map(lambda _: np.zeros(1), shapes), image=image.shape[1:])
    with pytest.raises(UserError, match="other shapes than the network"):
        load_model(tmp_path / "net")


def test_damaged_folders_are_answered_in_a_line(tmp_path):
    with pytest.raises(UserError, match=r"holds no model\.json"):
        load_model(tmp_path)
    model, variables = network("cifar_cnn")
    save_model(tmp_path / "net", model, variables, image=(32, 32, 3))
    weights, description = tmp_path / "net" / "weights.safetensors", tmp_path / "net" / "model.json"
    arrays = dict(safetensors.read(weights))
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4])
    with pytest.raises(UserError, match="is cut short"):
        load_model(tmp_path / "net")
    weights.unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors"):
        load_model(tmp_path / "net")
    safetensors.write(weights, {name: array for name, array in arrays.items() if name != "8.bias"})
    with pytest.raises(UserError, match=r"it needs 8\.bias, which they lack"):
        load_model(tmp_path / "net")
    description.write_text("{")
    with pytest.raises(UserError, match="cannot read"):
        load_model(tmp_path / "net")
