import jax
import numpy as np
import pytest
from scipy import stats

from jaxdl import draws

SHAPES = [(7,), (3, 3, 16, 5), (1, 1), (draws.AT_ONCE + 13,), (64, 10)]


@pytest.mark.parametrize("distribution", draws.SAMPLERS)
def test_draws_are_those_of_jax_parameter_by_parameter(distribution):
    keys = jax.random.split(jax.random.key(3), len(SHAPES))
    drawn = draws.draw(distribution, list(np.asarray(jax.random.key_data(keys))), SHAPES)
    for key, shape, numbers in zip(keys, SHAPES, drawn, strict=True):
        expected = draws.SAMPLERS[distribution](key, shape, np.float32)
        np.testing.assert_array_max_ulp(numbers, np.asarray(expected), maxulp=4)  # of JAX 0.10 none


@pytest.mark.parametrize(
    ("distribution", "cdf"),
    [
        ("normal", stats.norm.cdf),
        ("uniform", stats.uniform(-1, 2).cdf),
        ("truncated_normal", stats.truncnorm(-2, 2).cdf),
    ],
)
def test_draws_follow_their_distribution(distribution, cdf):
    (numbers,) = draws.draw(distribution, [np.array([1, 2], np.uint32)], [(20_000,)])
    assert stats.kstest(numbers.astype(float), cdf).pvalue > 1e-3


def test_draw_of_a_wider_dtype_is_not_noted():
    init = draws.Draw("normal", 2.0)
    with draws.noting() as notes:
        jax.eval_shape(lambda key: init(key, (3,), np.float16), jax.random.key(0))
    assert not notes


def test_draws_of_the_same_arguments_are_equal():
    assert draws.Draw("uniform", 0.5) == draws.Draw("uniform", 0.5)
    assert hash(draws.Draw("uniform", 0.5)) == hash(draws.Draw("uniform", 0.5))
