"""The method of airbench94 in PyTorch: Jordan (2024), "94% on CIFAR-10 in 3.29 Seconds on a Single GPU"."""

import math
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from experiments.benchmark.accuracy import learning
from experiments.benchmark.contestant import Job
from experiments.benchmark.networks import NETWORKS
from experiments.benchmark.torch_device import TorchDevice
from jaxdl.data.dataset import channel_statistics

if TYPE_CHECKING:
    import torch

EPOCHS = 9.9
BATCH_SIZE, EVAL_BATCH = 1024, 2000
WHITENING_IMAGES, WHITENING_EPSILON = 5000, 5e-4
WHITENING_BIAS_EPOCHS = 3  # for which the first layer's bias trains
# Per 1024 examples, and with the lengthening of steps by Nesterov's momentum taken out; losses are summed.
LEARNING_RATE, WEIGHT_DECAY, MOMENTUM, NORM_BIAS_FACTOR = 11.5, 0.0153, 0.85, 64.0
KILOSTEP = 1024 * (1 + 1 / (1 - MOMENTUM))
RISE_FROM, PEAK_AT, FALL_TO = 0.2, 0.23, 0.07
LABEL_SMOOTHING = 0.2
LOOKAHEAD_EVERY, LOOKAHEAD_BASE = 5, 0.95
SHIFT = 2  # pixels


class Method:
    """Its network, augmentation, optimizer, lookahead and views, eager and in channels_last; bf16 is autocast, where
    the published program computes in float16. Mean and standard deviation are those of the training images."""

    waiting_for_data = None

    def __init__(self, task: Job):
        self._on = TorchDevice(task)
        self._torch, self._device, self.device = self._on.torch, self._on.device, self._on.words
        self._dataset, self._seed, self._epochs = learning.dataset(task), task.seed, task.epochs or EPOCHS
        self.threads, self.parameters = self._on.threads, None
        self.batch_size = min(BATCH_SIZE, len(self._dataset.train))
        self._on.wake()

    def training(self) -> Iterator[float]:
        torch = self._torch
        torch.manual_seed(self._seed)
        train = self._dataset.train
        mean, std = channel_statistics(train.images)
        images, labels = self._normalized(train.images, mean, std), self._labels(train.labels)
        kernel = whitening(torch, images[:WHITENING_IMAGES])
        self._test = self._normalized(self._dataset.test.images, mean, std), self._labels(self._dataset.test.labels)
        if self._dataset.mirrorable:
            mirrored = torch.rand(len(images), 1, 1, 1, device=self._device) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        padded = torch.nn.functional.pad(images, (SHIFT,) * 4, mode="reflect")

        model = self._model = NETWORKS["speed_cnn"].pytorch().to(self._device, memory_format=torch.channels_last)
        self.parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        model[0].weight.data.copy_(kernel)
        network = self._prepared(model)
        lookahead = Lookahead(torch, model)
        per_epoch = len(images) // self.batch_size
        steps = math.ceil(self._epochs * per_epoch)
        optimizer = optimizer_of(torch, model, self.batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(rate_at, steps=steps))
        loss_of = torch.nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING, reduction="sum")
        due = set(learning.half_epochs(per_epoch, steps))
        for step in range(steps):
            epoch, index = divmod(step, per_epoch)
            if index == 0:
                model[0].bias.requires_grad_(epoch < WHITENING_BIAS_EPOCHS)
                seen = shifted(torch, padded)
                if self._dataset.mirrorable and epoch % 2:  # each image is seen one way round, then the other
                    seen = seen.flip(3)
                order = torch.randperm(len(images), device=self._device)
            rows = order[index * self.batch_size : (index + 1) * self.batch_size]
            model.train()
            with self._on.autocast():
                loss = loss_of(network(seen[rows]), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            done = step + 1
            if done % LOOKAHEAD_EVERY == 0:
                lookahead.pull(LOOKAHEAD_BASE**LOOKAHEAD_EVERY * (done / steps) ** 3)
            if done == steps:
                lookahead.pull(1.0)
            if done in due:
                self._on.synchronize()
                yield done / per_epoch

    def _prepared(self, model: "torch.nn.Module") -> "torch.nn.Module":
        return model

    def accuracy(self) -> float:
        """Of the mean over an image, weight 1/2, and its shifts by a pixel up left and down right, 1/4 each; each the
        mean of both its mirror images."""
        pad = self._torch.nn.functional.pad
        self._model.eval()
        right, (images, labels) = 0, self._test
        with self._torch.no_grad(), self._on.autocast():
            for batch, wanted in zip(images.split(EVAL_BATCH), labels.split(EVAL_BATCH), strict=True):
                wide = pad(batch, (1,) * 4, mode="reflect")
                views = ((0.5, batch), (0.25, wide[:, :, :-2, :-2]), (0.25, wide[:, :, 2:, 2:]))
                logits = sum(weight * self._logits(view) for weight, view in views)
                right += (logits.argmax(1) == wanted).sum().item()
        return right / len(labels)

    def _logits(self, images: "torch.Tensor") -> "torch.Tensor":
        if not self._dataset.mirrorable:
            return self._model(images)
        return (self._model(images) + self._model(images.flip(3))) / 2

    def _normalized(self, images: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> "torch.Tensor":
        """float32[N, 3, H, W] in channels_last."""
        torch = self._torch
        mean, std = (torch.tensor(values, device=self._device) for values in (mean, std))
        scaled = torch.from_numpy(images).to(self._device).float().div_(255)
        return scaled.sub_(mean).div_(std).permute(0, 3, 1, 2)

    def _labels(self, labels: np.ndarray) -> "torch.Tensor":
        return self._torch.from_numpy(labels).to(self._device).long()


class Compiled(Method):
    """The same, trained by ``torch.compile`` with its defaults, whose compilation is part of the training."""

    def __init__(self, task: Job):
        super().__init__(task)
        self._on.try_compiler()

    def _prepared(self, model: "torch.nn.Module") -> "torch.nn.Module":
        return self._torch.compile(model)


def whitening(torch: ModuleType, images: "torch.Tensor") -> "torch.Tensor":
    """float32[24, 3, 2, 2]: the principal axes of the images' 2x2 patches, scaled to variance 1, with both signs."""
    patches = torch.nn.functional.unfold(images.contiguous(), 2).transpose(1, 2).reshape(-1, 12)
    variances, axes = torch.linalg.eigh(patches.T @ patches / len(patches))
    scaled = (axes / torch.sqrt(variances.clamp_min(0) + WHITENING_EPSILON)).T.flip(0)
    return torch.cat([scaled, -scaled]).reshape(-1, 3, 2, 2)


def optimizer_of(torch: ModuleType, model: "torch.nn.Sequential", batch_size: int) -> "torch.optim.SGD":
    """SGD at the rates of the schedule's peak; PyTorch multiplies weight decay by them, which is divided out here."""
    rate, decay = LEARNING_RATE / KILOSTEP, WEIGHT_DECAY * batch_size / KILOSTEP
    norms = [layer.bias for layer in model if isinstance(layer, torch.nn.BatchNorm2d)]
    others = [model[0].bias, *(layer.weight for layer in model[1:] if isinstance(layer, torch.nn.Conv2d))]
    others += [layer.weight for layer in model if isinstance(layer, torch.nn.Linear)]
    groups = [(norms, rate * NORM_BIAS_FACTOR), (others, rate)]
    return torch.optim.SGD(
        [{"params": group, "lr": at, "weight_decay": decay / at} for group, at in groups],
        momentum=MOMENTUM,
        nesterov=True,
    )


def rate_at(step: int, *, steps: int) -> float:
    """The share of the peak's rate in update ``step`` (from 0): up in a line, down in a line."""
    return float(np.interp(step, [0, int(PEAK_AT * steps), steps], [RISE_FROM, 1.0, FALL_TO]))


def shifted(torch: ModuleType, padded: "torch.Tensor") -> "torch.Tensor":
    """A window of each image, at random up to ``SHIFT`` pixels from the middle of what was padded by as many."""
    size = padded.shape[2] - 2 * SHIFT
    places = torch.randint(2 * SHIFT + 1, (2, len(padded)), device=padded.device)
    found = torch.empty((len(padded), size, size, 3), device=padded.device).permute(0, 3, 1, 2)
    for y in range(2 * SHIFT + 1):
        for x in range(2 * SHIFT + 1):
            chosen = (places[0] == y) & (places[1] == x)
            found[chosen] = padded[chosen, :, y : y + size, x : x + size]
    return found


class Lookahead:
    """Slow weights, and running statistics, towards which the network's move and to which they are then set."""

    def __init__(self, torch: ModuleType, model: "torch.nn.Module"):
        self._torch = torch
        self._fast = [value for value in model.state_dict().values() if value.is_floating_point()]
        self._slow = [value.clone() for value in self._fast]

    def pull(self, kept: float) -> None:
        """Both become ``kept`` of the slow weights and the rest of the fast."""
        for slow, fast in zip(self._slow, self._fast, strict=True):
            slow.lerp_(fast, 1 - kept)
            fast.copy_(slow)
