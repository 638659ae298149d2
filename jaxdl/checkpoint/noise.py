"""Redundant log messages and warnings beside the exceptions that Orbax raises when a file cannot be written."""

import functools
import logging
import sys
import traceback
import warnings


@functools.cache
def silence_orbax(written: str) -> None:
    """Silences them from here on in this process.

    written: part of the name of every file that Orbax is told to write.
    """
    logging.getLogger("absl").addFilter(lambda record: "_SignalingThread.run() raised" not in str(record.msg))
    logging.getLogger("asyncio").addFilter(lambda record: not _unclaimed(record, written))
    warnings.filterwarnings("ignore", "coroutine 'async_serialize.* was never awaited", RuntimeWarning)
    shown = sys.unraisablehook

    def hook(unraisable):
        # tensorstore ends writes that Orbax no longer waits for
        if str(unraisable.exc_value) != "Event loop is closed":
            shown(unraisable)

    sys.unraisablehook = hook


def _unclaimed(record: logging.LogRecord, written: str) -> bool:
    """Whether asyncio tells of a second failed write, after the one that Orbax raised."""
    if "never retrieved" not in (said := record.getMessage()):
        return False
    raised = "".join(traceback.format_exception(record.exc_info[1])) if record.exc_info else ""
    return any(name in said + raised for name in ("orbax", "tensorstore", "epath", written))
