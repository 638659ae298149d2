"""Devices chosen by the flags, in one process or several, and how they divide the work."""

import os
import re
import sys

import jax

from jaxdl import cluster
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.train import parallel
from jaxdl.wording import counted

MESH = re.compile(r"(data|fsdp)=([1-9][0-9]{0,5})")


def devices_of(config: Config) -> parallel.Devices:
    """The devices that the flags name, after joining the other processes if there are any; only the first talks."""
    shape = mesh_of(config.mesh)
    if config.coordinator:
        cluster.join(config.coordinator, process_id=config.process_id, num_processes=config.num_processes)
        if not cluster.is_first():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, to the process's end
    elif config.process_id is not None or config.num_processes is not None:
        raise UserError("--process-id and --num-processes need --coordinator: HOST:PORT of process 0.")
    return parallel.choose(config.parallel, **shape)


def described(devices: parallel.Devices) -> str:
    """Which they are, how many, and in how many processes."""
    device, count = devices.devices[0], len(devices.devices)
    cpu = device.platform == "cpu"
    name = f"CPU, {counted(os.cpu_count(), 'core')}" if cpu else f"{device.platform.upper()}, {device.device_kind}"
    shared = f"; {devices} of {count} devices" if count > 1 else ""
    return name + shared + (f" in {jax.process_count()} processes" if jax.process_count() > 1 else "")


def mesh_of(text: str | None) -> dict[str, int]:
    """``data=4,fsdp=2`` as a dict; raises UserError for anything else."""
    parts = [MESH.fullmatch(part.strip()) for part in (text or "").split(",")] if text else []
    shape = {part[1]: int(part[2]) for part in parts if part}
    if len(shape) < len(parts):
        raise UserError(f"--mesh must be as data=4,fsdp=2 or one of the two, got {text!r}.")
    return shape
