import os

import numpy as np
import pytest

from jaxdl import disk
from jaxdl.data import cache
from tests.power_cut import Watch


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


def flipped(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("images.npy", lambda content: content[:-5]),
        ("images.npy", lambda content: content[:-12] + bytes(12)),  # as a power cut leaves it: a header, then zeros
        ("images.npy", flipped),
        ("images.npy", lambda content: b""),
        ("images.npy", None),
        ("about.json", lambda content: content[:-5]),
        ("about.json", lambda content: b"null"),
        ("about.json", lambda content: content.replace(b'"x"', b'"y"')),
        ("about.json", lambda content: b"\xff" + content),
        ("about.json", lambda content: bytes(len(content))),
    ],
)
def test_a_damaged_cache_is_read_again_and_mended(reads, file, damage):
    cache.arrays("key", reads)
    path = cache.directory() / "key" / file
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    for _ in range(2):
        stored, about = cache.arrays("key", reads)
        np.testing.assert_array_equal(stored["images"], np.arange(12).reshape(3, 4))
        assert about == {"words": "x"}
    assert reads.calls == 2


def test_an_entry_is_on_the_disk_before_it_is_there(reads, monkeypatch):
    watch = Watch(monkeypatch)
    cache.arrays("key", reads)
    assert watch.renamed == [cache.directory() / "key"]
    assert watch.unflushed == []


def test_drafts_that_nobody_writes_go_at_the_next_start(reads):
    cache.arrays("key", reads)
    draft = cache.directory() / ".draft-of-a-killed-process"
    draft.mkdir()
    (draft / "images.npy").write_bytes(bytes(100))
    cache.arrays("key", reads)
    assert [path.name for path in cache.directory().iterdir()] == ["key"]


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


@pytest.mark.parametrize("what", ["file", "link to nothing"])
def test_an_entry_that_is_no_folder_is_replaced(reads, what):
    place = cache.directory() / "key"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("x") if what == "file" else place.symlink_to("nowhere")
    for _ in range(2):
        cache.arrays("key", reads)
    assert reads.calls == 1


@pytest.mark.parametrize("contents", [None, 5, [], {}, {"about": {}, "arrays": None}, {"about": {}, "arrays": []}])
def test_an_entry_that_is_sealed_and_none_is_read_anew(reads, contents):
    place = cache.directory() / "key"
    place.mkdir(parents=True)
    (place / cache.ABOUT).write_text(disk.sealed(contents))
    assert set(cache.arrays("key", reads)[0]) == {"images"}
