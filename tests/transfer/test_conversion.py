import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models, transfer
from jaxdl.errors import UserError
from jaxdl.nn import Dense
from jaxdl.transfer import load_weights, safetensors
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from jaxdl.variables import flat
from tests import pytorch
from tests.models.parity import reference
from tests.models.test_models import course_network


def shapes_of(model, side=64):
    return jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, side, side, 3)), train=False))


@pytest.mark.parametrize("prefix", ["", "model1."])
def test_the_courses_sequential_loads_into_its_network_and_back(rng, prefix):
    torch = pytorch.torch()
    theirs = course_network(torch)
    arrays = {prefix + name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    model = models.create("cifar_cnn")
    how = layout(model)
    variables = from_pytorch(arrays, shapes_of(model, 32), **how)
    images = rng.random((3, 32, 32, 3), np.float32)
    expected = theirs(torch.tensor(images).movedim(-1, 1)).detach()
    pytorch.assert_close(model.apply(variables, images, train=False), expected)
    for name, array in to_pytorch(variables, **how).items():
        np.testing.assert_array_equal(array, arrays[prefix + name])


def test_another_network_is_named_on_both_sides():
    _, arrays = reference("resnet18")
    with pytest.raises(UserError) as raised:
        from_pytorch(arrays, shapes_of(models.create("resnet34", num_classes=1000)))
    assert "it needs layer1.2.bn1.running_mean, layer1.2.bn1.running_var" in str(raised.value)
    assert "and 75 more, which they lack." in str(raised.value)
    with pytest.raises(UserError, match=r"another network: they have extra\.weight, which it lacks"):
        from_pytorch({**arrays, "extra.weight": np.zeros(3)}, shapes_of(models.create("resnet18", num_classes=1000)))


def test_other_classes_are_named_with_both_shapes():
    _, arrays = reference("resnet18")
    with pytest.raises(UserError, match=r"fc\.weight is \(512, 1000\) and should be \(512, 10\)"):
        from_pytorch(arrays, shapes_of(models.create("resnet18")))


def test_batch_norms_counters_are_not_missed():
    _, arrays = reference("resnet18")
    shapes = shapes_of(models.create("resnet18", num_classes=1000))
    assert any(name.endswith("num_batches_tracked") for name in arrays)
    without = {name: array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}
    jax.tree.map(np.testing.assert_array_equal, from_pytorch(arrays, shapes), from_pytorch(without, shapes))
    assert set(to_pytorch(from_pytorch(arrays, shapes))) == set(without)


def test_a_part_of_a_file_fills_a_part_of_a_network():
    _, arrays = reference("resnet18")
    model = models.create("resnet34", num_classes=3)  # whose first blocks are the smaller one's too
    initial = shapes_of(model)
    loaded = from_pytorch(arrays, initial, only=["conv1", "bn1", "layer1.[01]"])
    for path, leaf in flat(loaded).items():
        name = ".".join(path[1:])
        if name.startswith(("conv1", "bn1", "layer1.0", "layer1.1")):
            assert leaf is not flat(initial)[path], name
        else:
            assert leaf is flat(initial)[path], name
    np.testing.assert_array_equal(loaded["batch_stats"]["bn1"]["mean"], arrays["bn1.running_mean"])
    with pytest.raises(UserError, match=r"it needs layer1\.2\..* and 5 more, which they lack\."):
        from_pytorch(arrays, initial, only=["layer1"])
    with pytest.raises(UserError, match=r"fc\.weight is \(512, 1000\) and should be \(512, 3\)"):
        from_pytorch(arrays, initial, only=["fc"])


def test_the_older_names_of_densenets_files_are_understood():
    _, arrays = reference("densenet121")
    older = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): array for name, array in arrays.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in older
    shapes = shapes_of(models.create("densenet121", num_classes=1000))
    jax.tree.map(np.testing.assert_array_equal, from_pytorch(older, shapes), from_pytorch(arrays, shapes))


def test_a_file_of_pytorchs_comes_back_as_a_file_bit_for_bit(tmp_path):
    torch = pytorch.torch()
    module, _ = reference("mobilenet_v3_small")
    torch.save(module.state_dict(), tmp_path / "theirs.pth")
    model = models.create("mobilenet_v3_small", num_classes=1000)
    variables = from_pytorch(load_weights(tmp_path / "theirs.pth"), shapes_of(model), **layout(model))
    safetensors.write(tmp_path / "ours.safetensors", to_pytorch(variables, **layout(model)))
    back = pytest.importorskip("safetensors.torch").load_file(tmp_path / "ours.safetensors")
    theirs = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert back.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert back[name].numpy().tobytes() == tensor.numpy().tobytes(), name
    module.load_state_dict(back)  # strictly: PyTorch fills the counters itself


def test_an_array_of_another_shape_is_not_copied():
    """Expanded from one number, which a file may have: 2 TB if it were."""
    _, arrays = reference("resnet18")
    huge = {**arrays, "fc.weight": np.broadcast_to(np.float16(1), (2**20, 2**20))}
    shapes = shapes_of(models.create("resnet18", num_classes=1000))
    with pytest.raises(UserError, match=r"fc\.weight is \(1048576, 1048576\) and should be \(512, 1000\)"):
        from_pytorch(huge, shapes)
    filled = from_pytorch(huge, shapes, may_differ=["fc"])
    assert filled["params"]["fc"]["kernel"] is shapes["params"]["fc"]["kernel"]


def test_a_flattened_images_layer_of_another_shape_is_named():
    variables = {"params": {"fc": {"kernel": jax.ShapeDtypeStruct((12, 5), np.float32)}}}
    for shape in ((5, 13), (13,), ()):
        with pytest.raises(UserError, match=r"fc\.weight is \(.*\) and should be \(12, 5\)"):
            from_pytorch({"fc.weight": np.zeros(shape)}, variables, flattened={"fc": (2, 2, 3)})


def test_names_out_of_a_file_are_made_fit_for_one_line():
    variables = {"params": {"fc": {"bias": jax.ShapeDtypeStruct((5,), np.float32)}}}
    with pytest.raises(UserError) as raised:
        from_pytorch({"fc.bias\n\x1b[2J" + "x" * 1000: np.zeros(5)}, variables)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


def small_swin(**fields):
    return models.create("swin_v2_t", stem="cifar", width=8, depths=(1, 1), heads=(2, 2), **fields)


@pytest.fixture(scope="module")
def exported_swin():
    """A small network's arrays, which hold two that are computed for each attention."""
    model = small_swin()
    variables = jax.jit(lambda: model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=False))()
    return variables, to_pytorch(variables, **layout(model))


def test_computed_arrays_are_written_and_are_not_missed(exported_swin):
    variables, arrays = exported_swin
    how, shapes = layout(small_swin()), shapes_of(small_swin(), 8)
    assert how["buffers"].keys() <= arrays.keys()
    assert len(how["buffers"]) == 4
    without = {name: array for name, array in arrays.items() if name not in how["buffers"]}
    prefixed = {f"module.{name}": array for name, array in arrays.items()}
    halved = {name: array.astype(np.float16) if array.dtype == np.float32 else array for name, array in arrays.items()}
    for given in (arrays, without, prefixed):
        jax.tree.map(np.testing.assert_array_equal, from_pytorch(given, shapes, **how), variables)
    from_pytorch(halved, shapes, **how)
    with pytest.raises(UserError, match=r"they have features\.1\.0\.attn\.relative_position_index"):
        from_pytorch(arrays, shapes)


def test_computed_arrays_of_other_windows_are_refused(exported_swin):
    _, arrays = exported_swin
    wider = small_swin(window=6)  # no parameter of version 2 depends on it
    with pytest.raises(UserError, match=r"relative_position_index, .* is \(256,\) and should be \(81,\)"):
        from_pytorch(arrays, shapes_of(wider, 8), **layout(wider))
    with pytest.raises(UserError, match="for other windows"):
        from_pytorch(arrays, shapes_of(wider, 8), only=["features.3"], **layout(wider))
    from_pytorch(arrays, shapes_of(wider, 8), only=["features.0", "features.2"], **layout(wider))
    name = "features.3.0.attn.relative_coords_table"
    with pytest.raises(UserError, match=f"{re.escape(name)}, which it computes, has other values"):
        from_pytorch({**arrays, name: arrays[name] / 2}, shapes_of(small_swin(), 8), **layout(small_swin()))


def test_computed_arrays_go_with_a_network_that_was_changed(exported_swin):
    variables, arrays = exported_swin
    images = jnp.zeros((1, 8, 8, 3))
    model, changed = transfer.replace_head(small_swin(), variables, num_classes=3, key=jax.random.key(0), images=images)
    model, changed = transfer.insert(
        model, changed, [nn.Dropout(0.5)], before="head", name="dropout", key=jax.random.key(0), images=images
    )
    assert to_pytorch(changed, **layout(model)).keys() == arrays.keys()
    model, changed = transfer.replace(
        model, changed, "features.1.0", [Dense(8), nn.relu], key=jax.random.key(0), images=images
    )
    left = to_pytorch(changed, **layout(model))
    assert [name for name in left if "relative_" in name] == [
        "features.3.0.attn.relative_position_index",
        "features.3.0.attn.relative_coords_table",
    ]
