"""Training in PyTorch: eager in its own layout, eager with channels last, and compiled."""

import math
from functools import partial

import numpy as np

from experiments.benchmark.contestant import Job
from experiments.benchmark.networks import NETWORKS
from experiments.benchmark.throughput import synthetic
from experiments.benchmark.torch_device import TorchDevice, not_compiled
from jaxdl.data import pipeline
from jaxdl.data.dataset import Split


class Training:
    """Eager, images [B, C, H, W] in memory as PyTorch has them. bf16 is autocast."""

    channels_last = False
    waiting_for_data = None

    def __init__(self, task: Job):
        self._on = TorchDevice(task)
        self._torch, self._device, self.device = self._on.torch, self._on.device, self._on.words
        torch = self._torch
        self.batch_size, self.threads = task.batch_size, self._on.threads
        network = NETWORKS[task.model]
        split = synthetic.training_split(network, task.batch_size)
        images = synthetic.normalized(split.images)
        if not self.channels_last:
            images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        split = Split(images, split.labels.astype(np.int64))
        self._batch_at = partial(pipeline.train_batch, split, batch_size=task.batch_size, seed=0)
        torch.manual_seed(0)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        model = network.pytorch().to(self._device, memory_format=layout).train()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.parameters = sum(parameter.numel() for parameter in trained)
        self._model = self._prepared(model)
        self._optimizer = torch.optim.SGD(trained, synthetic.LEARNING_RATE, momentum=synthetic.MOMENTUM)
        self._steps = 0

    def _prepared(self, model):
        return model

    def run(self, steps: int) -> None:
        for _ in range(steps):
            loss = self._train_step(self._batch_at(self._steps))
            self._steps += 1
        self._on.synchronize()
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"the loss is {loss.item()} at step {self._steps}")

    def device_bytes(self) -> int | None:
        return self._torch.cuda.max_memory_allocated() if self._device.type == "cuda" else None

    def _train_step(self, batch):
        torch = self._torch
        images = torch.from_numpy(batch["images"])
        if self.channels_last:
            images = images.permute(0, 3, 1, 2)  # a view whose strides are those of channels_last
        images = images.to(self._device, non_blocking=True)
        labels = torch.from_numpy(batch["labels"]).to(self._device, non_blocking=True)
        self._optimizer.zero_grad(set_to_none=True)
        with self._on.autocast():
            loss = torch.nn.functional.cross_entropy(self._model(images), labels)
        loss.backward()
        self._optimizer.step()
        return loss.detach()


class ChannelsLast(Training):
    """Eager, images and kernels in ``torch.channels_last``."""

    channels_last = True


class Compiled(Training):
    """``torch.compile`` with its defaults; left out where it does not get through its first step."""

    def _prepared(self, model):
        return self._torch.compile(model)

    def run(self, steps: int) -> None:
        if self._steps:
            return super().run(steps)
        try:
            return super().run(steps)
        except FloatingPointError:
            raise
        except Exception as error:
            raise not_compiled(error) from error
