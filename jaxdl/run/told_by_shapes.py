"""Pictures that a file's shapes tell: those of a stem for small images, and of a transformer's positions."""

import math

from jaxdl import models
from jaxdl.data.framing import Framing
from jaxdl.errors import UserError
from jaxdl.models.vit import VisionTransformer
from jaxdl.run.config import Config
from jaxdl.run.initial_weights import SIDE, stems_of, weights_file
from jaxdl.run.placed_weights import EMBEDDING
from jaxdl.transfer.weights import contents

SMALL = Framing(32)  # of CIFAR


def framing_of(config: Config, usual: Framing) -> tuple[Framing, str] | None:
    """The framing and what tells it, in words; None where it is the ``usual`` one, or the file is of no such network.

    A transformer's picture of another size than usual is cut from one that is as large, as torchvision's are.
    """
    if not models.has_stem(config.model):
        return None
    try:
        held = contents(weights_file(config.pretrained, config.model), config.weights_key)
        stems = stems_of(held, config, num_classes=2, image=(SIDE, SIDE, 3))
    except UserError:  # which is told where the weights are loaded
        return None
    if stems == ["cifar"]:
        return SMALL, "of stem cifar"
    if stems != ["imagenet"] or not isinstance(models.create(config.model), VisionTransformer):
        return None
    patch = models.create(config.model).patch
    lengths = {
        array.shape[1]
        for given in held.dicts.values()
        for name, array in given.items()
        if (name == EMBEDDING or name.endswith(f".{EMBEDDING}")) and len(array.shape) == 3
    }
    sizes = {math.isqrt(length - 1) * patch for length in lengths if length > 1}
    if len(sizes) != 1 or sizes == {usual.size}:
        return None
    [size] = sizes
    return Framing(size, size, usual.interpolation), f"of positions for {size} pixels"
