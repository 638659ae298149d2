"""Checkpoints between one device and many, arrays whole and in parts, one process and two."""

import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxdl.checkpoint import Checkpoints
from jaxdl.checkpoint.checksum import checksums
from tests.checkpoint.states import assert_same, small_state

ROOT = Path(__file__).resolve().parents[2]


def mesh():
    return Mesh(np.array(jax.devices()), ("data",))


def on_one(leaf):
    return jax.device_put(leaf, jax.devices()[3])


def replicated(leaf):
    return jax.device_put(leaf, NamedSharding(mesh(), P()))


def in_parts(leaf):
    """Sharded by the first axis that the devices divide."""
    count = len(jax.devices())
    axes = [axis for axis, size in enumerate(leaf.shape) if size and size % count == 0]
    return jax.device_put(leaf, NamedSharding(mesh(), P(*[None] * axes[0], "data") if axes else P()))


PLACES = {"uncommitted": lambda leaf: leaf, "one": on_one, "replicated": replicated, "parts": in_parts}


@pytest.mark.long
@pytest.mark.parametrize("after", PLACES)
@pytest.mark.parametrize("before", PLACES)
def test_restore_puts_every_array_where_it_is_to_lie(tmp_path, before, after):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(small_state(7, place=PLACES[before]), {})
        like = small_state(0, place=PLACES[after])
        restored, _ = checkpoints.restore(like)
    assert_same(restored, small_state(7))

    def lies_alike(array, wanted):
        assert array.sharding.is_equivalent_to(wanted.sharding, array.ndim)
        assert type(array.sharding) is type(wanted.sharding)
        assert array.committed == wanted.committed

    jax.tree.map(lies_alike, restored, like)
    if after == "parts":
        assert restored.params["dense"]["kernel"].addressable_data(7).shape == (8, 48)
        assert restored.frozen["params"]["keys"].addressable_data(7).shape == (1,)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int32", "uint32", "uint8", "int8", "bool"])
def test_checksums_do_not_depend_on_where_an_array_lies(rng, dtype):
    array = jnp.asarray(rng.integers(0, 2, (16, 5))).astype(dtype)
    sums = [int(total) for total in checksums([place(array) for place in PLACES.values()])]
    assert len(set(sums)) == 1
    assert sums[0] != int(checksums([array[::-1]])[0])


def test_checksums_notice_any_bit_and_any_exchange(rng):
    words = rng.integers(0, 2**32, 64, np.uint32)
    changed = [words ^ np.where(np.arange(64) == place, np.uint32(1 << bit), np.uint32(0))
               for place in (0, 31, 63) for bit in range(32)]  # fmt: skip
    exchanged = [np.roll(words, 1), words[::-1], words.reshape(8, 8).T.ravel()]
    sums = [int(total) for total in checksums([jnp.asarray(array) for array in [words, *changed, *exchanged]])]
    assert len(set(sums)) == 1 + len(changed) + len(exchanged)


def test_checksums_of_nothing_and_of_one_number_are_sums():
    empty, one, other = checksums([jnp.zeros((0, 3)), jnp.float32(1), jnp.float32(-1)])
    assert int(empty) == 0
    assert int(one) != int(other)


START = """
import resource, signal, sys
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
port, process, *arguments = sys.argv[1:]
jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(process))
from jaxdl.checkpoint import Checkpoints
from tests.checkpoint.states import small_state
from tests.checkpoint.test_processes import assert_parts_same, everywhere, parts_everywhere
"""
TOGETHER = """
folder, damaged = arguments
place = {"replicated": everywhere, "parts": parts_everywhere}
with Checkpoints(f"{folder}/alone", report=print) as checkpoints:
    for name in ("replicated", "parts"):
        restored, notes = checkpoints.restore(small_state(0, place=place[name]))
        assert_parts_same(restored, small_state(5))
        assert notes == {"words": "from one"}
with Checkpoints(f"{folder}/together", report=print) as checkpoints:
    for step, name in ((1, "replicated"), (2, "parts")):
        checkpoints.save(small_state(step, place=place[name]), {"at": step}, score=step / 10)
    checkpoints.wait()
    assert checkpoints.steps == [1, 2]
    assert_parts_same(checkpoints.restore(small_state(0, place=everywhere))[0], small_state(2))
    assert_parts_same(checkpoints.restore(small_state(0, place=parts_everywhere), step=1)[0], small_state(1))
with Checkpoints(damaged, report=print) as checkpoints:
    restored, _ = checkpoints.restore(small_state(0, place=parts_everywhere))
    assert_parts_same(restored, small_state(4))
    checkpoints.save(small_state(5, place=parts_everywhere), {})
    checkpoints.wait()
    assert checkpoints.steps == [4, 5]
"""
ONE_FAILS = """
folder, failing = arguments
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Checkpoints(folder, report=print) as checkpoints:
    for step in (1, 2, 3):
        limit = 100 if step == 2 and process == failing else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        checkpoints.save(small_state(step, place=parts_everywhere), {})
        checkpoints.wait()
        assert checkpoints.steps == [[1], [1], [1, 3]][step - 1]
    restored, _ = checkpoints.restore(small_state(0, place=parts_everywhere))
    assert_parts_same(restored, small_state(3))
"""


def everywhere(leaf):
    """On all devices of all processes, made of what each of them has."""
    return _global(leaf, P())


def parts_everywhere(leaf):
    axes = [axis for axis, size in enumerate(leaf.shape) if size and size % len(jax.devices()) == 0]
    return _global(leaf, P(*[None] * axes[0], "data") if axes else P())


def _global(leaf, spec):
    return jax.jit(lambda leaf: leaf, out_shardings=NamedSharding(mesh(), spec))(leaf)


def assert_parts_same(state, expected):
    """Of each array what this process has."""

    def same(array, wanted):
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            array, wanted = jax.random.key_data(array), jax.random.key_data(wanted)
        assert array.dtype == wanted.dtype
        for shard in array.addressable_shards:
            assert np.asarray(shard.data).tobytes() == np.asarray(wanted)[shard.index].tobytes()

    assert jax.tree.structure(state) == jax.tree.structure(expected)
    jax.tree.map(same, state, expected)


def run_two(program, *arguments):
    """Lines printed by each of two processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", START + program, str(port), str(process), *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]
    try:
        printed = [process.communicate(timeout=120) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, printed, strict=True):
        assert process.returncode == 0, errors
    return [output.splitlines() for output, _ in printed]


@pytest.mark.long
def test_two_processes_write_one_checkpoint_and_read_each_others(tmp_path):
    with Checkpoints(tmp_path / "alone") as checkpoints:
        checkpoints.save(small_state(5), {"words": "from one"})
    with Checkpoints(tmp_path / "damaged") as checkpoints:
        for step in (4, 5):
            checkpoints.save(small_state(step), {})
    (tmp_path / "damaged" / "5" / "notes" / "metadata").write_text("{")
    first, second = run_two(TOGETHER, tmp_path, tmp_path / "damaged")
    assert len([line for line in first if "is damaged" in line]) == 1
    assert not any("checkpoint" in line for line in second)
    with Checkpoints(tmp_path / "together") as checkpoints:
        assert checkpoints.steps == [1, 2]
        assert checkpoints.best_step == 2
        for step in (1, 2):
            restored, notes = checkpoints.restore(small_state(0), step=step)
            assert_same(restored, small_state(step))
            assert notes == {"at": step}


@pytest.mark.long
@pytest.mark.parametrize(("failing", "reason"), [(0, "File too large"), (1, "process 1 could not write its part")])
def test_a_write_that_fails_in_one_process_is_reported_by_the_first(tmp_path, failing, reason):
    first, second = run_two(ONE_FAILS, tmp_path, failing)
    assert [line for line in first if "checkpoint" in line] == [
        f"the checkpoint of step 2 could not be saved ({reason}); training goes on, the newest on disk is of step 1."
    ]
    assert not any("checkpoint" in line for line in second)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3"]
