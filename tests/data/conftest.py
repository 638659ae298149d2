"""A folder of pictures, and the same read from it as they are needed and all at once."""

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import sources


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """22 pictures to train, 6 to test, of two classes, no two alike; PNG and JPEG."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("pictures")
    for split, count in (("train", 11), ("test", 3)):
        for name in ("ants", "bees"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (12 + number, 20, 3), np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number:02}{('.png', '.jpg')[number % 2]}")
    return root


@pytest.fixture(scope="module")
def streamed(pictures):
    return sources.load("folder", pictures, image_size=16, stream=True)


@pytest.fixture(scope="module")
def held(pictures):
    return sources.load("folder", pictures, image_size=16)
