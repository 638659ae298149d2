"""Files of checkpoints cut short, emptied, removed and changed, by hand, by a full disk and by a killed program."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxdl.checkpoint import Checkpoints, manifest
from jaxdl.errors import UserError
from tests.checkpoint.states import assert_same, small_state

ROOT = Path(__file__).resolve().parents[2]


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def removed(path):
    path.unlink()


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with the checkpoints of steps 1 and 2."""
    folder = tmp_path_factory.mktemp("saved")
    with Checkpoints(folder) as checkpoints:
        for step in (1, 2):
            checkpoints.save(small_state(step), {"at": step}, score=step / 10)
    return folder


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", [truncated, emptied, removed, flipped])
def test_damage_to_any_file_is_noticed_and_the_checkpoint_before_used(saved, tmp_path, damage):
    names = sorted(files_of(saved / "2"))
    assert len(names) > 5
    for number, name in enumerate(names):
        folder = tmp_path / str(number)
        shutil.copytree(saved, folder)
        damage(folder / "2" / name)
        before = files_of(folder)
        reports = []
        with Checkpoints(folder, report=reports.append) as checkpoints:
            assert checkpoints.steps == [1, 2]
            assert checkpoints.best_step == (1 if name.startswith("manifest") else 2)
            restored, notes = checkpoints.restore(small_state(0))
            assert checkpoints.steps == [1]
            with pytest.raises(UserError, match=f"the checkpoint {folder / '2'} is damaged .*{name}"):
                checkpoints.restore(small_state(0), step=2)
        assert_same(restored, small_state(1))
        assert notes == {"at": 1}
        what = f"{name} {'is missing' if damage is removed else 'has changed since it was saved'}"
        assert reports == [f"the checkpoint {folder / '2'} is damaged ({what}); using the one of step 1."]
        assert files_of(folder) == before


def test_a_checkpoint_changed_with_its_manifest_is_noticed_by_the_arrays_checksums(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run")
    folder = tmp_path / "run" / "2"
    shutil.rmtree(folder / "state")
    shutil.copytree(saved / "1" / "state", folder / "state")
    intact = manifest.Manifest(**manifest._read(saved / "2")[0])
    shutil.rmtree(folder / "notes")
    shutil.rmtree(folder / "manifest")
    intact.write(folder)
    reports = []
    with Checkpoints(tmp_path / "run", report=reports.append) as checkpoints:
        assert_same(checkpoints.restore(small_state(0))[0], small_state(1))
    assert "does not have the checksum it was saved with" in reports[0]


@pytest.mark.parametrize("step", [None, 2])
def test_restore_says_so_where_every_checkpoint_is_damaged(saved, tmp_path, step):
    shutil.copytree(saved, tmp_path / "run")
    for number in ("1", "2"):
        (tmp_path / "run" / number / "notes" / "metadata").unlink()
    with Checkpoints(tmp_path / "run") as checkpoints:
        with pytest.raises(UserError, match=r"damaged.*notes/metadata is missing"):
            checkpoints.restore(small_state(0), step=step)
        with pytest.raises(UserError, match=r"there is no checkpoint of step 5 in .*; there are those of steps 1, 2"):
            checkpoints.restore(small_state(0), step=5)


@pytest.mark.parametrize("item", ["state", "notes", "manifest", "."])
def test_a_checkpoint_without_a_whole_item_is_passed_over(saved, tmp_path, item):
    shutil.copytree(saved, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "2" / item)
    (tmp_path / "run" / "2").mkdir(exist_ok=True)
    reports = []
    with Checkpoints(tmp_path / "run", report=reports.append) as checkpoints:
        assert checkpoints.best_step == (1 if item in ("manifest", ".") else 2)
        assert_same(checkpoints.restore(small_state(0))[0], small_state(1))
    assert len(reports) == 1


def test_a_damaged_checkpoint_is_replaced_when_its_step_is_saved_again(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run")
    flipped(next((tmp_path / "run" / "2" / "state" / "d").iterdir()))
    with Checkpoints(tmp_path / "run", report=lambda line: None) as checkpoints:
        checkpoints.restore(small_state(0))
        checkpoints.save(small_state(2), {"again": True})
        checkpoints.wait()
        assert checkpoints.steps == [1, 2]
    with Checkpoints(tmp_path / "run") as checkpoints:
        restored, notes = checkpoints.restore(small_state(0))
    assert_same(restored, small_state(2))
    assert notes == {"again": True}
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["1", "2"]


def test_a_damaged_checkpoint_neither_counts_among_the_last_nor_stays(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run")
    (tmp_path / "run" / "2").rename(tmp_path / "run" / "20")
    emptied(tmp_path / "run" / "20" / "manifest" / "metadata")
    with Checkpoints(tmp_path / "run", report=lambda line: None) as checkpoints:
        assert int(checkpoints.restore(small_state(0))[0].step) == 1
        checkpoints.save(small_state(15), {})
        checkpoints.wait()
        assert checkpoints.steps == [1, 15]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["1", "15"]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (
            {"params": {"dense": {"kernel": jnp.ones((64, 48))}}},
            r"params.dense.bias is bfloat16\[8\] in it, absent here",
        ),
        (
            {"batch_stats": {"mean": jnp.ones(16), "none": jnp.ones((0, 8))}},
            r"mean is float16\[16\] in it, float32\[16\]",
        ),
        ({"opt_state": ()}, "opt_state.1.count is int32.* absent here"),
        ({"key": jax.random.key(0, impl="rbg")}, r"key is key<fry>\[\] in it, key<rbg>\[\] here"),
    ],
)
def test_restore_into_another_structure_names_the_first_difference(saved, other, difference):
    reports = []
    with (
        Checkpoints(saved, report=reports.append) as checkpoints,
        pytest.raises(UserError, match=f"2 does not fit this model and optimizer: .*{difference}"),
    ):
        checkpoints.restore(small_state(0).replace(**other))
    assert not reports


START = """
import os, sys, signal, resource
import etils.epath, orbax.checkpoint  # which a program without rights could not read
from pathlib import Path
from jaxdl.checkpoint import Checkpoints
from tests.checkpoint.states import assert_same, small_state
"""


def in_a_program(program, folder, *, before=()):
    """Runs a program that imports the library in its own process; returns its lines on stdout, and its stderr."""
    command = [*before, sys.executable, "-c", START + program, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


FAILING = """
folder = Path(sys.argv[1])
with Checkpoints(folder, report=print) as checkpoints:
    checkpoints.save(small_state(1), {})
    checkpoints.wait()
    for step in (2, 3):
        breaks(folder)
        checkpoints.save(small_state(step), {})
        checkpoints.wait()
        mends(folder)
        assert checkpoints.steps == [1], checkpoints.steps
        assert_same(checkpoints.restore(small_state(0))[0], small_state(1))
    checkpoints.save(small_state(4), {})
    checkpoints.wait()
    assert checkpoints.steps == [1, 4], checkpoints.steps
    assert_same(checkpoints.restore(small_state(0))[0], small_state(4))
    assert sorted(os.listdir(folder)) == ["1", "4"], os.listdir(folder)
"""
FILE_SIZE = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def breaks(folder):
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
def mends(folder):
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
DISK = """
def breaks(folder):
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
    Path(folder, "ballast").write_bytes(bytes(free - 8192))
def mends(folder):
    Path(folder, "ballast").unlink()
"""
PERMISSION = """
def breaks(folder):
    folder.chmod(0o500)
def mends(folder):
    folder.chmod(0o700)
"""
MOVED = """
def breaks(folder):
    folder.rename(f"{folder}.moved")
    folder.write_text("")
def mends(folder):
    folder.unlink()
    Path(f"{folder}.moved").rename(folder)
"""


@pytest.mark.long
@pytest.mark.parametrize(("how", "reason"), [(FILE_SIZE, "File too large"), (MOVED, "Not a directory")])
def test_a_write_that_fails_is_reported_and_later_ones_succeed(tmp_path, how, reason):
    reports, errors = in_a_program(how + FAILING, tmp_path / "run")
    assert not errors
    assert len(reports) == 2
    for step, line in zip((2, 3), reports, strict=True):
        assert re.fullmatch(
            rf"the checkpoint of step {step} could not be saved \({reason}\); training goes on, "
            r"(the newest on disk is of step 1|there is none on disk yet)\.",
            line,
        )


def test_a_full_disk_is_reported_and_saving_goes_on_when_there_is_room(tmp_path):
    own_disk = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*own_disk, "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("no disk of one's own can be mounted here")
    mounted = [*own_disk, "sh", "-c", f'mount -t tmpfs -o size=400k none {tmp_path} && exec "$@"', "sh"]
    reports, errors = in_a_program(DISK + FAILING, tmp_path, before=mounted)
    assert not errors
    assert len(reports) == 2
    assert "step 2 could not be saved (No space left on device)" in reports[0]


def test_a_folder_that_may_not_be_written_is_reported(tmp_path):
    as_nobody = "os.seteuid(65534)\n" if os.geteuid() == 0 else ""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        reports, errors = in_a_program(as_nobody + PERMISSION + FAILING, f"{folder}/run")
    assert not errors
    assert [line.split("(")[1].split(")")[0] for line in reports] == ["Permission denied"] * 2


SAVING = """
with Checkpoints(sys.argv[1], keep_last=3) as checkpoints:
    for step in range(checkpoints.steps[-1] + 1 if checkpoints.steps else 1, 10**6):
        checkpoints.save(small_state(step), {"at": step})
        print(step, flush=True)
"""


@pytest.mark.long
def test_whenever_the_program_is_killed_the_newest_checkpoint_is_whole(tmp_path, rng):
    newest = 0
    for moment in rng.uniform(0, 0.15, 8):
        with subprocess.Popen(
            [sys.executable, "-c", START + SAVING, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as program:
            begun = [int(program.stdout.readline()) for _ in range(3)][-1]
            time.sleep(moment)
            program.kill()
        reports = []
        with Checkpoints(tmp_path, report=reports.append) as checkpoints:
            restored, notes = checkpoints.restore(small_state(0))
            assert checkpoints.steps[-1] >= begun - 1 > newest  # what was saved before is on disk once the next begins
        newest = notes["at"]
        assert newest >= begun - 1
        assert_same(restored, small_state(newest))
        assert not reports
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(small_state(newest + 1), {})
    assert all(path.name.isdigit() for path in tmp_path.iterdir())


def test_what_a_program_left_unfinished_is_no_checkpoint(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run")
    shutil.copytree(saved / "2", tmp_path / "run" / "3.unfinished.17")
    with Checkpoints(tmp_path / "run") as checkpoints:
        assert checkpoints.steps == [1, 2]
        assert int(checkpoints.restore(small_state(0))[0].step) == 2
        assert (tmp_path / "run" / "3.unfinished.17").exists()
        checkpoints.save(small_state(3), {})
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["2", "3"]


def test_mistakes_of_the_program_raise(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(TypeError, match="JSON"):
            checkpoints.save(small_state(1), {"notes": object()})
        assert checkpoints.steps == []
