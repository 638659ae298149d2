import math

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.train.early_stopping import best, stops_early


class Counter:
    """The state machine of Keras and Lightning: a best value so far, and how long it has stood."""

    def __init__(self, patience, min_delta, mode):
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best = math.inf if mode == "min" else -math.inf
        self.wait = 0

    def sees(self, value):
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.wait = value, 0
        else:
            self.wait += 1
        return self.wait >= self.patience


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("min_delta", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("patience", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_every_prefix_stops_where_the_counter_does(seed, patience, min_delta, mode):
    rng = np.random.default_rng(seed)
    trend = -0.1 if mode == "min" else 0.1
    # Quarters, so that ties and gains of exactly min_delta occur.
    values = np.round(4 * (rng.normal(size=40) + trend * np.arange(40))) / 4
    counter = Counter(patience, min_delta, mode)
    said = [stops_early(values[:n], patience=patience, min_delta=min_delta, mode=mode) for n in range(1, 41)]
    assert said == [counter.sees(value) for value in values]


def test_small_gains_add_up():
    assert not stops_early([1.0, 0.95, 0.85], patience=2, min_delta=0.1)
    assert stops_early([1.0, 0.95, 0.92], patience=2, min_delta=0.1)


def test_nothing_seen_is_no_reason_to_stop_and_nan_is_no_improvement():
    assert not stops_early([], patience=1)
    assert not stops_early([math.nan, 3.0], patience=1)
    assert stops_early([3.0, math.nan, math.nan], patience=2)
    assert stops_early([math.nan, math.nan], patience=2)


@pytest.mark.parametrize(
    ("values", "mode", "index"),
    [
        ([3.0, 1.0, 2.0], "min", 1),
        ([3.0, 1.0, 3.0], "max", 0),
        ([math.nan, 2.0, 1.0], "max", 1),
        ([1.0, 1.0], "min", 0),
    ],
)
def test_best_is_the_first_of_the_best(values, mode, index):
    assert best(values, mode) == index


def test_mistakes_are_refused_in_words():
    with pytest.raises(UserError, match="patience must be at least 1, got 0"):
        stops_early([1.0], patience=0)
    with pytest.raises(UserError, match="min_delta must be at least 0, got -1"):
        stops_early([1.0], patience=1, min_delta=-1)
    with pytest.raises(UserError, match=r"unknown mode 'mni'. Did you mean min"):
        stops_early([1.0], patience=1, mode="mni")
    with pytest.raises(UserError, match="no best value among"):
        best([math.nan])
