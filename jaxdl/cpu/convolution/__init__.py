"""Convolutions that are fast on a CPU: the same function as linen's, in fewer and larger matrix products.

They have gradients of any order in reverse, but no forward mode (``jax.jvp``) of their own.

The compiled steps of ``jaxdl.train`` use them on a CPU by themselves, whatever the model; on other devices, and in
``model.apply``, convolutions stay what linen makes them.
"""

from jaxdl.cpu.convolution.intercept import fast as fast
from jaxdl.cpu.convolution.intercept import tracing as tracing
