"""Commands in the README and the page on networks work as typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from experiments import export, flags, summary
from jaxdl import models

ROOT = Path(__file__).resolve().parents[1]
README, NETWORKS = ((ROOT / name).read_text() for name in ("README.md", "docs/networks.md"))


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_research_blocks_run_and_learn():
    block, devices = blocks("python")
    assert len(block.strip().splitlines()) <= 20
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block + devices],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"'accuracy': ([0-9.]+)", done.stdout)[1]) > 0.6
    assert re.search(r"loss 0\.\d+ on 8 devices", done.stdout)


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

    for line in "".join(blocks("bash") + blocks("bash", NETWORKS)).splitlines():
        words = line.split("#")[0].split()
        if "experiments.cifar" in words and "--help" not in words:
            parse(words[words.index("experiments.cifar") + 1 :], RECIPES, COMMAND)
        for command, options in (("experiments.summary", summary.Options), ("experiments.export", export.Options)):
            if command in words:
                start = options(model="alexnet") if command == "experiments.summary" else options()
                flags.parse(words[words.index(command) + 1 :], start, command, "")


def test_the_page_on_networks_holds(tmp_path):
    program = "\n".join(blocks("python", NETWORKS))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_page_on_networks_names_every_network():
    assert [name for name in models.names() if f"`{name}`" not in NETWORKS] == []
