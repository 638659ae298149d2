"""Remedies for each case of a diagnosis, as flags of ``jaxdl train``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxdl.report.diagnosis import Progress, Remedy
from jaxdl.transfer.published import PUBLISHED

Settings = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Treated(Progress):
    """Facts about a run on which its remedies depend, beside how it went.

    settings: its flags' values, by field. classes: how many there are. parameters: of its network, all of them; None
    is not known.
    """

    settings: Settings = field(default_factory=dict)
    classes: int = 10
    parameters: int | None = None


class Network(NamedTuple):
    """A network's parameters: those of all but its classes, and of each class."""

    body: int
    each_class: int

    def parameters(self, classes: int) -> int:
        """Number of parameters with that many classes."""
        return self.body + classes * self.each_class


# With the first layers for images of 32 pixels, which changes no number that matters here; by size.
LARGE: Mapping[str, Network] = {
    "resnet18": Network(11_168_832, 513),
    "resnet34": Network(21_276_992, 513),
    "resnet50": Network(23_500_352, 2049),
    "resnet101": Network(42_492_480, 2049),
}
SMALL: Mapping[str, Network] = {  # by depthwise separable convolutions; the largest first
    "mobilenet_v2": Network(2_223_872, 1281),
    "shufflenet_v2_x1_0": Network(1_253_604, 1025),
    "shufflenet_v2_x0_5": Network(341_792, 1025),
}
LARGER = 1.5  # times the parameters at least, for a network to be called larger
SMALLER = 0.6  # of them at most, for one to be called smaller
# Families that have what NORMALIZED promises, or as much of another kind: norms, and ways around the layers.
RESIDUAL = (
    *("convnext", "densenet", "efficientnet", "maxvit", "mnasnet", "mobilenet", "regnet", "resnet", "resnext"),
    *("shufflenet", "swin", "vit", "wide_resnet"),
)
ADAPTIVE = ("adagrad", "adam", "adamw", "adadelta", "nadam", "rmsprop", "lbfgs", "muon")  # size updates by themselves
ADAM_RATE = 0.001  # Adam's usual learning rate: sgd's would blow it up
REMEMBERED = 10  # an average of parameters is to remember at most one in so many of all updates
TREND = 3  # epochs, of fewer of which nobody can say whether more would help
FEW_UPDATES = 200  # in which a network may not have begun to learn
FEWEST_BATCHES = 4  # of an epoch, for a batch of twice the size


def remedies_of(
    settings: Settings, *, classes: int = 10, parameters: int | None = None
) -> Callable[[str, Progress], tuple[Remedy, ...]]:
    """``remedies`` of a run, as ``diagnose`` takes them; its arguments are those of ``Treated``."""
    about = {"settings": settings, "classes": classes, "parameters": parameters}
    return lambda case, progress: remedies(case, Treated(**about, **vars(progress)))


def remedies(case: str, run: Treated) -> tuple[Remedy, ...]:
    """Remedies for ``case``, the likeliest to help first, without those that ``run`` uses already or cannot use."""
    found = [remedy(run) for remedy in BY_CASE[case]]
    return tuple(dict.fromkeys(remedy for remedy in found if remedy))


Choice = Callable[[Treated], Remedy | None]


def _rate(factor: float, why: str) -> Choice:
    """The learning rate at ``factor`` times its value; with Muon both of them."""

    def remedy(run: Treated) -> Remedy:
        names = ("lr", "rest_lr") if run.settings.get("optimizer") == "muon" else ("lr",)
        values = {name: run.settings.get(name) for name in names}
        flags = [f"{_flag(name)} {value * factor:g}" if value else f"{_flag(name)} X" for name, value in values.items()]
        return Remedy(" ".join(flags), why)

    return remedy


def _unless(name: str, value: object, why: str, *, others: tuple[str, ...] = ()) -> Choice:
    """``--name value`` unless the run has a value there, or at one of ``others``, that is not none, naught or no."""

    def remedy(run: Treated) -> Remedy | None:
        if any(run.settings.get(each) for each in (name, *others)):
            return None
        return Remedy(_flag(name) if value is True else f"{_flag(name)} {value}", why)

    return remedy


def _off(name: str, why: str) -> Choice:
    """``--name 0`` where the run has it."""
    return lambda run: Remedy(f"{_flag(name)} 0", why) if run.settings.get(name) else None


def _where(holds: Callable[[Treated], bool], remedy: Choice) -> Choice:
    return lambda run: remedy(run) if holds(run) else None


def _plain(flags: str, why: str) -> Choice:
    return lambda run: Remedy(flags, why)


def _longer(run: Treated) -> Remedy | None:
    """Twice as long, of a run that was getting better when it made its last update, or was too short to tell."""
    epochs, steps = run.settings.get("epochs"), run.settings.get("steps")
    ended = steps and run.steps is not None and run.steps >= steps
    few = run.epochs is not None and run.epochs < TREND
    if not (few or run.still_falling or run.still_improving) or not epochs:
        return None
    if run.epochs is not None and run.epochs < 0.99 * epochs and not ended:
        return None  # it has not come to its end: it is going on, or was stopped
    flags = f"--epochs {2 * epochs:g}" + (f" --steps {2 * steps}" if steps else "")
    if few:
        why = "so few epochs tell little"
    else:
        why = "accuracy was still rising" if run.still_improving else "the loss was still falling"
    return Remedy(flags, f"trains for longer; {why}")


def _larger(run: Treated) -> Remedy | None:
    """The smallest network of ``LARGE`` that is larger than the run's."""
    return _of_size(run, LARGE, lambda theirs, ours: theirs >= LARGER * ours, "is larger", "; more to learn with")


def _smaller(run: Treated) -> Remedy | None:
    """The largest network of ``SMALL`` that is smaller than the run's."""
    return _of_size(run, SMALL, lambda theirs, ours: theirs <= SMALLER * ours, "is smaller", "; see what it reaches")


def _of_size(
    run: Treated, networks: Mapping[str, Network], fits: Callable[[int, int], bool], is_so: str, then: str
) -> Remedy | None:
    ours = run.parameters
    if ours is None and run.settings.get("model") in {**LARGE, **SMALL}:
        ours = {**LARGE, **SMALL}[run.settings["model"]].parameters(run.classes)
    if ours is None or not _may_change_network(run):
        return None
    counts = {name: network.parameters(run.classes) for name, network in networks.items()}
    name = next((name for name, count in counts.items() if fits(count, ours)), None)
    if name is None:
        return None
    sizes = f"{counts[name] / 1e6:.3g} million parameters rather than {ours / 1e6:.3g} million"
    return Remedy(f"--model {name}", f"{is_so}, of {sizes}{then}")


def _normalized(run: Treated) -> Remedy | None:
    if str(run.settings.get("model", "")).startswith(RESIDUAL) or not _may_change_network(run):
        return None
    return Remedy("--model resnet18", "has batch norm, ReLU and residual connections")


def _may_change_network(run: Treated) -> bool:
    """Whether another network would take the run's weights to start from and names of layers, if it has such."""
    pretrained, freeze = run.settings.get("pretrained"), run.settings.get("freeze")
    return pretrained in (None, "torchvision") and freeze in (None, "backbone")


def _adaptive(why: str) -> Choice:
    return lambda run: (
        None if run.settings.get("optimizer") in ADAPTIVE else Remedy(f"--optimizer adamw --lr {ADAM_RATE:g}", why)
    )


def _decay(run: Treated) -> Remedy | None:
    schedule = run.settings.get("schedule")
    falls = schedule in ("cosine", "one_cycle") or (schedule == "linear" and not run.settings.get("lr_end"))
    return None if falls else Remedy("--schedule cosine", "lets the learning rate fall to nothing at the end")


def _warmup(run: Treated) -> Remedy | None:
    if run.settings.get("schedule") == "one_cycle" or (run.settings.get("epochs") or 2) < 2:
        return None  # rises by itself; or would do nothing else
    return _unless("warmup_epochs", 1, "begins with small updates")(run)


def _larger_batch(run: Treated) -> Remedy | None:
    size = run.settings.get("batch_size")
    if not size or (run.steps and run.epochs and run.steps / run.epochs < FEWEST_BATCHES):
        return None
    return Remedy(f"--batch-size {2 * size:g}", "averages the gradient over more images")


def _average(run: Treated) -> Remedy | None:
    """An average that no longer remembers the first parameters when so many updates are made."""
    decay = next((each for each in (0.999, 0.99, 0.9) if (run.steps or 1e9) * (1 - each) >= REMEMBERED - 1e-6), None)
    if decay is None or run.settings.get("lookahead"):
        return None
    return _unless("ema", decay, "evaluates an average of the parameters")(run)


def _takes_decay(run: Treated) -> bool:
    """Whether decay is of use to the optimizer: Muon's second rate, of a thousand and more, makes it far too much."""
    return run.settings.get("optimizer") not in ("lbfgs", "muon")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


CHECK = _plain("--check", "looks at inputs, labels, the first loss and one batch before any training")
LOWER = _rate(0.1, "lowers the learning rate")
HALVED = _rate(0.5, "lowers the learning rate")
CLIP = _where(
    lambda run: run.settings.get("optimizer") != "lbfgs",
    _unless("clip_norm", 1, "bounds the gradient's norm"),
)
FINDS_ITS_OWN = _adaptive("finds its own size of updates")
NO_MIXING = tuple(_off(name, "leaves the images as they are") for name in ("mixup", "cutmix", "cutout"))

BALANCED = _where(
    lambda run: run.settings.get("class_weights") == "none" and run.settings.get("loss") != "dice",
    _plain("--class-weights balanced", "makes a rare class count as much as a common one"),
)
OVERLAP = _where(
    lambda run: run.settings.get("loss") != "dice" and run.settings.get("class_weights") == "none",
    _plain("--loss dice", "measures the overlap of each class, be it large or small"),
)

BY_CASE: Mapping[str, tuple[Choice, ...]] = {
    "missed classes": (BALANCED, OVERLAP, _longer),
    "exploding gradients": (LOWER, CLIP, _warmup, _normalized, CHECK),
    "vanishing gradients": (
        _normalized,
        _adaptive("gives every layer updates of the same size"),
        _where(
            lambda run: run.settings.get("model") in PUBLISHED,
            _unless("pretrained", "torchvision", "starts from weights that have learned already"),
        ),
    ),
    "dead units": (LOWER, _warmup, _normalized, CLIP),
    "not converging": (
        _where(lambda run: run.steps is not None and run.steps < FEW_UPDATES, _longer),
        CHECK,
        LOWER,
        _unless("normalize", "data", "brings the inputs to mean 0 and variance 1"),
        FINDS_ITS_OWN,
        *NO_MIXING,
    ),
    "oscillating": (
        LOWER,
        _decay,
        _larger_batch,
        _average,
        *(_off(name, "weakens the augmentation") for name in ("mixup", "cutmix", "cutout")),
    ),
    "overfitting": (
        _where(
            lambda run: run.settings.get("dataset") != "digits",  # of which a mirrored one is another, or none
            _unless("flip", True, "mirrors training images"),
        ),
        _unless("crop_padding", 4, "shifts training images"),
        _where(_takes_decay, _unless("weight_decay", 0.005, "keeps parameters small", others=("l2",))),
        _where(
            lambda run: (run.settings.get("epochs") or 4) > 3,
            _unless("patience", 3, "stops when validation no longer gets better"),
        ),
        _unless("label_smoothing", 0.1, "asks for less certainty"),
        _unless("mixup", 0.2, "trains on mixtures of images", others=("cutmix",)),
        _unless("cutout", 8, "blanks a part of each training image", others=("cutmix",)),
        HALVED,
        _where(
            lambda run: run.settings.get("dataset") == "folder",  # the others have the images that they have
            _plain("--data-dir DIR", "a folder with more training images"),
        ),
    ),
    "underfitting": (
        _longer,
        _larger,
        _decay,
        FINDS_ITS_OWN,
        _where(lambda run: not run.still_falling, HALVED),  # else it is too low rather than too high
        _off("weight_decay", "regularises less"),
        _off("l2", "regularises less"),
        _off("mixup", "augments less"),
        _off("cutmix", "augments less"),
        _off("cutout", "augments less"),
        _off("label_smoothing", "regularises less"),
    ),
    "healthy": (_longer, _smaller),
}
