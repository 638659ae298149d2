"""Contents of a run's folder: its configuration, its log and what it reached; nothing in it is trusted unchecked."""

import dataclasses
import json
import math
import os
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdl.data.dataset import Dataset
from jaxdl.data.pictures import MOST_SIDE
from jaxdl.errors import UserError
from jaxdl.run import stored
from jaxdl.run.channels import DATA, NONE
from jaxdl.run.config import RESUMABLE, TORCHVISION, Config
from jaxdl.run.flags import flag_name
from jaxdl.run.tasks import CONFIGS, TRAINED_BY, USUAL
from jaxdl.run.told_by_weights import check_published
from jaxdl.wording import counted, printable

RECORD = {"command": str, "dataset": str, "dataset_source": str, "dataset_fingerprint": str, "notice": str | None,
          "classes": list[str], "image": list[int], "mean": list[float], "std": list[float],
          "config": dict[str, Any]}  # of config.json  # fmt: skip
SUMMARY = {"parameters": int, "epochs": float, "steps": int,
           "train_seconds": float, "images_per_second": float, "device": str, "finished": str}  # fmt: skip
RECORDS = {
    "run": {"groups": list[str]},
    "epoch": {"step": int, "epoch": float, "train_loss": float, "train_grad_norm": float},
    "step": {"step": int, "epoch": float, "loss": float},
    "stopped": {"reason": str},
}  # of metrics.jsonl, by kind
MEASURED = ("epoch", "step")  # kinds that hold numbers only
MOST_EPOCHS = 1e9  # of a run


def check_files(config: Config) -> None:
    """Raises UserError for a run to resume, or weights or pictures to begin with, that are not there or not named."""
    if config.resume:
        read(config.out)
        return
    if config.dataset == "masks" and config.data_dir is None:
        raise UserError("--data-dir is not given: a folder with train/images, train/masks, test/... and classes.txt.")
    if config.dataset == "boxes" and config.data_dir is None:
        raise UserError("--data-dir is not given: a folder with pictures and boxes, as VOC, COCO or YOLO lay them out.")
    if config.dataset == "folder" and config.data_dir is None:
        raise UserError("--dataset folder needs --data-dir: a folder with train/<class>/*.jpg and test/<class>/*.jpg.")
    if config.weights_key is not None and config.pretrained is None:
        raise UserError("--weights-key is for the file in --pretrained, which is not given.")
    if config.pretrained == TORCHVISION:
        check_published(config.model)
    elif config.pretrained is not None and not os.path.exists(config.pretrained):
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


def config_of(record: dict, folder: str) -> Config:
    """The configuration in ``record``, which ``read`` found in ``folder``."""
    path, task = Path(folder, "config.json"), record.get("task", USUAL)
    if task not in CONFIGS:
        raise UserError(f"{path} is not of this version of the program: its task is {task!r:.40}.")
    kind = CONFIGS[task]
    hints = typing.get_type_hints(kind)
    if isinstance(normalize := record["config"].get("normalize"), bool):  # of runs from before it had more values
        record["config"]["normalize"] = DATA if normalize else NONE
    unknown = sorted(record["config"].keys() - hints.keys())
    if unknown:
        raise UserError(f"{path} is not of this version of the program: it sets {', '.join(unknown)[:100]}.")
    known = {name: hints[name] for name in record["config"]}
    stored.checked(record["config"], known, path)
    try:
        return kind(**record["config"])
    except UserError as error:
        raise UserError(f"{path} is not as this program writes it: {error}") from error


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


def groups(records: Sequence[dict]) -> list[str]:
    """The layer groups whose gradients the records hold, from the input to the output."""
    return next((record["groups"] for record in records if record["kind"] == "run" and "groups" in record), [])


def summary(folder: str | Path) -> dict | None:
    """``summary.json``, or None where the run has not ended."""
    try:
        return stored.read(Path(folder, "summary.json"), SUMMARY)
    except (FileNotFoundError, NotADirectoryError):
        return None


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


def check_same_task(record: dict, task: str, folder: str) -> None:
    """Raises UserError if the run in ``record`` is of another task, with the command that is for it."""
    if (made := record.get("task", USUAL)) != task:
        raise UserError(f"the run in {folder} is one of {made}, not of {task}: that is for jaxdl {TRAINED_BY[made]}.")


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


def _measured(record: dict) -> bool:
    numbers = all(stored.fits(value, float) for name, value in record.items() if name != "kind")
    placed = 0 <= record["epoch"] < MOST_EPOCHS and record["step"] >= 0
    return numbers and placed and ("val_loss" in record) == ("val_accuracy" in record)
