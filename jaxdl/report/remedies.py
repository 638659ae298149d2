"""What to try in each case of a diagnosis, as flags of ``python -m experiments.cifar``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Settings = Mapping[str, object]


@dataclass(frozen=True)
class Remedy:
    """flags: as one would add them to the command; why: what they change."""

    flags: str
    why: str


def remedies(case: str, settings: Settings, *, still_falling: bool = False) -> tuple[Remedy, ...]:
    """What to try for ``case``, the likeliest to help first; what ``settings`` say is done already is left out."""
    found = [remedy(settings) for remedy in BY_CASE[case]]
    if still_falling and case == "underfitting":
        found.insert(0, _longer(settings))
    return tuple(dict.fromkeys(remedy for remedy in found if remedy))


def _scaled(name: str, factor: float, why: str) -> Callable[[Settings], Remedy]:
    """``--name`` at ``factor`` times its value."""

    def remedy(settings: Settings) -> Remedy:
        value = settings.get(name)
        return Remedy(f"{_flag(name)} {value * factor:g}" if value else f"{_flag(name)} X", why)

    return remedy


def _unless(name: str, value: object, why: str) -> Callable[[Settings], Remedy | None]:
    """``--name value`` unless the run has a value there that is not none, naught or no."""

    def remedy(settings: Settings) -> Remedy | None:
        if settings.get(name):
            return None
        return Remedy(_flag(name) if value is True else f"{_flag(name)} {value}", why)

    return remedy


def _other(name: str, value: str, why: str) -> Callable[[Settings], Remedy | None]:
    """``--name value`` unless it has that value."""
    return lambda settings: None if settings.get(name) == value else Remedy(f"{_flag(name)} {value}", why)


def _only_with(name: str, off: str, why: str) -> Callable[[Settings], Remedy | None]:
    """``off`` where the run has ``name``."""
    return lambda settings: Remedy(off, why) if settings.get(name) else None


def _plain(flags: str, why: str) -> Callable[[Settings], Remedy]:
    return lambda settings: Remedy(flags, why)


def _longer(settings: Settings) -> Remedy:
    epochs = settings.get("epochs")
    return Remedy(f"--epochs {2 * epochs}" if epochs else "--epochs N", "trains for longer; the loss was still falling")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


CHECK = _plain("--check", "looks at inputs, labels, the first loss and one batch before any training")
LOWER = _scaled("lr", 0.1, "lowers the learning rate")
DECAY = _other("schedule", "cosine", "lets the learning rate fall to nothing at the end")
CLIP = _unless("clip_norm", 1, "bounds the gradient's norm")
WARMUP = _unless("warmup_epochs", 1, "begins with small updates")
NORMALIZED = _other("model", "resnet18", "has batch norm, ReLU and residual connections")
NORMALIZE = _unless("normalize", True, "brings the inputs to mean 0 and variance 1")
BIGGER = _other("model", "resnet18", "is a larger network, with batch norm and more non-linearity")

BY_CASE: Mapping[str, tuple[Callable[[Settings], Remedy | None], ...]] = {
    "exploding gradients": (LOWER, CLIP, WARMUP, NORMALIZED, CHECK),
    "vanishing gradients": (
        NORMALIZED,
        _other("optimizer", "adamw", "gives every layer updates of the same size"),
        _unless("pretrained", "torchvision", "starts from weights that have learned already, where there are such"),
    ),
    "dead units": (LOWER, WARMUP, NORMALIZED, CLIP),
    "not converging": (
        CHECK,
        LOWER,
        NORMALIZE,
        _other("optimizer", "adamw", "finds its own size of updates"),
        _only_with("mixup", "--mixup 0", "leaves the images as they are"),
        _only_with("cutmix", "--cutmix 0", "leaves the images as they are"),
        _only_with("cutout", "--cutout 0", "leaves the images as they are"),
    ),
    "oscillating": (
        LOWER,
        DECAY,
        _scaled("batch_size", 2, "averages the gradient over more images"),
        _unless("ema", 0.999, "evaluates an average of the parameters"),
        _only_with("mixup", "--mixup 0", "weakens the augmentation"),
        _only_with("cutout", "--cutout 0", "weakens the augmentation"),
    ),
    "overfitting": (
        _unless("flip", True, "mirrors training images"),
        _unless("crop_padding", 4, "shifts training images"),
        _unless("weight_decay", 0.005, "keeps parameters small"),
        _unless("patience", 3, "stops when validation no longer gets better"),
        _unless("label_smoothing", 0.1, "asks for less certainty"),
        _unless("mixup", 0.2, "trains on mixtures of images"),
        _unless("cutout", 8, "blanks a part of each training image"),
        _scaled("lr", 0.5, "lowers the learning rate"),
        _plain("--data-dir DIR", "has more training images"),
    ),
    "underfitting": (
        BIGGER,
        DECAY,
        _other("optimizer", "adamw", "finds its own size of updates"),
        _scaled("lr", 0.5, "lowers the learning rate"),
        _only_with("weight_decay", "--weight-decay 0", "regularises less"),
        _only_with("l2", "--l2 0", "regularises less"),
        _only_with("mixup", "--mixup 0", "augments less"),
        _only_with("cutmix", "--cutmix 0", "augments less"),
        _only_with("label_smoothing", "--label-smoothing 0", "regularises less"),
    ),
    "healthy": (
        _plain(
            "--model mobilenet_v2", "is smaller, by depthwise separable convolutions; see how much it still reaches"
        ),
    ),
}
