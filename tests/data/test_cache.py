import os

import numpy as np
import pytest

from jaxdl.data import cache


@pytest.fixture
def reads(monkeypatch, tmp_path):
    """A reader that counts its calls, and a cache folder of its own."""
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path / "cache"))

    def read():
        read.calls += 1
        return {"images": np.arange(12, dtype=np.uint8).reshape(3, 4)}, {"words": "x"}

    read.calls = 0
    return read


def test_arrays_are_read_once_and_then_mapped(reads):
    for _ in range(3):
        stored, about = cache.arrays("key", reads)
        np.testing.assert_array_equal(stored["images"], np.arange(12).reshape(3, 4))
        assert about == {"words": "x"}
        assert isinstance(stored["images"], np.memmap)
        assert not stored["images"].flags.writeable
    assert reads.calls == 1
    assert [path.name for path in cache.directory().iterdir()] == ["key"]  # no draft is left


@pytest.mark.parametrize("damage", ["images.npy", "about.json"])
def test_a_damaged_cache_is_read_again_and_mended(reads, damage):
    cache.arrays("key", reads)
    path = cache.directory() / "key" / damage
    path.write_bytes(path.read_bytes()[:-5])
    stored, _ = cache.arrays("key", reads)
    np.testing.assert_array_equal(stored["images"], np.arange(12).reshape(3, 4))
    cache.arrays("key", reads)
    assert reads.calls == 2


def test_a_cache_that_cannot_be_written_still_gives_the_arrays(reads, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path / "file" / "below"))
    stored, about = cache.arrays("key", reads)
    assert stored["images"].shape == (3, 4)
    assert about == {"words": "x"}


def test_key_changes_with_a_file_and_with_a_setting(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    keys = {cache.key_of("name", [file], 32), cache.key_of("name", [file], 64), cache.key_of("name", [], 32)}
    os.utime(file, ns=(0, 1))
    keys.add(cache.key_of("name", [file], 32))
    assert len(keys) == 4
