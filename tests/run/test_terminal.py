"""Standard output that breaks, and homes that are not there: in real processes."""

import os
import subprocess
import sys

import pytest

from tests.commands.short_run import ROOT

LONG = (
    "import sys; from jaxdl.run import terminal\n"
    "with terminal.steady(terminal.say_lost):\n"
    "    for line in range(2000): print('line', line, 'caf\\u00e9', 'b\\udce9', flush=line % 7 == 0)\n"
    "    print('went on', file=sys.stderr)\n"
)
SHORT = (
    "import sys; from jaxdl.run.status import exit_status\n"
    "sys.exit(exit_status(lambda: [print('caf\\u00e9', line) for line in range(20000)] and None))"
)


def bash(program, ending="", **environment):
    """The Python program in a shell, with what the shell makes of its output."""
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$PYTHON" -c "$PROGRAM" {ending}'],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable, "PROGRAM": program, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("ending", "says"),
    [("| head -1", "Broken pipe"), ("> /dev/full", "No space left on device"), (">&-", ""), (">&- 2>&-", None)],
)
def test_a_run_goes_on_without_its_standard_output(ending, says):
    done = bash(LONG, ending)
    assert done.returncode == 0, done.stderr
    if says is None:
        return
    warned = [f"warning: standard output is lost ({says}); the run goes on without it."] if says else []
    assert done.stderr.splitlines() == [*warned, "went on"]


@pytest.mark.parametrize(
    ("ending", "status", "says"),
    [
        ("| head -1", 0, ""),
        ("> /dev/full", 2, "error: standard output cannot be written (No space left on device).\n"),
        (">&-", 0, ""),
    ],
)
def test_a_command_that_prints_says_whether_what_it_printed_is_lost(ending, status, says):
    done = bash(SHORT, ending)
    assert (done.returncode, done.stderr) == (status, says)


def test_what_a_terminal_cannot_show_is_escaped():
    done = bash(LONG, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "went on\n")
    assert done.stdout.splitlines()[0] == "line 0 caf\\xe9 b\\udce9"
