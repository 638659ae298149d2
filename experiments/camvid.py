"""Train a segmenter on CamVid: ``python -m experiments.camvid --data-dir DIR``.

DIR holds ``train``, ``val`` and ``test`` with ``images`` and ``masks`` of 480 x 360 pixels, and ``classes.txt`` with
the eleven classes (Brostow et al. 2009, as Badrinarayanan et al. 2017 divide it: 367, 101 and 233 pictures).
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
