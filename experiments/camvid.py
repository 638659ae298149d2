"""Train a segmenter on CamVid: ``python -m experiments.camvid --data-dir DIR``.

DIR holds ``train``, ``val`` and ``test`` with ``images`` and ``masks`` of 480 x 360 pixels, and ``classes.txt`` with
the eleven classes (Brostow et al. 2009, as Badrinarayanan et al. 2017 divide it: 367, 101 and 233 pictures).

Recipes, their cost and mean IoU on the 233 test pictures, which went through JPEG, on two cores of an AMD EPYC with
other programs at work (seeds 0 to 2, mean and standard deviation):

``--data-dir DIR`` (small)
    34.96 ± 1.36 % in 1,041 s or more: LR-ASPP on MobileNet v2 from random weights.
``--data-dir DIR --pretrained mobilenet_v2-b0353104.pth``
    51.79 ± 0.58 % in 776 s or more: the same, the backbone begins with torchvision's ImageNet weights.
``--recipe torchvision --precision bf16 --data-dir DIR``
    For a GPU; not yet run.
"""

import sys

from jaxdl.train.interrupt import leave, stop_at_once

COMMAND = "experiments.camvid"


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    from jaxdl.commands import segment  # takes a moment, in which Ctrl-C is the process's to answer

    return segment.main(sys.argv[1:] if argv is None else argv, command=COMMAND)


if __name__ == "__main__":
    stop_at_once()
    leave(main())
