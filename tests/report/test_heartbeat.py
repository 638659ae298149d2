"""Work that says nothing is heard of all the same, and only then."""

import io
import time

import pytest

from jaxdl.report import heartbeat
from jaxdl.report.heartbeat import Heartbeat

SOON = 0.05  # seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(heartbeat, "LONGEST_SILENCE", SOON)


def lines_until(stream, count, *, within=10.0):
    ends = time.monotonic() + within
    while stream.getvalue().count("\n") < count and time.monotonic() < ends:
        time.sleep(0.01)
    return stream.getvalue().splitlines()


def test_silent_work_speaks_again_and_again():
    stream = io.StringIO()
    with Heartbeat("compiling", stream=stream) as working:
        first, second = lines_until(stream, 2)[:2]
        working.begin("testing")
        testing = lines_until(stream, stream.getvalue().count("\n") + 1)[-1]
    assert first.startswith("  compiling, 00:0")
    assert second.startswith("  compiling, 00:0")
    assert testing.startswith(("  testing, 00:0", "  compiling, "))
    ended = stream.getvalue()
    time.sleep(4 * SOON)
    assert stream.getvalue() == ended


def test_what_is_begun_can_be_told_at_once(monkeypatch):
    monkeypatch.setattr(heartbeat, "LONGEST_SILENCE", 1000.0)
    stream = io.StringIO()
    with Heartbeat("loading", stream=stream) as working:
        working.begin("compiling", told=True)
        with working.during("validating"):
            assert working._doing == "validating"
        assert working._doing == "compiling"
        assert not working.due
    assert stream.getvalue() == "  compiling\n"


def test_who_speaks_is_not_spoken_for(monkeypatch):
    monkeypatch.setattr(heartbeat, "LONGEST_SILENCE", 1000.0)
    with Heartbeat("training", stream=io.StringIO()) as working:
        working._spoke -= 1001
        assert working.due
        working.spoke()
        assert not working.due


@pytest.mark.parametrize("on_terminal", [False, True])
def test_a_terminal_is_told_only_where_there_is_no_bar(on_terminal):
    stream = Terminal()
    with Heartbeat("compiling", stream=stream, on_terminal=on_terminal):
        assert bool(lines_until(stream, 1, within=10.0 if on_terminal else 6 * SOON)) == on_terminal
