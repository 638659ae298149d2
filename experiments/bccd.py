"""Train a detector on BCCD, blood cells: ``python -m experiments.bccd --data-dir DIR``.

DIR holds ``JPEGImages``, ``Annotations`` and ``ImageSets/Main`` as PASCAL VOC has them: 364 pictures of 640 x 480
pixels with 4,888 boxes of red and white cells and platelets (205 to train, 87 to validate, 72 to test).

Recipes, their cost and the AP of COCO on the 72 test pictures:

``--recipe torchvision --precision bf16 --data-dir DIR``
    For a GPU; not yet run.
"""

import sys

from jaxdl.train.interrupt import leave, stop_at_once

COMMAND = "experiments.bccd"


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    from jaxdl.commands import detect  # takes a moment, in which Ctrl-C is the process's to answer

    return detect.main(sys.argv[1:] if argv is None else argv, command=COMMAND)


if __name__ == "__main__":
    stop_at_once()
    leave(main())
