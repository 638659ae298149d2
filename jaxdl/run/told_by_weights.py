"""The network that weights tell by themselves, where they do, and whether they are weights at all."""

from pathlib import Path

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.transfer.published import PUBLISHED, SEGMENTERS
from jaxdl.wording import printable

SUFFIXES = (".pth", ".pt", ".bin", ".safetensors", ".ckpt")
DESCRIPTION = "model.json"  # see ``saved_model``


def model_of(weights: Path) -> str | None:
    """The name of the network: a saved one's, by its folder or the weights in it, or torchvision's, by a file's hash.

    None where nothing tells. Raises UserError where what is there cannot be read.
    """
    if weights.is_dir() or weights.suffix == ".safetensors":
        from jaxdl import saved_model  # with which comes JAX

        if (folder := saved_model.folder_of(weights)) is not None:
            name = saved_model.description(folder).get("model")
            return name if isinstance(name, str) and (name in models.MODELS or name in models.SEGMENTERS) else None
    from jaxdl.transfer.torchvision_files import network_of  # with all that downloads

    return network_of(weights) if weights.is_file() else None


def check_published(model: str, *, backbone: bool = True) -> None:
    """Raises UserError for a network of which torchvision publishes no weights, nor, where that is enough, of its
    ``backbone``."""
    begins = backbone and model in models.SEGMENTERS and model != "unet"  # with a classifier's
    if not begins and model not in PUBLISHED and model not in SEGMENTERS:
        raise UserError(f"torchvision publishes no weights for {model}: name a file, or leave --pretrained out.")


def is_weights(path: Path) -> bool:
    """Whether the path is of a file with weights by its name, or a saved network's folder, and of no run."""
    if path.is_dir():
        return (path / DESCRIPTION).is_file() and not (path / "config.json").exists()
    return path.is_file() and path.suffix.lower() in SUFFIXES


def check_weights(pretrained: str) -> str:
    """The name of a network for an error's advice: the weights' own where their names tell it.

    Raises UserError where that is nothing to read weights from.
    """
    path = Path(pretrained)
    if not path.exists():
        raise UserError(f"cannot read {printable(pretrained)} (No such file or directory).")
    if path.is_dir():
        raise UserError(f"{printable(pretrained)} is a folder, but not one with an exported network. Name a file.")
    from jaxdl.transfer.recognition import segmenter_of
    from jaxdl.transfer.weights import contents

    names = [name for arrays in contents(path).dicts.values() for name in arrays]
    return segmenter_of(names) or "resnet50"
