"""Connects a run's processes, and reports why if they do not all arrive."""

import os
import socket
import sys
import threading
import time

import jax

from jaxdl.errors import UserError
from jaxdl.launcher import Place

PATIENCE = 300  # seconds in which all have to come
NOTICE = 15  # seconds of that after which a process says that it waits
STAY = 3.0  # seconds that the first waits longer, for its end has JAX abort the others
PROBE = 3.0  # seconds to answer in
TURN = 0.2  # seconds of waiting until a signal is heard


def check_address(coordinator: str, *, found: bool) -> None:
    """Raises UserError if the first process, this, cannot serve at the address; JAX would end by a signal.

    found: in the environment, not given by hand, which may be an address that leads here by other ways.
    """
    host, port = _host_and_port(coordinator)
    another = "export another JAX_COORDINATOR_PORT for all of them" if found else "name another coordinator"
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        reason = os.strerror(error.errno)
        raise UserError(f"process 0 cannot serve at port {port} ({reason}): {another}.") from error
    try:
        if found:
            socket.create_server((host, 0)).close()
    except OSError as error:
        raise UserError(
            f"process 0 runs on {socket.gethostname()} and cannot serve at {host}: "
            "give all of them JAX_COORDINATOR_ADDRESS=HOST:PORT of its machine."
        ) from error


def meet(place: Place | None, *, heartbeat_timeout_seconds: int) -> None:
    """Connects this process with the others; returns when all have come.

    place: of this process; None has JAX ask Kubernetes or the TPU pod. Raises UserError where neither is there, this
    machine does not know its own name, or not all come in time.
    """
    if place:
        _host_and_port(place.coordinator)
    _check_own_name()
    waits = {"initialization_timeout": 2 * PATIENCE, "heartbeat_timeout_seconds": heartbeat_timeout_seconds}
    problems: list[Exception] = []

    def connect() -> None:
        try:
            if place is None:
                jax.distributed.initialize(**waits)
            else:  # JAX would look for Slurm even so, and take one GPU of those that a process started by hand may have
                numbers = (place.coordinator, place.num_processes, place.process_id, place.devices)
                jax.distributed.initialize(*numbers, cluster_detection_method="deactivate", **waits)
        except Exception as error:
            problems.append(error)

    # A thread of its own, for in there JAX hears no signal, and aborts when its time is over.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    patience = PATIENCE + (STAY if place is None or place.process_id == 0 else 0)
    _join(thread, min(NOTICE, patience))
    if thread.is_alive():
        print(f"{_waiting(place)}.", file=sys.stderr, flush=True)
        _join(thread, patience - NOTICE)
    if thread.is_alive():
        raise UserError(f"{_waiting(place)}, {PATIENCE} s so far. Start all of them, with the same coordinator.")
    if problems and place is None and isinstance(problems[0], ValueError):
        raise UserError(
            "coordinator auto finds neither srun, mpirun, Kubernetes nor a TPU pod here. Start this with one of "
            "them, or give the coordinator as HOST:PORT, process_id and num_processes."
        ) from problems[0]
    if problems:
        reason = " ".join(str(problems[0]).split())[:200]
        raise UserError(f"cannot join the other processes ({reason}).") from problems[0]


def _join(thread: threading.Thread, seconds: float) -> None:
    """Waits for it in short turns: a signal that another thread was given is heard between two of them."""
    ends = time.monotonic() + seconds
    while thread.is_alive() and (left := ends - time.monotonic()) > 0:
        thread.join(min(left, TURN))


def _check_own_name() -> None:
    """Raises UserError if this machine does not know its name, at which Gloo, for the CPU's collectives, serves."""
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except socket.gaierror as error:
        raise UserError(
            f"this machine's own name, {name}, is not known to it, and the other processes reach it by that: "
            f"add a line for {name} to /etc/hosts."
        ) from error


def _waiting(place: Place | None) -> str:
    """Which process waits, and what it can tell of why."""
    if place is None:
        return "this process waits for the others"
    who = f"process {place.process_id} of {place.num_processes} waits for the others at {place.coordinator}"
    if place.process_id == 0:
        return f"{who}: not all have come"
    try:
        socket.create_connection(_host_and_port(place.coordinator), timeout=PROBE).close()
    except socket.gaierror:
        return f"{who}: the name is not known here"
    except OSError:
        return f"{who}: process 0 does not answer"
    return f"{who}: process 0 is there, another is not"


def _host_and_port(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(f"the coordinator must be HOST:PORT, got {coordinator}.")
    return host.strip("[]"), int(port)
