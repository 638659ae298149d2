"""Run-length codes of masks, against COCO's tools, and codes that are none."""

import numpy as np
import pytest
from pycocotools import mask as masks

from jaxdl import rle
from jaxdl.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # by COCO's own decode


def some(rng, size=(17, 23)):
    """Masks: empty, full, noise, a block."""
    block = np.zeros(size, bool)
    block[3:9, 4:20] = True
    return [np.zeros(size, bool), np.ones(size, bool), rng.random(size) < 0.5, rng.random(size) < 0.02, block]


def test_a_mask_is_coded_and_painted_as_by_coco(rng):
    for mask in some(rng):
        code = rle.encode(mask)
        assert code == masks.encode(np.asfortranarray(mask, np.uint8))
        np.testing.assert_array_equal(rle.decode(code), mask)
        assert rle.decode(code).dtype == bool
        np.testing.assert_array_equal(masks.decode(code), mask)
        assert rle.area(code) == mask.sum() == masks.area(code)
        assert rle.empty(code) == (not mask.any())
        left, top, right, bottom = rle.box(code)
        assert masks.toBbox(code).tolist() == [left, top, right - left, bottom - top]


def test_the_same_mask_is_read_from_counts_and_from_text(rng):
    for mask in some(rng):
        code = rle.encode(mask)
        flat = mask.T.ravel()
        edges = np.flatnonzero(np.diff(flat)) + 1
        counts = np.diff([0, *edges, flat.size]).tolist()
        counts = [0, *counts] if flat[0] else counts
        for same in (
            counts,
            code["counts"],
            code["counts"].decode(),
            masks.frPyObjects({"size": mask.shape, "counts": counts}, *mask.shape)["counts"],
        ):
            assert rle.from_counts(same, height=mask.shape[0], width=mask.shape[1]) == code


def test_empty_runs_within_a_code_are_taken_out():
    assert rle.from_counts([2, 3, 0, 4, 0, 0, 1], height=2, width=5) == rle.from_counts([2, 7, 1], height=2, width=5)
    assert rle.box({"size": [2, 5], "counts": rle.from_counts([10, 0], height=2, width=5)["counts"]}) == (0, 0, 0, 0)


def test_polygons_cover_what_coco_says_they_cover(rng):
    for _ in range(50):
        polygons = [
            (rng.random(2 * rng.integers(3, 9)) * 60 - 15 - rng.choice([0, 40])).tolist()
            for _ in range(rng.integers(1, 4))
        ]
        expected = masks.merge(masks.frPyObjects(polygons, 30, 40))
        found = rle.from_polygons(polygons, height=30, width=40)
        assert found == expected
        assert rle.empty(found) == (not rle.area(found))
        np.testing.assert_array_equal(rle.decode(found), masks.decode(expected))
    line = [[1, 1, 5, 5], [2, 2, 20, 2, 20, 20]]
    assert rle.from_polygons(line, height=30, width=40) == masks.frPyObjects(line[1:], 30, 40)[0]


BAD_COUNTS = [
    [], [5, 6], [-1, 21], [20.0], [True, 19], ["20"], [[20]], [10**400], [2**63], [2**62, 2**62, 2**62, 2**62 + 20],
    [2**32 + 20], None, 20, {}, "", "0", "\x00", "d0\x00", "T", "d0T", "PPPPPPPPPPPP0", "oooooo", "é", "\ud800",
    "\u0664", b"\xff", "0" * 1000, "oooooO" * 50, "d1", "P" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("counts", BAD_COUNTS, ids=lambda counts: repr(counts)[:30].replace("\\", "/"))
def test_counts_that_do_not_fill_the_picture_are_refused(counts):
    with pytest.raises(UserError) as caught:
        rle.from_counts(counts, height=4, width=5)
    assert len(str(caught.value)) < 200
    with pytest.raises(UserError):
        rle.decode({"size": [4, 5], "counts": counts})


@pytest.mark.parametrize("size", [(0, 5), (-1, 5), (2**40, 2**40), (2**14, 2**14), (4.0, 5), (True, 5), ("4", 5)])
def test_sizes_that_are_none_are_refused_before_anything_is_made(size):
    for call in (
        lambda: rle.from_counts([20], height=size[0], width=size[1]),
        lambda: rle.from_polygons([[0, 0, 1, 0, 1, 1]], height=size[0], width=size[1]),
        lambda: rle.decode({"size": list(size), "counts": b"d0"}),
    ):
        with pytest.raises(UserError):
            call()


@pytest.mark.parametrize(
    "polygons",
    [
        *([], [[]], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]], [1, 2, 3, 4, 5, 6], "abc", None, 7, [None], ["123456"]),
        *([[1, 2, 3, 4, 5, float("nan")]], [[1, 2, 3, 4, 5, float("inf")]], [[1, 2, 3, 4, 5, 1e7]], [[10**400] * 6]),
        *([[True] * 6], [["1"] * 6], [[[1, 2], [3, 4], [5, 6]]], [[0, 0, 1e6, 1e6] * 10], {"a": 1}),
    ],
    ids=lambda polygons: str(polygons)[:30],
)
def test_outlines_that_are_none_are_refused(polygons):
    with pytest.raises(UserError) as caught:
        rle.from_polygons(polygons, height=30, width=40)
    assert len(str(caught.value)) < 200


def test_any_text_is_either_a_code_or_refused(rng):
    for _ in range(3000):
        letters = rng.integers(48, 112, rng.integers(1, 12), np.uint8).tobytes()
        if rng.random() < 0.5:
            letters = bytearray(rle.encode(rng.random((4, 5)) < 0.5)["counts"])
            letters[rng.integers(len(letters))] = rng.integers(40, 120)
        try:
            code = rle.from_counts(bytes(letters), height=4, width=5)
        except UserError:
            continue
        np.testing.assert_array_equal(rle.decode(code), masks.decode(code))
        assert rle.area(code) == masks.area(code)
        assert rle.empty(code) == (not masks.area(code))
