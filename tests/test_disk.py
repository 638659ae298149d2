"""Files are on the disk before they get their names, and what killed processes leave goes."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdl import disk
from tests.power_cut import Watch


def test_what_gets_a_name_is_on_the_disk_before(tmp_path, monkeypatch):
    watch = Watch(monkeypatch)
    disk.write(tmp_path / "a.json", "one")
    with disk.folder(tmp_path / "deep" / "folder") as draft:
        (draft / "below").mkdir()
        (draft / "below" / "b").write_text("two")
    assert watch.renamed == [tmp_path / "a.json", tmp_path / "deep" / "folder"]
    assert watch.unflushed == []
    assert (tmp_path / "a.json").read_text() == "one"
    assert (tmp_path / "deep" / "folder" / "below" / "b").read_text() == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "deep"]


def fail_in(path):
    with disk.folder(path) as draft:
        (draft / "c").write_text("x")
        raise ZeroDivisionError


def test_a_file_or_a_folder_that_cannot_be_finished_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        disk.write(tmp_path / "a", "x")
    with pytest.raises(ZeroDivisionError):
        fail_in(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_text_without_an_encoding_is_escaped(tmp_path):
    disk.write(tmp_path / "a", "caf\udce9 ü")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "caf\\udce9 ü"


def test_the_draft_of_a_killed_process_goes_and_that_of_a_living_one_stays(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from jaxdl import disk\n"
        "with disk.folder(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'large').write_bytes(bytes(1000)); print(draft.name, flush=True); time.sleep(600)"
    )
    writing = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / name)], stdout=subprocess.PIPE, text=True)
        for name in ("killed", "living")
    ]
    killed, living = (process.stdout.readline().strip() for process in writing)
    writing[0].send_signal(signal.SIGKILL)
    writing[0].wait()
    (tmp_path / ".draft-just-made").mkdir()  # by a process that has not locked it yet
    disk.tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living, ".draft-just-made"])
    assert killed != living
    for process in writing:
        process.kill()
        process.communicate()


def test_a_seal_shows_any_change():
    text = disk.sealed({"a": [1, 2.5, "ü"]})
    assert disk.unsealed(text) == disk.unsealed(text.encode()) == {"a": [1, 2.5, "ü"]}
    for changed in (text.replace("2.5", "2.6"), text[:-1], "null", "5", "[]", '{"crc32": 1}', b"\xff", "[" * 100_000):
        with pytest.raises(ValueError, match="has changed"):
            disk.unsealed(changed)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"not a file|Is a directory"):
            disk.opened(path)
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with disk.opened(tmp_path / "link") as file:
        assert file.read() == b"content"


@pytest.mark.parametrize(
    ("number", "way"),
    [(errno.ENOSPC, "Make room"), (errno.EACCES, "Have this user write there"), (errno.ENOTDIR, "Mend that")],
)
def test_the_way_out_is_of_what_the_system_said(number, way):
    assert disk.way_out(OSError(number, "")) == way
