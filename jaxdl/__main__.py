"""The commands: ``jaxdl NAME``, or ``python -m jaxdl NAME`` where only the folder is there."""

import importlib
import sys

from jaxdl.errors import unknown
from jaxdl.train.interrupt import leave, stop_at_once

COMMANDS = {
    "train": "train a classifier, or continue its run",
    "segment": "train a network that finds the class of each pixel",
    "detect": "train a network that finds objects: their boxes, classes and masks",
    "sweep": "train many that differ in a number or a seed, in one program",
    "evaluate": "measure a run's network on a split or a folder of pictures",
    "predict": "say what pictures are, or what is where in them",
    "probe": "measure how well a network's features tell classes apart",
    "demo": "open a page that does so with a dropped picture",
    "compare": "put several runs side by side",
    "diagnose": "say what a run's curves tell, and what to try",
    "summary": "list a network's layers",
    "export": "write a run's network for PyTorch, for JAX alone, or as one function",
}


def main(argv: list[str] | None = None) -> int:
    """The command that ``argv`` names, with what follows; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: jaxdl COMMAND [flags]; jaxdl COMMAND --help lists its flags\n")
        print(*(f"  {name:<10} {about}" for name, about in COMMANDS.items()), sep="\n")
        return 0 if argv else 2
    name, *rest = argv
    if name not in COMMANDS:
        print(f"error: {unknown('command', name, COMMANDS)}", file=sys.stderr)
        return 2
    sys.argv = [f"jaxdl {name}", *rest]  # which a run's folder notes
    return importlib.import_module(f"jaxdl.commands.{name}").main(rest)


def console() -> None:
    """The console command; ends the process."""
    stop_at_once()
    leave(main())


if __name__ == "__main__":
    console()
