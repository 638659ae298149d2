"""Confusion matrix as a page shows it: all of it, or of many classes those that are mistaken most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.wording import counted

LEVELS = 9  # of colour


@dataclass(frozen=True)
class Cell:
    """count: examples; right: whether it is on the diagonal; level: of colour, 0 for none to ``LEVELS`` for all.

    The cell of the other classes against themselves has no colour: it counts both right and wrong predictions.
    """

    count: int
    right: bool
    level: int


@dataclass(frozen=True)
class Matrix:
    """Rows are true classes, columns predicted ones; a row's cells add up to its total.

    left_out: classes that share the last row and column.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[int, ...]
    left_out: int


def matrix(classes: Sequence[str], confusion: Sequence[Sequence[int]], *, most: int, kept: int) -> Matrix:
    """The counts of ``confusion``, in full for at most ``most`` classes.

    Of more, those that occur: if they are too many as well, the ``kept`` classes with the most mistakes, in their
    order, and the others merged into one.
    """
    counts = np.asarray(confusion, np.int64)
    there = np.arange(len(classes)) if len(classes) <= most else occurring(counts)
    counts, classes = counts[np.ix_(there, there)], [classes[index] for index in there]
    if len(classes) <= most:
        return _matrix(tuple(classes), counts, left_out=0)
    wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    chosen = np.sort(np.argsort(-wrong, kind="stable")[:kept])
    group = np.full(len(classes), kept)
    group[chosen] = np.arange(kept)
    smaller = np.zeros((kept + 1, kept + 1), np.int64)
    np.add.at(smaller, (group[:, None], group[None, :]), counts)
    left_out = len(classes) - kept
    return _matrix((*(classes[k] for k in chosen), counted(left_out, "other")), smaller, left_out=left_out)


def occurring(confusion: Sequence[Sequence[int]]) -> np.ndarray:
    """Numbers of the classes that an example is of, or was taken for; int[K]."""
    counts = np.asarray(confusion, np.int64)
    return np.flatnonzero(counts.sum(0) + counts.sum(1))


def _matrix(names: tuple[str, ...], counts: np.ndarray, *, left_out: int) -> Matrix:
    totals = counts.sum(1)
    rows = tuple(
        tuple(Cell(int(count), row == column, _level(count, totals[row])) for column, count in enumerate(line))
        for row, line in enumerate(counts)
    )
    if left_out:
        *others, last = rows[-1]
        rows = (*rows[:-1], (*others, Cell(last.count, True, 0)))
    return Matrix(names, rows, tuple(map(int, totals)), left_out)


def _level(count: int, total: int) -> int:
    """By the square root of the share, so that rare mistakes are seen."""
    return math.ceil(LEVELS * math.sqrt(count / total)) if count else 0
