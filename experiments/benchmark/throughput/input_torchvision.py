"""torchvision's input: a ``DataLoader`` with two workers and the usual transforms of CIFAR-10."""

from collections.abc import Iterator

from experiments.benchmark.contestant import Job, optional
from experiments.benchmark.throughput import synthetic
from experiments.benchmark.torch_device import pictures, torchvision

EXAMPLES = 10_000
WORKERS = 2


class Input:
    """Images as PIL's, one by one, as ``torchvision.datasets.CIFAR10`` hands them to the transforms."""

    parameters = waiting_for_data = None
    device = "cpu"

    def __init__(self, task: Job):
        torch, transforms = optional("torch"), torchvision().transforms
        if task.threads:
            torch.set_num_threads(task.threads)
        self.batch_size, self.threads = task.batch_size, torch.get_num_threads()
        split = synthetic.split(max(EXAMPLES, task.batch_size))
        transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(synthetic.MEAN, synthetic.STD),
            ]
        )
        self._loader = torch.utils.data.DataLoader(
            pictures(split, transform),
            batch_size=task.batch_size,
            shuffle=True,
            num_workers=WORKERS,
            drop_last=True,
            persistent_workers=True,
        )
        self._batches: Iterator = iter(self._loader)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            try:
                next(self._batches)
            except StopIteration:
                self._batches = iter(self._loader)
                next(self._batches)

    def device_bytes(self) -> int | None:
        return None
