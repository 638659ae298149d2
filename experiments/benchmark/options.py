"""Flags of the benchmark."""

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.benchmark import accuracy, machine, startup
from experiments.benchmark.contestant import FOLDERS, OURS, Job, names
from experiments.benchmark.networks import CLASSIFIERS, NETWORKS
from experiments.benchmark.throughput import INPUT_BATCH
from jaxdl.errors import UserError, unknown
from jaxdl.run.flags import check, flag, flag_name


@dataclass(frozen=True, kw_only=True)
class Options:
    """Flags: the quantity to measure, for how long, and the file for the figures."""

    subject: str = flag(
        "train",
        "what to measure: training steps, data loading alone, start-up, time to an accuracy, or each layer of a step",
        choices=tuple(FOLDERS),
    )
    model: str | None = flag(
        None,
        f"networks, comma-separated, of {', '.join(NETWORKS)}",
        unset=f"{','.join(CLASSIFIERS)}; for start, {startup.MODEL}",
    )
    contestants: str | None = flag(
        None,
        "implementations to compare, comma-separated; for accuracy also recipes: quick:4 is quick in four epochs",
        unset=f"all of the subject; for accuracy, {','.join(accuracy.USUAL)}",
    )
    rounds: int = flag(5, "measurements of each contestant, taken in turns", min=1)
    seconds: float = flag(3.0, "minimum seconds per measurement", above=0)
    batch_size: int | None = flag(None, "images per step", min=1, unset=f"the network's own; for input, {INPUT_BATCH}")
    precision: str = flag("f32", "dtype of the computation; bf16 is autocast in PyTorch", choices=("f32", "bf16"))
    augment: bool = flag(False, "flip and crop images in jaxdl's step; the other contestants never do", on_only=True)
    dataset: str = flag("cifar10", "for accuracy: dataset to train on", choices=("cifar10", "digits", "folder"))
    data_dir: str | None = flag(
        None, "for accuracy: folder of the dataset", unset="for CIFAR-10, TFDS's default folder", path=True
    )
    target: float = flag(0.612, "for accuracy: test accuracy to reach, from 0 to 1", above=0, below=1)
    seeds: int = flag(1, "for accuracy: trainings of each contestant, one per seed", min=1)
    budget: float = flag(600.0, "for accuracy: seconds of training after which a contestant is stopped", above=0)
    threads: int | None = flag(None, "CPU cores per contestant", min=1, unset="all")
    out: str | None = flag(None, "file to write", unset="benchmark-<time>.json", path=True)

    def __post_init__(self) -> None:
        check(self)

    @property
    def own_flags(self) -> tuple[str, ...]:
        """The fields that the subject takes."""
        return ("subject", "out", *FOLDERS[self.subject].FLAGS[self.subject])

    @property
    def models(self) -> tuple[str, ...]:
        """The networks that are measured, "" where the subject has none. Raises UserError for an unknown one."""
        if "model" not in self.own_flags:
            return ("",)
        usual = (startup.MODEL,) if self.subject == "start" else tuple(CLASSIFIERS)
        known = CLASSIFIERS if self.subject == "layers" else NETWORKS
        return _listed(self.model, "model", tuple(known)) or usual

    def tasks(self, model: str) -> list[Job]:
        """The contestants that are to run, in order. Raises UserError for an unknown one."""
        known, usual, learns = names(self.subject), None, self.subject == "accuracy"
        if learns:
            from jaxdl.run.recipes import RECIPES

            known, usual = (*known, *RECIPES), accuracy.USUAL
        return [
            Job(
                subject=self.subject,
                contestant=name,
                model=model,
                batch_size=None if learns else self.images_a_step(model),
                precision=self.precision,
                augment=self.augment and name == OURS,
                threads=self.threads,
                dataset=self.dataset if learns else "",
                data_dir=self.data_dir if learns else None,
            )
            for name in _listed(self.contestants, "contestant", known, epochs=learns) or usual or known
        ]

    def images_a_step(self, model: str) -> int:
        """As the flag says, or as is usual for the network; "" where there is none."""
        return self.batch_size or (NETWORKS[model].batch_size if model else INPUT_BATCH)

    def settled(self, given: frozenset[str]) -> Path:
        """The file to write. Raises UserError for flags that do not go together, or cannot be done here."""
        for name in (field.name for field in dataclasses.fields(self)):
            if name in given and name not in self.own_flags:
                raise UserError(f"{flag_name(name)} is not for --subject {self.subject}; leave it out.")
        if self.threads is not None and not hasattr(os, "sched_setaffinity"):
            raise UserError("--threads needs Linux, where a process can be kept to some cores; leave it out.")
        if self.threads is not None and self.threads > machine.cores():
            raise UserError(f"--threads must be at most {machine.cores()}, the number of cores, got {self.threads}.")
        for model in self.models:
            self.tasks(model)
        out = Path(self.out or time.strftime("benchmark-%Y%m%d-%H%M%S.json"))
        if out.exists():
            raise UserError(f"{out} exists; nothing is overwritten. Name another file with --out.")
        if not out.parent.is_dir():
            raise UserError(f"there is no folder {out.parent} to write {out.name} in.")
        if not os.access(out.parent, os.W_OK):
            raise UserError(f"nothing can be written in the folder {out.parent}. Name another file with --out.")
        return out


def _listed(text: str | None, kind: str, known: tuple[str, ...], *, epochs: bool = False) -> tuple[str, ...]:
    """The names in ``text``, each once, in the order given. epochs: a name may be followed by a colon and a number."""
    names = tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))
    if text is not None and not names:
        raise UserError(f"--{kind} names nothing; known: {', '.join(known)}.")
    for name in names:
        plain, colon, number = name.partition(":") if epochs else (name, "", "")
        if plain not in known:
            raise unknown(kind, plain, known)
        if colon and not (number.isdecimal() and number.isascii() and int(number) > 0):
            raise UserError(f"{name}: after the colon comes a number of epochs, as in {plain}:4.")
    return names
