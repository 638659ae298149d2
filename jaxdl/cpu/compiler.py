"""Compiler options for training steps."""

from functools import cache

import jax

# On CPU, XLA hands float32 convolutions to a library that runs each on one core and is slow for three input channels;
# without it they run on all cores, to the same result. The course's network trains three times as fast.
CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


@cache
def options() -> dict[str, str] | None:
    """Argument for ``jax.jit(compiler_options=...)`` on the default backend; None for no options.

    The option is an experimental one of XLA's: None, too, if this jaxlib does not know it.
    """
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=CPU_OPTIONS).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return CPU_OPTIONS
