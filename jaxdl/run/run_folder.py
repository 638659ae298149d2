"""A run's folder: its name, what its JSON files say, and whether it can be resumed."""

import contextlib
import dataclasses
import json
import math
import os
import shlex
import sys
import time
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxdl import disk
from jaxdl.data import sources
from jaxdl.data.dataset import Dataset
from jaxdl.data.pictures import MOST_SIDE
from jaxdl.errors import UserError
from jaxdl.run import stored
from jaxdl.run.channels import DATA, NONE
from jaxdl.run.config import PER_PROCESS, RESUMABLE, TORCHVISION, Config
from jaxdl.run.flags import flag_name
from jaxdl.wording import counted, printable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

RECORD = {"command": str, "dataset": str, "dataset_source": str, "dataset_fingerprint": str, "notice": str | None,
          "classes": list[str], "image": list[int], "mean": list[float], "std": list[float],
          "config": dict[str, Any]}  # of config.json  # fmt: skip
SUMMARY = {"test_accuracy": float, "test_loss": float, "parameters": int, "epochs": float, "steps": int,
           "train_seconds": float, "images_per_second": float, "device": str, "finished": str}  # fmt: skip
RECORDS = {
    "run": {"groups": list[str]},
    "epoch": {"step": int, "epoch": float, "train_loss": float, "train_accuracy": float, "train_grad_norm": float},
    "step": {"step": int, "epoch": float, "loss": float},
    "stopped": {"reason": str},
}  # of metrics.jsonl, by kind
MEASURED = ("epoch", "step")  # kinds that hold numbers only
MOST_EPOCHS = 1e9  # of a run
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


def check_files(config: Config) -> None:
    """Raises UserError for a run to resume, or weights or pictures to begin with, that are not there or not named."""
    if config.resume:
        read(config.out)
        return
    if config.dataset == "folder" and config.data_dir is None:
        raise UserError("--dataset folder needs --data-dir: a folder with train/<class>/*.jpg and test/<class>/*.jpg.")
    if config.weights_key is not None and config.pretrained is None:
        raise UserError("--weights-key is for the file in --pretrained, which is not given.")
    if config.pretrained not in (None, TORCHVISION) and not os.path.exists(config.pretrained):
        raise UserError(f"cannot read {printable(config.pretrained)} (No such file or directory).")


def read(folder: str | None) -> dict:
    """The ``config.json`` of the run in that folder; raises UserError if there is none."""
    if folder is None:
        raise UserError("--resume needs --out: the folder of the run to continue.")
    if not folder:
        raise UserError("the run's folder has an empty name. Name one, as runs/NAME.")
    path = Path(folder) / "config.json"
    try:
        record = stored.read(path, RECORD)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no run in {folder}: no {path.name}.") from None
    image, channels = record["image"], {len(record["mean"]), len(record["std"])}
    if len(image) != 3 or not all(0 < size <= MOST_SIDE for size in image) or not channels <= {1, image[-1]}:
        raise UserError(
            f"{path} is not as this program writes it: an image of {image}, with {len(record['mean'])} means and "
            f"{len(record['std'])} deviations of channels."
        )
    if not all(map(math.isfinite, record["mean"])) or not all(0 < std < math.inf for std in record["std"]):
        found = f"its mean is {record['mean']!r:.60}, its std {record['std']!r:.60}"
        raise UserError(f"{path} is not as this program writes it: {found}.")
    if len(record["classes"]) < 2:
        count = counted(len(record["classes"]), "class", "classes")
        raise UserError(f"{path} is not as this program writes it: it names {count}.")
    return record


def read_single(folder: str | None) -> dict:
    """As ``read``; raises UserError for the folder of a sweep too."""
    record = read(folder)
    if "sweep" in record:
        raise UserError(
            f"{folder} holds a sweep of many runs. Its table is members.csv; jaxdl sweep --resume continues it."
        )
    return record


def read_finished(folder: str) -> tuple[dict, Config]:
    """The record and the configuration of a run that has saved something.

    Raises UserError if there is no run, or none that has saved anything yet.
    """
    record = read_single(folder)
    config = config_of(record, folder)
    if not Path(folder, "checkpoints").is_dir():
        raise UserError(f"the run in {folder} has saved no checkpoint yet.")
    return record, config


def records(folder: str | Path, *, members: bool = False) -> list[dict]:
    """The records of ``metrics.jsonl`` so far; a last line that is being written is left out.

    members: they are a sweep's, with a list for its members in place of a number.
    """
    path = Path(folder, "metrics.jsonl")
    try:
        lines = stored.content(path).splitlines(keepends=True)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"cannot read {path} (there is none).") from None
    found = []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            if line.endswith(b"\n"):
                raise UserError(f"{path} is damaged: its line {len(found) + 1:,} is not JSON.") from None
            break
        stored.checked(record, {"kind": str}, path)
        if not members:
            stored.checked(record, RECORDS.get(record["kind"], {}), path)
            if record["kind"] in MEASURED and not _measured(record):
                raise UserError(f"{path} is damaged: its line {len(found) + 1:,} holds what is no measurement.")
        found.append(record)
    return found


def _measured(record: dict) -> bool:
    numbers = all(stored.fits(value, float) for name, value in record.items() if name != "kind")
    placed = 0 <= record["epoch"] < MOST_EPOCHS and record["step"] >= 0
    return numbers and placed and ("val_loss" in record) == ("val_accuracy" in record)


def groups(records: Sequence[dict]) -> list[str]:
    """The layer groups whose gradients the records hold, from the input to the output."""
    return next((record["groups"] for record in records if record["kind"] == "run" and "groups" in record), [])


def summary(folder: str | Path) -> dict | None:
    """``summary.json``, or None where the run has not ended."""
    try:
        return stored.read(Path(folder, "summary.json"), SUMMARY)
    except (FileNotFoundError, NotADirectoryError):
        return None


def config_of(record: dict, folder: str) -> Config:
    """The configuration in ``record``, which ``read`` found in ``folder``."""
    path, hints = Path(folder, "config.json"), typing.get_type_hints(Config)
    if isinstance(normalize := record["config"].get("normalize"), bool):  # of runs from before it had more values
        record["config"]["normalize"] = DATA if normalize else NONE
    unknown = sorted(record["config"].keys() - hints.keys())
    if unknown:
        raise UserError(f"{path} is not of this version of the program: it sets {', '.join(unknown)[:100]}.")
    known = {name: hints[name] for name in record["config"]}
    stored.checked(record["config"], known, path)
    try:
        return Config(**record["config"])
    except UserError as error:
        raise UserError(f"{path} is not as this program writes it: {error}") from error


def resumed(record: dict, config: Config, given: frozenset[str]) -> Config:
    """The configuration in ``record``, with those ``given`` flags of ``config`` that a resumed run may change."""
    made = config_of(record, config.out)
    for name in sorted(given - set(RESUMABLE)):
        before, now = getattr(made, name), getattr(config, name)
        if now != before and (name, now) != ("dataset", "auto"):
            raise UserError(
                f"the run in {config.out} was made with {flag_name(name)} {before}, not {now}. "
                "Leave the flag out to continue it, or start a new run in another --out."
            )
    if "parallel" in given:
        made = dataclasses.replace(made, mesh=None)  # it went with the other
    return dataclasses.replace(made, **{name: getattr(config, name) for name in given & set(RESUMABLE)})


def note_resumption(record: dict, config: Config, command: str) -> None:
    """Adds to ``config.json`` what this resumption changed, so that the next one needs no flags."""
    resumptions = [*record.get("resumed_by", []), _typed(command)]
    _write_json(Path(config.out) / "config.json", {**record, "config": _stored(config), "resumed_by": resumptions})


def check_same_network(record: dict, name: str, folder: str) -> None:
    """Raises UserError if the run in ``record`` has a network of another program's task, not that of ``name``."""
    if (made := record.get("network", name)) != name:
        raise UserError(
            f"the network of the run in {folder} is {made}, which the program that trained it made, not --model. "
            "Resume it with that program; its variables are in checkpoints, for jaxdl.checkpoint to read."
        )


def check_same_data(record: dict, dataset: Dataset) -> None:
    """Raises UserError if ``dataset`` is not the one that the run in ``record`` began with."""
    if record["dataset_fingerprint"] != dataset.fingerprint:
        raise UserError(
            f"the run was made on {record['dataset_source']}; what is there now ({dataset.source}) holds other images. "
            "Name the first with --data-dir."
        )


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
