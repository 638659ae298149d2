"""The cache of compiled programs, in processes of its own: JAX reads its settings once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxdl.run import compilation_cache

PROGRAM = """
import sys
import jax
import jax.numpy as jnp
from jaxdl.run import compilation_cache

hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
compilation_cache.LEAST_SECONDS = 0.0
compilation_cache.use()
result = jax.jit(lambda x: jnp.tanh(x @ x).sum())(jnp.eye(50))
print(jax.config.jax_compilation_cache_dir, hits.count("/jax/compilation_cache/cache_hits"), float(result))
"""


def start(folder, **environment):
    """The cache's folder, how many programs came from it, and what was computed."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**settings, "JAXDL_CACHE": str(folder), **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip()
    where, hits, value = done.stdout.split()
    return where, int(hits), float(value)


def programs(folder):
    return sorted(folder.rglob("*-cache"))


def test_second_start_compiles_nothing(tmp_path):
    _, first, value = start(tmp_path)
    where, second, again = start(tmp_path)
    assert (first, value) == (0, again)
    assert second == len(programs(tmp_path)) > 0
    assert Path(where).parent == tmp_path


def test_what_a_killed_process_left_is_compiled_again(tmp_path):
    _, _, value = start(tmp_path)
    for path in programs(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    assert start(tmp_path)[1:] == (0, value)
    assert start(tmp_path)[1:] == (len(programs(tmp_path)), value)


def test_cache_of_ones_own_is_left_alone(tmp_path):
    own = tmp_path / "own"
    where, _, _ = start(tmp_path / "ours", JAX_COMPILATION_CACHE_DIR=str(own))
    assert where == str(own)
    assert not (tmp_path / "ours").exists()


def test_folder_that_cannot_be_made_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    assert start(tmp_path / "file")[0] == "None"


def test_oldest_programs_go(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation_cache, "LARGEST", 250)
    for age, name in enumerate(("new", "middle", "old")):
        path = tmp_path / f"{name}-cache"
        path.write_bytes(b"p" * 100)
        os.utime(path, (time.time() - age * 100,) * 2)
    compilation_cache._tidy(tmp_path)
    assert [path.name for path in programs(tmp_path)] == ["middle-cache", "new-cache"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/cpuinfo")
def test_folder_is_for_this_processor():
    assert compilation_cache._instructions() != "any"
