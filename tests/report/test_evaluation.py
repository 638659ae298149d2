"""Figures of real predictions are scikit-learn's."""

import csv
import json

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from jaxdl.report.evaluation import BINS, Evaluation, Predictions, evaluation_of

CLASSES = tuple(f"digit {number}" for number in range(10))


@pytest.fixture(scope="module")
def predictions():
    """Of a linear classifier that saw 200 of scikit-learn's digits, on the others."""
    images, labels = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=300).fit(images[:200] / 16, labels[:200])
    return Predictions(model.decision_function(images[200:] / 16), labels[200:], CLASSES)


@pytest.fixture(scope="module")
def evaluation(predictions):
    return evaluation_of(predictions)


def test_figures_equal_scikit_learns(predictions, evaluation):
    labels, probabilities, predicted = predictions.labels, predictions.probabilities, predictions.predicted
    assert 0.05 < 1 - evaluation.top1 < 0.5
    assert evaluation.top1 == metrics.accuracy_score(labels, predicted)
    assert evaluation.top5 == metrics.top_k_accuracy_score(labels, probabilities, k=5)
    assert evaluation.loss == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-12)
    assert evaluation.confusion == tuple(map(tuple, metrics.confusion_matrix(labels, predicted).tolist()))
    report = metrics.classification_report(labels, predicted, target_names=CLASSES, output_dict=True)
    names = {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}
    for ours, theirs in [
        *((evaluation.per_class[name], report[name]) for name in CLASSES),
        (evaluation.macro, report["macro avg"]),
        (evaluation.weighted, report["weighted avg"]),
    ]:
        assert ours == {name: pytest.approx(theirs[title], rel=1e-12) for name, title in names.items()}


def test_rows_of_the_confusion_matrix_are_the_classes_counts(predictions, evaluation):
    assert [sum(row) for row in evaluation.confusion] == np.bincount(predictions.labels).tolist()


def test_calibration_error_is_that_of_equal_bins(predictions, evaluation):
    """By the definition, bin after bin; scikit-learn's curve has the same points."""
    confidence, correct = predictions.confidence, predictions.correct
    error = 0.0
    for number in range(BINS):
        inside = (confidence >= number / BINS) & (confidence < (number + 1) / BINS)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    assert evaluation.calibration_error == pytest.approx(error, rel=1e-12)
    from sklearn.calibration import calibration_curve

    accuracies, confidences = calibration_curve(correct, confidence, n_bins=BINS)
    assert [each.accuracy for each in evaluation.bins] == pytest.approx(accuracies.tolist())
    assert [each.confidence for each in evaluation.bins] == pytest.approx(confidences.tolist())
    assert sum(each.examples for each in evaluation.bins) == len(predictions)


def test_the_surest_mistakes_come_first(predictions):
    rows = predictions.confident_mistakes(20)
    assert len(rows) == 20
    assert not predictions.correct[rows].any()
    sure = predictions.confidence[rows]
    assert (np.diff(sure) <= 0).all()
    others = np.setdiff1d(np.flatnonzero(~predictions.correct), rows)
    assert predictions.confidence[others].max() <= sure.min()


def test_confused_pairs_count_what_their_rows_show(predictions, evaluation):
    pairs = evaluation.confused_pairs(5)
    assert [count for *_, count in pairs] == sorted((count for *_, count in pairs), reverse=True)
    for true, predicted, count in pairs:
        rows = predictions.confused(true, predicted, 1000)
        assert len(rows) == count == evaluation.confusion[true][predicted]
        assert set(predictions.labels[rows]) == {true}
        assert set(predictions.predicted[rows]) == {predicted}


def test_five_classes_have_no_top_5_and_an_absent_class_counts_nothing():
    found = evaluation_of(Predictions(np.eye(4)[[0, 1, 1, 0]], np.array([0, 1, 0, 0]), "abcd"))
    assert found.top5 is None
    assert found.per_class["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert found.macro["recall"] == pytest.approx((2 / 3 + 1) / 2)


def test_the_figures_survive_json(evaluation):
    stored = json.loads(json.dumps({"split": "test", **evaluation.to_json()}))
    assert Evaluation.from_json(stored) == evaluation


def test_every_prediction_is_a_line(predictions, tmp_path):
    names = [f'a "{row}",\n.png' for row in range(len(predictions))]
    predictions.write(tmp_path / "with.csv", names)
    predictions.write(tmp_path / "without.csv")
    with (tmp_path / "with.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["file"] for line in lines] == names
    assert [line["true"] for line in lines] == [CLASSES[label] for label in predictions.labels]
    assert [int(line["correct"]) for line in lines] == predictions.correct.astype(int).tolist()
    stored = np.array([[float(line[f"p({name})"]) for name in CLASSES] for line in lines])
    np.testing.assert_allclose(stored, predictions.probabilities, rtol=1e-5)
    assert [float(line["probability"]) for line in lines] == stored.max(1).tolist()
    assert "file" not in (tmp_path / "without.csv").read_text().splitlines()[0].split(",")
