"""Networks changed as PyTorch users change them, compared with PyTorch's where the change gives it another function."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import losses, models, transfer
from jaxdl.errors import UserError
from jaxdl.nn import BatchNorm, Conv, Dense
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from jaxdl.transfer.conversion import from_pytorch, to_pytorch
from jaxdl.variables import flat, layer_of
from tests import pytorch
from tests.models.parity import reference

IMAGES = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
NEW = {"key": jax.random.key(1), "images": IMAGES}
HEADS = {
    "alexnet": ["classifier.6"],
    "convnext_tiny": ["classifier.2"],
    "densenet121": ["classifier"],
    "efficientnet_b0": ["classifier.1"],
    "mnasnet0_5": ["classifier.1"],
    "mobilenet_v2": ["classifier.1"],
    "mobilenet_v3_small": ["classifier.3"],
    "quick_cnn": ["Dense_0"],
    "regnet_y_400mf": ["fc"],
    "resnet18": ["fc"],
    "shufflenet_v2_x0_5": ["fc"],
    "squeezenet1_0": ["classifier.1"],
    "vgg11": ["classifier.6"],
    "vit_b_32": ["heads.head"],
}


class Small(nn.Module):
    """Two blocks of a convolution and a norm; ``fc`` on their mean."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x, *, train, features=False):
        for block in ("block.0", "block.1"):
            x = Conv(8, (3, 3), stride=2, padding=1, name=f"{block}.conv")(x)
            x = nn.relu(nn.BatchNorm(not train, name=f"{block}.bn")(x))
        logits = Dense(self.num_classes, name="fc")(x.mean((1, 2)))
        return (logits, {"last": x}) if features else logits


@pytest.fixture(scope="module")
def small():
    model = Small()
    return model, model.init(jax.random.key(0), IMAGES, train=False)


def same_but(before, after, layers):
    """The leaves outside ``layers`` are the same objects."""
    before, after = flat(before), flat(after)
    for path, leaf in after.items():
        if not layer_of(path).startswith(tuple(layers)):
            assert leaf is before[path], path


@pytest.mark.long
@pytest.mark.parametrize("name", HEADS)
def test_the_head_of_every_family_is_found(name):
    assert transfer.head(models.create(name), IMAGES) == HEADS[name]


@pytest.mark.long
@pytest.mark.parametrize("classes", [10, 3])
def test_replacing_the_head_is_one_call(small, classes):
    model, variables = small
    changed, after = transfer.replace_head(model, variables, num_classes=classes, **NEW)
    same_but(variables, after, ["fc"])
    assert after["params"]["fc"]["kernel"].shape == (8, classes)
    assert (after["params"]["fc"]["bias"] != 0).any()
    if classes == 10:
        assert (after["params"]["fc"]["kernel"] != variables["params"]["fc"]["kernel"]).all()
    assert changed.apply(after, IMAGES, train=False).shape == (2, classes)


@pytest.mark.long
def test_a_changed_resnet_is_the_one_changed_in_pytorch():
    torch = pytorch.torch()
    theirs, arrays = reference("resnet18")
    model = models.create("resnet18", num_classes=1000)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), IMAGES, train=False))
    network = model, from_pytorch(arrays, shapes)
    network = transfer.replace(*network, "fc", [Dense(32), nn.relu, nn.Dropout(0.5), Dense(7)], **NEW)
    network = transfer.insert(*network, [Conv(128, (1, 1)), nn.relu], after="layer2.1", name="extra", **NEW)
    changed, variables = transfer.append(*network, [nn.softmax], name="probabilities", **NEW)
    layers = torch.nn
    theirs.fc = layers.Sequential(layers.Linear(512, 32), layers.ReLU(), layers.Dropout(0.5), layers.Linear(32, 7))
    theirs.layer2.add_module("extra", layers.Sequential(layers.Conv2d(128, 128, 1), layers.ReLU()))
    whole = layers.Sequential(theirs, layers.Softmax(-1)).eval()
    state = theirs.state_dict()
    exported = to_pytorch(variables)
    missing, unexpected = theirs.load_state_dict({key: torch.tensor(array) for key, array in exported.items()}, False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    assert {name: tuple(array.shape) for name, array in state.items() if name in exported} == {
        name: array.shape for name, array in exported.items()
    }
    expected = whole(torch.tensor(IMAGES).movedim(-1, 1)).detach()
    pytorch.assert_close(jax.jit(lambda v: changed.apply(v, IMAGES, train=False))(variables), expected, 1e-4)


def test_dropout_drops_in_training_only(small):
    model, variables = small
    changed, after = transfer.insert(model, variables, [nn.Dropout(0.5)], before="fc", name="drop", **NEW)
    same_but(variables, after, [])
    expected = model.apply(variables, IMAGES, train=False)
    np.testing.assert_array_equal(changed.apply(after, IMAGES, train=False), expected)
    with_keys = [
        changed.apply(after, IMAGES, train=True, mutable="batch_stats", rngs={"dropout": jax.random.key(seed)})[0]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(with_keys[0], with_keys[1])
    assert (with_keys[0] != with_keys[2]).any()


def test_layers_go_before_after_and_in_place(small):
    model, variables = small
    seen = []

    def note(name):
        return lambda x: (seen.append((name, x.shape[1:])), x)[1]

    network = model, variables
    for how in ({"before": "block.0.conv"}, {"after": "block.0.conv"}, {"after": "block.1.bn"}, {"before": "fc"}):
        network = transfer.insert(*network, [note(str(how))], name="note", **how, **NEW)
    network = transfer.append(*network, [note("last")], name="last", **NEW)
    seen.clear()
    logits = network[0].apply(network[1], IMAGES, train=False)
    assert seen == [
        ("{'before': 'block.0.conv'}", (64, 64, 3)),
        ("{'after': 'block.0.conv'}", (32, 32, 8)),
        ("{'after': 'block.1.bn'}", (16, 16, 8)),
        ("{'before': 'fc'}", (8,)),
        ("last", (10,)),
    ]
    np.testing.assert_array_equal(logits, model.apply(variables, IMAGES, train=False))
    (logits, features) = network[0].apply(network[1], IMAGES, train=False, features=True)
    assert logits.shape == (2, 10)
    assert features["last"].shape == (2, 16, 16, 8)


def test_layers_can_be_put_beside_ones_put_in(small):
    network = transfer.insert(*small, [Dense(8)], before="fc", name="first", **NEW)
    network = transfer.insert(*network, [nn.tanh, Dense(8)], after="first", name="second", **NEW)
    assert {"first", "second.1"} <= set(network[1]["params"])
    network = transfer.replace_head(*network, num_classes=4, **NEW)
    assert network[0].apply(network[1], IMAGES, train=False).shape == (2, 4)
    assert transfer.head(network[0], IMAGES) == ["fc"]


@pytest.mark.parametrize("kind", [BatchNorm, nn.BatchNorm], ids=["ours", "linens"])
def test_a_batch_norm_put_in_follows_train(small, kind):
    changed, after = transfer.insert(*small, [kind()], after="block.0.conv", name="norm", **NEW)
    assert set(after["batch_stats"]["block.0.norm"]) == {"mean", "var"}
    _, moved = changed.apply(after, IMAGES, train=True, mutable="batch_stats")
    assert (moved["batch_stats"]["block.0.norm"]["mean"] != 0).all()
    _, unmoved = changed.apply(after, IMAGES, train=False, mutable="batch_stats")
    jax.tree.map(np.testing.assert_array_equal, unmoved["batch_stats"], after["batch_stats"])


def test_reinitialising_draws_that_part_alone(small):
    model, variables = small
    after = transfer.reinitialise(model, variables, ["block.1"], **NEW)
    same_but(variables, after, ["block.1"])
    kernels = after["params"]["block.1.conv"]["kernel"], variables["params"]["block.1.conv"]["kernel"]
    assert (kernels[0] != kernels[1]).all()
    pytorch.assert_close(np.abs(kernels[0]).max(), np.abs(kernels[1]).max(), 0.05)
    expected = model.init(jax.random.key(1), IMAGES, train=False)
    pytorch.assert_close(kernels[0], expected["params"]["block.1.conv"]["kernel"], 1e-6)


def test_a_changed_network_trains_with_the_rest_frozen(small):
    changed, after = transfer.replace(*small, "fc", [Dense(16), nn.relu, nn.Dropout(0.2), Dense(3)], **NEW)
    optimizer = optax.adam(0.01)
    state = create_state(
        changed, optimizer, jax.random.key(0), jnp.asarray(IMAGES), variables=after, freeze=["*", "!fc.*"]
    )
    step = make_train_step(changed, optimizer, losses.cross_entropy)
    batch = {"images": jnp.asarray(IMAGES) + jnp.array([2.0, -2.0]).reshape(2, 1, 1, 1), "labels": jnp.array([0, 2])}
    values = []
    for _ in range(60):
        state, measured = step(state, batch)
        values.append(float(measured["loss"].value))
    assert values[-1] < 0.3 * values[0]
    for path, leaf in flat(state.frozen).items():
        assert np.asarray(leaf).tobytes() == np.asarray(flat(after)[path]).tobytes(), path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda n: transfer.insert(*n, [nn.relu], after="block.7.conv", name="x", **NEW), "Did you mean block."),
        (lambda n: transfer.replace(*n, "head", [nn.relu], **NEW), "unknown layer 'head'"),
        (lambda n: transfer.insert(*n, [nn.relu], after="fc", name="fc", **NEW), "already has a layer fc"),
        (lambda n: transfer.insert(*n, [nn.relu], name="x", **NEW), "name one of before and after"),
        (lambda n: transfer.insert(*n, [], before="fc", name="x", **NEW), "at least one layer"),
        (
            lambda n: transfer.replace(*n, "block.0.conv", [Conv(4, (1, 1))], **NEW),
            r"block\.\d\.\w+\.\w+ is \(.*\) and would have to be \(.*\) after the change",
        ),
        (lambda n: transfer.replace_head(*n, num_classes=0, **NEW), "at least 1, got 0"),
        (
            lambda n: transfer.replace_head(*transfer.replace(*n, "fc", [Dense(4)], **NEW), num_classes=2, **NEW),
            "replaced by layers of a fixed size",
        ),
        (lambda n: transfer.reinitialise(*n, ["blok.0"], **NEW), "Did you mean block.0"),
    ],
)
def test_changes_that_cannot_be_made_are_refused_in_a_line(small, change, says):
    with pytest.raises(UserError, match=says) as raised:
        change(small)
    assert "\n" not in str(raised.value)
