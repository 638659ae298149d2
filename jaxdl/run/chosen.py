"""The network that a command is about: a run's, at one of its checkpoints, or pretrained weights without any run."""

import contextlib
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdl import models
from jaxdl.data.framing import INTERPOLATIONS
from jaxdl.errors import UserError
from jaxdl.run import recorded, told_by_weights
from jaxdl.run.channels import channels_of
from jaxdl.run.config import MOST_SIDE, TORCHVISION
from jaxdl.run.flags import check, flag
from jaxdl.wording import printable

if TYPE_CHECKING:
    from jaxdl.run.finished_run import FinishedRun

LAST, BEST = "last", "best"


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Flags that name the network; those of a command about one begin with them."""

    run: str = flag("", "folder of the run; not with --model", positional=True, optional=True, path=True)
    checkpoint: str = flag(
        LAST, "checkpoint of the run: last, best (by validation accuracy), or the number of its updates", value="WHICH"
    )
    model: str | None = flag(
        None,
        "network to use without a run, with --pretrained",
        choices=(*models.names(), *models.SEGMENTERS),
        unset="the run's, or that of an exported folder or a file of torchvision's",
    )
    backbone: str | None = flag(
        None, "with --model fcn, deeplabv3 or lraspp: the classifier whose maps they take", unset="as of training"
    )
    output_stride: int | None = flag(
        None, "with the same: pixels of a picture for a place of the last map, 4, 8, 16 or 32", unset="as of training"
    )
    width: int | None = flag(
        None, "with --model unet: features of the first level", min=1, max=1024, unset="as of training"
    )
    pretrained: str | None = flag(
        None, "weights of --model: a .pth, .pt or .safetensors file, an exported folder, or torchvision", path=True
    )
    weights_key: str | None = flag(
        None,
        "which of several state dicts in the file of --pretrained: its key, raw, or ema (an average of the weights)",
        unset="the trained weights",
        value="KEY",
    )
    classes: str | None = flag(
        None,
        "with --model: text file with the name of a class a line",
        unset="those of the weights",
        path=True,
    )
    stem: str | None = flag(
        None, "with --model: first layers, if it has a choice", choices=models.STEMS, unset="as the weights fit"
    )
    image_size: int | None = flag(
        None, "with --model: height and width of its images", min=1, max=MOST_SIDE, unset="the weights'"
    )
    resize: int | None = flag(
        None,
        "with --model: shorter side before the centre is cut out, which a segmenter does not; 0: stretch, or of a "
        "segmenter as pictures are",
        min=0,
        unset="the weights'",
    )
    interpolation: str | None = flag(
        None, "with --model: by which pictures are resized", choices=INTERPOLATIONS, unset="the weights'"
    )
    normalize: str | None = flag(
        None, "with --model: weights, imagenet, none, or MEAN/STD", unset="the weights'", value="HOW"
    )
    transform_input: bool | None = flag(
        None,
        "with --model googlenet or inception_v3: rescale inputs to [-1, 1], as torchvision's weights expect",
        unset="only with those weights",
    )
    offline: bool = flag(False, "download nothing", on_only=True)

    def __post_init__(self) -> None:
        check(self)
        if self.normalize is not None:
            channels_of(self.normalize)
        if self.model is None and self.pretrained not in (None, TORCHVISION):
            object.__setattr__(self, "model", told_by_weights.model_of(Path(self.pretrained)))
        if self.weights_key == "":
            raise UserError("--weights-key is empty. Name a state dict of the file, or leave the flag out.")
        if self.checkpoint not in (LAST, BEST) and not (self.checkpoint.isascii() and self.checkpoint.isdigit()):
            raise UserError(
                f"--checkpoint must be {LAST}, {BEST} or a number of updates, got {printable(self.checkpoint)!r:.40}."
            )

    def check_there(self, given: frozenset[str]) -> None:
        """Raises UserError where no network is named, or two, or what is named is not there; imports no JAX."""
        if self.model is None:
            alone = sorted(given & set(WITHOUT_RUN))
            if "pretrained" in alone:
                say = "resnet50"
                if self.pretrained != TORCHVISION:
                    say = told_by_weights.check_weights(self.pretrained)
                raise UserError(
                    f"{printable(self.pretrained)} does not tell its network: name it with --model, say {say}."
                )
            if alone:
                flags = ", ".join("--" + name.replace("_", "-") for name in alone)
                raise UserError(f"{flags} is for a network without a run: name it with --model, or leave the flag out.")
            if "run" not in given:
                raise UserError("name the folder of a run, or a network with --model and --pretrained.")
            if told_by_weights.is_weights(Path(self.run)):
                where = printable(self.run)
                raise UserError(f"{where} is no run but weights: --pretrained {where}, and leave the run out.")
            recorded.read_finished(self.run)
            return
        if self.run:
            raise UserError(f"the run {printable(self.run)} and --model are two networks; give one.")
        if "checkpoint" in given:
            raise UserError("--checkpoint is for a run's network, and --model for one without a run; give one.")
        if self.pretrained is None:
            raise UserError(f"--model {self.model} needs its weights: --pretrained FILE, or {TORCHVISION}.")
        if self.pretrained == TORCHVISION:
            told_by_weights.check_published(self.model, backbone=False)
        for name in ("pretrained", "classes"):
            path = getattr(self, name)
            if path not in (None, TORCHVISION) and not Path(path).exists():
                raise UserError(f"cannot read {printable(path)} (No such file or directory).")

    def check_whole(self) -> None:
        """Raises UserError for a size of a segmenter's pictures, which it sees whole."""
        if self.model in models.SEGMENTERS and self.image_size is not None:
            raise UserError("--image-size is for classifiers: a segmenter sees whole pictures. Give --resize instead.")

    def load(self, *, classifier: bool = True) -> "FinishedRun":
        """The network; raises UserError for what cannot be read. classifier: see ``without_run.load``."""
        from jaxdl.run import finished_run, without_run  # with which comes JAX

        if self.model is None:
            return finished_run.load(self.run, checkpoint=self.checkpoint)
        with contextlib.redirect_stdout(sys.stderr):  # what it says of the weights is no answer of the command
            given = {name: getattr(self, name) for name in ("model", *WITHOUT_RUN)}
            given = {name: value for name, value in given.items() if value is not None}
            return without_run.load(offline=self.offline, classifier=classifier, **given)


WITH_EITHER = ("run", "checkpoint", "model", "offline")
WITHOUT_RUN = tuple(field.name for field in dataclasses.fields(NetworkOptions) if field.name not in WITH_EITHER)
