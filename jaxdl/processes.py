"""Communication between the processes of one run. In a run of one process nothing is sent."""

import json
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def from_all(value: Any) -> list[Any]:
    """Gathers ``value``, any JSON, from all processes, in their order; all have to call it at the same place."""
    if jax.process_count() == 1:
        return [value]
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.int32(text.size))
    rows = multihost_utils.process_allgather(np.pad(text, (0, sizes.max() - text.size)))
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def from_first(value: Any) -> Any:
    """Broadcasts the first process's ``value``, for where each has read the disk by itself. As ``from_all``."""
    return from_all(value)[0]


def on_host(array: jax.Array) -> np.ndarray:
    """The whole array as numpy's, also if each process holds a part; then all have to call it at the same place."""
    whole = array.is_fully_replicated or array.is_fully_addressable
    return np.asarray(array if whole else multihost_utils.process_allgather(array, tiled=True))
