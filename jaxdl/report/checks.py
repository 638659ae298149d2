"""What is worth a look before any training: labels, inputs, the first loss, and whether one batch can be learned."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.data.dataset import Split

MOST_COMMON = 0.9  # share of one class beyond which labels say next to nothing
CENTRED, SCALED = 0.5, (0.3, 3.0)  # means and standard deviations of channels that count as normalised
FIRST_LOSS = 0.5  # how far from a constant guess's loss, as a share of it, that of new parameters may be
LEARNED = 0.1  # of a constant guess's loss: a batch below it is known by heart


@dataclass(frozen=True)
class Check:
    """name: what was looked at; fine: whether it is as it should be; said: the figures, and what to do if not."""

    name: str
    fine: bool
    said: str


def labels(splits: Mapping[str, Split], classes: Sequence[str]) -> Check:
    """Whether every class occurs in every split, and none has nearly all of one."""
    said, fine = [], True
    for name, split in splits.items():
        counts = np.bincount(split.labels, minlength=len(classes))
        missing = [classes[row] for row in np.flatnonzero(counts == 0)]
        largest = int(counts.argmax())
        share = counts[largest] / len(split)
        fine = fine and not missing and share < MOST_COMMON
        said.append(
            f"{name}: {np.count_nonzero(counts)} of {len(classes)} classes, {counts.min():,} to {counts.max():,} images"
            + (f", none of {', '.join(missing[:5])}" if missing else "")
            + (f", {share:.0%} of them {classes[largest]}" if share >= MOST_COMMON else "")
        )
    return Check("labels", fine, "; ".join(said))


def repeated(train: Split, test: Split) -> Check:
    """Whether images of the test split are in the training split too, bit for bit."""
    seen = set(map(_digest, train.images))
    count = sum(_digest(image) in seen for image in test.images)
    said = f"{count:,} of {len(test):,} test images are in the training split too"
    return Check("test images", count == 0, said + (": their accuracy says nothing" if count else ""))


def inputs(images: np.ndarray) -> Check:
    """Whether the network sees channels of about mean 0 and variance 1; images: float[N, H, W, C], as it sees them."""
    means, deviations = images.mean((0, 1, 2)), images.std((0, 1, 2))
    low, high = SCALED
    fine = bool((np.abs(means) < CENTRED).all() and (low < deviations).all() and (deviations < high).all())
    said = f"mean {_list(means)}, standard deviation {_list(deviations)} by channel"
    return Check("inputs", fine, said + ("" if fine else "; --normalize brings them to 0 and 1"))


def first_loss(loss: float, classes: int) -> Check:
    """Whether new parameters guess, as they should; loss: mean cross entropy."""
    guess = math.log(classes)
    fine = math.isfinite(loss) and abs(loss - guess) < FIRST_LOSS * guess
    said = f"{loss:.3f}; a constant guess has ln({classes}) = {guess:.3f}"
    return Check("first loss", fine, said + ("" if fine else ": look at initialisation, inputs and the loss"))


def one_batch(loss: float, accuracy: float, *, images: int, updates: int, classes: int) -> Check:
    """Whether so many images were learned by heart; loss, accuracy: of the last of so many updates."""
    fine = loss < LEARNED * math.log(classes)
    if fine:
        return Check("one batch", True, f"{images} images learned by heart in {updates} updates")
    said = f"of {images} images {accuracy:.0%} are learned after {updates} updates, loss {loss:.3f}"
    return Check("one batch", False, f"{said}: look at labels, inputs, frozen layers and activations")


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).digest()


def _list(values: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
