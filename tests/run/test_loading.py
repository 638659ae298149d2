"""Of a streamed dataset all pictures that cannot be read are named at once, whichever batch met the first."""

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import decoding, sources
from jaxdl.run import loading


@pytest.fixture
def root(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(40):
                Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / split / name / f"{number:02}.png")
    return tmp_path


BROKEN = ("train/cat/03.png", "train/dog/39.png", "test/dog/00.png")


@pytest.fixture
def broken(root):
    for name in BROKEN:
        (root / name).write_bytes((root / name).read_bytes()[:40])
    return sources.load("folder", root, image_size=8, stream=True)


def test_all_are_named_whichever_is_met(broken):
    with pytest.raises(decoding.UnreadableError, match="3 pictures cannot be read") as caught, \
            loading.all_unreadable_named(broken):  # fmt: skip
        broken.train.images[:5]
    assert all(name in str(caught.value) for name in BROKEN)


def test_a_long_look_ends_and_says_how_far_it_came(broken, monkeypatch):
    monkeypatch.setattr(loading, "LONGEST_LOOK", 0.0)
    with pytest.raises(decoding.UnreadableError, match=r"03\.png.* 16 of 160 pictures were looked at"), \
            loading.all_unreadable_named(broken):  # fmt: skip
        broken.train.images[:5]


def test_other_errors_are_left_as_they_are(broken):
    with pytest.raises(ZeroDivisionError), loading.all_unreadable_named(broken):
        raise ZeroDivisionError
