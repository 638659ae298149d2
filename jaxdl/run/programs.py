"""Which program of the training step computes an update: decided by the configuration, before anything is timed."""

import math

import jax

from jaxdl.train import parallel

# Multiply-adds of training. Two cores make some 5e10 a second; the fast program takes 5 to 25 s to compile, and trains
# from a tenth to a quarter faster than the plain one.
BY_PLAIN = 5e11  # of the updates before the fast program takes over: about what the thread that compiles it needs
LEAST = 5e12  # of a training in which it is worth that
FEWEST = 12  # updates by the plain program, of a large network: it is compiled for longer too
OF_AN_UPDATE = 3  # times those of the forward pass: the gradients with respect to the inputs and to the kernels


def takeover_at(devices: parallel.Devices, *, multiply_adds: int, steps: int) -> int:
    """The update, counted from 0, from which the fast program trains; 0 where it always does.

    multiply_adds: of a batch's forward pass. steps: of the whole training, also where it is to stop before.
    """
    if devices.kind != "single" or jax.default_backend() != "cpu":
        return 0
    each = max(OF_AN_UPDATE * multiply_adds, 1)
    return max(math.ceil(BY_PLAIN / each), FEWEST) if steps * each >= LEAST else steps
