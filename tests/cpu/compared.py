"""Values and gradients of a convolution, beside XLA's."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.cpu.convolution import products


def drawn(rng, shape, dtype):
    return jnp.asarray(rng.standard_normal(shape), dtype)


def value_and_gradients(function, x, kernel):
    sent = drawn(np.random.default_rng(1), jax.eval_shape(function, x, kernel).shape, x.dtype)

    @jax.jit
    def all_three(x, kernel, sent):
        value, pullback = jax.vjp(function, x, kernel)
        return value, *pullback(sent)

    return all_three(x, kernel, sent)


def assert_same(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


def xla(x, kernel, pads, strides=(1, 1), dilation=(1, 1)):
    names = products.CHANNELS_LAST[x.ndim]
    return jax.lax.conv_general_dilated(x, kernel, strides, pads, rhs_dilation=dilation, dimension_numbers=names)
