"""A run's configuration: one frozen dataclass whose every field is a flag, its default and its one-line help."""

from dataclasses import dataclass

from jaxdl import losses, models, optim
from jaxdl.data import sources
from jaxdl.data.framing import INTERPOLATIONS
from jaxdl.errors import UserError
from jaxdl.run import flags
from jaxdl.run.channels import channels_of
from jaxdl.run.duration import seconds_of
from jaxdl.run.flags import check, flag
from jaxdl.train import parallel

PRECISIONS = ("f32", "bf16")
ON_NAN = ("stop", "skip")
MOST_SIDE = 4096  # pixels of an image: what a network makes of a larger one takes all memory
TORCHVISION = "torchvision"  # as a value of --pretrained: the file that torchvision publishes for the model
SCHEDULES = tuple(name for name in optim.SCHEDULES if name != "multistep")  # whose milestones no flag could say


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what a run computes, and where it goes."""

    recipe: str = flag("quick", "named set of defaults for the flags below", group="most used")
    dataset: str = flag("auto", "auto: CIFAR-10, or digits if it cannot be downloaded", choices=sources.NAMES)
    data_dir: str | None = flag(None, "folder of the dataset", unset="TFDS's default folder", path=True, resumable=True)
    model: str = flag("quick_cnn", "network architecture", choices=tuple(models.names()))
    pretrained: str | None = flag(
        None,
        "initial weights: a .pth, .pt or .safetensors file, an exported folder, or torchvision (its ImageNet weights)",
        path=True,
    )
    weights_key: str | None = flag(
        None,
        "which of several state dicts in the file of --pretrained: its key, raw, or ema (an average of the weights)",
        unset="the trained weights",
        value="KEY",
    )
    epochs: float = flag(
        10, "number of epochs, 1 or more, possibly fractional; also the length of the schedule", min=1, resumable=True
    )
    batch_size: int = flag(256, "images per update, over all devices", min=1)
    lr: float = flag(0.1, "peak learning rate", above=0, sweepable=True)
    out: str | None = flag(
        None, "folder of the run", unset="runs/<dataset>-<recipe>-<time>", path=True, resumable=True, setting=False
    )
    resume: bool = flag(False, "continue the run in --out", on_only=True, resumable=True, setting=False)
    offline: bool = flag(False, "download nothing", on_only=True, group="data", resumable=True)
    image_size: int = flag(
        32,
        "dataset folder: height and width of the images; pretrained weights bring their own unless this is given",
        min=1,
        max=MOST_SIDE,
    )
    resize: int | None = flag(
        None,
        "dataset folder: bring the shorter side to this, then cut out the centre of --image-size; 0: stretch instead",
        min=0,
        unset="as the pretrained weights' pictures, or 0",
    )
    interpolation: str | None = flag(
        None,
        "dataset folder: by which pictures are resized",
        choices=INTERPOLATIONS,
        unset=f"the pretrained weights', or {INTERPOLATIONS[0]}",
    )
    val_size: int | None = flag(None, "training examples held out for validation", min=0, unset="a tenth of them")
    stream: bool | None = flag(
        None,
        "dataset folder: decode pictures when a batch needs them",
        unset="if they would take over half the memory",
        in_sweep=False,
    )
    workers: int = flag(
        0, "processes that decode streamed pictures; 0: threads of this process", min=0, resumable=True, in_sweep=False
    )
    resident: bool | None = flag(
        None,
        "keep the training images in device memory and run many steps per call",
        unset="on a single accelerator, if they fit",
        resumable=True,
        in_sweep=False,
    )
    stem: str | None = flag(
        None,
        "first layers: cifar for images of 32 pixels, imagenet for 224; not every network has both",
        choices=models.STEMS,
        unset="cifar, or as in the pretrained weights",
        group="network",
    )
    transform_input: bool | None = flag(
        None,
        "googlenet, inception_v3: rescale inputs to [-1, 1], as torchvision's weights expect",
        unset="only with those weights",
    )
    freeze: str | None = flag(
        None, "layers to freeze: backbone (all but the classifier), or name patterns, comma-separated", unset="none"
    )
    cache_features: bool = flag(
        False,
        "with --freeze backbone: take all images through the network once, without augmentation, and train the "
        "classifier on what it sees of them",
        on_only=True,
        in_sweep=False,
    )
    precision: str = flag("f32", "dtype of the computation; parameters and loss are f32", choices=PRECISIONS)
    steps: int | None = flag(
        None,
        "stop after this many updates; the schedule is unchanged",
        min=1,
        unset="no limit",
        group="training",
        resumable=True,
    )
    budget: str | None = flag(
        None,
        "time until the test, as 90s, 5m or 1h30m: the speed of this machine is measured, and epochs set to what fits",
        unset="as many epochs as asked for",
        value="TIME",
        in_sweep=False,
        setting=False,
    )
    seed: int = flag(0, "random seed of everything", min=0, below=2**32, sweepable=True)
    loss: str = flag(
        "cross_entropy",
        "loss that training minimizes; validation and test always measure cross_entropy",
        choices=tuple(losses.BY_NAME),
    )
    accumulate: int = flag(1, "gradient accumulation: process each batch in this many parts, in less memory", min=1)
    patience: int | None = flag(
        None,
        "early stopping, after this many epochs without a better validation accuracy",
        min=1,
        unset="never",
        resumable=True,
        in_sweep=False,
    )
    on_nan: str = flag(
        "stop", "on a non-finite loss or gradient: stop, or skip and count the update", choices=ON_NAN, resumable=True
    )
    check: bool = flag(
        False, "check the data and the network, and exit before training", on_only=True, in_sweep=False, setting=False
    )
    optimizer: str = flag("sgd", "optimizer", choices=optim.OPTIMIZERS, group="optimizer")
    momentum: float = flag(0.9, "momentum of sgd, rmsprop and muon", min=0, below=1, sweepable=True)
    nesterov: bool = flag(True, "Nesterov momentum, for sgd and muon")
    beta1: float = flag(0.9, "adam, adamw, nadam: decay of the average of gradients", min=0, below=1)
    beta2: float = flag(0.999, "adam, adamw, nadam: decay of the average of their squares", min=0, below=1)
    eps: float | None = flag(
        None, "term added to the denominator, for all but sgd, muon and lbfgs", above=0, unset="as in PyTorch"
    )
    rest_lr: float = flag(0.1, "with muon: peak learning rate of sgd for all but convolution kernels", above=0)
    rest_momentum: float = flag(0.9, "with muon: momentum of that sgd", min=0, below=1)
    bias_lr_factor: float = flag(
        1.0, "learning-rate multiplier for biases of norm layers, not for their decay", above=0
    )
    layer_decay: float | None = flag(
        None,
        "fine-tuning: learning rate of each block of layers over that of the block behind it, as 0.75",
        above=0,
        max=1,
        unset="the same for all",
        in_sweep=False,
    )
    whiten_bias_epochs: float | None = flag(
        None, "epochs after which a whitening layer's bias is frozen", above=0, unset="never"
    )
    clip_norm: float | None = flag(
        None, "clip the gradient to this global norm", above=0, unset="no clipping", sweepable=True
    )
    clip_value: float | None = flag(
        None, "clip each element of the gradient to [-X, X]", above=0, unset="no clipping", sweepable=True
    )
    ema: float | None = flag(
        None,
        "evaluate an exponential moving average of the parameters with this decay",
        min=0,
        below=1,
        unset="no average",
    )
    lookahead: float | None = flag(
        None,
        "Lookahead: every fifth update, set parameters to their slow average; this is its final decay",
        min=0,
        below=1,
        unset="off",
    )
    schedule: str = flag(
        "cosine", "learning-rate schedule after the warm-up", choices=SCHEDULES, group="learning rate schedule"
    )
    warmup_epochs: float = flag(0.0, "epochs of linear warm-up of the learning rate", min=0)
    warmup_start: float = flag(0.0, "learning rate at the start of the warm-up, as a fraction of the peak", min=0)
    lr_end: float = flag(0.0, "schedule linear: final learning rate, as a fraction of the peak", min=0)
    decay_epochs: float = flag(30.0, "schedule step: epochs between two drops", above=0)
    gamma: float = flag(0.1, "learning-rate multiplier: per drop of schedule step, per epoch of exponential", above=0)
    weight_decay: float = flag(
        0.0, "decoupled weight decay, as in AdamW; on kernels only", min=0, group="regularization", sweepable=True
    )
    l2: float = flag(
        0.0, "weight decay added to the gradient, as in PyTorch's SGD and Adam; on kernels only", min=0, sweepable=True
    )
    decay_biases: bool = flag(False, "apply both weight decays to biases and norm layers too, as PyTorch does")
    label_smoothing: float = flag(
        0.0, "fraction of the target spread evenly over all classes", min=0, below=1, sweepable=True
    )
    normalize: str | None = flag(
        None,
        "standardize channels as the pretrained weights' pictures were (weights), to mean 0 and variance 1 (data), by "
        "ImageNet's statistics (imagenet), by MEAN/STD as 0.5,0.5,0.5/0.2,0.2,0.2, or leave pixels in [0, 1] (none)",
        unset="weights, or data without any",
        value="HOW",
        group="augmentation",
    )
    flip: bool = flag(True, "flip training images horizontally at random")
    alternate_flips: bool = flag(False, "flip each image in every other epoch instead of at random")
    crop_padding: int = flag(4, "random crops: shift training images by up to this many pixels", min=0)
    crop_scale: float = flag(
        1.0,
        "random crops of this share of a training image or more, resized to it (RandomResizedCrop); 1: none",
        above=0,
        max=1,
    )
    cutout: int = flag(0, "side in pixels of a random square blanked in training images; 0: none", min=0)
    mixup: float = flag(
        0.0, "alpha of mixup; 0: off. With --cutmix too, each batch uses one of the two at random", min=0
    )
    cutmix: float = flag(0.0, "alpha of cutmix; 0: off", min=0)
    test_flip: bool = flag(
        False, "evaluation: average the logits of each image and its mirror image", group="evaluation"
    )
    test_crops: bool = flag(False, "evaluation: average in two one-pixel shifts too, for half of the weight")
    parallel: str = flag(
        "auto",
        "how to use devices; auto: a mesh of all accelerators, or the CPU",
        choices=parallel.KINDS,
        group="devices and processes",
        resumable=True,
        in_sweep=False,
    )
    mesh: str | None = flag(
        None,
        "shape of the device mesh, such as data=4,fsdp=2: both split the batch, fsdp large parameters too",
        unset="all devices in data",
        value="SHAPE",
        resumable=True,
        in_sweep=False,
    )
    coordinator: str | None = flag(
        None,
        "train with other processes: HOST:PORT of process 0; auto on Slurm, Open MPI, Kubernetes, TPU pods",
        value="ADDRESS",
        per_process=True,
        in_sweep=False,
    )
    process_id: int | None = flag(
        None, "number of this process, from 0, with --coordinator HOST:PORT", min=0, per_process=True, in_sweep=False
    )
    num_processes: int | None = flag(
        None, "number of processes, with --coordinator HOST:PORT", min=1, per_process=True, in_sweep=False
    )
    checkpoint_every: int | None = flag(
        None, "updates between checkpoints", min=1, unset="one epoch", group="output", resumable=True, in_sweep=False
    )
    report: bool = flag(
        True,
        "write figures, all predictions and an HTML page, and images for TensorBoard",
        resumable=True,
        setting=False,
    )
    histograms: bool = flag(
        False,
        "log histograms of parameters and gradients to TensorBoard each epoch",
        resumable=True,
        in_sweep=False,
        setting=False,
    )

    def __post_init__(self) -> None:
        if self.epochs % 1 == 0:
            object.__setattr__(self, "epochs", int(self.epochs))  # is printed and stored as the whole number that it is
        check(self)
        if self.normalize is not None:
            channels_of(self.normalize)
        if self.budget is not None:
            try:
                seconds_of(self.budget)
            except UserError as error:
                raise UserError(f"--budget: {error}") from None
            if not seconds_of(self.budget):
                raise UserError(f"--budget must be greater than 0, got {self.budget}.")


RESUMABLE = flags.names(Config, "resumable")
PER_PROCESS = flags.names(Config, "per_process")
SWEEPABLE = flags.names(Config, "sweepable")
