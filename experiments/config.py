"""A run's configuration: one frozen dataclass whose every field is a flag, its default and its one-line help."""

import argparse
import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Any

from jaxdl import models, optim
from jaxdl.data import sources
from jaxdl.errors import UserError, unknown

PRECISIONS = ("f32", "bf16")
SCHEDULES = tuple(name for name in optim.SCHEDULES if name != "multistep")  # whose milestones no flag could say


def _flag(
    default: Any,
    text: str,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
    unset: str = "none",
) -> Any:
    metadata = {"help": text, "least": least, "above": above, "below": below, "choices": choices, "unset": unset}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what a run computes, and where it goes."""

    recipe: str = _flag("quick", "named set of defaults for the flags below")
    dataset: str = _flag("auto", "auto: CIFAR-10, or digits where it cannot be had", choices=sources.NAMES)
    data_dir: str | None = _flag(None, "where the data lies", unset="TFDS's own folder")
    offline: bool = _flag(False, "never use the network")
    image_size: int = _flag(32, "pixels a side of the pictures in a folder", least=1)
    val_size: int | None = _flag(None, "training examples held out for validation", least=0, unset="a tenth")
    model: str = _flag("quick_cnn", "network", choices=tuple(models.names()))
    stem: str = _flag(
        "cifar", "first layers of networks that have a choice: for images of 32 or 224 pixels", choices=models.STEMS
    )
    pretrained: str | None = _flag(
        None, "file of PyTorch's weights to start from: .pth, .pt, .safetensors", unset="none"
    )
    freeze: str | None = _flag(
        None, "layers that are not trained: backbone, all but the classifier; or patterns, by comma", unset="none"
    )
    epochs: int = _flag(10, "passes over the training split; the schedule's length", least=1)
    steps: int | None = _flag(
        None, "end after this many updates, wherever the schedule stands", least=1, unset="no limit"
    )
    batch_size: int = _flag(256, "images an update", least=1)
    optimizer: str = _flag("sgd", "optimizer", choices=optim.OPTIMIZERS)
    lr: float = _flag(0.1, "peak learning rate", above=0)
    momentum: float = _flag(0.9, "momentum of sgd and rmsprop", least=0, below=1)
    nesterov: bool = _flag(True, "Nesterov's form of momentum, of sgd")
    schedule: str = _flag("cosine", "learning rate after warm-up", choices=SCHEDULES)
    warmup_epochs: float = _flag(0.0, "epochs over which the learning rate rises", least=0)
    decay_epochs: float = _flag(30.0, "epochs between the drops of schedule step", above=0)
    gamma: float = _flag(0.1, "factor of schedule step at each drop, of exponential each epoch", above=0)
    weight_decay: float = _flag(0.0, "decoupled weight decay, of kernels only", least=0)
    l2: float = _flag(0.0, "weight decay added to the gradient, as PyTorch's sgd and adam do", least=0)
    clip_norm: float | None = _flag(None, "largest global norm of the gradient", above=0, unset="no clipping")
    clip_value: float | None = _flag(None, "largest element of the gradient", above=0, unset="no clipping")
    accumulate: int = _flag(1, "parts in which a batch goes through the model, to save memory", least=1)
    ema: float | None = _flag(
        None, "evaluate an exponential average of the parameters, of this decay", least=0, below=1, unset="no average"
    )
    patience: int | None = _flag(
        None, "stop after so many epochs without a better validation accuracy", least=1, unset="never"
    )
    label_smoothing: float = _flag(0.0, "share of the target spread over all classes", least=0, below=1)
    flip: bool = _flag(True, "mirror training images at random")
    crop_padding: int = _flag(4, "shift training images by up to so many pixels", least=0)
    cutout: int = _flag(0, "side of a square blanked in training images", least=0)
    mixup: float = _flag(0.0, "alpha of mixup; with cutmix too, one of the two a batch", least=0)
    cutmix: float = _flag(0.0, "alpha of cutmix", least=0)
    normalize: bool = _flag(True, "bring channels to mean 0 and variance 1 rather than to [0, 1]")
    test_flip: bool = _flag(False, "evaluate each image and its mirror image, averaging logits")
    precision: str = _flag("f32", "of the computation; parameters and loss are f32", choices=PRECISIONS)
    seed: int = _flag(0, "of everything random", least=0)
    out: str | None = _flag(None, "folder of the run", unset="runs/<dataset>-<recipe>-<time>")
    resume: bool = _flag(False, "continue the run in --out")
    checkpoint_every: int | None = _flag(None, "updates between checkpoints", least=1, unset="one epoch")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))


# What may differ when a run is resumed; anything else would make it another run.
RESUMABLE = ("data_dir", "offline", "epochs", "steps", "patience", "out", "resume", "checkpoint_every")


def parse(argv: list[str], recipes: typing.Mapping[str, Config], command: str) -> tuple[Config, frozenset[str]]:
    """The configuration that the flags ask for, and the names of those that were given.

    Raises UserError for what is not understood. ``--help`` prints and exits.
    """
    first = _Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe", default="quick")
    name = first.parse_known_args([word for word in argv if word != "--"])[0].recipe
    if name not in recipes:
        raise unknown("recipe", name, recipes)
    base = recipes[name]
    parser = _Parser(
        prog=f"python -m {command}",
        description=f"Train an image classifier. Defaults are those of --recipe {name}; recipes: {', '.join(recipes)}.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=110),
    )
    for field in dataclasses.fields(Config):
        _add(parser, field, getattr(base, field.name))
    values, rest = parser.parse_known_args(argv)
    for word in rest:
        if word.startswith("-"):
            flags = [option for action in parser._actions for option in action.option_strings]
            raise unknown("flag", word.split("=")[0], flags, listed=False)
        raise UserError(f"unexpected argument {word!r}; every setting is a flag, see --help.")
    given = vars(values)
    return dataclasses.replace(base, **given), frozenset(given)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise UserError(message.replace("argument --", "--", 1) + ".")


def _type(field: dataclasses.Field) -> type:
    if isinstance(field.type, types.UnionType):
        return next(kind for kind in typing.get_args(field.type) if kind is not types.NoneType)
    return field.type


def flag_name(field_name: str) -> str:
    """``batch_size`` -> ``--batch-size``."""
    return "--" + field_name.replace("_", "-")


def _add(parser: argparse.ArgumentParser, field: dataclasses.Field, default: Any) -> None:
    about = field.metadata
    shown = about["unset"] if default is None else default
    choices = f"; one of {', '.join(about['choices'])}" if about["choices"] else ""
    if _type(field) is bool:
        on_only = field.name in ("offline", "resume")
        action = "store_true" if on_only else argparse.BooleanOptionalAction
        shown = {True: "yes", False: "no"}[default]
        parser.add_argument(flag_name(field.name), action=action, help=f"{about['help']} (default: {shown})")
    else:
        name = {int: "N", float: "X", str: "PATH" if field.name in ("out", "data_dir", "pretrained") else "NAME"}[
            _type(field)
        ]
        text = f"{about['help']}{choices} (default: {shown})"
        parser.add_argument(flag_name(field.name), type=_type(field), metavar=name, help=text)


def _check(field: dataclasses.Field, value: Any) -> None:
    if value is None:
        return
    about, flag = field.metadata, flag_name(field.name)
    if about["choices"] and value not in about["choices"]:
        raise unknown(flag.removeprefix("--"), value, about["choices"])
    limits = [
        (about["least"], lambda limit: value >= limit, "at least"),
        (about["above"], lambda limit: value > limit, "greater than"),
        (about["below"], lambda limit: value < limit, "less than"),
    ]
    if _type(field) is float and not math.isfinite(value):
        raise UserError(f"{flag} must be a finite number, got {value}.")
    for limit, holds, words in limits:
        if limit is not None and not holds(limit):
            raise UserError(f"{flag} must be {words} {limit}, got {value}.")
