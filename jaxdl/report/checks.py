"""Checks before any training: labels, inputs, the first loss, and whether one batch can be learned."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.data.dataset import Split
from jaxdl.masks import IGNORED
from jaxdl.wording import counted

MOST_COMMON = 0.9  # share of one class beyond which labels say next to nothing
CENTRED, SCALED = 0.5, (0.3, 3.0)  # means and standard deviations of channels that count as normalised
FIRST_LOSS = 0.5  # how far from a constant guess's loss, as a share of it, that of new parameters may be
LOWERED = 0.9  # of the first update's loss: what is trained beside frozen layers learns if it gets below
LEARNED = 0.1  # of a constant guess's loss: a batch below it is known by heart,
KNOWN = 0.995  # or with such an accuracy, whatever the loss is


@dataclass(frozen=True)
class Check:
    """name: the subject; fine: whether the check passed; said: the figures, and what to do if it failed."""

    name: str
    fine: bool
    said: str


def labels(splits: Mapping[str, Split], classes: Sequence[str]) -> Check:
    """Checks that every class occurs in every split, and that none dominates a split; of masks, among the pixels."""
    said, fine = [], True
    for name, split in splits.items():
        known = split.labels[split.labels != IGNORED] if split.labels.ndim > 1 else split.labels
        counts = np.bincount(known, minlength=len(classes))
        missing = [classes[row] for row in np.flatnonzero(counts == 0)]
        largest = int(counts.argmax())
        share = counts[largest] / max(len(known), 1)
        fine = fine and not missing and share < MOST_COMMON
        said.append(
            f"{name}: {np.count_nonzero(counts)} of {counted(len(classes), 'class', 'classes')}, "
            f"{counts.min():,} to {counted(counts.max(), 'image' if split.labels.ndim == 1 else 'pixel')}"
            + (f", none of {', '.join(missing[:5])}" if missing else "")
            + (f", {share:.0%} of them {classes[largest]}" if share >= MOST_COMMON else "")
        )
    return Check("labels", fine, "; ".join(said))


def repeated(train: Split, test: Split) -> Check:
    """Checks for images of the test split that are in the training split too, bit for bit."""
    seen = set(map(_digest, train.images))
    count = sum(_digest(image) in seen for image in test.images)
    said = f"{count:,} of {counted(len(test), 'test image')} {'is' if count == 1 else 'are'} in the training split too"
    return Check("test images", count == 0, said + (": their accuracy says nothing" if count else ""))


def inputs(images: np.ndarray) -> Check:
    """Checks that channels have about mean 0 and variance 1; images: float[N, H, W, C], as the network sees them."""
    means, deviations = images.mean((0, 1, 2)), images.std((0, 1, 2))
    low, high = SCALED
    fine = bool((np.abs(means) < CENTRED).all() and (low < deviations).all() and (deviations < high).all())
    said = f"mean {_list(means)}, standard deviation {_list(deviations)} by channel"
    return Check("inputs", fine, said + ("" if fine else "; normalizing brings them to 0 and 1"))


def first_loss(loss: float, classes: int, *, loaded: bool = False) -> Check:
    """Checks that the initial loss is that of guessing; loss: mean cross entropy.

    loaded: whether some parameters were read from a file. Their loss may be lower or higher, so that it only has to
    be finite.
    """
    guess = math.log(classes)
    said = f"{loss:.3f}; a constant guess has ln({classes}) = {guess:.3f}"
    if loaded:
        fine = math.isfinite(loss)
        said = f"{said}, which loaded weights need not have"
        return Check("first loss", fine, said + ("" if fine else ": look at the weights' file and the inputs"))
    fine = math.isfinite(loss) and abs(loss - guess) < FIRST_LOSS * guess
    return Check("first loss", fine, said + ("" if fine else ": look at initialisation, inputs and the loss"))


def one_batch(
    loss: float, accuracy: float, *, images: int, updates: int, classes: int, frozen_from: float | None = None
) -> Check:
    """Checks that one batch can be overfitted; loss, accuracy: of the last of ``updates`` updates on ``images`` images.

    frozen_from: if layers are frozen, the loss of the first update. The other layers may be too few to overfit the
    batch; they have to lower the loss by more than the biases of the classes alone would.
    """
    if loss < LEARNED * math.log(classes) or accuracy >= KNOWN:
        return Check("one batch", True, f"{counted(images, 'image')} learned by heart in {counted(updates, 'update')}")
    said = f"of {counted(images, 'image')} {accuracy:.0%} are learned after {counted(updates, 'update')}, "
    if frozen_from is None:
        return Check("one batch", False, f"{said}loss {loss:.3f}: look at labels, inputs and activations")
    said += f"loss {frozen_from:.3f} at first and {loss:.3f} at last, with layers frozen"
    fine = loss < LOWERED * frozen_from
    return Check("one batch", fine, said + ("" if fine else ": look at labels, inputs and what is frozen"))


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).digest()


def _list(values: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
