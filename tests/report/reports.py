"""Reports to render: real logits of a classifier of scikit-learn's on its digits, and records as a run leaves them."""

import math

import numpy as np
from sklearn.naive_bayes import GaussianNB

from jaxdl.data import sources
from jaxdl.report.classification_page import ClassificationReport
from jaxdl.report.diagnosis import Finding, Remedy
from jaxdl.report.evaluation import Predictions, evaluation_of

GROUPS = ("stem", "stage1", "stage2", "head")
FINDING = Finding(
    "overfitting",
    "The network learns its training images by heart.",
    ("The validation loss has risen from 0.61 to 0.78.",),
    (Remedy("--weight-decay 0.01 --patience 5", "keeps kernels small, and stops in time"),),
)


def records(epochs=5, *, validation=True, groups=GROUPS):
    """``metrics.jsonl`` of a run of 200 updates an epoch."""
    lines = [{"kind": "run", "groups": list(groups)}]
    for half in range(1, 2 * epochs + 1):
        epoch = half / 2
        at = {"step": half * 100, "epoch": epoch, "learning_rate": 0.1 * (1 - epoch / (epochs + 1))}
        figures = {
            "loss": 2.3 * math.exp(-epoch / 3),
            "accuracy": 1 - 0.9 * math.exp(-epoch / 3),
            "grad_norm": 1 / epoch,
        }
        for order, group in enumerate(groups):
            figures[f"grad_norm/{group}"] = 10.0 ** (order - len(groups)) / epoch
            figures[f"no_gradient/{group}"] = 0.1 * order
        lines.append({"kind": "step", **at, **figures})
        if half % 2 == 0:
            means = {f"train_{name}": value for name, value in figures.items()}
            measured = {"val_loss": figures["loss"] + 0.1, "val_accuracy": figures["accuracy"] - 0.05}
            lines.append({"kind": "epoch", **at, **means, **(measured if validation else {})})
    return lines


def digits():
    """(logits, labels, images, classes) of the test split."""
    dataset = sources.load("digits")
    vectors = {split: _vectors(getattr(dataset, split).images) for split in ("train", "test")}
    model = GaussianNB(var_smoothing=0.01).fit(vectors["train"], dataset.train.labels)
    logits = model.predict_joint_log_proba(vectors["test"]) / 20  # as sure of itself as a network is
    return logits, dataset.test.labels, dataset.test.images, dataset.classes


def of(logits, labels, pictures, classes, **changed):
    """A ClassificationReport with something in each section, but for what is ``changed``."""
    predictions = Predictions(logits, labels, classes)
    contents = {
        "title": "digits-quick-20260101-120000",
        "notice": "These are scikit-learn's digits, not CIFAR-10.",
        "facts": {"command": "python -m experiments.cifar --dataset digits", "device": "CPU, 2 cores"},
        "records": records(),
        "groups": GROUPS,
        "findings": [FINDING],
        "split": "test",
        "predictions": predictions,
        "evaluation": evaluation_of(predictions),
        "images": pictures,
        "seen": pictures[:40],
        "seen_names": [f"{classes[label]} 0.7 + {classes[0]} 0.3" for label in labels[:40]],
        "filters": np.random.default_rng(0).normal(size=(5, 5, 3, 32)).astype(np.float32),
    }
    return ClassificationReport(**contents | changed)


def drawn(classes, *, examples=60, skill=1.0, size=8, **changed):
    """A ClassificationReport of logits and pictures drawn at random, on those classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(examples) % len(classes)
    logits = rng.normal(size=(examples, len(classes)))
    logits[np.arange(examples), labels] += skill
    images = rng.integers(0, 256, (examples, size, size, 3), np.uint8)
    return of(logits, labels, images, classes, **changed)


def _vectors(images):
    return images[:, ::4, ::4, 0].reshape(len(images), -1) / 255
