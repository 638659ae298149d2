"""The course's own program in PyTorch, and the same with its data in memory and channels last."""

from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Protocol

from experiments.benchmark.accuracy import learning
from experiments.benchmark.contestant import Job
from experiments.benchmark.networks import NETWORKS
from experiments.benchmark.torch_device import TorchDevice, pictures, torchvision
from jaxdl.data.dataset import Split

if TYPE_CHECKING:
    import torch

EPOCHS = 30
BATCH_SIZE = 64
LEARNING_RATE = 0.01
LOG_EVERY = 100


class Batches(Iterable, Sized, Protocol):
    """Pairs of ``images: float32[B, 3, 32, 32]`` in [0, 1] and ``labels: int64[B]``; its length is theirs."""


class Program:
    """Its network, loader, loop and optimizer, eager; bf16 is autocast."""

    waiting_for_data = None

    def __init__(self, task: Job):
        self._on = TorchDevice(task)
        self._torch, self._device, self.device = self._on.torch, self._on.device, self._on.words
        self._totensor = torchvision().transforms.ToTensor()
        self._dataset, self._seed, self._epochs = learning.dataset(task), task.seed, task.epochs or EPOCHS
        self.threads, self.parameters, self.batch_size = self._on.threads, None, BATCH_SIZE
        self._on.wake()

    def training(self) -> Iterator[float]:
        torch = self._torch
        torch.manual_seed(self._seed)
        batches = self._batches(self._dataset.train, shuffle=True)
        self._test_batches = self._batches(self._dataset.test, shuffle=False)
        self._model = self._network()
        self.parameters = sum(parameter.numel() for parameter in self._model.parameters())
        loss_of = torch.nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(self._model.parameters(), LEARNING_RATE)
        steps, due = 0, set(learning.half_epochs(len(batches), self._epochs * len(batches)))
        for _ in range(self._epochs):
            for images, labels in batches:
                self._model.train()
                images, labels = images.to(self._device), labels.to(self._device)
                with self._on.autocast():
                    loss = loss_of(self._model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                steps += 1
                if steps % LOG_EVERY == 0:
                    print(f"step {steps}, loss {loss.item()}")
                if steps in due:
                    self._on.synchronize()
                    yield steps / len(batches)

    def accuracy(self) -> float:
        self._model.eval()
        right = 0
        with self._torch.no_grad(), self._on.autocast():
            for images, labels in self._test_batches:
                images, labels = images.to(self._device), labels.to(self._device)
                right += (self._model(images).argmax(1) == labels).sum().item()
        return right / len(self._dataset.test)

    def _network(self) -> "torch.nn.Module":
        return NETWORKS["cifar_cnn"].pytorch().to(self._device)

    def _batches(self, split: Split, *, shuffle: bool) -> Batches:
        loader = self._torch.utils.data.DataLoader
        return loader(pictures(split, self._totensor), batch_size=BATCH_SIZE, shuffle=shuffle)


class Tuned(Program):
    """The same training without a loader: tensors that lie where the network does, in ``torch.channels_last``."""

    def _network(self) -> "torch.nn.Module":
        return super()._network().to(memory_format=self._torch.channels_last)

    def _batches(self, split: Split, *, shuffle: bool) -> Batches:
        torch, device = self._torch, self._device

        class InMemory:
            """Batches are views of rows gathered as [B, H, W, C], whose strides are those of channels_last."""

            def __init__(self):
                self._images = torch.from_numpy(split.images).to(device).float().div_(255)
                self._labels = torch.from_numpy(split.labels).to(device).long()

            def __len__(self):
                return -(-len(split) // BATCH_SIZE)

            def __iter__(self):
                order = (
                    torch.randperm(len(split), device=device) if shuffle else torch.arange(len(split), device=device)
                )
                for rows in order.split(BATCH_SIZE):
                    yield self._images[rows].permute(0, 3, 1, 2), self._labels[rows]

        return InMemory()
