"""Random draws are uniform: over the examples of a step, and over the steps of an example."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy import stats

from jaxdl.data import augment
from jaxdl.train.step import prepare_batch

SIDE, PADDING, EXAMPLES, STEPS = 9, 2, 128, 96
UNLIKELY = 1e-3  # of a fair draw; the seed is fixed, so a test passes always or never


@pytest.fixture(scope="module")
def drawn():
    """flipped: bool[STEPS, EXAMPLES]; rows, columns: int[STEPS, EXAMPLES], by how much each was shifted."""
    numbers = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(1, SIDE, SIDE, 1)
    batch = {"images": np.tile(numbers, (EXAMPLES, 1, 1, 1)), "labels": np.zeros(EXAMPLES, np.int32)}
    transform = augment.pipeline(flip_images=True, crop_padding=PADDING)
    prepare = jax.jit(partial(prepare_batch, augment=transform))
    seen = np.stack([np.asarray(prepare(jax.random.key(7), step, batch)["images"]) for step in range(STEPS)])
    pixels = np.rint(seen[..., 0] * 255).astype(int)
    middle, beside = pixels[:, :, SIDE // 2, SIDE // 2], pixels[:, :, SIDE // 2, SIDE // 2 + 1]
    flipped = beside < middle
    columns = np.where(flipped, SIDE - 1 - middle % SIDE, middle % SIDE) - SIDE // 2
    return flipped, middle // SIDE - SIDE // 2, columns


def likelihood(cells, count):
    """How often a fair draw of so many cells is as uneven as this."""
    return stats.chisquare(np.bincount(np.ravel(cells), minlength=count)).pvalue


def test_flips_and_offsets_are_even_together(drawn):
    flipped, rows, columns = drawn
    offsets = 2 * PADDING + 1
    assert np.unique(rows).tolist() == np.unique(columns).tolist() == list(range(-PADDING, PADDING + 1))
    cells = (flipped * offsets + rows + PADDING) * offsets + columns + PADDING
    assert likelihood(cells, 2 * offsets**2) > UNLIKELY


@pytest.mark.parametrize("what", range(3))
@pytest.mark.parametrize("axis", [0, 1])
def test_no_example_and_no_step_is_drawn_otherwise_than_the_others(drawn, what, axis):
    """A table of the counts of each value, by example over the steps, or by step over the examples."""
    values = drawn[what].astype(int)
    table = np.stack([(values == value).sum(axis) for value in np.unique(values)])
    assert stats.chi2_contingency(table).pvalue > UNLIKELY


@pytest.mark.parametrize("what", range(3))
def test_a_step_tells_nothing_of_the_next_and_an_example_nothing_of_the_one_beside_it(drawn, what):
    values = drawn[what].astype(int) - drawn[what].min()
    kinds = values.max() + 1
    for first, second in ((values[:-1], values[1:]), (values[:, :-1], values[:, 1:])):
        assert likelihood(first * kinds + second, kinds**2) > UNLIKELY
