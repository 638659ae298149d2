"""Names that files of the same network have for its layers, and the names of today."""

import re

RENAMINGS = (
    (re.compile(r"(\bdenselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),  # torchvision's DenseNets, as published
    (re.compile(r"\bmlp\.linear_1\."), "mlp.0."),  # its vision transformers, as published
    (re.compile(r"\bmlp\.linear_2\."), "mlp.3."),
    (re.compile(r"\blast_linear\."), "fc."),  # pretrainedmodels' ResNets
)


def newer(name: str) -> str:
    """The name of today, where ``name`` has an older or another's."""
    for pattern, replacement in RENAMINGS:
        name = pattern.sub(replacement, name)
    return name
