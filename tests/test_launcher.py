import pytest

from jaxdl.errors import UserError
from jaxdl.launcher import PORTS, Place, first_node, place_of, tasks_per_node

# As Open MPI 4.1.4, Open MPI 5.0.11 and Slurm 22.05 set them.
OPEN_MPI_5 = {
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "PMIX_NAMESPACE": "prterun-host-9722@1",
}
OPEN_MPI_4 = OPEN_MPI_5 | {
    "PMIX_NAMESPACE": "2023030785",
    "OMPI_MCA_orte_hnp_uri": "2023030784.0;tcp://192.0.2.2,198.51.100.2:39527;tcp6://[fd00::2]:56049",
}
SLURM = {
    "SLURM_JOB_ID": "3",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "6",
    "SLURM_PROCID": "4",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "6",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "gpu[07,12]",
    "SLURM_STEP_TASKS_PER_NODE": "4,2",
}
APART = {"OMPI_COMM_WORLD_LOCAL_RANK": "0", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}
ONE_NODE = {"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NODELIST": "gpu07", "SLURM_STEP_TASKS_PER_NODE": "6"}
ONE_NODE |= {"SLURM_NODEID": "0", "SLURM_LOCALID": "4"}


def host(place):
    return place.coordinator.rpartition(":")[0]


def test_no_launcher_is_no_place():
    assert place_of({"HOME": "/root"}) is None


@pytest.mark.parametrize("environ", [OPEN_MPI_4, OPEN_MPI_5, OPEN_MPI_4 | SLURM])
def test_open_mpi_says_which_process_this_is(environ):
    place = place_of(environ)
    assert (host(place), place.process_id, place.num_processes) == ("127.0.0.1", 1, 2)
    assert int(place.coordinator.rpartition(":")[2]) in PORTS


def test_slurm_says_which_process_this_is():
    place = place_of(SLURM)
    assert (host(place), place.process_id, place.num_processes) == ("gpu07", 4, 6)
    assert host(place_of(SLURM | ONE_NODE)) == "127.0.0.1"


def test_on_several_machines_the_first_process_is_where_open_mpi_4_runs_and_open_mpi_5_asks():
    assert host(place_of(OPEN_MPI_4 | APART)) == "192.0.2.2"
    with pytest.raises(UserError, match="-x JAX_COORDINATOR_ADDRESS=HOST:PORT"):
        place_of(OPEN_MPI_5 | APART)
    given = {"JAX_COORDINATOR_ADDRESS": "198.51.100.7:1234"}
    assert place_of(OPEN_MPI_5 | APART | given) == Place("198.51.100.7:1234", 1, 2)


def test_steps_of_one_job_meet_at_ports_of_their_own():
    assert place_of(SLURM).coordinator == place_of(SLURM | {"SLURM_PROCID": "0"}).coordinator
    assert place_of(SLURM).coordinator != place_of(SLURM | {"SLURM_STEP_ID": "1"}).coordinator
    assert place_of(SLURM | {"JAX_COORDINATOR_PORT": "1234"}).coordinator == "gpu07:1234"


def test_a_job_of_slurm_without_srun_is_refused():
    batch = {name: value for name, value in SLURM.items() if "STEP" not in name}
    interactive = SLURM | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_ID": "4294967290"}
    for environ in (batch, interactive):
        with pytest.raises(UserError, match="add srun"):
            place_of(environ)


@pytest.mark.parametrize(
    ("environ", "devices"),
    [
        (SLURM, (0,)),  # not known how many there are
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1"}, (0,)),
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, (0, 1)),
        (SLURM | ONE_NODE | {"ROCR_VISIBLE_DEVICES": "0,1,2,3,4,5"}, (4,)),
        (SLURM | ONE_NODE | {"CUDA_VISIBLE_DEVICES": "3"}, None),  # by the site's own wrapper
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1", "SLURMD_TRES_BIND": "gpu:per_task:2"}, None),
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1", "SLURMD_TRES_BIND": "gpu:none"}, (0,)),
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1", "JAX_LOCAL_DEVICE_IDS": "1"}, None),
        (OPEN_MPI_4 | APART | {"CUDA_VISIBLE_DEVICES": "0,1"}, None),
        (OPEN_MPI_4 | {"CUDA_VISIBLE_DEVICES": "0,1"}, (1,)),
    ],
)
def test_a_process_takes_the_gpus_that_are_its_own(environ, devices):
    assert place_of(environ).devices == devices


def test_lists_of_slurm_are_read():
    names = {"node001": "node001", "node001,host2": "node001", "node[001-015],host2": "node001"}
    names |= {"node[003,007-015]": "node003", "gpu[03-07,12]-ib,login": "gpu03-ib", "r[1-2]n[5-8]": "r1n5"}
    for nodes, first in names.items():
        assert first_node(nodes) == first
    assert tasks_per_node("4") == [4]
    assert tasks_per_node("4(x2),3") == [4, 4, 3]
