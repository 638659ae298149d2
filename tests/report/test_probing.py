import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from jaxdl.report import probing


@pytest.fixture
def features(rng):
    """Training examples of three classes that overlap, their labels, and test examples."""
    centres = rng.normal(size=(3, 12))
    labels, truth = rng.integers(0, 3, 200).astype(np.int32), rng.integers(0, 3, 300)
    train, test = (
        (centres[of] + rng.normal(size=(len(of), 12)) * np.geomspace(0.5, 40, 12)).astype(np.float32)
        for of in (labels, truth)
    )
    return train, labels, test


@pytest.mark.parametrize("k", [1, 20, 500])
def test_neighbours_vote_as_scikit_learns(features, k):
    train, labels, test = features
    reference = KNeighborsClassifier(
        min(k, len(train)), metric="cosine", weights=lambda distances: np.exp((1 - distances) / 0.07)
    ).fit(train, labels)
    _, ours = probing.neighbour_votes(train, labels, test, ks=(4, k))
    np.testing.assert_array_equal(ours, reference.predict(test))
    assert len(set(ours)) == 3


def test_a_linear_probe_is_scikit_learns_with_the_penalty_that_does_best(features):
    train, labels, test = features
    scaler = StandardScaler().fit(train)
    probe = probing.linear_probe(train, labels, test)
    assert probe.strength in probing.STRENGTHS
    assert 0.4 < probe.val_accuracy < 1
    reference = LogisticRegression(C=probe.strength, max_iter=1000).fit(scaler.transform(train), labels)
    np.testing.assert_array_equal(probe.predictions, reference.predict(scaler.transform(test)))
    each = [probing.linear_probe(train, labels, test, strengths=(one,)).val_accuracy for one in probing.STRENGTHS]
    assert probe.val_accuracy == max(each)
    assert probe.strength == probing.STRENGTHS[int(np.argmax(each))]


def test_a_feature_that_never_changes_and_a_class_of_one_example_are_no_hindrance(features):
    train, labels, test = features
    train[:, 0], labels[labels == 2] = 5.0, 1
    labels[0] = 2
    probe = probing.linear_probe(train, labels, test)
    assert (probe.strength, probe.val_accuracy) == (1.0, None)
    assert set(probe.predictions) <= {0, 1, 2}
