"""The matrices of convolution by evaluation at points (Toom 1963, Cook 1966, Winograd 1980)."""

from functools import cache
from typing import NamedTuple

import numpy as np

POINTS = {
    6: (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)),
    8: (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0),
}  # by the number of points, infinity being the last: symmetric, and inverse to each other, they round least


class Matrices(NamedTuple):
    """Of ``y = outputs.T @ ((kernel @ w) * (inputs @ x))``, y being the m sums that slide along x with the taps of w.

    outputs: float64[n, m]. kernel: float64[n, r]. inputs: float64[n, n]. n = m + r - 1, the length of x.
    """

    outputs: np.ndarray
    kernel: np.ndarray
    inputs: np.ndarray


@cache
def matrices(outputs: int, taps: int) -> Matrices:
    """The matrices for so many outputs at a time of a kernel of so many taps: n products instead of outputs * taps."""
    count = outputs + taps - 1
    points = np.array(POINTS[count])
    others = [np.delete(points, index) for index in range(count - 1)]
    scale = np.array([np.prod(point - rest) for point, rest in zip(points, others, strict=True)])
    inputs = np.zeros((count, count))
    for row, rest in enumerate(others):
        inputs[row, :-1] = np.poly(rest)[::-1]
    inputs[-1] = np.poly(points)[::-1]
    return Matrices(
        outputs=np.vstack([np.vander(points, outputs, increasing=True), np.eye(outputs)[-1]]),
        kernel=np.vstack([np.vander(points, taps, increasing=True) / scale[:, None], np.eye(taps)[-1]]),
        inputs=inputs,
    )
