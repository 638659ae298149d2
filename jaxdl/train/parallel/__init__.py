"""The same step on one device, under ``jax.pmap``, or over a mesh of devices; in one process or in several.

Each of ``single``, ``pmap`` and ``mesh`` says where a step runs, and all three give the same numbers:

    devices = parallel.mesh(data=4, fsdp=2)
    step, state = devices.compile(train_step), devices.put(state)
    state, metrics = step(state, devices.place(batch))
"""

from typing import TYPE_CHECKING

from jaxdl.lazy import exports

if TYPE_CHECKING:
    from jaxdl.train.parallel.choice import Devices, choose, mesh, pmap, single
    from jaxdl.train.parallel.devices import PlacedBatch, Single

KINDS = ("auto", "single", "pmap", "mesh")

__getattr__, __dir__ = exports(
    __name__,
    {
        "choice": "Devices choose mesh pmap single",
        "devices": "PlacedBatch Single",
    },
)
__all__ = ["KINDS", "Devices", "PlacedBatch", "Single", "choose", "mesh", "pmap", "single"]
