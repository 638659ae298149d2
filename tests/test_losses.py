import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import losses
from jaxdl.errors import UserError
from tests import pytorch

REDUCTIONS = losses.REDUCTIONS
SHAPES = [(7,), (5, 3), (2, 4, 5, 3)]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_equals_optax_on_smoothed_labels(rng, smoothing):
    logits = jnp.asarray(rng.normal(size=(20, 7)) * 3, jnp.float32)
    labels = jnp.asarray(rng.integers(0, 7, 20))
    targets = optax.smooth_labels(jnp.eye(7)[labels], smoothing)
    expected = optax.softmax_cross_entropy(logits, targets)
    ours = losses.cross_entropy(logits, labels, label_smoothing=smoothing)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("ignore_index", [None, -100, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(20,), (3, 4, 5)])
def test_cross_entropy_equals_pytorchs(rng, shape, weighted, ignore_index, smoothing, reduction):
    torch = pytorch.torch()
    logits = (3 * rng.normal(size=(*shape, 7))).astype(np.float32)
    labels = rng.integers(0, 7, shape)
    labels.flat[:3] = 0 if ignore_index is None else ignore_index
    weight = rng.uniform(0.01, 0.2, 7).astype(np.float32) if weighted else None
    given = {"weight": weight, "ignore_index": ignore_index}

    def ours(logits):
        values = losses.cross_entropy(logits, jnp.asarray(labels), label_smoothing=smoothing, **given)
        counts = losses.target_weights(jnp.asarray(labels), **given)
        return losses.reduce(values, reduction, weights=counts)

    def theirs(logits):
        return torch.nn.functional.cross_entropy(
            logits.movedim(-1, 1),
            torch.tensor(labels),
            None if weight is None else torch.tensor(weight),
            ignore_index=-100 if ignore_index is None else ignore_index,
            label_smoothing=smoothing,
            reduction=reduction,
        )

    pytorch.assert_same_function(ours, theirs, logits)


@pytest.mark.long
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(20,), (3, 4, 5)])
def test_cross_entropy_of_probabilities_equals_pytorchs(rng, shape, weighted, smoothing, reduction):
    torch = pytorch.torch()
    logits = (3 * rng.normal(size=(*shape, 7))).astype(np.float32)
    labels = rng.dirichlet(np.ones(7), shape).astype(np.float32)
    weight = rng.uniform(0.1, 2.0, 7).astype(np.float32) if weighted else None

    def ours(logits, labels):
        values = losses.cross_entropy(logits, labels, weight=weight, label_smoothing=smoothing)
        return losses.reduce(values, reduction)

    def theirs(logits, labels):
        given = None if weight is None else torch.tensor(weight)
        logits, labels = logits.movedim(-1, 1), labels.movedim(-1, 1)
        return torch.nn.functional.cross_entropy(logits, labels, given, label_smoothing=smoothing, reduction=reduction)

    pytorch.assert_same_function(ours, theirs, logits, labels)


def elementwise(name, rng, shape):
    """(our function, PyTorch's name, the two inputs, keyword arguments that both take)."""
    normal, other = rng.normal(size=(2, *shape)).astype(np.float32)
    other.flat[0] = normal.flat[0]
    share = rng.uniform(size=shape).astype(np.float32)
    hard = rng.integers(0, 2, shape).astype(np.float32)
    logs = np.log(rng.dirichlet(np.ones(4), shape)[..., 0]).astype(np.float32)
    weight = rng.uniform(0.1, 3.0, shape[-1:]).astype(np.float32)
    return {
        "mse": (losses.mse, "mse_loss", (normal, other), {}),
        "l1": (losses.l1, "l1_loss", (normal, other), {}),
        "smooth_l1": (losses.smooth_l1, "smooth_l1_loss", (normal, other), {}),
        "smooth_l1 beta": (losses.smooth_l1, "smooth_l1_loss", (normal, other), {"beta": 0.3}),
        "smooth_l1 of 0": (losses.smooth_l1, "smooth_l1_loss", (normal, other), {"beta": 0.0}),
        "bce": (losses.binary_cross_entropy, "binary_cross_entropy", (share, hard), {}),
        "bce soft": (losses.binary_cross_entropy, "binary_cross_entropy", (share, share[::-1].copy()), {}),
        "bce weight": (losses.binary_cross_entropy, "binary_cross_entropy", (share, hard), {"weight": weight}),
        "logits": (
            losses.binary_cross_entropy_with_logits,
            "binary_cross_entropy_with_logits",
            (30 * normal, share),
            {},
        ),
        "logits weight": (
            losses.binary_cross_entropy_with_logits,
            "binary_cross_entropy_with_logits",
            (3 * normal, hard),
            {"weight": weight, "pos_weight": weight[::-1].copy()},
        ),
        "kl": (losses.kl_div, "kl_div", (logs, share), {}),
        "kl logs": (losses.kl_div, "kl_div", (logs, logs[::-1].copy()), {"log_target": True}),
    }[name]


NAMES = ["mse", "l1", "smooth_l1", "smooth_l1 beta", "smooth_l1 of 0", "bce", "bce soft", "bce weight"]
NAMES += ["logits", "logits weight", "kl", "kl logs"]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")  # kl_div's, about its own mean
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_elementwise_loss_equals_pytorchs(rng, name, shape, reduction):
    torch = pytorch.torch()
    loss, torch_name, arrays, given = elementwise(name, rng, shape)
    theirs = getattr(torch.nn.functional, torch_name)
    tensors = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in given.items()}
    pytorch.assert_same_function(
        lambda *pair: losses.reduce(loss(*pair, **given), reduction),
        lambda *pair: theirs(*pair, reduction=reduction, **tensors),
        *arrays,
    )


def test_binary_cross_entropy_of_certainty_is_cut_off_as_pytorchs():
    torch = pytorch.torch()
    targets = np.array([0.0, 1.0, 0.0, 1.0, 0.5], np.float32)
    pytorch.assert_same_function(
        lambda p: losses.binary_cross_entropy(p, jnp.asarray(targets)),
        lambda p: torch.nn.functional.binary_cross_entropy(p, torch.tensor(targets), reduction="none"),
        np.array([0.0, 0.0, 1.0, 1.0, 0.0], np.float32),
    )


def test_kl_div_of_a_target_of_zero_is_zero_as_pytorchs(rng):
    functional = pytorch.torch().nn.functional
    targets = np.array([[0.0, 0.25, 0.75]], np.float32)
    pytorch.assert_same_function(
        lambda logs: losses.kl_div(logs, jnp.asarray(targets)),
        lambda logs: functional.kl_div(logs, pytorch.torch().tensor(targets), reduction="none"),
        rng.normal(size=(1, 3)).astype(np.float32),
    )


def test_the_mean_of_nothing_is_nan_as_pytorchs(rng):
    torch = pytorch.torch()
    logits, labels = rng.normal(size=(4, 3)).astype(np.float32), np.full(4, -100)
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels))
    values = losses.cross_entropy(jnp.asarray(logits), jnp.asarray(labels), ignore_index=-100)
    counts = losses.target_weights(jnp.asarray(labels), ignore_index=-100)
    assert np.isnan(expected.item())
    assert np.isnan(losses.reduce(values, weights=counts))


def test_cross_entropy_of_bf16_logits_is_f32():
    assert losses.cross_entropy(jnp.zeros((2, 10), jnp.bfloat16), jnp.zeros(2, int)).dtype == jnp.float32


@pytest.mark.parametrize("label", [-1, 3, 100])
def test_a_label_that_is_no_class_is_refused_and_a_nan_inside_jit(label):
    logits, labels = jnp.zeros((2, 3)), jnp.asarray([0, label])
    with pytest.raises(UserError, match=f"labels must be from 0 to 2 for 3 classes, got {label}"):
        losses.cross_entropy(logits, labels)
    values = np.asarray(jax.jit(losses.cross_entropy)(logits, labels))
    assert np.isfinite(values[0])
    assert np.isnan(values[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.cross_entropy(jnp.zeros((2, 3)), jnp.zeros(3, int)), r"labels must have shape \(2,\)"),
        (lambda: losses.cross_entropy(jnp.zeros((2, 3)), jnp.zeros((2, 4))), r"labels must have shape \(2, 3\)"),
        (lambda: losses.cross_entropy(jnp.zeros((2, 3)), jnp.zeros(2)), "labels are .* must be int32, got float32"),
        (
            lambda: losses.cross_entropy(jnp.zeros((1, 3)), jnp.asarray([[-0.5, 0.5, 1.0]])),
            "labels must be from 0 to 1, got -0.5",
        ),
        (
            lambda: losses.cross_entropy(jnp.zeros((1, 2)), jnp.asarray([[jnp.nan, 1.0]])),
            "labels must be from 0 to 1, got nan",
        ),
        (
            lambda: losses.cross_entropy(jnp.zeros((2, 3)), jnp.zeros(2, int), weight=jnp.ones(4)),
            r"weight must have shape \(3,\), one for each class; got \(4,\)",
        ),
        (
            lambda: losses.cross_entropy(jnp.zeros((2, 3)), jnp.zeros(2, int), label_smoothing=1.5),
            "label_smoothing must be from 0 to 1, got 1.5",
        ),
        (lambda: losses.mse(jnp.zeros((2, 1)), jnp.zeros(2)), r"targets must have shape \(2, 1\), .* got \(2,\)"),
        (lambda: losses.l1(jnp.zeros((2, 1)), jnp.zeros(2)), "targets must have shape"),
        (lambda: losses.kl_div(jnp.zeros((2, 1)), jnp.zeros(2)), "targets must have shape"),
        (lambda: losses.smooth_l1(jnp.zeros(2), jnp.zeros(2), beta=-1.0), r"beta must be at least 0, got -1\.0"),
        (lambda: losses.binary_cross_entropy(jnp.ones(2), 2 * jnp.ones(2)), r"targets must be from 0 to 1, got 2\.0"),
        (lambda: losses.binary_cross_entropy(-jnp.ones(2), jnp.ones(2)), r"probabilities must be .* got -1\.0"),
        (
            lambda: losses.binary_cross_entropy_with_logits(jnp.ones((2, 3)), jnp.ones((2, 3)), pos_weight=jnp.ones(2)),
            r"pos_weight must be one number or fit the last axes of \(2, 3\), got \(2,\)",
        ),
        (lambda: losses.reduce(jnp.zeros(2), "men"), "unknown reduction 'men'. Did you mean mean"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
