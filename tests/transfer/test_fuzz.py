"""A file whose structure was changed gives arrays or one line, within 5 s and 1 GB."""

import random

import pytest

from tests.transfer.measured import assert_cheap, outcomes
from tests.transfer.mutations import Mutator

pytest.importorskip("torch")


CHUNK = 500  # files on the disk at once, of up to 30 MB each


@pytest.mark.parametrize(
    ("seed", "count", "most"),
    [(0, 300, 200_000), *(pytest.param(seed, 4000, 10_000_000, marks=pytest.mark.slow) for seed in range(1, 6))],
)
def test_changed_files_give_arrays_or_one_line(seed, count, most, tmp_path):
    mutator = Mutator(random.Random(seed), most)
    read = 0
    for begin in range(0, count, CHUNK):
        paths = [tmp_path / f"weights{index}" for index in range(min(CHUNK, count - begin))]
        for path in paths:
            path.write_bytes(mutator.draw())
        for form in ("load_weights", "read_checkpoint"):
            for path, outcome in zip(paths, outcomes(paths, form), strict=True):
                assert_cheap(outcome, path)
                read += outcome.message is None
    assert count / 10 < read < count  # of twice as many readings


def test_equal_seeds_give_equal_files():
    first, second = (Mutator(random.Random(7), 100) for _ in range(2))
    assert [first.draw() for _ in range(50)] == [second.draw() for _ in range(50)]
