"""Seconds from nothing to the command's help and to the end of its first training step."""

MODEL = "quick_cnn"  # whose step it is, unless others are named
FLAGS = {"start": ("model", "rounds", "batch_size", "precision", "augment", "threads")}
CONTESTANTS = {"start": {"jaxdl": "first_step.Start"}}
