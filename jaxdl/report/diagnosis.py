"""Diagnosis of a run from its history, in words: which of the usual cases it is, what shows it, and what to try.

Each case is one function of the curves, and gives None where it does not hold. The thresholds are the constants below;
a loss is compared with that of a constant guess, the logarithm of the number of classes.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jaxdl.report.curves import Curves
from jaxdl.report.missed_classes import missed_classes
from jaxdl.wording import counted

CASES = (
    "exploding gradients",
    "vanishing gradients",
    "dead units",
    "not converging",
    "oscillating",
    "overfitting",
    "underfitting",
    "missed classes",
    "healthy",
)
BLOWN_UP = 3.0  # training loss as a multiple of a constant guess's, which no network that is merely bad reaches
GUESSING = 0.02  # a loss within so small a share of a constant guess's has learned nothing
VANISHED = 1e-3  # the first layers' gradient as a share of the last layers'
EXPLODED = 1e3  # the same; and a global norm in itself
DEAD = 0.4  # share of a layer's units without any gradient
FITTED = 0.01  # training loss below which all gradients are naught
SWING = 0.1  # mean change of the validation loss from epoch to epoch, as a share of it, once the trend is taken off
GAP = 0.1  # training accuracy above validation accuracy
RISE = 0.05  # of the validation loss above its lowest, as a share of it
IMPROVED = (
    0.05  # share of the mistakes that the last third of the epochs of a run still improving has mended, at least,
)
IMPROVED_BY = 0.002  # and of all examples
SKILL = 0.5  # the way from guessing to no mistakes that a network that fits goes at least


@dataclass(frozen=True)
class Remedy:
    """change: to make, as its user would; why: its effect."""

    change: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Facts about a run's course on which its remedies depend.

    epochs, steps: that it made. still_falling: whether its training loss was, at the end. still_improving: the same of
    its validation, or of its training accuracy without one. None is not known.
    """

    epochs: float | None = None
    steps: int | None = None
    still_falling: bool = False
    still_improving: bool = False


@dataclass(frozen=True)
class Finding:
    """case: one of ``CASES``; summary: a sentence; figures: sentences with the numbers that show it."""

    case: str
    summary: str
    figures: tuple[str, ...]
    remedies: tuple[Remedy, ...]


def diagnose(
    records: Sequence[Mapping],
    *,
    classes: int,
    groups: Sequence[str] = (),
    guess: float | None = None,
    remedies: Callable[[str, Progress], tuple[Remedy, ...]] = lambda case, progress: (),
) -> list[Finding]:
    """The findings of a run, the most likely cause of the others first; at least one, [] before any epoch ends.

    records: those of ``metrics.jsonl``. classes: how many there are. groups: names of the layer groups whose gradients
    the records hold, from the input to the output. guess: the training loss of a constant guess; None for that of the
    cross entropy, ln(classes), which the validation's always is. remedies: (case, progress) -> what to try, the
    likeliest to help first.
    """
    curves = Curves.of(records, groups)
    if not curves.epochs and curves.stopped is None:
        return []
    guess = math.log(classes) if guess is None else guess
    found = [
        finding
        for finding in (
            _exploding(curves, guess),
            _vanishing(curves),
            _dead(curves),
            _not_converging(curves, guess, classes),
            _oscillating(curves),
            _overfitting(curves),
            _underfitting(curves, classes),
            missed_classes(records),
        )
        if finding
    ]
    cases = {case for case, _, _ in found}
    if "not converging" in cases or _not_finite(curves):  # what such a run learned is no measure of how it fits
        fits = ("oscillating", "overfitting", "underfitting", "missed classes")
        found = [each for each in found if each[0] not in fits]
    if not found:
        found = [_healthy(curves, guess)]
    progress = Progress(
        epochs=curves.epochs[-1] if curves.epochs else None,
        steps=curves.steps,
        still_falling=curves.still_falling,
        still_improving=_improving(curves),
    )
    return [Finding(case, summary, tuple(figures), remedies(case, progress)) for case, summary, figures in found]


Claim = tuple[str, str, list[str]] | None


def _exploding(curves: Curves, guess: float) -> Claim:
    figures = []
    if curves.stopped:
        figures.append(f"The run ended with: {curves.stopped}")
    if curves.skipped:
        figures.append(f"{counted(curves.skipped, 'update')} left out, as not finite.")
    figures += _not_finite(curves)
    largest = max(curves.grad_norm, default=0.0)
    if largest > EXPLODED:
        figures.append(f"The norm of the whole gradient reached {largest:.3g}.")
    highest = max(curves.train_loss, default=0.0)
    if curves.train_accuracy and highest > BLOWN_UP * guess:
        figures.append(
            f"The training loss reached {highest:.3g} in epoch {curves.epochs[curves.train_loss.index(highest)]:g}; a "
            f"constant guess has {guess:.3f}."
        )
    ratio = curves.first_to_last
    if ratio is not None and ratio > EXPLODED:
        figures.append(f"{_ends(curves)}: {ratio:.3g} times as much.")
    if not figures:
        return None
    return "exploding gradients", "Gradients explode: updates are so large that they undo what was learned.", figures


def _not_finite(curves: Curves) -> list[str]:
    """A sentence on each loss of the last epoch that is no number."""
    losses = (("training", curves.train_loss), ("validation", curves.val_loss))
    return [
        f"The {name} loss of epoch {curves.epochs[-1]:g} is not finite."
        for name, loss in losses
        if loss and not math.isfinite(loss[-1])
    ]


def _vanishing(curves: Curves) -> Claim:
    ratio = curves.first_to_last
    if ratio is None or ratio >= VANISHED or _still(curves).get(curves.first, 0.0) >= DEAD:
        return None
    return (
        "vanishing gradients",
        f"Gradients vanish on their way to the first layers: {curves.first} hardly learns.",
        [f"{_ends(curves)}: {ratio:.2g} of it.", "By layer group, from the input: " + _norms(curves) + "."],
    )


def _dead(curves: Curves) -> Claim:
    dead = {name: share for name, share in _still(curves).items() if share >= DEAD}
    if not dead:
        return None
    worst = max(dead, key=dead.__getitem__)
    return (
        "dead units",
        f"Units are dead: {dead[worst]:.0%} of those of {worst} get no gradient from a whole batch, and learn no more.",
        ["Share of units without gradient: " + ", ".join(f"{name} {share:.0%}" for name, share in dead.items()) + "."],
    )


def _not_converging(curves: Curves, guess: float, classes: int) -> Claim:
    if not curves.train_accuracy:  # nor has a detector's loss a constant guess
        return None
    if curves.train_loss[-1] > (1 - GUESSING) * guess:
        learned, right = "The network has learned nothing that it kept: its loss is that of a constant guess.", ""
        if curves.train_accuracy and curves.train_accuracy[-1] > 2 / classes:
            learned = "The network is so sure where it is wrong that its loss is no better than a constant guess's."
            right = f", and {curves.train_accuracy[-1]:.0%} of the images right"
        figures = [f"The training loss is {curves.train_loss[-1]:.3f}{right}; a constant guess has {guess:.3f}."]
        return "not converging", learned, figures
    guess = math.log(classes)
    if curves.val_loss and min(curves.val_loss) > (1 - GUESSING) * guess:
        return (
            "not converging",
            "Nothing that the network learned holds for images it has not seen: on those it guesses.",
            [
                f"Lowest validation loss {min(curves.val_loss):.3f}; a constant guess has ln(classes) = {guess:.3f}.",
                f"Meanwhile the training loss fell to {min(curves.train_loss):.3f}, by heart: as where labels do "
                "not belong to their images, or the two splits are of different things.",
            ],
        )
    return None


def _oscillating(curves: Curves) -> Claim:
    swings = curves.swings()
    if swings is None or swings.share < SWING or swings.turns < 2:
        return None
    return (
        "oscillating",
        f"The {swings.of} swings from epoch to epoch instead of settling.",
        [
            f"It changes by {swings.share:.0%} of itself an epoch beside its trend, and turns "
            f"{counted(swings.turns, 'time')} in {counted(swings.epochs, 'epoch')}.",
        ],
    )


def _overfitting(curves: Curves) -> Claim:
    if not curves.val_loss:
        return None
    gap = curves.train_accuracy[-1] - curves.val_accuracy[-1]
    lowest = curves.lowest_val_loss
    rise = curves.val_loss[-1] / max(curves.val_loss[lowest], 1e-12) - 1
    if gap < GAP and not (rise > RISE and gap > GAP / 2):
        return None
    apart = (index for index in range(len(curves.epochs)) if all(each >= gap / 2 for each in curves.gaps[index:]))
    wide = next(apart, len(curves.epochs) - 1)  # of what is not finite none is
    since = curves.epochs[lowest] if rise > RISE else curves.epochs[wide]
    figures = [
        f"After epoch {curves.epochs[-1]:g}: {curves.train_accuracy[-1]:.1%} right in training, "
        f"{curves.val_accuracy[-1]:.1%} in validation.",
    ]
    if rise > RISE:
        figures.append(
            f"The validation loss was lowest after epoch {curves.epochs[lowest]:g} ({curves.val_loss[lowest]:.3f}) and "
            f"is {curves.val_loss[-1]:.3f} now, while the training loss fell from {curves.train_loss[lowest]:.3f} to "
            f"{curves.train_loss[-1]:.3f}."
        )
    return (
        "overfitting",
        f"The network overfits from epoch {since:g} on: it learns its training images, no longer what they share.",
        figures,
    )


def _underfitting(curves: Curves, classes: int) -> Claim:
    if not curves.train_accuracy:
        return None
    reached = max([curves.train_accuracy[-1], *curves.val_accuracy[-1:]])
    skill = (reached - 1 / classes) / (1 - 1 / classes)
    if skill >= SKILL:
        return None
    figures = [f"{curves.train_accuracy[-1]:.1%} right in training; guessing would be {1 / classes:.1%}."]
    if curves.still_falling:
        figures.append("The training loss was still falling when the run ended.")
    return "underfitting", "The network underfits: it does not even learn its training images well.", figures


def _healthy(curves: Curves, guess: float) -> Claim:
    compared = f"; a constant guess has {guess:.3f}" if curves.train_accuracy else f" from {curves.train_loss[0]:.3f}"
    figures = [f"The training loss fell to {curves.train_loss[-1]:.3f}{compared}."]
    if curves.val_accuracy:
        figures.append(
            f"{curves.train_accuracy[-1]:.1%} right in training, {curves.val_accuracy[-1]:.1%} in validation."
        )
    if curves.first_to_last is not None:
        figures.append(f"{_ends(curves)}.")
    if not _improving(curves):
        return "healthy", "The run looks healthy.", figures
    figures.append(f"{curves.judged.capitalize()} accuracy was still rising in the last third of the epochs.")
    return "healthy", "The run looks healthy, and is still improving.", figures


def _improving(curves: Curves) -> bool:
    return curves.still_improving(share=IMPROVED, least=IMPROVED_BY)


def _still(curves: Curves) -> dict[str, float]:
    return curves.dead_units(above_loss=FITTED)


def _ends(curves: Curves) -> str:
    first, last = curves.group_norms[curves.first], curves.group_norms[curves.last]
    return f"The gradient's norm is {first:.2g} in {curves.first} and {last:.2g} in {curves.last}"


def _norms(curves: Curves) -> str:
    return ", ".join(f"{name} {norm:.1g}" for name, norm in curves.group_norms.items())


def as_text(findings: Sequence[Finding]) -> Iterator[str]:
    """The lines in which a terminal shows ``findings``."""
    for finding in findings:
        yield f"{finding.case}: {finding.summary}"
        yield from (f"    {figure}" for figure in finding.figures)
        yield from (f"    try {remedy.change:<34} {remedy.why}" for remedy in finding.remedies)
