"""Weights from PyTorch: ``.pth``, ``.pt`` and ``.safetensors`` files as arrays, read without PyTorch."""

from jaxdl.transfer.pickle_reader import read_checkpoint
from jaxdl.transfer.weights import load_weights

__all__ = ["load_weights", "read_checkpoint"]
