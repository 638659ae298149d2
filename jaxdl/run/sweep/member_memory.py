"""How much memory a sweep takes, before it takes it."""

from functools import partial

import flax.linen as nn
import jax
import optax

from jaxdl.cpu import memory
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.report.layers import layers, total
from jaxdl.run.config import Config
from jaxdl.train.members import runs_one_by_one
from jaxdl.train.state import create_state
from jaxdl.wording import counted

COPIES = 3  # of every state: before a step, after it, and being saved
SHARE = 0.9  # of the memory, which is not all ours


def check_fits(
    config: Config, model: nn.Module, optimizer: optax.GradientTransformation, dataset: Dataset, *, members: int
) -> None:
    """Raises UserError, saying how many members fit, where so many do not.

    The estimate is of states, of the data, and of what the backward pass keeps: of one member where they run one by
    one, of all where they run side by side.
    """
    images = dataset.train.images
    sample = jax.ShapeDtypeStruct(images.shape, "float32")
    state = jax.eval_shape(partial(create_state, model, optimizer), jax.random.key(0), sample)
    kept = total(layers(model, images.shape[1:])).output_bytes * config.batch_size / config.accumulate
    shared = images.nbytes + dataset.test.images.nbytes
    each = COPIES * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    if runs_one_by_one():
        shared += kept
    else:
        each += kept
    room = SHARE * _memory()
    if shared + members * each > room:
        fit = max(int((room - shared) // each), 0)
        raise UserError(
            f"{counted(members, 'member')} would take {_gib(shared + members * each)} of memory, and {_gib(room)} "
            f"can be used: {fit:,} fit. Sweep fewer values at a time"
            + (", or take a smaller --batch-size." if fit < 2 else ".")
        )


def _memory() -> float:
    """Bytes of the device that runs the sweep; of a CPU, the machine's."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return memory.total()
    return (device.memory_stats() or {}).get("bytes_limit", float("inf"))


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
