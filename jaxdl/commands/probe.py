"""Accuracy of a network's features: ``python -m jaxdl probe --model resnet18 --pretrained FILE --data-dir DIR``."""

import contextlib
import dataclasses
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from jaxdl.data import sources
from jaxdl.errors import UserError
from jaxdl.run import flags, terminal
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.flags import flag
from jaxdl.run.status import exit_status
from jaxdl.run.tasks import USUAL
from jaxdl.wording import counted, printable

if TYPE_CHECKING:
    from jaxdl.data.dataset import Dataset
    from jaxdl.run.finished_run import FinishedRun

COMMAND = "jaxdl probe"
ABOUT = (
    "Measure how well a network's features, which are what its classifier sees, tell a dataset's classes apart without "
    "training it: by the nearest training pictures, and by a linear classifier on them."
)
FOLDER = "folder"
DATASETS = tuple(name for name in sources.NAMES if name != "auto")


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """Flags: the network, the dataset, and how to measure."""

    dataset: str | None = flag(
        None,
        "dataset to tell the classes of",
        choices=DATASETS,
        unset="the run's, or folder with --data-dir or --model",
    )
    data_dir: str | None = flag(None, "folder of the dataset", unset="the run's, or the dataset's own", path=True)
    k: int = flag(20, "nearest training pictures that vote, each by its likeness", min=1, value="N")
    json: bool = flag(False, "print one JSON document", on_only=True)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return exit_status(lambda: _probe(sys.argv[1:] if argv is None else argv), Options)


def _probe(argv: list[str]) -> None:
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    options.check_there(given)
    dataset = options.dataset or (FOLDER if options.model or options.data_dir else None)
    if dataset == FOLDER and options.data_dir is None:
        raise UserError("name the folder of the pictures, with train/<class>/ and test/<class>/, by --data-dir.")
    if dataset == FOLDER and not os.path.isdir(options.data_dir):
        raise UserError(
            f"{printable(options.data_dir)} is not a folder. --data-dir holds train/<class>/ and test/<class>/."
        )
    terminal.say_loading()
    from jaxdl.report.probing import linear_probe, neighbour_votes  # with which comes JAX

    with contextlib.redirect_stdout(sys.stderr):  # what is said of the data is no answer of the command
        run = options.load(classifier=False)  # features are before it
        if run.task.name != USUAL:
            which = options.model or f"the run in {printable(options.run)}"
            raise UserError(f"{which} is of {run.task.name}: only a classifier is probed.")
        data = _dataset(options, dataset, run)
        train, test = (
            _features(run, split.images, name) for split, name in ((data.train, "train"), (data.test, "test"))
        )
    if data.notice:
        print(printable(data.notice), file=sys.stderr)
    labels, truth = data.train.labels, data.test.labels
    nearest, k_nearest = neighbour_votes(train, labels, test, ks=(1, options.k))
    linear = linear_probe(train, labels, test)
    found = {
        "network": run.config.model,
        "features": train.shape[1],
        "data": data.source,
        "classes": len(data.classes),
        "train_pictures": len(labels),
        "test_pictures": len(truth),
        "nearest": _accuracy(nearest, truth),
        "k": min(options.k, len(labels)),
        "k_nearest": _accuracy(k_nearest, truth),
        "linear": _accuracy(linear.predictions, truth),
        "linear_c": linear.strength,
        "linear_val": linear.val_accuracy,
    }
    print(json.dumps(found, indent=1)) if options.json else _print(found)


def _dataset(options: Options, name: str | None, run: "FinishedRun") -> "Dataset":
    """The dataset, its pictures of the size that the network takes."""
    from jaxdl.run import fitted, loading

    height, width, channels = run.image
    changes: dict[str, Any] = {"offline": options.offline or run.config.offline, "image_size": height}
    if name is not None and (name != run.config.dataset or options.data_dir is not None):
        changes |= {"dataset": name, "data_dir": options.data_dir, "stream": None}
    config = dataclasses.replace(run.config, **changes)
    data = loading.load(dataclasses.replace(config, stream=fitted.streams(config)))
    if data.train.images.shape[1:] != run.image:
        size = " x ".join(map(str, data.train.images.shape[1:]))
        raise UserError(
            f"the network takes images of {height} x {width} x {channels}, those of {data.name} are {size}. Name its "
            "size with --image-size where the network takes it, or probe a folder of pictures."
        )
    return data


def _features(run: "FinishedRun", images: Any, name: str) -> Any:
    import jax.numpy as jnp

    from jaxdl.report.heartbeat import Heartbeat
    from jaxdl.run.classifier import Classifier
    from jaxdl.transfer.features import classifier_input

    network = run._replace(model=classifier_input(run.model, jnp.zeros((1, *run.image))))
    with Heartbeat(f"features of {name}"):
        return Classifier(network, views=()).logits(images, doing=f"features of {name}")


def _accuracy(predictions: Any, labels: Any) -> float:
    return float((predictions == labels).mean())


def _print(found: dict[str, Any]) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    pictures = counted(found["train_pictures"], "training picture")
    console.print(f"{found['network']}: {found['features']:,} features of an image; {printable(found['data'])}")
    console.print(f"{pictures}, {found['test_pictures']:,} to test, {counted(found['classes'], 'class', 'classes')}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("classified by")
    table.add_column("accuracy", justify="right")
    table.add_row("the nearest picture", f"{found['nearest']:.2%}")
    table.add_row(f"the {found['k']} nearest, weighted", f"{found['k_nearest']:.2%}")
    table.add_row(f"a linear classifier (C = {found['linear_c']:g})", f"{found['linear']:.2%}")
    console.print(table)
