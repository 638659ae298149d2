"""Reads from the environment which process srun or mpirun started this as."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from jaxdl.errors import UserError

LOOPBACK = "127.0.0.1"
PORTS = range(61440, 65536)  # above those that Linux hands out by itself


@dataclass(frozen=True)
class Place:
    """One of the processes of a run, and where to find the first of them."""

    coordinator: str  # HOST:PORT
    process_id: int
    num_processes: int
    devices: tuple[int, ...] | None = None  # which of the GPUs that it sees are its own; None: all


def place_of(environ: Mapping[str, str]) -> Place | None:
    """The place that Open MPI's mpirun or Slurm's srun gave this process; None if neither started it.

    JAX_COORDINATOR_ADDRESS and JAX_COORDINATOR_PORT take precedence, as in JAX. Raises UserError if the environment is
    incomplete.
    """
    if "OMPI_COMM_WORLD_RANK" in environ:  # before Slurm, in whose jobs mpirun may be called
        return _of_mpirun(environ)
    if "SLURM_JOB_ID" in environ:
        return _of_srun(environ)
    return None


def _of_mpirun(environ: Mapping[str, str]) -> Place:
    number, count = int(environ["OMPI_COMM_WORLD_RANK"]), int(environ["OMPI_COMM_WORLD_SIZE"])
    local, here = int(environ["OMPI_COMM_WORLD_LOCAL_RANK"]), int(environ["OMPI_COMM_WORLD_LOCAL_SIZE"])
    launcher = re.search(r"tcp://([^,:]+)", environ.get("OMPI_MCA_orte_hnp_uri", ""))  # where mpirun itself runs
    host = LOOPBACK if here == count else launcher and launcher[1]
    job = environ.get("PMIX_NAMESPACE") or environ.get("OMPI_MCA_ess_base_jobid", "")
    return Place(_address(environ, host, job), number, count, _devices(environ, local, here, bound=False))


def _of_srun(environ: Mapping[str, str]) -> Place:
    count = environ.get("SLURM_STEP_NUM_TASKS")
    if count is None or count != environ.get("SLURM_NTASKS", count):  # the job's script, or the shell of salloc
        raise UserError("this is in a Slurm job but was not started by srun, as coordinator auto needs: add srun.")
    host = LOOPBACK if environ["SLURM_STEP_NUM_NODES"] == "1" else first_node(environ["SLURM_STEP_NODELIST"])
    address = _address(environ, host, f"{environ['SLURM_JOB_ID']}.{environ['SLURM_STEP_ID']}")
    here = tasks_per_node(environ["SLURM_STEP_TASKS_PER_NODE"])[int(environ["SLURM_NODEID"])]
    bound = re.search(r"gpu:(?!none)", environ.get("SLURMD_TRES_BIND", "")) is not None  # as by --gpus-per-task
    devices = _devices(environ, int(environ["SLURM_LOCALID"]), here, bound=bound)
    return Place(address, int(environ["SLURM_PROCID"]), int(count), devices)


def first_node(nodes: str) -> str:
    """The first name in a list as Slurm writes it: ``gpu[03-07,12]-ib,login`` begins with ``gpu03-ib``."""
    return re.sub(r"\[([^],-]+)[^]]*\]", r"\1", nodes).split(",")[0]


def tasks_per_node(counts: str) -> list[int]:
    """Number of tasks on each node: Slurm writes ``4(x2),3`` for 4, 4 and 3."""
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", counts)
    return [int(tasks) for tasks, nodes in found for _ in range(int(nodes or 1))]


def _address(environ: Mapping[str, str], host: str | None, job: str) -> str:
    if given := environ.get("JAX_COORDINATOR_ADDRESS"):
        return given
    if not host:
        raise UserError(
            "this mpirun does not tell its processes on several machines where the first one runs: "
            "add -x JAX_COORDINATOR_ADDRESS=HOST:PORT, HOST being the first machine and PORT free there."
        )
    # All have to come to the same port without a word, and two jobs on one machine rather not.
    port = environ.get("JAX_COORDINATOR_PORT") or PORTS[zlib.crc32(job.encode()) % len(PORTS)]
    return f"{host}:{port}"


def _devices(environ: Mapping[str, str], local: int, here: int, *, bound: bool) -> tuple[int, ...] | None:
    """An equal share of the GPUs that all ``here`` processes of a machine see, unless each was shown its own.

    JAX takes the ``local``-th for each: none where each sees but one, and one of all for the only process of a machine.
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES") or environ.get("ROCR_VISIBLE_DEVICES")
    if here == 1 or bound or "JAX_LOCAL_DEVICE_IDS" in environ:
        return None
    if visible is None:
        return (local,)
    share = len(visible.split(",")) // here  # 0: they were divided by other means
    return tuple(range(local * share, (local + 1) * share)) or None
