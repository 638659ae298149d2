"""Who takes part in what. A contestant is a class of a task, and lives in a process of its own."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Protocol

from experiments.benchmark.task import Task

OURS = "jaxdl"  # to whom the others are compared


class Contestant(Protocol):
    """Made from a ``Task``.

    device: what it runs on, in words. threads: that its library uses, None where it does not say. parameters: how many
    numbers it trains, None where it trains nothing. batch_size: images of one step.
    """

    device: str
    threads: int | None
    parameters: int | None
    batch_size: int

    def run(self, steps: int) -> None:
        """So many steps; returns when the device has finished them. Raises FloatingPointError for a loss that is not
        finite, whose arithmetic may take another time."""

    def device_bytes(self) -> int | None:
        """The most memory of an accelerator that was ever in use; None on a CPU."""


class LeftOutError(Exception):
    """A contestant cannot take part on this machine; says why."""


_PATHS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("train", OURS): "train_jaxdl.Training",
        ("train", "flax"): "train_flax.Training",
        ("train", "pytorch"): "train_pytorch.Training",
        ("train", "pytorch-cl"): "train_pytorch.ChannelsLast",
        ("train", "pytorch-compile"): "train_pytorch.Compiled",
        ("input", OURS): "input_jaxdl.Input",
        ("input", "torchvision"): "input_torchvision.Input",
        ("start", OURS): "start_jaxdl.Start",
    }
)


def names(subject: str) -> tuple[str, ...]:
    """The contestants of a subject, ours first."""
    return tuple(name for about, name in _PATHS if about == subject)


def create(task: Task) -> Contestant:
    """The contestant of that task. Raises LeftOutError where it cannot take part."""
    module, kind = _PATHS[task.subject, task.contestant].split(".")
    return getattr(importlib.import_module(f"{__name__}.{module}"), kind)(task)


def optional(package: str) -> ModuleType:
    """A package that the project does without. Raises LeftOutError where it cannot be had."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise LeftOutError(f"{error.name or package} is not installed") from error
    except (ImportError, OSError) as error:
        raise LeftOutError(f"{package} cannot be imported: {error}") from error
