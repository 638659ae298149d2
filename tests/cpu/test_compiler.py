import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.cpu import compiler


def test_options_compile_and_change_nothing_in_the_result(rng):
    x = jnp.asarray(rng.normal(size=(4, 8, 8, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3, 16)), jnp.float32)

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    plain = jax.jit(convolve)(x, kernel)
    np.testing.assert_allclose(jax.jit(convolve, compiler_options=compiler.options())(x, kernel), plain, atol=1e-5)


def test_an_option_that_jaxlib_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(compiler, "CPU_OPTIONS", {"xla_cpu_option_of_another_version": "1"})
    assert compiler.options.__wrapped__() is None
