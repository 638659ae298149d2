"""Train a segmenter, or continue its run: ``jaxdl segment``, ``python -m experiments.camvid``."""

from jaxdl.commands import train
from jaxdl.run.segmentation.recipes import RECIPES

COMMAND = "jaxdl segment"
ABOUT = "Train a network that finds the class of each pixel, on pictures with masks."


def main(argv: list[str] | None = None, *, command: str = COMMAND) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``."""
    return train.main(argv, command=command, task="segmentation", recipes=RECIPES, about=ABOUT)
