"""Real short runs, each built to be one of the cases, are named rightly."""

import tarfile
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxdl.data.dataset import Split
from jaxdl.data.pictures import open_picture
from jaxdl.report.diagnosis import Remedy, as_text, diagnose
from jaxdl.run.remedies import remedies_of
from tests.report.short_runs import Stack, digits, run, shuffled

JPEGS = Path(__file__).resolve().parents[3] / "shared/data/cifar10-jpeg.tar.xz"
FEW = 50  # photographs of a class


@pytest.fixture(scope="module")
def data():
    return digits()


def findings_of(records, groups, settings, parameters=None):
    return diagnose(records, classes=10, groups=groups, remedies=remedies_of(settings, parameters=parameters))


def cases_of(found):
    return [finding.case for finding in found]


def flags_of(finding):
    return [remedy.change for remedy in finding.remedies]


def test_a_run_that_learns_is_healthy(data):
    assert cases_of(findings_of(*run(Stack((64,)), *data))) == ["healthy"]


def test_a_tiny_network_underfits(data):
    (finding,) = findings_of(*run(Stack((3,)), *data), parameters=600)
    assert finding.case == "underfitting"
    assert "--model resnet18" in flags_of(finding)


def test_too_few_epochs_underfit_and_longer_is_tried_first(data):
    (finding,) = findings_of(*run(Stack((64,)), *data, lr=0.001, epochs=5))
    assert finding.case == "underfitting"
    assert finding.remedies[0].change == "--epochs 10"


@pytest.fixture(scope="module")
def photographs():
    """500 of CIFAR-10 to train on and 500 to validate, that went through JPEG."""
    if not JPEGS.exists():
        pytest.skip("no CIFAR-10 here")
    found = {"train": [], "test": []}
    counts = {}
    with tarfile.open(JPEGS) as archive:
        for member in archive:
            split, name = Path(member.name).parts[-3:-1] if member.isfile() else ("", "")
            counts[split, name] = counts.get((split, name), 0) + 1
            if split in found and counts[split, name] <= FEW:
                found[split].append((open_picture(archive.extractfile(member).read(), 32), name))
    names = sorted({name for _, name in found["train"]})
    return [
        Split(np.stack([image for image, _ in each]), np.array([names.index(name) for _, name in each], np.int32))
        for each in found.values()
    ]


@pytest.mark.long
def test_500_photographs_without_augmentation_are_overfitted(photographs):
    found = findings_of(*run(Stack((128,)), *photographs, epochs=30))
    assert cases_of(found)[-1] == "overfitting"
    assert {"--flip", "--crop-padding 4"} <= set(flags_of(found[-1]))


@pytest.mark.long
def test_overfitting_names_the_epoch_from_which(photographs):
    records, groups, settings = run(Stack((256,)), *photographs, epochs=40, lr=0.02, momentum=0.9)
    finding = next(each for each in findings_of(records, groups, settings) if each.case == "overfitting")
    losses = [record["val_loss"] for record in records if record["kind"] == "epoch"]
    assert losses[-1] > 1.1 * min(losses)
    assert f"from epoch {1 + losses.index(min(losses))} on" in finding.summary


@pytest.mark.long
@pytest.mark.parametrize("options", [{"lr": 5.0}, {"lr": 5.0, "momentum": 0.9}, {"lr": 1e30}], ids=str)
def test_a_learning_rate_a_hundred_times_too_large_explodes(data, options):
    found = findings_of(*run(Stack((64,)), *data, **options))
    assert found[0].case == "exploding gradients"
    assert found[0].remedies[0].change == f"--lr {options['lr'] / 10:g}"


@pytest.mark.long
def test_a_learning_rate_too_large_for_adam_oscillates(data):
    assert "oscillating" in cases_of(findings_of(*run(Stack((64, 64)), *data, lr=0.1, optimizer="adam")))


def test_units_killed_by_one_large_update_are_dead(data):
    found = findings_of(*run(Stack((64,)), *data, lr=1.0))
    assert found[0].case == "dead units"
    assert "of those of layer0 get no gradient" in found[0].summary


def test_shuffled_labels_do_not_converge(data):
    train, val = data
    (finding,) = findings_of(*run(Stack((64,)), shuffled(train, 0), shuffled(val, 1)))
    assert finding.case == "not converging"
    assert finding.remedies[0].change == "--check"
    assert any("by heart" in figure for figure in finding.figures)


def test_shuffled_labels_drawn_anew_each_epoch_cannot_even_be_learned_by_heart(data):
    train, val = data

    def noise(key, images):
        return jax.random.normal(key, images.shape)

    (finding,) = findings_of(*run(Stack((64,)), train, val, augmented=noise, epochs=3))
    assert finding.case == "not converging"
    assert any("a constant guess has 2.303" in figure for figure in finding.figures)


@pytest.mark.long
def test_a_stack_of_sigmoids_has_vanishing_gradients(data):
    found = findings_of(*run(Stack((32,) * 8, "sigmoid"), *data, epochs=4))
    assert found[0].case == "vanishing gradients"
    assert "layer0 hardly learns" in found[0].summary


def test_a_stack_as_deep_of_relus_has_not(data):
    assert "vanishing gradients" not in cases_of(findings_of(*run(Stack((32,) * 8), *data, epochs=4)))


def test_no_validation_is_judged_by_training_alone(data):
    records, groups, settings = run(Stack((3,)), *data)
    alone = [{name: value for name, value in each.items() if not name.startswith("val_")} for each in records]
    assert cases_of(findings_of(alone, groups, settings)) == ["underfitting"]


@pytest.mark.parametrize(("count", "says"), [(1, "1 update left out"), (1200, "1,200 updates left out")])
def test_updates_that_were_left_out_are_counted(count, says):
    records = [record | {"skipped_updates": count} for record in improving([0.8, 0.82, 0.84])]
    found = diagnose(records, classes=10)
    assert found[0].figures[0].startswith(says)


def test_nothing_is_said_before_an_epoch_has_ended():
    assert diagnose([{"kind": "run"}, {"kind": "step", "step": 100}], classes=10) == []


def test_older_records_without_layer_groups_are_judged_by_their_losses(data):
    records, _, settings = run(Stack((64,)), *data)
    assert cases_of(findings_of(records, (), settings)) == ["healthy"]


def improving(last):
    """Records of nine epochs, and the accuracies of the last three."""
    values = [0.4, 0.5, 0.6, 0.68, 0.74, 0.78, *last]
    return [
        {"kind": "epoch", "step": 10 * epoch, "epoch": float(epoch), "train_grad_norm": 1.0, "train_loss": 1 - value,
         "train_accuracy": value, "val_loss": 1.1 - value, "val_accuracy": value}
        for epoch, value in enumerate(values, start=1)
    ]  # fmt: skip


def test_a_run_still_improving_is_advised_to_go_on_before_anything_else():
    settings = {"epochs": 9, "model": "resnet18"}
    (finding,) = diagnose(improving([0.8, 0.82, 0.84]), classes=10, remedies=remedies_of(settings))
    assert (finding.case, finding.summary) == ("healthy", "The run looks healthy, and is still improving.")
    assert flags_of(finding) == ["--epochs 18", "--model mobilenet_v2"]
    (finding,) = diagnose(improving([0.78, 0.781, 0.78]), classes=10, remedies=remedies_of(settings))
    assert finding.summary == "The run looks healthy."
    assert flags_of(finding) == ["--model mobilenet_v2"]


def test_the_epochs_advised_are_definite_and_only_for_a_run_that_has_had_its_own():
    records = improving([0.8, 0.82, 0.84])

    def epochs(**settings):
        return [
            flags
            for flags in flags_of(diagnose(records, classes=10, remedies=remedies_of(settings))[0])
            if "--ep" in flags
        ]

    assert epochs(epochs=9) == ["--epochs 18"]
    assert epochs(epochs=9.05) == ["--epochs 18.1"]
    assert epochs(epochs=30) == []  # it is going on
    assert epochs(epochs=30, steps=90) == ["--epochs 60 --steps 180"]
    assert epochs() == []


def test_a_run_of_few_epochs_is_advised_to_go_on_whatever_it_looks_like():
    for accuracy in (0.3, 0.9):
        (finding,) = diagnose(improving([accuracy])[-1:], classes=10, remedies=remedies_of({"epochs": 9}))
        assert ("--epochs 18", "trains for longer; so few epochs tell little") not in finding.remedies
        records = [{**improving([accuracy])[-1], "epoch": 1.0}]
        (finding,) = diagnose(records, classes=10, remedies=remedies_of({"epochs": 1}))
        assert finding.remedies[0] == Remedy("--epochs 2", "trains for longer; so few epochs tell little")


@pytest.mark.parametrize("which", ["train_loss", "val_loss"])
def test_a_last_epoch_that_is_not_finite_is_no_matter_of_fit(which):
    records = improving([0.8, 0.82, 0.84])
    records[-1][which] = float("nan")
    (finding,) = diagnose(records, classes=10, remedies=remedies_of({"epochs": 9}))
    assert finding.case == "exploding gradients"
    assert any("loss of epoch 9 is not finite" in figure for figure in finding.figures)


def test_the_text_names_case_figures_and_remedies(data):
    found = findings_of(*run(Stack((3,)), *data, epochs=2))
    text = "\n".join(as_text(found))
    assert text.startswith(f"{found[0].case}: {found[0].summary}")
    assert all(figure in text for figure in found[0].figures)
    assert all(remedy.change in text and remedy.why in text for remedy in found[0].remedies)


def test_classes_that_a_segmenter_never_finds_are_named_and_may_be_weighted():
    learned = [{"kind": "epoch", "step": 40 * n, "epoch": n, "train_loss": 1.2 / n, "train_grad_norm": 1.0,
                "train_accuracy": 0.5 + 0.04 * n,
                "val_loss": 1.3 / n, "val_accuracy": 0.5 + 0.04 * n, "val_iou/sky": 0.1 * n, "val_iou/pole": 0.002 * n}
               for n in range(1, 9)]  # fmt: skip
    settings = {"class_weights": "none", "loss": "cross_entropy", "epochs": 8}
    [finding] = [each for each in findings_of(learned, (), settings) if each.case == "missed classes"]
    assert "IoU in validation: pole 1.6%." in finding.figures
    assert flags_of(finding)[:2] == ["--class-weights balanced", "--loss dice"]
    assert "healthy" not in cases_of(findings_of(learned, (), settings))
    weighted = findings_of(learned, (), settings | {"class_weights": "balanced"})
    assert not any("--class-weights" in each for finding in weighted for each in flags_of(finding))
    all_found = [record | {"val_iou/pole": 0.4} for record in learned]
    assert "missed classes" not in cases_of(findings_of(all_found, (), settings))
