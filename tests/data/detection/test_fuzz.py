"""Files changed at random: a dataset is read, or refused in a line; nothing else comes of it."""

import json

import numpy as np
import pytest

from jaxdl.data.detection.labelled import Listing
from jaxdl.data.detection.listing import listing
from jaxdl.errors import UserError
from tests.data.detection.written import SQUARE, annotation, coco, content, voc, yolo

TIMES = 100
PIECES = (
    *(
        b"<object>",
        b"</object>",
        b"&amp;",
        b"<!DOCTYPE a>",
        b"\xff",
        b"\0",
        b"1e999",
        b"NaN",
        b"-1",
        b"null",
        b"[",
        b"]",
    ),
    *(
        b"{",
        b"}",
        b'"',
        b",",
        b"99999999999999999999",
        b"true",
        b" ",
        b"\n",
        b"../",
        b"\xc3\xa9",
        b"0 ",
        b":",
        b"'",
        b"-",
    ),
)
VALUES = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        7,
        2**63,
        10**300,
        1e308,
        float("nan"),
        float("-inf"),
        0.5,
        "",
        "1",
        "a.png",
        "../x",
    ),
    *("\ud800", "\0", "/a", [], {}, [1], [[1, 2, 3]], {"id": 1}, {"size": [40, 60], "counts": "zz"}, [1, 2, 3, 4]),
)


def spoiled(raw, rng):
    """Bytes with a few pieces put in, taken out, or written over."""
    raw = bytearray(raw)
    for _ in range(rng.integers(1, 4)):
        place, length = int(rng.integers(len(raw) + 1)), int(rng.integers(0, 8))
        raw[place : place + length] = PIECES[rng.integers(len(PIECES))] if rng.random() < 0.7 else b""
    return bytes(raw)


def check(root):
    """Whether it is read."""
    try:
        found = listing(root)
    except UserError as error:
        said = str(error)
    else:
        check_listing(found)
        return True
    assert said.isprintable()
    assert len(said) < 2000
    return False


def check_listing(found):
    assert isinstance(found, Listing)
    for each in (each for split in found.splits.values() for each in split):
        boxes, (height, width) = each.objects.boxes, each.size
        assert np.isfinite(boxes).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert (boxes >= 0).all()
        assert (boxes <= (width, height, width, height)).all()
        assert (each.objects.classes < len(found.classes)).all()
        assert (each.objects.areas > 0).all() or found.masks
        assert each.objects.masks is None or len(each.objects.masks) == len(boxes)
    assert all(remark.isprintable() for remark in found.remarks)


WRITTEN = {
    "voc": (voc, ("Annotations/a.xml", "ImageSets/Main/train.txt")),
    "yolo": (yolo, ("labels/train/a.txt", "data.yaml")),
    "coco": (coco, ("annotations/instances_train2017.json",)),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_spoiled_files_are_read_or_refused(tmp_path, rng, name):
    write, files = WRITTEN[name]
    root = write(tmp_path)
    for file in files:
        raw = (root / file).read_bytes()
        read = 0
        for _ in range(TIMES):
            (root / file).write_bytes(spoiled(raw, rng))
            read += check(root)
        assert 0 < read < TIMES
        (root / file).write_bytes(raw)
    assert check(root)


def places(value, before=()):
    """Ways to each value within JSON."""
    yield before
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*before, key))


def test_values_of_any_other_kind_in_coco_are_read_or_refused(tmp_path, rng):
    codes = {"size": [40, 60], "counts": [5 * 40 + 5, *[20, 20] * 19, 20, 40 * 35 + 15]}
    train = content(annotations=[annotation(1, segmentation=SQUARE), annotation(2, 1, 7, segmentation=codes)])
    root = coco(tmp_path, train)
    path = root / "annotations/instances_train2017.json"
    raw = json.dumps(train)
    ways = [way for way in places(train) if way]
    read = 0
    for _ in range(2 * TIMES):
        changed = json.loads(raw)
        for _ in range(rng.integers(1, 3)):
            way = ways[rng.integers(len(ways))]
            inner = changed
            try:
                for key in way[:-1]:
                    inner = inner[key]
                if rng.random() < 0.2:
                    del inner[way[-1]]
                else:
                    inner[way[-1]] = VALUES[rng.integers(len(VALUES))]
            except (KeyError, IndexError, TypeError):
                continue
        path.write_text(json.dumps(changed))
        read += check(root)
    assert 0 < read < 2 * TIMES
