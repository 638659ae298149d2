"""Random images to measure throughput with: nothing is learned, and nothing said about accuracy."""

import math

import numpy as np

from experiments.benchmark.networks import Network
from jaxdl.data.dataset import Dataset, Split

WORDS = "random pixels and labels in memory: throughput only, nothing is learned"
PIXELS = 2**21  # of a training split: 2,048 images of 32 x 32
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
LEARNING_RATE, MOMENTUM = 1e-4, 0.9  # of every contestant; so low that no loss runs away, however small the batch


def split(examples: int, network: Network | None = None) -> Split:
    """``examples`` images of the network's size, or of 32 pixels, the same whenever it is called."""
    image, classes = (network.image, network.classes) if network else ((32, 32), 10)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (examples, *image, 3), np.uint8)
    if network and network.of_pixels:
        return Split(images, rng.integers(0, classes, (examples, *image), np.uint8))
    return Split(images, rng.integers(0, classes, examples, np.int32))


def training_split(network: Network, batch_size: int) -> Split:
    """A few megabytes of images, and at least a batch."""
    return split(max(PIXELS // math.prod(network.image), batch_size), network)


def dataset(network: Network, batch_size: int) -> Dataset:
    """``training_split``, and a test split that nobody reads."""
    train = training_split(network, batch_size)
    splits = {"train_images": train.images, "train_labels": train.labels}
    splits |= {"test_images": train.images[:1], "test_labels": train.labels[:1]}
    classes = tuple(map(str, range(network.classes)))
    return Dataset.of("random", splits, classes=classes, source=WORDS, fingerprint="")


def normalized(images: np.ndarray) -> np.ndarray:
    """uint8[N, H, W, 3] as float32 of mean 0 and variance about 1."""
    scaled = images.astype(np.float32) / 255
    return (scaled - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
