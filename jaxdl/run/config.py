"""A run's configuration: one frozen dataclass whose every field is a flag, its default and its one-line help."""

import typing
from dataclasses import dataclass

from jaxdl import models, optim
from jaxdl.data import sources
from jaxdl.errors import unknown
from jaxdl.run import flags
from jaxdl.run.flags import check, flag
from jaxdl.train import parallel

PRECISIONS = ("f32", "bf16")
ON_NAN = ("stop", "skip")
TORCHVISION = "torchvision"  # as a value of --pretrained: the file that torchvision publishes for the model
OPTIMIZERS = (*optim.OPTIMIZERS, "muon")
SCHEDULES = tuple(name for name in optim.SCHEDULES if name != "multistep")  # whose milestones no flag could say


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what a run computes, and where it goes."""

    recipe: str = flag("quick", "named set of defaults for the flags below")
    dataset: str = flag("auto", "auto: CIFAR-10, or digits where it cannot be had", choices=sources.NAMES)
    data_dir: str | None = flag(None, "where the data lies", unset="TFDS's own folder", path=True)
    offline: bool = flag(False, "never use the network", on_only=True)
    image_size: int = flag(32, "pixels a side of the pictures in a folder", least=1)
    stream: bool | None = flag(
        None, "read a folder's pictures as they are needed", unset="where they would take half the memory"
    )
    resident: bool | None = flag(
        None,
        "keep the training images on the device and make many updates in one program",
        unset="on one accelerator, where they fit",
    )
    workers: int = flag(0, "processes that read streamed pictures, rather than threads of this one", least=0)
    val_size: int | None = flag(None, "training examples held out for validation", least=0, unset="a tenth")
    model: str = flag("quick_cnn", "network", choices=tuple(models.names()))
    stem: str | None = flag(
        None,
        "first layers of networks that have a choice: for images of 32 or 224 pixels",
        choices=models.STEMS,
        unset="cifar, or that of the weights",
    )
    pretrained: str | None = flag(
        None, "PyTorch's weights to start from: a .pth, .pt or .safetensors file, or torchvision", path=True
    )
    transform_input: bool | None = flag(
        None,
        "of googlenet and inception_v3: bring pixels to [-1, 1], as torchvision's weights saw them",
        unset="for those weights",
    )
    freeze: str | None = flag(
        None, "layers that are not trained: backbone, all but the classifier; or patterns, by comma", unset="none"
    )
    epochs: float = flag(10, "passes over the training split, the last maybe a part; the schedule's length", least=1)
    steps: int | None = flag(
        None, "end after this many updates, wherever the schedule stands", least=1, unset="no limit"
    )
    batch_size: int = flag(256, "images an update", least=1)
    optimizer: str = flag("sgd", "optimizer", choices=OPTIMIZERS)
    lr: float = flag(0.1, "peak learning rate", above=0)
    momentum: float = flag(0.9, "momentum of sgd, rmsprop and muon", least=0, below=1)
    nesterov: bool = flag(True, "Nesterov's form of momentum, of sgd and muon")
    rest_lr: float = flag(0.1, "peak learning rate of sgd for what muon leaves, all but convolutions' kernels", above=0)
    rest_momentum: float = flag(0.9, "momentum of that sgd", least=0, below=1)
    bias_lr_factor: float = flag(1.0, "learning rate of norms' biases over that of the rest; decay stays", above=0)
    whiten_bias_epochs: float | None = flag(
        None, "epochs in which a whitening layer's bias is trained", above=0, unset="all"
    )
    schedule: str = flag("cosine", "learning rate after warm-up", choices=SCHEDULES)
    warmup_epochs: float = flag(0.0, "epochs over which the learning rate rises", least=0)
    warmup_start: float = flag(0.0, "share of the learning rate from which it rises", least=0)
    lr_end: float = flag(0.0, "share of the learning rate to which schedule linear falls", least=0)
    decay_epochs: float = flag(30.0, "epochs between the drops of schedule step", above=0)
    gamma: float = flag(0.1, "factor of schedule step at each drop, of exponential each epoch", above=0)
    weight_decay: float = flag(0.0, "decoupled weight decay, of kernels only", least=0)
    l2: float = flag(0.0, "weight decay added to the gradient, as PyTorch's sgd and adam do", least=0)
    decay_biases: bool = flag(False, "let weight decay of both kinds reach biases and norms too, as PyTorch does")
    clip_norm: float | None = flag(None, "largest global norm of the gradient", above=0, unset="no clipping")
    clip_value: float | None = flag(None, "largest element of the gradient", above=0, unset="no clipping")
    accumulate: int = flag(1, "parts in which a batch goes through the model, to save memory", least=1)
    ema: float | None = flag(
        None, "evaluate an exponential average of the parameters, of this decay", least=0, below=1, unset="no average"
    )
    lookahead: float | None = flag(
        None, "return to a slow average each fifth update, of this decay at the end", least=0, below=1, unset="never"
    )
    patience: int | None = flag(
        None, "stop after so many epochs without a better validation accuracy", least=1, unset="never"
    )
    label_smoothing: float = flag(0.0, "share of the target spread over all classes", least=0, below=1)
    flip: bool = flag(True, "mirror training images at random")
    alternate_flips: bool = flag(False, "mirror each image in every other epoch rather than at random")
    crop_padding: int = flag(4, "shift training images by up to so many pixels", least=0)
    cutout: int = flag(0, "side of a square blanked in training images", least=0)
    mixup: float = flag(0.0, "alpha of mixup; with cutmix too, one of the two a batch", least=0)
    cutmix: float = flag(0.0, "alpha of cutmix", least=0)
    normalize: bool = flag(True, "bring channels to mean 0 and variance 1 rather than to [0, 1]")
    test_flip: bool = flag(False, "evaluate each image and its mirror image, averaging logits")
    test_crops: bool = flag(False, "evaluate two shifts by a pixel too, together as much as what is not shifted")
    on_nan: str = flag("stop", "at an update that is not finite; skip leaves it out and counts it", choices=ON_NAN)
    precision: str = flag("f32", "of the computation; parameters and loss are f32", choices=PRECISIONS)
    seed: int = flag(0, "of everything random", least=0, below=2**32)
    parallel: str = flag("auto", "devices: all accelerators, or the one CPU", choices=parallel.KINDS)
    mesh: str | None = flag(
        None,
        "devices over which batches and large parameters are divided: data=4,fsdp=2",
        unset="all, for batches",
        value="SHAPE",
    )
    coordinator: str | None = flag(
        None,
        "join other processes: HOST:PORT of process 0; or auto on Slurm, Open MPI, Kubernetes and TPU pods",
        value="ADDRESS",
    )
    process_id: int | None = flag(None, "this process's number, with --coordinator HOST:PORT", least=0)
    num_processes: int | None = flag(None, "how many there are, with --coordinator HOST:PORT", least=1)
    check: bool = flag(False, "look at data and network before any training, and train nothing", on_only=True)
    out: str | None = flag(None, "folder of the run", unset="runs/<dataset>-<recipe>-<time>", path=True)
    resume: bool = flag(False, "continue the run in --out", on_only=True)
    checkpoint_every: int | None = flag(None, "updates between checkpoints", least=1, unset="one epoch")
    report: bool = flag(True, "leave figures, every prediction and a page to look at, and pictures for TensorBoard")
    histograms: bool = flag(False, "for TensorBoard, how parameters and gradients are distributed, each epoch")

    def __post_init__(self) -> None:
        if self.epochs % 1 == 0:
            object.__setattr__(self, "epochs", int(self.epochs))  # is printed and stored as the whole number that it is
        check(self)


# What may differ when a run is resumed; anything else would make it another run.
HERE_AND_NOW = ("coordinator", "process_id", "num_processes")  # and what belongs to one process of one start
RESUMABLE = (
    "data_dir", "offline", "epochs", "steps", "patience", "out", "resume", "checkpoint_every", "report", "histograms",
    "workers", "resident", "on_nan", "parallel", "mesh", *HERE_AND_NOW,
)  # fmt: skip


def parse(argv: list[str], recipes: typing.Mapping[str, Config], command: str) -> tuple[Config, frozenset[str]]:
    """The configuration that the flags ask for, and the names of those that were given.

    Raises UserError for what is not understood. ``--help`` prints and exits.
    """
    name = flags.value_of(argv, "--recipe", "quick")
    if name not in recipes:
        raise unknown("recipe", name, recipes)
    about = f"Train an image classifier. Defaults are those of --recipe {name}; recipes: {', '.join(recipes)}."
    return flags.parse(argv, recipes[name], command, about)
