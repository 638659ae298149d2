"""PyTorch, the device that it computes on, and torchvision, for the contestants that use them."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from experiments.benchmark.contestant import Job, LeftOutError, optional
from jaxdl.data.dataset import Split

if TYPE_CHECKING:
    import torch


class TorchDevice:
    """The accelerator, or the CPU with the task's threads. Raises LeftOutError where PyTorch is not installed.

    torch: the package. device: its own. words: ``cpu``, or the accelerator's name. autocast: makes a context in which
    bf16 is used if the task says so.
    """

    def __init__(self, task: Job):
        torch = self.torch = optional("torch")
        if task.threads:
            torch.set_num_threads(task.threads)
        self.threads = torch.get_num_threads()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.words = torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"
        self.autocast = partial(
            torch.autocast, self.device.type, dtype=torch.bfloat16, enabled=task.precision == "bf16"
        )

    def wake(self) -> None:
        """An accelerator has to be woken, which is no training."""
        self.torch.zeros(1, device=self.device)

    def synchronize(self) -> None:
        """Returns when everything asked of it is done."""
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def try_compiler(self) -> None:
        """Raises LeftOutError where ``torch.compile`` does not work, as without a C++ compiler."""
        try:
            self.torch.compile(lambda x: x + 1)(self.torch.zeros(1, device=self.device))
        except Exception as error:
            raise not_compiled(error) from error


def not_compiled(error: Exception) -> LeftOutError:
    """LeftOutError with the first line of a failure of ``torch.compile``, whatever its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return LeftOutError(f"torch.compile: {lines[0] if lines else type(error).__name__}")


def torchvision() -> ModuleType:
    """torchvision, also beside a torch that its compiled operators are not made for: no transform here uses them.

    Raises LeftOutError where it cannot be had.
    """
    try:
        return optional("torchvision")
    except RuntimeError:
        torch = optional("torch")
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        try:
            package = optional("torchvision")
        except RuntimeError as error:
            raise LeftOutError(f"torchvision cannot be imported: {error}") from error
        package.declared = declared  # which go with the library that declared them
        return package


def pictures(split: Split, transform: Callable[[Any], Any]) -> "torch.utils.data.Dataset":
    """Pairs of what ``transform`` makes of a picture and its label, as ``torchvision.datasets.CIFAR10`` has them."""
    from PIL import Image

    class Pictures(optional("torch").utils.data.Dataset):
        def __len__(self):
            return len(split)

        def __getitem__(self, index):
            return transform(Image.fromarray(split.images[index])), int(split.labels[index])

    return Pictures()
