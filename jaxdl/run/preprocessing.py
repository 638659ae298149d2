"""Pictures that a network expects: their size, how they are brought to it, and how its pixels are standardised.

Pretrained weights bring them: torchvision's files by their hash, networks saved here by ``model.json``, timm's and
transformers' by the JSON beside the file; of others some are told by the shapes in it. Flags say otherwise.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from jaxdl.data.framing import INTERPOLATIONS, STRETCHED, Framing
from jaxdl.data.mask_listing import VOC_CLASSES
from jaxdl.errors import UserError
from jaxdl.run import stored
from jaxdl.run.channels import CHANNELS, DATA, NONE, WEIGHTS, in_words
from jaxdl.run.config import TORCHVISION, Config
from jaxdl.transfer import imagenet
from jaxdl.transfer.accompanying import accompanying, classes_beside
from jaxdl.transfer.published import PUBLISHED, SEGMENTERS, Published

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Preprocessing(NamedTuple):
    """framing: of pictures. mean, std: of the channels in [0, 1]. classes: names of the logits, None if not known.

    by: who says so, in words. assumed: nobody does, and it is what such weights usually expect.
    """

    framing: Framing
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...] | None
    by: str
    assumed: bool = False

    @property
    def normalize(self) -> str:
        """The value of ``--normalize`` that means ``mean`` and ``std``."""
        return in_words(self.mean, self.std)

    def scaled(self, size: int) -> Framing:
        """The framing for another size: as much of a picture is kept."""
        resize = self.framing.resize and round(size * self.framing.resize / self.framing.size)
        return Framing(size, resize, self.framing.interpolation)


def of_weights(pretrained: str, model: str) -> Preprocessing | None:
    """Pictures that the weights in ``--pretrained`` expect; None where nobody knows."""
    if pretrained == TORCHVISION:
        return _published(model, (PUBLISHED | SEGMENTERS)[model][0]) if model in PUBLISHED | SEGMENTERS else None
    path = Path(pretrained)
    folder = path if path.is_dir() else path.parent
    if path.is_file() and (known := _of_file(path, model)) is not None:
        return known
    if (saved := _saved(path)) is not None:
        return saved
    if (found := accompanying(folder)) is not None:
        framing = Framing(found.size, found.resize, found.interpolation)
        return Preprocessing(framing, found.mean, found.std, found.classes, str(found.by))
    if model in PUBLISHED:
        usual = _published(model, PUBLISHED[model][0])
        return usual._replace(classes=classes_beside(folder), by=f"torchvision's {model}", assumed=True)
    if model == "cifar_cnn":  # the course's
        return Preprocessing(Framing(32), *CHANNELS[NONE], CIFAR10, "the course", assumed=True)
    return None


def settled(config: Config, given: frozenset[str]) -> Config:
    """``config`` with the pictures settled that it trains on; prints what it takes from the weights.

    Raises UserError where the weights are asked for and there are none, or nobody knows what they saw.
    """
    known = _known(config, given)
    if config.normalize == WEIGHTS and known is None:
        why = (
            "there are none: name them with --pretrained"
            if config.pretrained is None
            else "nothing tells what they saw"
        )
        raise UserError(f"--normalize weights: {why}, or choose data, imagenet or none.")
    if known is None:
        if config.pretrained and config.normalize is None:
            print(
                "note     pixels are normalised by these images' own statistics; weights that saw them otherwise need "
                "--normalize none, imagenet or MEAN/STD"
            )
        return dataclasses.replace(
            config,
            normalize=config.normalize or DATA,
            resize=config.resize or STRETCHED,
            interpolation=config.interpolation or INTERPOLATIONS[0],
        )
    taken = []
    changes: dict[str, Any] = {}
    if config.normalize in (None, WEIGHTS):
        changes["normalize"] = known.normalize
        taken.append(f"pixels normalised by {known.normalize}" if known.normalize != NONE else "pixels in [0, 1]")
    framing = Framing(config.image_size)
    if config.dataset == "folder":
        framing = known.scaled(config.image_size) if "image_size" in given else known.framing
        asked = {"resize": config.resize, "interpolation": config.interpolation}
        asked = {name: value for name, value in asked.items() if value is not None}
        framing = framing._replace(**asked)
        if not asked:
            taken.insert(0, f"pictures: {framing}")
        changes["image_size"] = framing.size
    changes |= {"resize": framing.resize, "interpolation": framing.interpolation}
    if taken:
        assumed = " (assumed; --normalize, --image-size and --resize say otherwise)" if known.assumed else ""
        print(f"note     {', '.join(taken)}, as {known.by} has them{assumed}", flush=True)
    return dataclasses.replace(config, **changes)


def _known(config: Config, given: frozenset[str]) -> Preprocessing | None:
    try:
        known = of_weights(config.pretrained, config.model) if config.pretrained else None
        if known is None or not known.assumed or config.dataset != "folder" or "image_size" in given:
            return known
        from jaxdl.run.told_by_shapes import framing_of  # with all that reads files of weights

        told = framing_of(config, known.framing)
        return known if told is None else known._replace(framing=told[0], by=f"a {config.model} {told[1]}")
    except UserError:
        if {"image_size", "resize", "interpolation", "normalize"} <= given and config.normalize != WEIGHTS:
            return None  # nothing is asked of what cannot be read
        raise


def _of_file(path: Path, model: str) -> Preprocessing | None:
    from jaxdl.transfer.torchvision_files import published_as  # with all that downloads

    published = published_as(path, model)
    return None if published is None else _published(model, published)


def _published(model: str, published: Published) -> Preprocessing:
    framing = Framing(published.size, published.resize, published.interpolation)
    names = VOC_CLASSES if model in SEGMENTERS else tuple(each.name for each in imagenet.classes())
    return Preprocessing(framing, published.mean, published.std, names, f"torchvision's {published.file}")


def _saved(path: Path) -> Preprocessing | None:
    """Pictures that ``save_model`` was told of, where it was."""
    from jaxdl import saved_model

    if (folder := saved_model.folder_of(path)) is None:
        return None
    saved = saved_model.description(folder)
    image, about = saved.get("image"), saved.get("about")
    if not stored.fits(image, list[int]) or len(image) != 3 or not stored.fits(about, dict[str, Any]):
        return None
    mean, std, classes = about.get("mean"), about.get("std"), about.get("classes")
    if not stored.fits(mean, list[float]) or not stored.fits(std, list[float]) or not mean or not std:
        return None
    resize, interpolation = about.get("resize"), about.get("interpolation")
    framing = Framing(
        image[0],
        resize if stored.fits(resize, int) else STRETCHED,
        interpolation if interpolation in INTERPOLATIONS else INTERPOLATIONS[0],
    )
    return Preprocessing(
        framing.checked(),
        tuple(mean),
        tuple(std),
        tuple(classes) if stored.fits(classes, list[str]) and classes else None,
        f"the network saved in {folder}",
    )
