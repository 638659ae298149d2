"""Cache of XLA's compiled programs on disk, for the next start."""

import contextlib
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import jax
import jaxlib

from jaxdl.data import cache

LARGEST = 2**30  # bytes of all programs kept
LEAST_SECONDS = 0.3  # that a program took to compile
CHECKED = "checked"  # a file that is as old as the last look at the others


def use(folder: Path | None = None) -> None:
    """Has JAX keep compiled programs in a folder in ``folder`` and take from there what an earlier start has compiled.

    It is one of this jaxlib and this processor's instructions. folder: ``jaxdl.data.cache.directory()`` if None.
    Nothing is done where JAX already has a cache, or where the folder cannot be written. What a killed process left
    half written goes, and the oldest programs beyond a gibibyte.
    """
    if jax.config.jax_compilation_cache_dir or not jax.config.jax_enable_compilation_cache:
        return
    folder = (folder or cache.directory()) / f"programs-jaxlib-{jaxlib.__version__}-{_instructions()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _instructions() -> str:
    """Short for what this processor can do: a program for a newer one would end this process."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return hashlib.sha256(line.encode()).hexdigest()[:8]
    return "any"


def _tidy(folder: Path) -> None:
    marker = folder / CHECKED
    checked = marker.stat().st_mtime if marker.exists() else 0.0
    marker.touch()
    kept = 0
    for written, size, path in sorted(_programs(folder), reverse=True):
        kept += size
        if kept > LARGEST or (written >= checked and not _whole(path)):
            path.unlink(missing_ok=True)


def _programs(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob("*-cache"):
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            yield about.st_mtime, about.st_size, path


def _whole(path: Path) -> bool:
    """Whether JAX could read it; true where it is not compressed by zlib and only JAX can tell."""
    content = path.read_bytes()
    if not content.startswith(b"\x78"):
        return bool(content)
    try:
        zlib.decompress(content)
    except zlib.error:
        return False
    return True
