"""Commands and code in the README and the pages of docs/ work as typed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.benchmark import options as benchmark
from experiments.course import __main__ as course
from jaxdl import models
from jaxdl.commands import compare, demo, diagnose, evaluate, export, predict, probe, summary
from jaxdl.commands.train import COMMAND
from jaxdl.run import flags
from jaxdl.run.asked import parse
from jaxdl.run.config import Config
from jaxdl.run.detection.config import DetectionConfig
from jaxdl.run.detection.recipes import RECIPES as DETECTION_RECIPES
from jaxdl.run.recipes import RECIPES
from jaxdl.run.segmentation.config import SegmentationConfig
from jaxdl.run.segmentation.recipes import RECIPES as SEGMENTATION_RECIPES
from jaxdl.run.sweep import asked as sweep

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README, NETWORKS, COMMANDS = (
    path.read_text() for path in (ROOT / "README.md", DOCS / "networks.md", DOCS / "commands.md")
)
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
}
OF_A_RUN = {
    "evaluate": evaluate, "predict": predict, "demo": demo, "compare": compare, "diagnose": diagnose, "export": export,
    "summary": summary, "probe": probe,
}  # fmt: skip


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def output_of(page, folder):
    """What the page's Python blocks print, run as one program in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks("python", page))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(page):
    """What follows ``python -m`` in the page's bash blocks and in its text, as words, without ``--help``."""
    typed = "".join(blocks("bash", page)).replace("\\\n", " ").splitlines()
    typed += [
        span.replace("\n", " ")
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    ]
    words = [line.split("#")[0].split() for line in typed]
    found = [
        line[line.index("-m") + 1 :] for line in words if any(word.endswith("python") for word in line) and "-m" in line
    ]
    return [
        [word for word in line if word != "--help"] for line in found if line[0].startswith(("experiments.", "jaxdl"))
    ]


@pytest.mark.long
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
    assert float(re.search(r"'top1': ([0-9.]+)", done.stdout)[1]) > 0.6
    assert re.search(r"loss 0\.\d+, devices: 8", done.stdout)


def test_two_commands_come_first_and_ci_calls_the_second():
    run, test = (block.strip() for block in blocks("bash")[:2])
    prefix = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python -m "
    assert run == prefix + "experiments.cifar"
    assert test == prefix + "pytest"
    assert [block.strip() for block in blocks("bash", PAGES["docs/README.zh-CN.md"])[:2]] == [run, test]
    assert len(re.findall("-m pytest$", README, re.MULTILINE)) == 1
    assert "grep -- '-m pytest$' README.md" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_and_flags_it_names_exist(page):
    for program, *words in commands(PAGES[page]):
        if program == "jaxdl":
            program, *words = words
        match program:
            case "NAME":  # of the sentence that says how a command is called
                pass
            case "experiments.cifar" | "train":
                parse(words, RECIPES, COMMAND)
            case "experiments.camvid" | "segment":
                parse(words, SEGMENTATION_RECIPES, COMMAND)
            case "experiments.bccd" | "detect":
                parse(words, DETECTION_RECIPES, COMMAND)
            case "sweep":
                sweep.parse(words, RECIPES, "sweep")
            case "experiments.benchmark":
                flags.parse(words, benchmark.Options(), program, "")
            case "experiments.course":
                flags.parse(words, course.Options(), program, "")
            case "summary":
                flags.parse(
                    ["alexnet" if word == "MODEL" else word for word in words],
                    summary.Options(model="alexnet"),
                    program,
                    "",
                )
            case _:
                flags.parse(words, OF_A_RUN[program].Options(), program, "")


def test_the_page_on_commands_names_every_command_and_every_flag_of_a_run():
    named = {words[1] for words in commands(COMMANDS) if words[0] == "jaxdl"}
    assert named == {"train", "detect", "segment", "sweep", "NAME", *OF_A_RUN}
    known = re.findall(r"--(?:no-)?([a-z0-9-]+)", COMMANDS + (DOCS / "devices.md").read_text())
    for config in (Config, SegmentationConfig, DetectionConfig):
        flagged = [name for name, field in config.__dataclass_fields__.items() if not field.metadata["fixed"]]
        assert [name for name in flagged if name.replace("_", "-") not in known] == []


def test_links_and_pictures_of_the_pages_exist():
    for page, text in PAGES.items():
        for target in re.findall(
            r"\]\(([^)#]+?)(?:#[^)]*)?\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
        ):
            assert "://" in target or ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.long
def test_the_page_on_networks_holds(tmp_path):
    output_of(NETWORKS, tmp_path)


@pytest.mark.slow
def test_the_page_on_segmentation_holds(tmp_path):
    printed = output_of(PAGES["docs/segmentation.md"], tmp_path)
    assert float(re.search(r"mean IoU (\d\.\d+)", printed)[1]) > 0.8


def test_the_page_on_segmentation_names_every_network():
    assert [name for name in models.SEGMENTERS if f"`{name}`" not in PAGES["docs/segmentation.md"]] == []


def test_the_page_on_detection_holds(tmp_path):
    assert output_of(PAGES["docs/detection.md"], tmp_path).startswith("[0 2] 0.8")


def test_the_page_on_detection_names_every_network():
    assert [name for name in models.DETECTORS if f"`{name}`" not in PAGES["docs/detection.md"]] == []


def test_the_page_on_networks_names_every_network():
    assert [name for name in models.names() if f"`{name}`" not in NETWORKS] == []


def test_the_page_on_extending_holds(tmp_path):
    printed = output_of(PAGES["docs/extending.md"], tmp_path)
    assert "one update with lion: loss" in printed
    assert re.search(r"test accuracy (9\d|100)\.\d\d% on 100 images of stripes", printed)
    (folder,) = (tmp_path / "runs").iterdir()
    told = subprocess.run(
        [sys.executable, "-m", "jaxdl", "evaluate", str(folder)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 2
    assert "is Linear, which the program that trained it made" in told.stderr


def test_a_network_and_a_loss_added_as_the_page_on_extending_says(tmp_path):
    network, loss = (
        next(block for block in blocks("python", PAGES["docs/extending.md"]) if name in block)
        for name in ("class Linear", "def doubtful")
    )
    shutil.copytree(ROOT / "jaxdl", tmp_path / "jaxdl", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "jaxdl/models/linear.py").write_text(network)
    models_table, losses_table = tmp_path / "jaxdl/models/__init__.py", tmp_path / "jaxdl/losses/__init__.py"
    line = '"alexnet": "alexnet.AlexNet",'
    models_table.write_text(models_table.read_text().replace(line, f'"linear": "linear.Linear", {line}'))
    line = '"focal": "of_classes.focal",'
    losses_table.write_text(losses_table.read_text().replace(line, f'{line} "doubtful": "of_classes.doubtful",'))
    loss = loss.replace("from jaxdl import losses\n", "from jaxdl.losses.softmax import cross_entropy\n")
    with (tmp_path / "jaxdl/losses/of_classes.py").open("a") as of_classes:
        of_classes.write("\n\n" + loss.replace("losses.cross_entropy", "cross_entropy").replace("jax.numpy", "jnp"))

    def train(*more):
        words = [
            "-m",
            "jaxdl",
            "train",
            "--dataset",
            "digits",
            "--model",
            "linear",
            "--loss",
            "doubtful",
            "--steps",
            "2",
        ]
        return subprocess.run(
            [sys.executable, *words, "--no-report", *more], cwd=tmp_path, capture_output=True, text=True
        )

    done = train("--label-smoothing", "0")
    assert done.returncode == 0, done.stderr
    assert "model    linear, " in done.stdout
    for flags_given, said in (
        (("--label-smoothing", "0.1"), "--label-smoothing 0"),
        (("--precision", "bf16"), "no dtype"),
    ):
        done = train(*flags_given)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
