"""A contestant is made from its task, and lives in a process of its own. Each subject's folder says who takes part."""

import dataclasses
import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Protocol

from experiments.benchmark import accuracy, layers, startup, throughput

OURS = "jaxdl"  # to whom the others are compared; of accuracy, they are to ``accuracy.COURSE``
FOLDERS: Mapping[str, ModuleType] = MappingProxyType(
    {subject: folder for folder in (throughput, startup, accuracy, layers) for subject in folder.FLAGS}
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """contestant: its name for the subject; of accuracy, ``quick:4`` is quick in four epochs. model: "" where the
    subject is not about networks.

    batch_size: None where it is the contestant's own. threads: processor cores that the process may use; all that it is
    given if None. dataset, data_dir, seed: of the subject accuracy.
    """

    subject: str
    contestant: str
    model: str = ""
    batch_size: int | None = None
    precision: str = "f32"
    augment: bool = False
    threads: int | None = None
    dataset: str = ""
    data_dir: str | None = None
    seed: int = 0

    @property
    def program(self) -> str:
        """The contestant's name without its epochs."""
        return self.contestant.partition(":")[0]

    @property
    def epochs(self) -> int | None:
        """Those in the contestant's name; None where it names none."""
        number = self.contestant.partition(":")[2]
        return int(number) if number else None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """The inverse of ``to_json``."""
        return cls(**json.loads(text))


class Contestant(Protocol):
    """Made from a ``Job``.

    device: what it runs on, in words. threads: that its library uses, None where it does not say. parameters: how many
    numbers it trains, None where it trains nothing. batch_size: images of one step. waiting_for_data: the share of the
    time so far in which the next batch was not ready, None where it does not say.
    """

    device: str
    threads: int | None
    parameters: int | None
    batch_size: int
    waiting_for_data: float | None

    def run(self, steps: int) -> None:
        """So many steps; returns when the device has finished them. Raises FloatingPointError for a loss that is not
        finite, whose arithmetic may take another time."""

    def device_bytes(self) -> int | None:
        """The most memory of an accelerator that was ever in use; None on a CPU."""


class Learner(Protocol):
    """A contestant of the subject accuracy. Made from a ``Job``: what it imports and the data are then in memory, and
    nothing else is done.

    device, threads, waiting_for_data: as ``Contestant`` has them. parameters, batch_size: too, once it trains.
    """

    device: str
    threads: int | None
    parameters: int | None
    batch_size: int
    waiting_for_data: float | None

    def training(self) -> Iterator[float]:
        """Makes the network and trains it, all under the clock; yields the epochs done at each of ``half_epochs``.

        What led to a yield is finished on the device. Ends early where the loss is not finite.
        """

    def accuracy(self) -> float:
        """On the test split, 0 to 1, of the network as it is."""


class LeftOutError(Exception):
    """A contestant cannot take part on this machine; says why."""


def names(subject: str) -> tuple[str, ...]:
    """The contestants of a subject, ours first; of accuracy, those that are not recipes of ``experiments.recipes``."""
    return tuple(FOLDERS[subject].CONTESTANTS[subject])


def create(task: Job) -> Contestant | Learner:
    """The contestant of that task. Raises LeftOutError where it cannot take part."""
    folder = FOLDERS[task.subject]
    module, _, kind = folder.CONTESTANTS[task.subject].get(task.program, accuracy.RECIPE).rpartition(".")
    return getattr(importlib.import_module(f".{module}", folder.__name__), kind)(task)


def optional(package: str) -> ModuleType:
    """A package that the project does without. Raises LeftOutError where it cannot be had."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise LeftOutError(f"{error.name or package} is not installed") from error
    except (ImportError, OSError) as error:
        raise LeftOutError(f"{package} cannot be imported: {error}") from error
