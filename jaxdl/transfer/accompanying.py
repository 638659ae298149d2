"""Files beside weights that say which pictures they are for: timm's and Hugging Face's JSON.

timm's ``config.json`` holds a ``pretrained_cfg``, transformers' ``preprocessor_config.json`` an image processor and its
``config.json`` the classes, ``id2label``.
"""

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from jaxdl.errors import UserError
from jaxdl.wording import counted

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
ELSEWHERE = "If it is not the weights', keep them in a folder of their own."
MOST_BYTES = 2**24  # of such a file
MOST_PIXELS = 2**16  # a side
INTERPOLATIONS = {2: "bilinear", 3: "bicubic", "bilinear": "bilinear", "bicubic": "bicubic", "random": "bilinear"}

# of transformers' networks, and what they usually are
THEIR_FIELDS = {"downsample_in_bottleneck": False, "downsample_in_first_stage": False}
TRANSFORMERS = ("vit", "deit", "dinov2", "dinov2_with_registers", "swin")
ACTIVATIONS = {"resnet": "relu", **dict.fromkeys((*TRANSFORMERS, "convnext"), "gelu")}
NOT_DONE = ("do_flip_channel_order", "rescale_offset", "include_top", "do_pad")  # to pictures, by its processors
HEADS = ("num_attention_heads", "num_heads")  # a number, or one of each stage
LARGEST_EPSILON = 1e-5  # of a layer norm: that of the networks here is no larger, and smaller ones agree
HARMLESS = {"num_classes", "img_size", "in_chans", "drop_rate", "drop_path_rate", "pretrained"}  # of timm's model_args
WITH_TOKEN = re.compile(r"(vit|deit)_.*")  # whose global_pool is usually the class token, and of all others the mean
# timm's networks that have the names and shapes of torchvision's and compute otherwise, by their architecture's name
OTHER_NETWORKS = (
    (r"tf_.*", "pads and normalises as TensorFlow does"),
    (r"resnetaa.*|ecaresnet.*|seresnet.*|skresnet.*|resnetrs.*", "pools or attends where ResNet does not"),
    (r"resnetblur.*|.*_blur.*", "blurs before it strides"),
    (r"swinv2_.*window\d+to\d+.*", "has positions of the smaller windows it was trained with first"),
    (r".*quickgelu.*", "has another activation"),
)
# a window as timm's architectures name it, and those of the networks here; no array's shape tells version 2's
WINDOW = re.compile(r"(swin|swinv2)_.*window(\d+)_.*")
WINDOWS = {"swin": 7, "swinv2": 8}
SMALLEST = 256  # pixels a side, below which timm gives version 2's last stage a smaller window


class Accompanying(NamedTuple):
    """by: the file that says so. size, resize, interpolation: of pictures, resize 0 where they are stretched.

    mean, std: of the channels in [0, 1]. classes: names of the logits, None where no file has them.
    """

    by: Path
    size: int
    resize: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...] | None = None


def accompanying(folder: Path) -> Accompanying | None:
    """The pictures and classes that the files in ``folder`` say; None where there are none of them.

    Raises UserError for one that is damaged, or asks for what cannot be done here.
    """
    config, processor = _read(folder / CONFIG, theirs=False), _read(folder / PROCESSOR)
    classes = _classes(config) if config else None
    if processor:
        return _checked(_of_processor(folder / PROCESSOR, processor), classes)
    if config and isinstance(config.get("pretrained_cfg"), dict):
        return _checked(_of_timm(folder / CONFIG, config["pretrained_cfg"]), classes)
    return None


def check_architecture(folder: Path, heads: int | tuple[int, ...] | None = None) -> None:
    """Raises UserError where a ``config.json`` is of a network that only seems one of torchvision's.

    heads: of the network's attention, of each stage where they differ; no array's shape tells them.
    """
    config = _read(folder / CONFIG) or {}
    architecture = config.get("architecture")
    kind = str(config.get("model_type"))
    activation = {"hidden_act": ACTIVATIONS.get(kind, config.get("hidden_act"))}
    for field, usual in (THEIR_FIELDS | activation).items():
        if config.get(field, usual) != usual:
            raise UserError(f"{folder / CONFIG} has {field} {config[field]!r:.40}, which the networks here have not.")
    if kind in ACTIVATIONS:
        _check_numbers(folder / CONFIG, config, heads)
    changed = _changed(config) if architecture else []
    if changed:
        raise UserError(
            f"{folder / CONFIG} makes timm's {str(architecture)[:80]} with {', '.join(changed)[:80]}: it is not the "
            "network of that name here."
        )
    for pattern, why in OTHER_NETWORKS:
        if isinstance(architecture, str) and re.fullmatch(pattern, architecture):
            raise UserError(
                f"{folder / CONFIG} says that the weights are of timm's {architecture[:80]}, which {why}: it is not "
                "the network of that name here."
            )
    _check_window(folder / CONFIG, config)


def _check_numbers(path: Path, config: dict[str, Any], heads: int | tuple[int, ...] | None) -> None:
    """Of transformers' networks, what no array's shape tells."""
    ours = list(heads) if isinstance(heads, tuple) else heads
    for field in HEADS:
        if heads is not None and config.get(field, ours) != ours:
            raise UserError(f"{path} has {field} {config[field]!r:.40}, and the network here has {ours}.")
    epsilon = config.get("layer_norm_eps", 0)
    if not isinstance(epsilon, int | float) or not epsilon <= LARGEST_EPSILON:
        raise UserError(f"{path} has layer_norm_eps {epsilon!r:.20}, which is larger than those of the networks here.")


def _check_window(path: Path, config: dict[str, Any]) -> None:
    named = WINDOW.fullmatch(str(config.get("architecture")))
    if named is None:
        return
    version, window = named.groups()
    if int(window) != WINDOWS[version]:
        raise UserError(
            f"{path} says that the weights are of windows {window[:10]} places wide; those of the network here have "
            f"{WINDOWS[version]}."
        )
    arguments = config.get("model_args")
    size = arguments.get("img_size") if isinstance(arguments, dict) else None
    sides = [side for side in (size if isinstance(size, list) else [size]) if isinstance(side, int)]
    if version == "swinv2" and min(sides, default=SMALLEST) < SMALLEST:
        raise UserError(
            f"{path} says that the weights are for pictures of {min(sides)} pixels, for which timm makes windows "
            "smaller; that is not done here."
        )


def _changed(config: dict[str, Any]) -> list[str]:
    """Fields by which timm's network differs from the one of its architecture."""
    given = config.get("model_args") or {}
    changed = set(given) - HARMLESS - {"global_pool"}
    usual = "token" if WITH_TOKEN.match(str(config["architecture"])) else "avg"
    pools = (given.get("global_pool") if isinstance(given, dict) else None, config.get("global_pool"))
    changed |= {f"global_pool {pool!r:.20}" for pool in pools if pool not in (None, "", usual)}
    return sorted(map(str, changed))


def classes_beside(folder: Path) -> tuple[str, ...] | None:
    """Names of the logits in the ``config.json`` of either library; None where there are none."""
    config = _read(folder / CONFIG, theirs=False)
    return _classes(config) if config else None


def _of_timm(path: Path, given: dict[str, Any]) -> Accompanying:
    """timm brings the shorter side to ``floor(size / crop_pct)``, or squashes, or pads, by its ``crop_mode``."""
    with _named(path):
        channels, size, width = given["input_size"]
        if channels != 3:
            raise UserError(f"{path} asks for pictures of {counted(channels, 'channel')}; here they have three.")
        share = given.get("crop_pct", 0.875)
        mode = given.get("crop_mode", "center")
        stretched = mode == "squash" and share == 1
        if not (mode == "center" or stretched) or size != width:
            raise UserError(f"{path} asks for pictures of {width} x {size} pixels, crop_mode {mode}.")
        return Accompanying(
            by=path,
            size=size,
            resize=0 if stretched else math.floor(size / share),
            interpolation=_interpolation(given.get("interpolation", "bilinear"), path),
            mean=tuple(map(float, given["mean"])),
            std=tuple(map(float, given["std"])),
        )


def _of_processor(path: Path, given: dict[str, Any]) -> Accompanying:
    with _named(path):
        size, crop = given.get("size"), given.get("crop_size")
        kind = str(given.get("image_processor_type") or given.get("feature_extractor_type"))
        if isinstance(size, int):  # as older versions wrote it, each processor meaning another thing
            cut = given.get("do_center_crop", "CLIP" in kind) and "DeiT" not in kind
            of_shorter = cut or "ConvNext" in kind or "crop_pct" in given
            size = {"shortest_edge": size} if of_shorter else {"height": size, "width": size}
        for field in NOT_DONE:
            if given.get(field):
                raise UserError(f"{path} has {field} {given[field]!r:.20}; that is not done to pictures here.")
        if not given.get("do_resize", True):
            raise UserError(f"{path} has pictures as large as they come, and here they are of one size.")
        crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
        if "shortest_edge" not in size:  # stretched
            kept, resize = _square(size, path), 0
            if given.get("do_center_crop") and (cut := _square(crop, path)) != kept:
                raise UserError(f"{path} has pictures stretched to {kept} and cut to {cut} pixels; that is not done.")
        elif given.get("crop_pct") or "ConvNext" in kind:
            kept = size["shortest_edge"]  # ConvNext's own rule
            resize = int(kept / (given.get("crop_pct") or 224 / 256)) if kept < 384 else 0
        else:
            if not given.get("do_center_crop", True):
                raise UserError(f"{path} has do_center_crop false: its pictures are not square, and here they are.")
            resize, kept = size["shortest_edge"], _square(crop, path)
        rescaled = given.get("rescale_factor", 1 / 255) if given.get("do_rescale", True) else 1.0
        if abs(rescaled * 255 - 1) > 1e-6:
            raise UserError(f"{path} has pixels multiplied by {rescaled:g}, and here they are in [0, 1].")
        normal = given.get("do_normalize", True)
        return Accompanying(
            by=path,
            size=kept,
            resize=resize,
            interpolation=_interpolation(given.get("resample", 2), path),
            mean=tuple(map(float, given["image_mean"])) if normal else (0.0,),
            std=tuple(map(float, given["image_std"])) if normal else (1.0,),
        )


def _interpolation(named: Any, path: Path) -> str:
    if named not in INTERPOLATIONS:
        raise UserError(f"{path} asks for pictures resized by {named!r:.20}; here it is bilinear or bicubic.")
    return INTERPOLATIONS[named]


def _square(sides: dict[str, int], path: Path) -> int:
    if sides["height"] != sides["width"]:
        raise UserError(
            f"{path} asks for pictures of {sides['width']} x {sides['height']} pixels; here they are square."
        )
    return sides["height"]


def _classes(config: dict[str, Any]) -> tuple[str, ...] | None:
    """Names by index, where they are as many as they say."""
    pretrained = config.get("pretrained_cfg")
    names = config.get("label_names") or (isinstance(pretrained, dict) and pretrained.get("label_names"))
    if not names and isinstance(config.get("id2label"), dict):
        found = config["id2label"]
        names = [found.get(str(index)) for index in range(len(found))]
    whole = isinstance(names, list) and len(names) > 1 and all(isinstance(name, str) and name for name in names)
    return tuple(names) if whole else None


def _checked(found: Accompanying, classes: tuple[str, ...] | None) -> Accompanying:
    sides = 0 < found.size <= MOST_PIXELS and 0 <= found.resize <= MOST_PIXELS
    numbers = all(map(math.isfinite, found.mean)) and all(0 < each < math.inf for each in found.std)
    if not sides or not numbers or {len(found.mean), len(found.std)} not in ({1}, {3}):
        raise UserError(
            f"{found.by} asks for pictures that cannot be: size {found.size}, resize {found.resize}, "
            f"mean {found.mean}, std {found.std}."
        )
    return found._replace(classes=classes)


class _named:  # noqa: N801
    """A context in which a value that is missing or of another kind is the file's fault."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UserError):
            return
        if isinstance(error, LookupError | TypeError | ValueError | AttributeError | ArithmeticError):
            raise UserError(
                f"{self._path} does not say what pictures the weights are for as timm or transformers write it "
                f"({type(error).__name__}: {str(error)[:80]}). Move it away, or give the flags."
            ) from error


def _read(path: Path, *, theirs: bool = True) -> dict[str, Any] | None:
    """The object in the file, None where there is no file; and where it is none, if it need not be ``theirs``."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        found = json.loads(content) if len(content) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        if not theirs:
            return None
        raise UserError(f"cannot read {path} ({str(error)[:80]}). {ELSEWHERE}") from error
    if not isinstance(found, dict) and theirs:
        raise UserError(f"{path} is larger than any description of weights, or none. {ELSEWHERE}")
    return found if isinstance(found, dict) else None
