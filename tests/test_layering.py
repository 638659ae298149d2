"""Imports go one way; heavy packages stay behind one door each."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdl.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SHARED = {
    "disk",
    "draws",
    "errors",
    "initial_values",
    "lazy",
    "masks",
    "objects",
    "rle",
    "traced",
    "places",
    "variables",
    "wording",
}  # leaves that everything may use
LIBRARY = SHARED | {
    *("checkpoint", "cluster", "cpu", "data", "elsewhere", "launcher", "losses", "metrics", "models", "nn", "optim"),
    *("average_precision", "coco_results", "detection", "overlap", "voc_precision"),
    *("processes", "rendezvous", "report", "saved_model", "serving", "train", "transfer"),
}
MAY_IMPORT = {
    "disk": set(),
    "draws": set(),
    "initial_values": {"draws", "traced"},
    "traced": set(),
    "elsewhere": set(),
    "errors": {"elsewhere"},
    "lazy": set(),
    "masks": set(),
    "average_precision": {"errors", "objects"},
    "coco_results": {"errors", "objects"},
    "voc_precision": {"errors", "objects"},
    "detection": {"data", "errors", "lazy"},
    "objects": set(),
    "overlap": {"errors", "masks"},
    "rle": {"errors", "objects"},
    "places": set(),
    "wording": set(),
    "variables": {"errors"},
    "data": SHARED | {"download"},
    "download": SHARED,
    "nn": SHARED,
    "cpu": set(),
    "losses": SHARED,
    "metrics": SHARED,
    "optim": SHARED,
    "models": SHARED | {"detection", "nn"},
    "train": SHARED | {"cpu", "metrics", "processes"},
    "checkpoint": SHARED | {"processes", "train"},
    "processes": SHARED,
    "launcher": SHARED,
    "rendezvous": SHARED | {"launcher"},
    "cluster": SHARED | {"launcher", "processes", "rendezvous"},
    "report": SHARED | {"average_precision", "data", "metrics", "overlap", "train", "voc_precision"},
    "transfer": SHARED | {"download"},
    "saved_model": SHARED | {"models", "nn", "transfer"},
    "serving": SHARED,
    "__init__": set(),
    "run": LIBRARY,
    "commands": LIBRARY | {"run"},
    "__main__": {"commands", "errors", "run", "train"},
}
DOORS = {
    "tensorflow": {"data/cifar10.py"},
    "tensorflow_datasets": {"data/cifar10.py"},
    "orbax": {"checkpoint/checkpoints.py"},
    "tensorboardX": {"report/board.py"},
    "tensorboard": set(),
    "PIL": {"data/pictures.py", "report/images.py"},
    "jinja2": {"report/document.py", "commands/demo_page/application.py"},
    "matplotlib": {
        *("report/axes.py", "report/bands.py", "report/confusion_picture.py", "report/figures.py", "report/svg.py"),
        "commands/demo_page/classes.py",
    },
    "grain": {"data/streaming.py"},
    "pycocotools": {"average_precision.py", "rle.py"},
    "torch": set(),
    "experiments": set(),
}
FILES = sorted((ROOT / "jaxdl").rglob("*.py"))


def imports(path):
    """The dotted names a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    inside = path.relative_to(ROOT / "jaxdl")
    part = inside.parts[0].removesuffix(".py")
    for name in imports(path):
        package, *rest = name.split(".")
        if package == "jaxdl" and rest:
            assert rest[0] == part or rest[0] in MAY_IMPORT[part], f"{inside} imports {name}"
        if package in DOORS:
            assert inside.as_posix() in DOORS[package], f"{inside} imports {name}"


def test_importing_the_library_touches_no_heavy_package():
    program = (
        "import sys, jaxdl, jaxdl.models, jaxdl.optim, jaxdl.losses, jaxdl.train.step, jaxdl.data.sources; "
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'orbax', 'sklearn', 'matplotlib', 'tensorboardX'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


MISTAKES = {
    "train": (
        *(["--epoch", "3"], ["--model", "resnet19"], ["--lr", "fast"], ["--budget", "five"]),
        *(["--dataset", "folder"], ["--budget", "5m", "--epochs", "3"], ["--resume"]),
        *(["--resume", "--out", "nowhere"], ["--pretrained", "nowhere.pth"]),
    ),
    "segment": ([], ["--mixup", "1"], ["--model", "resnet18"], ["--crop-size", "axb"], ["--resume"]),
    "detect": ([], ["--mixup", "1"], ["--model", "resnet18"], ["--anchor-sizes", "axb"], ["--resume"]),
    "sweep": (["--lr", "fast"],),
    **dict.fromkeys(("evaluate", "diagnose", "export", "demo"), (["nowhere"],)),
    "predict": (["nowhere", "cat.jpg"],),
    "probe": (["nowhere"], ["--k", "0", "runs/a"], ["--model", "vgg11", "--pretrained", "README.md"]),
    "compare": (["nowhere", "else"],),
    "summary": (["resnet19"],),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_mistakes_are_answered_without_jax(command):
    program = f"""
import sys
from jaxdl.__main__ import main
for words in {[["--help"], *MISTAKES[command]]}:
    try:
        status = main([{command!r}, *words])
    except SystemExit as ended:
        status = ended.code
    print(status)
print(*sorted({{name.split(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    *said, loaded = done.stdout.splitlines()
    assert [line for line in said if line.isdigit()] == ["0", *"2" * len(MISTAKES[command])], done.stderr
    assert done.stderr.count("error: ") == len(MISTAKES[command])
    heavy = {"jax", "flax", "optax", "orbax", "scipy", "sklearn", "matplotlib", "jinja2", "grain", "tensorboardX"}
    assert not heavy & set(loaded.split())
