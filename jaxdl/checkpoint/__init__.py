"""Checkpoints of the whole train state."""

from jaxdl.checkpoint.checkpoints import Checkpoints as Checkpoints
