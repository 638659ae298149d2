"""What the README tells people to type works as typed."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_research_block_runs_and_learns(tmp_path):
    (block,) = blocks("python")
    assert len(block.strip().splitlines()) <= 20
    done = subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"'accuracy': ([0-9.]+)", done.stdout)[1]) > 0.6


def test_two_commands_come_first_and_ci_calls_the_second():
    run, test = (block.strip() for block in blocks("bash")[:2])
    prefix = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python -m "
    assert run == prefix + "experiments.cifar"
    assert test == prefix + "pytest"
    assert "grep -- '-m pytest$' README.md" in (ROOT / ".ci" / "run").read_text()


def test_the_flags_it_names_exist(capsys):
    from experiments.cifar import COMMAND
    from experiments.config import parse
    from experiments.recipes import RECIPES

    for line in "".join(blocks("bash")).splitlines():
        words = line.split("#")[0].split()
        if "experiments.cifar" in words and "--help" not in words:
            parse(words[words.index("experiments.cifar") + 1 :], RECIPES, COMMAND)
