"""A Slurm of one node on the loopback device, of the caller's own: nothing of the machine's is read or changed."""

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])  # where the daemons are, for those who are not root
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scancel", "sinfo", "squeue")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes=ALL Default=YES
"""


def missing():
    """The programs of Slurm and munge that are not installed."""
    return [name for name in PROGRAMS if not shutil.which(name, path=PATH)]


@contextmanager
def slurm(environment):
    """Starts munged, slurmctld and slurmd; yields the environment in which srun finds them; stops them."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, ExitStack() as stack:
        folder = Path(name)
        environment = {**environment, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        words = {"folder": folder, "host": socket.gethostname().split(".")[0], "user": getpass.getuser()}
        (folder / "slurm.conf").write_text(CONFIGURATION.format(ports=_free_ports(2), **words))
        version = subprocess.run(["slurmd", "-V"], env=environment, capture_output=True, text=True, check=True).stdout
        # No control group is used; from this version on that can be said.
        plugin = "disabled" if int(re.search(r"\d+", version)[0]) >= 23 else "cgroup/v1"
        (folder / "cgroup.conf").write_text(f"CgroupPlugin={plugin}\n")
        key = folder / "key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))
        files = {"key-file": "key", "socket": "munge.socket", "pid-file": "munged.pid", "seed-file": "seed"}
        _start(
            stack, environment, folder, "munged", "-F", "--force", *(f"--{a}={folder / b}" for a, b in files.items())
        )
        _wait(lambda: (folder / "munge.socket").exists(), folder)
        _start(stack, environment, folder, "slurmctld", "-D")
        _start(stack, environment, folder, "slurmd", "-D")
        _wait(lambda: _says(environment, "sinfo", "-h", "-o", "%T") == "idle", folder)
        try:
            yield environment
        finally:
            _says(environment, "scancel", "--user", getpass.getuser())
            _wait(lambda: not _says(environment, "squeue", "-h"), folder)


def _start(stack, environment, folder, *command):
    log = stack.enter_context((folder / f"{command[0]}.log").open("w"))
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    stack.callback(_stop, process)


def _stop(process):
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _says(environment, *command):
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout.strip()


def _wait(holds, folder):
    deadline = time.monotonic() + 120
    while not holds():
        logs = {path.name: path.read_text()[-2000:] for path in folder.glob("*.log")}
        assert time.monotonic() < deadline, logs
        time.sleep(0.2)


def _free_ports(count):
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]
