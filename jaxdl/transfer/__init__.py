"""Weights from PyTorch, read without PyTorch; and networks changed for another task."""

from typing import TYPE_CHECKING

from jaxdl.lazy import exports

if TYPE_CHECKING:
    from jaxdl.transfer.computation import blocks
    from jaxdl.transfer.features import ClassifierInput, classifier_input
    from jaxdl.transfer.heads import head, replace_head
    from jaxdl.transfer.libraries import from_library, to_library
    from jaxdl.transfer.pickle_reader import read_checkpoint
    from jaxdl.transfer.surgery import append, insert, reinitialise, replace
    from jaxdl.transfer.weights import load_weights

__getattr__, __dir__ = exports(
    __name__,
    {
        "computation": "blocks",
        "features": "ClassifierInput classifier_input",
        "heads": "head replace_head",
        "libraries": "from_library to_library",
        "pickle_reader": "read_checkpoint",
        "surgery": "append insert reinitialise replace",
        "weights": "load_weights",
    },
)
__all__ = [
    "ClassifierInput",
    "append",
    "blocks",
    "classifier_input",
    "from_library",
    "head",
    "insert",
    "load_weights",
    "read_checkpoint",
    "reinitialise",
    "replace",
    "replace_head",
    "to_library",
]
