"""How much of the classes is in a network's features: nearest neighbours, and a linear classifier on them."""

import sys
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from jaxdl.data.dataset import Split, train_val_split

TEMPERATURE = 0.07  # of the neighbours' votes, as DINO (Caron et al. 2021) has it
ROWS = 256  # examples compared with all others at a time
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C, the inverse of the penalty on squared weights
VAL_SHARE = 5  # one in so many is held out to choose among them
MOST_ITERATIONS = 1000
SECONDS_UNTIL_BAR = 2


class LinearProbe(NamedTuple):
    """predictions: int[N] of the test examples. strength: C, chosen by val_accuracy, None where it was not measured."""

    predictions: np.ndarray
    strength: float
    val_accuracy: float | None


def neighbour_votes(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, ks: Sequence[int], temperature: float = TEMPERATURE
) -> list[np.ndarray]:
    """Class of each test example by its k nearest training examples, all of them if there are fewer; int32[N] for each
    of ``ks``.

    train, test: float32[N, features], compared by the cosine of their angle. labels: int32[N]. Each of the nearest
    votes for its class with exp(cosine / temperature), as in DINO (Caron et al. 2021).
    """
    train, test, most = _unit(train), _unit(test), min(max(ks), len(train))
    classes = int(labels.max()) + 1
    found = [np.empty(len(test), np.int32) for _ in ks]
    with _bar("comparing", len(test)) as bar:
        for start in range(0, len(test), ROWS):
            cosines = test[start : start + ROWS] @ train.T
            nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
            cosines = np.take_along_axis(cosines, nearest, axis=1)
            order = np.argsort(-cosines, axis=1)
            nearest, cosines = (np.take_along_axis(each, order, axis=1) for each in (nearest, cosines))
            weights = np.exp((cosines - 1) / temperature)
            for predicted, k in zip(found, ks, strict=True):
                votes = np.zeros((len(cosines), classes))
                np.add.at(votes, (np.arange(len(votes))[:, None], labels[nearest[:, :k]]), weights[:, :k])
                predicted[start : start + ROWS] = votes.argmax(axis=1)
            bar.update(len(cosines))
    return found


def linear_probe(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, strengths: tuple[float, ...] = STRENGTHS, seed: int = 0
) -> LinearProbe:
    """A multinomial logistic regression on the features, each brought to mean 0 and deviation 1 by the training's.

    train, test: float32[N, features]; labels: int32[N]. The penalty is the one of ``strengths`` that does best on a
    fifth of the training examples, drawn from the seed, the strongest of equals; the regression is then fitted to all.
    With a class of a single example there is nothing to hold out, and C is 1.
    """
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    scaled, unseen = ((each - mean[None]) / np.where(deviation > 0, deviation, 1)[None] for each in (train, test))
    counts = np.unique(labels, return_counts=True)[1]
    strength, accuracy = 1.0, None
    if counts.min() > 1:
        val_size = min(max(len(counts), len(labels) // VAL_SHARE), len(labels) - len(counts))
        fitted, held_out = train_val_split(Split(scaled, labels), val_size=val_size, seed=seed)
        accuracy = -1.0
        with _bar("choosing the penalty", len(strengths), unit="fit") as bar:
            for each in sorted(strengths):
                right = float(np.mean(_fit(fitted, each).predict(held_out.images) == held_out.labels))
                if right > accuracy:
                    strength, accuracy = each, right
                bar.update()
    return LinearProbe(_fit(Split(scaled, labels), strength).predict(unseen), strength, accuracy)


def _fit(split: Split, strength: float):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of a weak penalty, which then is no better
        return LogisticRegression(C=strength, max_iter=MOST_ITERATIONS).fit(split.images, split.labels)


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _bar(doing: str, total: int, unit: str = "img") -> tqdm:
    return tqdm(total=total, desc=doing, unit=unit, delay=SECONDS_UNTIL_BAR, leave=False, disable=None, file=sys.stderr)
