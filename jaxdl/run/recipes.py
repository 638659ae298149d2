"""Named recipes, ``--recipe NAME``. Costs and accuracies of each are in ``experiments/cifar.py``."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from jaxdl.data.dataset import Dataset
from jaxdl.run.config import TORCHVISION, Config

# The best test accuracy that about five minutes on two CPU cores can buy.
QUICK = Config(
    recipe="quick",
    model="quick_cnn",
    epochs=16,
    batch_size=256,
    optimizer="sgd",
    lr=0.2,
    momentum=0.9,
    nesterov=True,
    schedule="linear",
    warmup_epochs=3.0,
    weight_decay=5e-3,
    label_smoothing=0.1,
    crop_padding=2,
    test_flip=True,
)

# The course's own program: its network on pixels in [0, 1], plain SGD, nothing else.
COURSE = Config(
    recipe="course",
    model="cifar_cnn",
    epochs=30,
    batch_size=64,
    optimizer="sgd",
    lr=0.01,
    momentum=0.0,
    nesterov=False,
    schedule="constant",
    flip=False,
    crop_padding=0,
    normalize="none",
)

# The standard 200-epoch recipe, for a GPU or TPU. PyTorch's weight decay of 5e-4 under momentum 0.9 is 5e-3 decoupled.
RESNET18 = Config(
    recipe="resnet18",
    model="resnet18",
    epochs=200,
    batch_size=128,
    optimizer="sgd",
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    schedule="cosine",
    warmup_epochs=5.0,
    weight_decay=5e-3,
)

# The method of Jordan (2024), "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", for a GPU.
# Published: learning rate 11.5 and weight decay 0.0153 for 1024 examples, gradients summed over the batch, both over
# 1024 * (1 + 1 / (1 - momentum)). Of the mean over 1024 that is a rate of 11.5 / (1 + 1 / 0.15) = 1.5, and a decay of
# 0.0153 / 11.5 added to the gradient. It trains on every training image, so there is no validation.
SPEED = Config(
    recipe="speed",
    model="speed_cnn",
    val_size=0,
    epochs=9.9,
    batch_size=1024,
    optimizer="sgd",
    lr=1.5,
    momentum=0.85,
    nesterov=True,
    bias_lr_factor=64.0,
    whiten_bias_epochs=3.0,
    schedule="linear",
    warmup_epochs=0.23 * 9.9,
    warmup_start=0.2,
    lr_end=0.07,
    l2=0.0153 / 11.5,
    decay_biases=True,
    lookahead=0.95,
    label_smoothing=0.2,
    alternate_flips=True,
    crop_padding=2,
    test_flip=True,
    test_crops=True,
)

# The same author's variant with Muon for the kernels of convolutions and fewer epochs.
# Published, for gradients summed over the batch of 2000: rates 0.67 for the linear layer and 0.053 for biases, and a
# decay of 2e-6 * 2000 over the rate. Of the mean that is 2000 times the rate, and 2e-6 / 0.67 added to the gradient.
SPEED_MUON = dataclasses.replace(
    SPEED,
    recipe="speed_muon",
    model="speed_cnn_muon",
    epochs=8,
    batch_size=2000,
    optimizer="muon",
    lr=0.24,
    momentum=0.6,
    rest_lr=0.67 * 2000,
    rest_momentum=0.85,
    bias_lr_factor=0.053 / 0.67,
    warmup_epochs=0.0,
    warmup_start=0.0,
    lr_end=0.0,
    l2=2e-6 / 0.67,
    lookahead=None,
)

RECIPES: Mapping[str, Config] = MappingProxyType(
    {each.recipe: each for each in (QUICK, COURSE, RESNET18, SPEED, SPEED_MUON)}
)

TOO_FEW_STEPS = 24  # an epoch of a recipe's batches that makes fewer gets smaller ones,
FEWEST_STEPS = 40  # of which it makes about so many


def adapt(config: Config, dataset: Dataset, given: frozenset[str]) -> Config:
    """``config`` with what depends on the data and the weights settled; flags in ``given`` stay as they are.

    Images that change class when mirrored are not mirrored. A dataset too small for the recipe's batches gets smaller
    ones, so that an epoch still makes some forty updates, and with pretrained weights a learning rate in proportion.
    Without ``val_size`` a tenth of the training split validates, at least one image a class, or none where that would
    leave a class without. torchvision's weights get the stem that they are for; of a file,
    ``initial_weights.fitted_to_weights`` finds it.
    """
    examples, classes = len(dataset.train), len(dataset.classes)
    val_size = config.val_size
    if val_size is None:
        val_size = max(examples // 10, classes)
        val_size = val_size if val_size <= examples - classes else 0
    changes: dict[str, object] = {"val_size": val_size}
    if not dataset.mirrorable:
        changes |= {name: False for name in ("flip", "test_flip") if name not in given}
    if "batch_size" not in given:
        left = examples - val_size
        size = min(config.batch_size, left)
        if left // config.batch_size < TOO_FEW_STEPS:
            size = min(size, max(8, left // FEWEST_STEPS))
        changes["batch_size"] = size = max(size - size % config.accumulate, 1)
        if config.pretrained and "lr" not in given:  # Goyal et al. 2017; what was learned would be lost at more
            changes["lr"] = config.lr * size / config.batch_size
    if config.pretrained in (None, TORCHVISION) and (config.stem is None or "stem" not in given):
        published = config.pretrained == TORCHVISION and "stem" not in given
        changes["stem"] = "imagenet" if published else config.stem or "cifar"
    return dataclasses.replace(config, **changes)
