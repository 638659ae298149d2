import jax
import numpy as np
import pytest
from scipy import stats

from jaxdl.errors import UserError
from jaxdl.nn import initializers
from tests import pytorch

SHAPES = [(300, 200), (3, 3, 40, 90), (5, 70, 130)]  # the JAX way round: window, inputs, outputs


def torch_kernel(name, shape, gain=None, fan="fan_in"):
    torch = pytorch.torch()
    torch.manual_seed(0)
    weight = torch.empty(shape[-1], shape[-2], *shape[:-2])
    if name == "pytorch":
        layer = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)[len(shape) - 2]
        return layer(shape[-2], shape[-1], *([shape[:-2]] if shape[:-2] else [])).weight.detach()
    if name.startswith("xavier"):
        return getattr(torch.nn.init, name + "_")(weight, gain or 1.0)
    fill = getattr(torch.nn.init, name.replace("he", "kaiming") + "_")
    if gain is not None:  # kaiming's slope a sets its gain: sqrt(2 / (1 + a^2))
        return fill(weight, a=(2 / gain**2 - 1) ** 0.5, mode=fan, nonlinearity="leaky_relu")
    return fill(weight, mode=fan, nonlinearity="relu")


def assert_same_distribution(ours, theirs):
    ours, theirs = np.ravel(ours), np.ravel(theirs)
    assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.02)
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    if np.abs(theirs).max() < 2 * np.std(theirs):  # uniform: the same bound
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pytorch", {}),
        ("xavier_uniform", {}),
        ("xavier_normal", {}),
        ("xavier_uniform", {"gain": 5 / 3}),
        ("xavier_normal", {"gain": 2.0}),
        ("he_uniform", {}),
        ("he_normal", {}),
        ("he_uniform", {"fan": "fan_out"}),
        ("he_normal", {"fan": "fan_out"}),
        ("he_normal", {"gain": 1.0}),
    ],
)
def test_kernel_is_drawn_as_pytorch_draws_it(name, options, shape):
    ours = initializers.kernel(name, **options)(jax.random.key(0), shape)
    assert_same_distribution(ours, torch_kernel(name, shape, **options).numpy())


@pytest.mark.parametrize("shape", [(300, 200), (3, 3, 16, 9000)])
def test_bias_is_drawn_as_pytorch_draws_it(shape):
    torch = pytorch.torch()
    torch.manual_seed(0)
    layer = torch.nn.Linear(*shape) if len(shape) == 2 else torch.nn.Conv2d(16, 9000, 3)
    fan_in = int(np.prod(shape[:-1]))
    ours = initializers.pytorch_bias(fan_in=fan_in)(jax.random.key(0), (20_000,))
    bound = fan_in**-0.5
    theirs = layer.bias.detach().numpy()
    assert np.abs(theirs).max() <= bound
    assert 0.999 * bound < np.abs(ours).max() <= bound
    assert stats.kstest(np.asarray(ours), stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3
    assert stats.kstest(theirs, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3


def test_what_is_wrong_is_named():
    with pytest.raises(UserError, match=r"unknown initializer 'xavier_unifrom'. Did you mean xavier_uniform"):
        initializers.kernel("xavier_unifrom")
    with pytest.raises(UserError, match=r"unknown fan 'fan_avg'"):
        initializers.kernel("he_normal", fan="fan_avg")
    with pytest.raises(UserError, match=r"gain must be greater than 0, .* got 2 for 'pytorch'"):
        initializers.kernel("pytorch", gain=2)
    with pytest.raises(UserError, match=r"gain must be greater than 0, .* got -1"):
        initializers.kernel("he_normal", gain=-1)


@pytest.mark.parametrize("shape", [(3, 3, 24, 16), (128, 10)])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (initializers.lecun_normal, jax.nn.initializers.lecun_normal()),
        (initializers.pytorch_kernel, jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")),
        (initializers.normal(0.01), jax.nn.initializers.normal(0.01)),
        (initializers.kernel("xavier_normal"), jax.nn.initializers.variance_scaling(1.0, "fan_avg", "normal")),
        (initializers.kernel("xavier_uniform"), jax.nn.initializers.glorot_uniform()),
        (initializers.kernel("he_uniform"), jax.nn.initializers.he_uniform()),
        (
            initializers.kernel("he_normal", fan="fan_out"),
            jax.nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
        ),
    ],
    ids=["lecun_normal", "pytorch", "normal", "xavier_normal", "xavier_uniform", "he_uniform", "he_normal"],
)
def test_values_are_those_of_jax_of_the_same_key(ours, theirs, shape):
    key = jax.random.key(7)
    np.testing.assert_array_max_ulp(ours(key, shape), np.asarray(theirs(key, shape)), maxulp=4)
