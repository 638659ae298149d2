"""Pictures that a file's shapes tell: those of a stem for small images."""

from jaxdl import models
from jaxdl.data.framing import Framing
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.run.initial_weights import SIDE, stems_of, weights_file
from jaxdl.transfer.weights import contents

SMALL = Framing(32)  # of CIFAR


def framing_of(config: Config) -> tuple[Framing, str] | None:
    """The framing and what tells it, in words; None where they tell nothing."""
    if not models.has_stem(config.model):
        return None
    try:
        held = contents(weights_file(config.pretrained, config.model), config.weights_key)
        stems = stems_of(held, config, num_classes=2, image=(SIDE, SIDE, 3))
    except UserError:  # which is told where the weights are loaded
        return None
    return (SMALL, "of stem cifar") if stems == ["cifar"] else None
