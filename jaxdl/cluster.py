"""Several processes as one run: how they find each other, stop together, and end when one of them is lost."""

import contextlib
import os
import secrets
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxdl import rendezvous
from jaxdl.errors import UserError
from jaxdl.launcher import Place, place_of
from jaxdl.processes import from_first
from jaxdl.wording import brief

AUTO = "auto"  # as a coordinator: what Slurm, Open MPI, Kubernetes or a TPU pod says
SILENCE = 60  # seconds after which a machine that is not heard of counts as lost
GRACE = 3.0  # seconds in which a process ends for a reason of its own, when another did
GOODBYE, TROUBLE = b".", b"!"  # the last words of a process that has come to its end, or to an error
_joined = threading.Event()  # all processes are connected
_ending = threading.Event()  # this process has said its last word
_listeners: list[threading.Thread] = []
_lines: list[socket.socket] = []  # between the first process and each other; one breaks when its process ends


class LostProcessError(UserError):
    """Another process of the run has ended, or cannot be reached."""


def join(coordinator: str, *, process_id: int | None = None, num_processes: int | None = None) -> None:
    """Joins this process to the run; returns when all have joined. Call it before any other use of JAX.

    coordinator: HOST:PORT of process 0, with ``process_id`` and ``num_processes``; or "auto", without them.
    Raises UserError if they do not fit together, or if not all processes join within five minutes.
    """
    numbered = process_id is not None and num_processes is not None
    if coordinator != AUTO and not numbered:
        raise UserError(f"coordinator {coordinator} needs process_id and num_processes too.")
    if coordinator == AUTO and (process_id is not None or num_processes is not None):
        raise UserError("coordinator auto finds process_id and num_processes by itself; leave them out.")
    if numbered and not 0 <= process_id < num_processes:
        raise UserError(f"process_id must be from 0 to {num_processes - 1}, got {process_id}.")
    place = place_of(os.environ) if coordinator == AUTO else Place(coordinator, process_id, num_processes)
    if place and place.num_processes == 1:
        return
    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is this program's own to handle
    jax.config.update("jax_enable_recoverability", True)  # and it says itself that a process is lost
    if place and place.process_id == 0:
        rendezvous.check_address(place.coordinator, found=coordinator == AUTO)
    rendezvous.meet(place, heartbeat_timeout_seconds=SILENCE)
    _joined.set()
    _watch(place.coordinator if place else None)


def part() -> None:
    """Leaves the run in order; waits for the other processes to leave it, too."""
    if jax.distributed.is_initialized():
        multihost_utils.sync_global_devices("the end")
        _say(GOODBYE)
        if is_first():  # the others need it until they have left
            for listener in _listeners:
                listener.join(SILENCE)
        jax.distributed.shutdown()
        for line in _lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def is_first() -> bool:
    """Whether this process is the first, which alone writes logs and prints."""
    return jax.process_index() == 0


def on_first(function: Callable[[], str | None]) -> str | None:
    """Runs ``function()`` in the first process only; returns its result, or raises its UserError, in all processes."""
    answer, problem = None, None
    if is_first():
        try:
            answer = function()
        except UserError as error:
            problem = str(error)
    answer, problem = from_first([answer, problem])
    if problem is not None:
        raise UserError(problem)
    return answer


class Agreement:
    """Returns True in all processes at the same call, a few calls after ``wants()`` first holds in any of them.

    Every process has to call it equally often. The answer is computed on the devices and read ``ahead`` calls later,
    so that it blocks nothing; with one process it is ``wants()``.
    """

    def __init__(self, wants: Callable[[], bool], *, ahead: int = 4):
        self._wants, self._ahead = wants, ahead
        self._asked: deque[jax.Array] = deque()

    def __call__(self) -> bool:
        if jax.process_count() == 1:
            return self._wants()
        self._asked.append(_count(self._wants()))
        return len(self._asked) > self._ahead and int(self._asked.popleft()) > 0

    def settle(self) -> bool:
        """Whether ``wants()`` holds in any process now; waits for all of them."""
        self._asked.clear()
        return self._wants() if jax.process_count() == 1 else int(_count(self._wants())) > 0


@contextmanager
def loss_of_others_told() -> Iterator[None]:
    """Turns the error of a computation that another process has left into a LostProcessError."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        time.sleep(2 * GRACE)  # the thread that listens to the others knows which it was, and ends this process
        raise LostProcessError(
            f"process {jax.process_index()} of {jax.process_count()} has lost another ({brief(error)}). "
            "See what that one said; then resume all of them."
        ) from error


def leave_at_once(status: int) -> None:
    """Ends this process without waiting for the others, unlike a normal exit; does nothing in a single process."""
    if jax.distributed.is_initialized():  # be it that they have not come
        sys.stdout.flush()
        sys.stderr.flush()
        _say(TROUBLE)
        if _joined.is_set() and is_first():  # whose end has JAX abort the others, whatever they are about to say
            time.sleep(GRACE)
        os._exit(status)


def _count(wanted: bool) -> jax.Array:
    """In how many processes it is wanted: int32[]."""
    devices = [jax.local_devices(process_index=index)[0] for index in range(jax.process_count())]
    mesh = Mesh(np.array(devices), ("process",))
    by_process, whole = (NamedSharding(mesh, PartitionSpec(*names)) for names in (["process"], []))
    asked = jax.make_array_from_process_local_data(by_process, np.array([wanted], np.int32))
    return _sum_on(whole)(asked)


@cache
def _sum_on(sharding: NamedSharding) -> Callable[[jax.Array], jax.Array]:
    return jax.jit(jnp.sum, out_shardings=sharding)


def _watch(address: str | None) -> None:
    """Has a thread end this process when another has ended without a goodbye, however that came.

    JAX itself hears of it only by silence, after a minute, and then aborts.
    """
    host = "127.0.0.1" if address and address.startswith(("127.0.0.1:", "localhost:")) else ""
    if is_first():
        server = socket.create_server((host, 0), backlog=jax.process_count())
        name = host or (address.rpartition(":")[0] if address else socket.gethostname())
        _, port, token = from_first([name, server.getsockname()[1], secrets.token_hex(16)])
        threading.Thread(target=_serve, args=(server, token), daemon=True).start()
    else:
        name, port, token = from_first(None)
        with contextlib.suppress(OSError):  # where it cannot be reached, JAX's own way has to do
            line = socket.create_connection((name, port), timeout=SILENCE)
            line.sendall(f"{token}{jax.process_index():8d}".encode())
            _listen(line, 0)


def _serve(server: socket.socket, token: str) -> None:
    expected = len(token) + 8
    while len(_lines) < jax.process_count() - 1:
        line, _ = server.accept()
        line.settimeout(SILENCE)
        with contextlib.suppress(OSError, ValueError):
            said = line.recv(expected, socket.MSG_WAITALL).decode()
            if secrets.compare_digest(said[: len(token)], token):
                _listen(line, int(said[len(token) :]))


def _listen(line: socket.socket, other: int) -> None:
    line.settimeout(None)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _lines.append(line)

    def wait() -> None:
        said = b""
        with contextlib.suppress(OSError):
            said = line.recv(1)
        if said == TROUBLE:
            time.sleep(GRACE)
        if said == GOODBYE:
            with contextlib.suppress(OSError):
                line.recv(1)  # nothing comes, but the end
        if said == GOODBYE or _ending.is_set():
            return
        print(
            f"error: process {other} has ended, so process {jax.process_index()} does. See what that one said, then "
            "resume all of them.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)

    _listeners.append(threading.Thread(target=wait, daemon=True))
    _listeners[-1].start()


def _say(word: bytes) -> None:
    _ending.set()
    for line in _lines:
        with contextlib.suppress(OSError):
            line.sendall(word)
