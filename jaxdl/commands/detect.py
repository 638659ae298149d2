"""Train a detector, or continue its run: ``jaxdl detect``, ``python -m experiments.bccd``."""

from jaxdl.commands import train
from jaxdl.run.detection.recipes import RECIPES

COMMAND = "jaxdl detect"
ABOUT = "Train a network that finds objects, their boxes, classes and masks, on pictures with annotations."


def main(argv: list[str] | None = None, *, command: str = COMMAND) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``."""
    return train.main(argv, command=command, task="detection", recipes=RECIPES, about=ABOUT)
