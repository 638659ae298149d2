"""Train an image classifier on CIFAR-10: ``python -m experiments.cifar``.

Recipes, their cost and test accuracy on CIFAR-10 whose pixels went through JPEG, on two cores of an AMD EPYC (Zen 5):

``--data-dir DIR`` (quick)
    86.39 %, 86.66 % and 86.30 % (seeds 0, 1, 2) in 276 and 269 s and, beside other programs, 935 s; when the same
    cores were slower, 86.53 % (seed 0) in 492 s.
    On scikit-learn's digits 100.00 %, 99.72 % and 99.72 % of 360 (seeds 0, 1, 2) in 24 s or less.
``--recipe course --data-dir DIR``
    66.71 % (seed 0) in 433 s, where the course's published weights reach 61.2 %.
``--recipe resnet18 --precision bf16 --data-dir DIR``
    For a GPU or TPU; not yet run to its end.
``--recipe speed --precision bf16 --data-dir DIR``
    For a GPU. In float32 on the two cores, with other programs at work: 90.61 +- 0.09 % (seeds 0 to 2) in 1905 to
    2185 s and 11 GB of memory. The published program reached 90.9 % on the same pixels.
``--recipe speed_muon --precision bf16 --data-dir DIR``
    For a GPU. In float32 on the two cores: 90.49 % (seed 0) in 1372 s and 22 GB of memory.
"""

import sys

from jaxdl.train.interrupt import leave, stop_at_once

COMMAND = "experiments.cifar"


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    from jaxdl.commands import train  # takes a moment, in which Ctrl-C is the process's to answer

    return train.main(sys.argv[1:] if argv is None else argv, command=COMMAND)


if __name__ == "__main__":
    stop_at_once()
    leave(main())
