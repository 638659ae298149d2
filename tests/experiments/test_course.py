"""The lessons run, say so in two languages, and cover the material; the command lists and runs them."""

import ast
import gc
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from experiments.course import __main__ as command
from experiments.course import catalogue, cells, running
from jaxdl.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
LESSONS = catalogue.lessons()
ROWS = [
    *(f"A{n}" for n in range(1, 9)),
    *(f"B{n}" for n in range(1, 5)),
    *(f"C{n}" for n in range(1, 7)),
    *(f"D{n}" for n in range(1, 8)),
    *(f"E{n}" for n in range(1, 5)),
    *(f"F{n}" for n in range(1, 6)),
    *(f"G{n}" for n in range(1, 8)),
]
HEAVY = {
    "devices",
    "diagnosis",
    "layers",
    "masks",
    "pooling",
    "pretrained",
    "regularisation",
    "saving",
    "segmentation",
    "training",
    "transfer",
    "transforms",
    "validation",
    "vanishing",
}  # lessons of a quarter of a minute and more
NOTEBOOKS = ("gradients", "convolution", "linear_regression")
CHINESE = re.compile(r"[一-鿿]")


@pytest.fixture(autouse=True)
def _as_in_a_process_of_its_own():
    """A lesson knows nothing of the tests' strictness about ranks, and leaves no programs behind."""
    with jax.numpy_rank_promotion("allow"):
        yield
    jax.clear_caches()
    gc.collect()


@pytest.mark.long
@pytest.mark.parametrize(
    "lesson",
    [
        pytest.param(lesson, id=lesson.name, marks=[pytest.mark.slow] if lesson.name in HEAVY else [])
        for lesson in LESSONS
    ],
)
def test_a_lesson_runs_and_holds_what_it_claims(lesson, tmp_path):
    running.run(lesson, folder=tmp_path / lesson.name, quick=True)


@pytest.mark.long
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_checks_itself_and_speaks_both_languages(lesson):
    found = cells.read(lesson.path)
    opening, last = found[0], found[-1]
    assert opening.headings[0].startswith(f"{lesson.number} · ")
    paragraphs = opening.text.strip().split("\n\n")
    assert any(CHINESE.search(each) for each in paragraphs[2:])
    assert any(not CHINESE.search(each) for each in paragraphs[2:])
    sections = [heading for cell in found[1:] for heading in cell.headings]
    plain = {"TensorBoard", "Softmax", "Dropout", "8-6-4-1"}  # words that Chinese writes so too
    assert all(CHINESE.search(heading) or heading in plain for heading in sections), sections
    assert "## Try · 练习" in last.text
    code = "\n".join(cell.text for cell in found if not cell.prose)
    assert len(re.findall(r"^ *(?:assert|np\.testing\.assert)", code, re.MULTILINE)) >= 3


@pytest.mark.long
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_shows_errors_and_findings_whole(lesson):
    code = lesson.path.read_text()
    assert not re.search(r"(str\(error\)|as_text\(.*\))+\)?\[:\d", code)


def test_the_lessons_cover_the_material():
    assert sorted({row for lesson in LESSONS for row in lesson.rows}) == sorted(ROWS)
    assert [lesson.number for lesson in LESSONS] == list(range(1, len(LESSONS) + 1))


def test_the_map_names_lesson_function_and_test_of_every_row():
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs/course.md").read_text().splitlines()
        if re.match(r"\| [A-G]\d ", line)
    ]
    assert sorted({row for row, *_ in rows}) == sorted(ROWS)
    covered = {lesson.name: lesson.rows for lesson in LESSONS}
    assert {lesson for _, _, lesson, _, _ in rows} == set(covered)
    for row, _, lesson, function, test in rows:
        assert row in covered[lesson], f"{lesson} does not say that it covers {row}"
        assert _exists(function), function
        file, name = test.split("::")
        names = [node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
        assert name in names, test


def _exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:split]))
        except ImportError:
            continue
        for name in parts[split:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.long
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_lesson_runs_as_a_notebook(name, tmp_path):
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    notebook = jupytext.read(catalogue.find(name).path)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any(output.output_type == "stream" for output in outputs)
    if "show(" in catalogue.find(name).path.read_text():
        assert any("image/png" in output.get("data", {}) for output in outputs)


def test_the_command_lists_the_lessons(capsys):
    assert command.main([]) == 0
    told = capsys.readouterr().out
    assert all(f"{lesson.name} " in told and lesson.title in told for lesson in LESSONS)


def test_a_lesson_prints_its_titles_and_leaves_its_pictures(tmp_path, capsys):
    assert command.main(["convolution", "--quick", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "lessons/08_convolution.py" in told
    assert "8 · Convolution · 卷积" in told
    assert "[[10, 12, 12], [18, 16, 16], [13, 9, 3]]" in told
    assert "Turn the kernel by 180 degrees" in told
    assert "lay the kernel on the input" not in told
    assert (tmp_path / "out/convolution/example.png").read_bytes().startswith(b"\x89PNG")
    assert command.main(["convolution", "--quick", "--out", str(tmp_path / "out")]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_lesson_can_be_read(tmp_path, capsys):
    assert command.main(["tensors", "--read", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "an array never changes" in " ".join(told.split())
    assert "sparse.BCOO(" in told


def test_mistakes_end_with_status_2_and_a_line(tmp_path, capsys):
    assert command.main(["convolutions"]) == 2
    assert "convolution" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert command.main(["tensors", "--out", str(tmp_path / "file")]) == 2
    assert "name another with --out" in capsys.readouterr().err
    assert command.main(["tensors", "--all"]) == 2
    assert "not both" in capsys.readouterr().err
    with pytest.raises(UserError, match="tensors"):
        catalogue.find("tensor")


def test_several_lessons_run_by_themselves_and_a_failure_is_told(tmp_path, monkeypatch, capsys):
    good, bad = tmp_path / "01_good.py", tmp_path / "02_bad.py"
    opening = "# %% [markdown]\n# # {} · A title · 题目\n#\n# Rows: A1\n\n# %%\n"
    good.write_text(opening.format(1) + "print('fine')\n")
    bad.write_text(opening.format(2) + "x = 1\nassert x == 2, 'it is not'\n")
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    program = (
        "import sys; from pathlib import Path; from experiments.course import catalogue, __main__; "
        f"catalogue.FOLDER = Path({str(tmp_path)!r}); sys.exit(__main__.main(sys.argv[1:]))"
    )
    monkeypatch.setattr(command, "RUN", (sys.executable, "-c", program))
    assert command.main(["--all", "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().out
    assert re.search(r"1/2  good +done", told)
    assert re.search(r"2/2  bad +FAILED", told)
    assert "it is not" in told
    assert "line 8" in told  # of the file, not of the cell
    assert "fine" in (tmp_path / "out/output/good.txt").read_text()


@pytest.mark.slow
def test_a_lesson_sets_up_its_devices_in_a_process_of_its_own(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.course", "devices", "--quick", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "XLA_FLAGS"},
    )
    assert done.returncode == 0, done.stderr
    assert "8 devices: cpu" in done.stdout
