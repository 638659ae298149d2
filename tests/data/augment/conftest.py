import numpy as np
import pytest


@pytest.fixture
def images(rng):
    """uint8[64, 8, 10, 3]."""
    return rng.integers(0, 256, (64, 8, 10, 3), np.uint8)


@pytest.fixture
def floats(rng):
    """Draws float32 images in [0, 1] of a shape."""
    return lambda *shape: rng.uniform(size=shape).astype(np.float32)
