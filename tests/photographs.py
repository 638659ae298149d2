"""Real photographs: the two that scikit-learn brings, and COCO's, where the project's shared data is beside it."""

import functools
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

ARCHIVE = Path(__file__).resolve().parents[2] / "shared/data/coco.tar.xz"


def two():
    """A temple and a flower, uint8[427, 640, 3] each."""
    from sklearn.datasets import load_sample_images

    return load_sample_images().images


@functools.cache
def of_coco(count):
    """The first ``count`` photographs by name, uint8[H, W, 3] each. Skips the test where they are not there."""
    if not ARCHIVE.exists():
        pytest.skip("the photographs of COCO are not beside the project")
    from PIL import Image

    found = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if member.name.endswith(".jpg"):
                found[member.name] = archive.extractfile(member).read()
    names = sorted(found)[:count]
    return [np.asarray(Image.open(io.BytesIO(found[name])).convert("RGB")) for name in names]
