"""``jaxdl NAME`` finds its commands from any folder."""

import os
import subprocess
import sys
import tomllib

import pytest

from jaxdl import __main__ as console
from tests.commands.short_run import ROOT


def test_without_a_command_all_are_listed(capsys):
    assert console.main([]) == 2
    assert console.main(["--help"]) == 0
    listed = capsys.readouterr().out
    files = {path.stem for path in (ROOT / "jaxdl/commands").glob("*.py")} - {"__init__"}
    assert set(console.COMMANDS) == files
    assert all(f"  {name} " in listed for name in files)


def test_an_unknown_command_suggests_the_nearest(capsys):
    assert console.main(["evalaute"]) == 2
    assert "unknown command 'evalaute'. Did you mean evaluate?" in capsys.readouterr().err


@pytest.mark.parametrize("name", console.COMMANDS)
def test_every_command_has_help_of_its_own(name, capsys):
    with pytest.raises(SystemExit) as ended:
        console.main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m jaxdl {name}")


def test_a_folder_named_experiments_hides_nothing(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text("raise SystemExit('another one')")
    command = [sys.executable, "-m", "jaxdl", "summary", "quick_cnn"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "272,810 parameters" in done.stdout


def test_the_console_command_is_the_module():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"jaxdl": "jaxdl.__main__:console"}
