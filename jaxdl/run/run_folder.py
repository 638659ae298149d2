"""A run's folder as it is made and written; ``recorded`` reads it."""

import contextlib
import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxdl import disk
from jaxdl.data import sources
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.run.config import PER_PROCESS, TORCHVISION, Config
from jaxdl.wording import printable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def about(dataset: Dataset) -> dict:
    """Description of a dataset, written into everything made from it."""
    return {
        "dataset": dataset.name,
        "dataset_source": dataset.source,
        "dataset_fingerprint": dataset.fingerprint,
        "notice": dataset.notice,
    }


def refuse_existing(config: Config) -> None:
    """Raises UserError if ``--out`` is there already: nothing is ever overwritten; and where no checkpoint can be."""
    try:
        str(Path(config.out or "runs").resolve()).encode()
    except UnicodeEncodeError:  # the files' writer takes no other
        place = Path(config.out or "runs").resolve()
        try:
            os.fsencode(place).decode()
            why = "in this locale its name is no text. Set LC_ALL=C.UTF-8, or name another with --out"
        except UnicodeDecodeError:
            why = "its name is no UTF-8. Name another with --out"
        raise UserError(f"checkpoints cannot be written to {printable(str(place))}: {why}.") from None
    if config.out and Path(config.out).exists():
        raise UserError(f"--out {config.out} exists. Name another folder, or add --resume to continue the run in it.")


def create(
    config: Config,
    dataset: Dataset,
    command: str,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    prefix: str = "",
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Makes the folder with its ``config.json``: all that ``--resume`` needs besides a checkpoint.

    mean, std: of the channels, as the network sees them: with the classes' names, what it takes to use it afterwards.
    prefix: of its name, where ``--out`` does not say it. more: what else the file is to hold.
    """
    out = Path(config.out) if config.out else _new_name(config, dataset, prefix)
    found = dataset.name if dataset.name in sources.NAMES else config.dataset  # of a task with data of its own
    content = {
        "command": _typed(command),
        **about(dataset),
        "dataset_requested": config.dataset,
        "classes": list(dataset.classes),
        "image": list(dataset.train.images.shape[1:]),
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "config": _stored(dataclasses.replace(config, dataset=found, out=str(out))),
        "versions": {name: version(name) for name in PACKAGES},
        **more,
    }
    try:
        with disk.folder(out) as draft:  # a process killed here leaves no folder that is no run
            _write_json(draft / "config.json", content)
    except OSError as error:
        raise UserError(f"cannot make the run's folder {out} ({error.strerror}). Name another with --out.") from error
    return out


@contextmanager
def locked(out: str) -> Iterator[None]:
    """A context in which no other process can hold the folder; however this one ends, it is free again.

    Raises UserError if another holds it. Nothing is held where the system or the file system has no locks.
    """
    with contextlib.ExitStack() as stack:
        if fcntl:
            place = os.open(out, os.O_RDONLY)
            stack.callback(os.close, place)
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"another process is training in {out}. Wait for it, or name another --out.") from None
            except OSError:
                pass
        yield


def write_summary(out: str, summary: dict) -> None:
    """``summary.json``: what the finished run reached."""
    _write_json(Path(out) / "summary.json", summary)


def note_resumption(record: dict, config: Config, command: str) -> None:
    """Adds to ``config.json`` what this resumption changed, so that the next one needs no flags."""
    resumptions = [*record.get("resumed_by", []), _typed(command)]
    _write_json(Path(config.out) / "config.json", {**record, "config": _stored(config), "resumed_by": resumptions})


@contextmanager
def writing(place: str | Path) -> Iterator[None]:
    """A context in which a file of that folder that cannot be written is the user's to mend."""
    try:
        yield
    except OSError as error:
        way = disk.way_out(error)
        raise UserError(f"cannot write in {place} ({error.strerror}). {way}, or name another folder.") from error


def _typed(command: str) -> str:
    return shlex.join(["python", "-m", *command.split(), *sys.argv[1:]])


def _stored(config: Config) -> dict:
    """The fields of ``config``, with paths that mean the same from any working directory."""
    paths = {
        name: path if path in (None, TORCHVISION) else str(Path(path).resolve())
        for name in ("data_dir", "out", "pretrained")
        for path in [getattr(config, name)]
    }
    return dataclasses.asdict(dataclasses.replace(config, resume=False, **paths, **dict.fromkeys(PER_PROCESS)))


def _write_json(path: Path, content: dict) -> None:
    try:
        disk.write(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        way = disk.way_out(error)
        raise UserError(f"cannot write {path} ({error.strerror}). {way}, then continue with --resume.") from error


def _new_name(config: Config, dataset: Dataset, prefix: str) -> Path:
    """``runs/<dataset>-<recipe>-<time>``, with a number behind it if two runs start in one second."""
    name = f"{prefix}{dataset.name}-{config.recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
    candidates = [Path("runs", name), *(Path("runs", f"{name}-{number}") for number in range(2, 100))]
    return next(path for path in candidates if not path.exists())
