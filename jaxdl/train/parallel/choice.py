"""Where a step runs, by name: one device, ``jax.pmap``, or a mesh of devices."""

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.errors import UserError, unknown
from jaxdl.train.collectives import AXIS
from jaxdl.train.parallel import KINDS
from jaxdl.train.parallel.devices import Single
from jaxdl.train.parallel.pmap_devices import Pmap
from jaxdl.train.parallel.sharded import MeshOfDevices
from jaxdl.wording import counted

Devices = Single | Pmap | MeshOfDevices


def single(device: jax.Device | None = None) -> Single:
    """The step on one device, by default the first. Raises UserError where there are several processes."""
    if jax.process_count() > 1:
        raise UserError(f"a single device cannot serve {jax.process_count()} processes; choose pmap or mesh.")
    return Single(device or jax.devices()[0])


def pmap(devices: Sequence[jax.Device] | None = None) -> Pmap:
    """The step under ``jax.pmap`` on ``devices``, by default all of all processes."""
    return Pmap(Mesh(np.array(_ordered(devices)), (AXIS,)))


def mesh(*, data: int | None = None, fsdp: int = 1, devices: Sequence[jax.Device] | None = None) -> MeshOfDevices:
    """The step over a mesh of ``data`` times ``fsdp`` of ``devices``, by default all of them.

    Raises UserError if there are too few devices, or if a process is left without one.
    """
    found = _ordered(devices)
    data = max(len(found) // fsdp, 1) if data is None else data
    if data < 1 or fsdp < 1 or data * fsdp > len(found) or (jax.process_count() > 1 and data * fsdp < len(found)):
        raise UserError(
            f"a mesh of data={data} times fsdp={fsdp} does not fit {counted(len(found), 'device')}; choose another "
            "mesh, or another parallel."
        )
    return MeshOfDevices(Mesh(np.array(found[: data * fsdp]).reshape(data, fsdp), ("data", "fsdp")))


def choose(kind: str = "auto", *, data: int | None = None, fsdp: int = 1) -> Devices:
    """``single``, ``pmap`` or ``mesh`` by name; ``auto`` is a mesh of all accelerators, or the one CPU.

    data, fsdp: of the mesh. Raises UserError for an unknown name, and for a shape without a mesh.
    """
    if kind not in KINDS:
        raise unknown("parallel", kind, KINDS)
    shaped = data is not None or fsdp != 1
    if kind == "auto":
        alone = jax.process_count() == 1 and (len(jax.devices()) == 1 or jax.default_backend() == "cpu")
        kind = "single" if alone and not shaped else "mesh"
    if shaped and kind != "mesh":
        raise UserError(f"a shape of the mesh is given, but parallel is {kind}.")
    return {"single": single, "pmap": pmap, "mesh": partial(mesh, data=data, fsdp=fsdp)}[kind]()


def _ordered(devices: Sequence[jax.Device] | None) -> list[jax.Device]:
    """All of one process before those of the next, so that each process has consecutive rows of a batch."""
    found = jax.devices() if devices is None else devices
    return sorted(found, key=lambda device: (device.process_index, device.id))
