"""Random images to measure throughput with: nothing is learned, and nothing said about accuracy."""

import numpy as np

from jaxdl.data.dataset import Dataset, Split

WORDS = "random pixels and labels, 32 x 32, 10 classes, in memory: throughput only, nothing is learned"
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
LEARNING_RATE, MOMENTUM = 1e-4, 0.9  # of every contestant; so low that no loss runs away, however small the batch


def split(examples: int) -> Split:
    """``examples`` images, the same whenever it is called."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (examples, 32, 32, 3), np.uint8)
    return Split(images, rng.integers(0, 10, examples, np.int32))


def training_split(batch_size: int) -> Split:
    """A few megabytes of images, and at least a batch."""
    return split(max(2048, batch_size))


def dataset(batch_size: int) -> Dataset:
    """``training_split``, and a test split that nobody reads."""
    train = training_split(batch_size)
    splits = {"train_images": train.images, "train_labels": train.labels}
    splits |= {"test_images": train.images[:1], "test_labels": train.labels[:1]}
    return Dataset.of("random", splits, classes=tuple("0123456789"), source=WORDS, fingerprint="")


def normalized(images: np.ndarray) -> np.ndarray:
    """uint8[N, 32, 32, 3] as float32 of mean 0 and variance about 1."""
    scaled = images.astype(np.float32) / 255
    return (scaled - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
