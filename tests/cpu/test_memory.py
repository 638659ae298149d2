"""Memory freed by a step stays with the process."""

import subprocess
import sys

import pytest

from tests.commands.short_run import ROOT

PROGRAM = """
import resource, sys
import numpy as np
from jaxdl.cpu import memory


if sys.argv[1] == "keep":
    memory.keep_freed()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones({size}, np.uint8)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc's malloc")
@pytest.mark.parametrize("size", [2**28, pytest.param(5 * 2**29, marks=pytest.mark.slow)])
def test_memory_once_had_is_not_fetched_again(size):
    """Also where more is freed at once than the largest number that glibc's option takes."""
    pages = {}
    for way in ("keep", "as usual"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(size=size), way], cwd=ROOT, capture_output=True, text=True, check=True
        )
        pages[way] = [int(line) for line in done.stdout.split()]
    assert pages["as usual"][2] > size / 2**21 / 2  # huge pages, at the most
    assert max(pages["keep"][1:]) < 100
