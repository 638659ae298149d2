"""Weights with the names and layouts that timm and Hugging Face's transformers give to networks of torchvision's."""

from typing import TYPE_CHECKING

from jaxdl.lazy import exports

if TYPE_CHECKING:
    from jaxdl.transfer.libraries.translation import from_library, to_library

__getattr__, __dir__ = exports(__name__, {"translation": "from_library to_library"})
__all__ = ["from_library", "to_library"]
