"""How much memory this machine has, and how this process takes it."""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8  # from glibc's malloc.h


def keep_freed() -> None:
    """Has glibc keep freed memory instead of returning it to the system and fetching it anew at every step.

    A training step on CPU frees and takes hundreds of megabytes, whose page faults can cost as much as its
    arithmetic. Call it before the first JAX operation. Does nothing where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    set_option(M_MMAP_MAX, 0)
    set_option(M_TRIM_THRESHOLD, -1)  # never, where 2 GiB, the largest number it takes, are less than a step frees
    set_option(M_TOP_PAD, 2**28)
    set_option(M_ARENA_MAX, 1)


def total() -> float:
    """Bytes of memory in this machine; infinite where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return float("inf")
