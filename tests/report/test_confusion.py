"""The matrix of a page keeps every example, however many classes there are."""

import numpy as np

from jaxdl.report.confusion import LEVELS, matrix


def counts_of(found):
    return np.array([[cell.count for cell in row] for row in found.rows])


def test_few_classes_are_shown_whole(rng):
    counts = rng.integers(0, 9, (4, 4))
    found = matrix("abcd", counts, most=4, kept=2)
    np.testing.assert_array_equal(counts_of(found), counts)
    assert found.names == ("a", "b", "c", "d")
    assert found.totals == tuple(counts.sum(1))
    assert found.left_out == 0
    assert [cell.right for cell in found.rows[1]] == [False, True, False, False]


def test_of_many_classes_those_in_most_mistakes_are_shown_and_the_others_as_one(rng):
    counts = np.diag(rng.integers(50, 90, 20))
    counts[3, 17], counts[3, 5], counts[8, 9] = 30, 20, 10
    found = matrix([str(k) for k in range(20)], counts, most=10, kept=3)
    assert found.names == ("3", "5", "17", "17 others")
    assert found.left_out == 17
    chosen, rest = [3, 5, 17], [k for k in range(20) if k not in (3, 5, 17)]
    shown = counts_of(found)
    np.testing.assert_array_equal(shown[:3, :3], counts[np.ix_(chosen, chosen)])
    np.testing.assert_array_equal(shown[:3, 3], counts[np.ix_(chosen, rest)].sum(1))
    np.testing.assert_array_equal(shown[3, :3], counts[np.ix_(rest, chosen)].sum(0))
    assert shown.sum() == counts.sum()
    assert found.totals == (*counts.sum(1)[chosen], counts.sum(1)[rest].sum())
    assert found.rows[3][3].level == 0  # it counts right and wrong, and has the colour of neither


def test_of_many_classes_those_that_do_not_occur_are_left_out():
    counts = np.zeros((1000, 1000), np.int64)
    counts[3, 3], counts[3, 700], counts[40, 3] = 5, 2, 1
    found = matrix([str(k) for k in range(1000)], counts, most=10, kept=3)
    assert found.names == ("3", "40", "700")
    np.testing.assert_array_equal(counts_of(found), [[5, 0, 2], [1, 0, 0], [0, 0, 0]])
    assert found.left_out == 0


def test_colour_says_how_large_a_share_of_the_row_it_is():
    found = matrix("ab", [[0, 0], [1, 999]], most=9, kept=1)
    assert [cell.level for cell in found.rows[0]] == [0, 0]  # a class without examples
    assert [cell.level for cell in found.rows[1]] == [1, LEVELS]
    levels = [matrix("ab", [[k, 100 - k], [0, 1]], most=9, kept=1).rows[0][0].level for k in range(101)]
    assert levels == sorted(levels)
    assert set(levels) == set(range(LEVELS + 1))
