"""Initial values by PyTorch's names, as Flax initialisers: ``init(key, shape, dtype)``.

The kernel's last axis is its outputs, the one before its inputs, the rest the window: fan_in is window x inputs.
"""

import math
from collections.abc import Sequence

import numpy as np
from jax.nn.initializers import Initializer, zeros

from jaxdl.draws import Draw
from jaxdl.errors import UserError, unknown

DEVIATION_WITHIN_2 = np.float32(0.87962566103423978)  # of the standard normal distribution between -2 and 2
KERNELS = ("he_normal", "he_uniform", "pytorch", "xavier_normal", "xavier_uniform", "zeros")


def pytorch_bias(*, fan_in: int) -> Initializer:
    """Uniform in +-1/sqrt(fan_in), where ``fan_in`` is the layer's inputs an output: kernel area x input channels."""
    return uniform(fan_in**-0.5)


def uniform(bound: float) -> Initializer:
    """Uniform in +-bound."""
    return Draw("uniform", bound)


def normal(deviation: float) -> Initializer:
    """Normal, not truncated, of mean 0."""
    return Draw("normal", deviation)


def kernel(name: str, *, gain: float | None = None, fan: str = "fan_in") -> Initializer:
    """The kernel initialiser of that name.

    pytorch: the default of ``torch.nn.Linear`` and ``torch.nn.Conv2d``; takes neither gain nor fan.
    xavier_uniform, xavier_normal: variance gain^2 / mean(fan_in, fan_out); gain is 1 if None (Glorot and Bengio 2010).
    he_uniform, he_normal: ``torch.nn.init.kaiming_uniform_`` and ``kaiming_normal_``: variance gain^2 / fan, where
    ``fan`` is "fan_in" or "fan_out"; gain is sqrt(2), ReLU's, if None (He et al. 2015).
    Normal is not truncated, unlike ``jax.nn.initializers.he_normal`` and the like, cut off at two deviations.
    ``torch.nn.init.calculate_gain`` knows gains for other activations: 5/3 for tanh. Raises UserError.
    """
    if name not in KERNELS:
        raise unknown("initializer", name, KERNELS)
    if fan not in ("fan_in", "fan_out"):
        raise unknown("fan", fan, ("fan_in", "fan_out"))
    family, _, shape = name.partition("_")
    if gain is not None and (family not in ("he", "xavier") or not gain > 0):
        raise UserError(f"gain must be greater than 0, and is for xavier and he only; got {gain} for {name!r}.")
    if family == "pytorch":
        return pytorch_kernel
    if family == "zeros":
        return zeros
    if family == "xavier":
        return _scaled(shape, (gain or 1.0) ** 2, "fan_avg")
    return _scaled(shape, 2.0 if gain is None else gain**2, fan)


def _scaled(distribution: str, variance: float, fan: str) -> Initializer:
    """Draws of the variance ``variance`` / fan."""

    def scale(shape: Sequence[int]) -> np.float32:
        *window, inputs, outputs = shape
        fan_in, fan_out = math.prod(window) * inputs, math.prod(window) * outputs
        of_numbers = np.float32(
            variance / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[fan]
        )
        deviation = np.sqrt(3 * of_numbers if distribution == "uniform" else of_numbers)
        return deviation / DEVIATION_WITHIN_2 if distribution == "truncated_normal" else deviation

    return Draw(distribution, scale)


# torch draws kernels by kaiming_uniform_(a=sqrt(5)), which is uniform in +-1/sqrt(fan_in): a variance of 1 / (3 fan_in)
pytorch_kernel = _scaled("uniform", 1 / 3, "fan_in")

# linen's own
lecun_normal = _scaled("truncated_normal", 1.0, "fan_in")
