"""Files of a run that are valid and odd, or damaged, cost each command a line."""

import json
import os
import shutil

import pytest

from jaxdl.commands import compare, demo, diagnose, evaluate, export, predict, train
from jaxdl.report.evaluation import Bin
from jaxdl.run.stored import fits

COMMANDS = {
    "resume": lambda run, tmp: train.main(["--resume", "--out", run]),
    "evaluate": lambda run, tmp: evaluate.main([run, "--out", str(tmp / "out")]),
    "predict": lambda run, tmp: predict.main([run, "absent.png"]),
    "compare": lambda run, tmp: compare.main([run, f"{run}-sound", "--out", str(tmp / "page.html")]),
    "diagnose": lambda run, tmp: diagnose.main([run]),
    "export": lambda run, tmp: export.main([run, "--out", str(tmp / "out")]),
    "demo": lambda run, tmp: demo.main([run, "--port", "0"]),
}


def changed(**values):
    return lambda record: json.dumps({**record, **values})


def configured(**values):
    return lambda record: json.dumps({**record, "config": {**record["config"], **values}})


CONFIGS = {
    "null": lambda record: "null",
    "five": lambda record: "5",
    "list": lambda record: "[1]",
    "nothing": lambda record: "",
    "nested": lambda record: "[" * 100_000,
    "bytes": lambda record: b"\xff\xfe",
    "classes 5": changed(classes=5),
    "classes numbers": changed(classes=[1, 2]),
    "no classes": changed(classes=[]),
    "image of words": changed(image="32"),
    "image of two": changed(image=[32, 32]),
    "image of nothing": changed(image=[0, 32, 3]),
    "image beyond memory": changed(image=[10**9, 10**9, 3]),
    "mean of words": changed(mean=["0"]),
    "mean of two": changed(mean=[0.0, 0.0]),
    "mean of no number": changed(mean=[float("nan")] * 3),
    "no deviation": changed(std=[0.0] * 3),
    "config 5": changed(config=5),
    "notice 5": changed(notice=5),
    "seed of a fraction": configured(seed=1.5),
    "seed of a word": configured(seed="1"),
    "epochs list": configured(epochs=[1]),
    "a model of no name": configured(model=5),
    "an unknown model": configured(model="nonsense"),
    "an unknown setting": configured(nonsense=1),
    "a number beyond its limits": configured(batch_size=0),
    "true for a number": configured(batch_size=True),
}
RECORDS = {
    "a byte": b"\xff\n",
    "five": b"5\n",
    "null": b"null\n",
    "list": b"[]\n",
    "no kind": b"{}\n",
    "kind 5": b'{"kind": 5}\n',
    "an epoch without": b'{"kind": "epoch"}\n',
    "an epoch of words": b'{"kind": "epoch", "step": 1, "epoch": "x", "train_loss": 1, "train_accuracy": 1}\n',
    "a loss of words": b'{"kind": "step", "step": 1, "epoch": 1.0, "loss": 1, "grad_norm": "x"}\n',
    "a loss of nothing": b'{"kind": "step", "step": 1, "epoch": 1.0, "loss": null}\n',
    "half a validation": b'{"kind": "epoch", "step": 1, "epoch": 1, "train_loss": 1, "train_accuracy": 1, '
    b'"train_grad_norm": 1, "val_loss": 1}\n',
    "an epoch beyond floats": b'{"kind": "step", "step": 1, "epoch": 1' + b"0" * 400 + b', "loss": 1}\n',
    "an epoch before the first": b'{"kind": "step", "step": 1, "epoch": -1, "loss": 1}\n',
    "groups 5": b'{"kind": "run", "groups": 5}\n',
    "zeros": bytes(100) + b"\n",
}
FIGURES = {"null": "null", "five": "5", "nothing": "", "no steps": "{}", "bytes": b"\xff", "words": '{"steps": "x"}'}


@pytest.fixture
def run(finished, tmp_path):
    """A finished run that may be changed, and another beside it, ``-sound``."""
    for name in ("run", "run-sound"):
        shutil.copytree(finished[0], tmp_path / name, ignore=shutil.ignore_patterns("tensorboard"))
    return tmp_path / "run"


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def costs_a_line(command, run, tmp_path, capsys, name):
    capsys.readouterr()
    status = COMMANDS[command](str(run), tmp_path)
    printed = capsys.readouterr()
    assert status == 2, (command, name, printed)
    [line] = printed.err.splitlines()
    assert line.startswith("error: "), (command, name)
    assert len(line) < 1200
    return line


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_configuration_costs_a_line(command, run, tmp_path, capsys):
    record = json.loads((run / "config.json").read_text())
    for name, odd in CONFIGS.items():
        put(run / "config.json", odd(record))
        assert f"{run}/config.json" in costs_a_line(command, run, tmp_path, capsys, name), name


@pytest.mark.parametrize("command", ["evaluate", "compare", "diagnose"])
def test_an_odd_line_of_the_log_costs_a_line(command, run, tmp_path, capsys):
    whole = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    for name, odd in RECORDS.items():
        put(run / "metrics.jsonl", b"".join([*whole[:2], odd, *whole[2:]]))
        assert f"{run}/metrics.jsonl" in costs_a_line(command, run, tmp_path, capsys, name), name
        if command == "evaluate":
            return  # it takes a second to load a network; the others read the same way


@pytest.mark.parametrize("file", ["config.json", "metrics.jsonl", "summary.json"])
def test_a_pipe_or_a_device_in_place_of_a_file_costs_a_line(file, run, tmp_path, capsys):
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (run / file).unlink()
        make(run / file)
        assert "it is not a file" in costs_a_line("diagnose", run, tmp_path, capsys, file)


@pytest.mark.parametrize(
    "away", [shutil.rmtree, lambda place: (shutil.rmtree(place), place.symlink_to("/gone")),
             lambda place: (shutil.rmtree(place), place.write_bytes(b"")),
             lambda place: [shutil.rmtree(each) for each in place.iterdir()]],
    ids=["gone", "a link that leads nowhere", "a file", "empty"],
)  # fmt: skip
def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(away, run, tmp_path, capsys):
    before = (run / "metrics.jsonl").read_bytes()
    away(run / "checkpoints")
    assert str(run / "checkpoints") in costs_a_line("resume", run, tmp_path, capsys, "checkpoints")
    assert (run / "metrics.jsonl").read_bytes() == before


def test_a_name_that_is_too_long_or_empty_costs_a_line(run, tmp_path, capsys):
    long = str(tmp_path / ("a" * 300))
    for command, flags in (
        (train, ["--dataset", "digits", "--out", long]),
        (train, ["--dataset", "folder", "--data-dir", long]),
        (train, ["--dataset", "digits", "--out", ""]),
        (evaluate, [str(run), "--out", long]),
        (evaluate, [str(run), "--pictures", long]),
        (compare, [str(run), f"{run}-sound", "--out", f"{long}.html"]),
        (export, [str(run), "--out", long]),
        (diagnose, [""]),
    ):
        assert command.main(flags) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert "too long" in line or "is empty" in line


def test_a_last_line_that_is_being_written_is_left_out(run, capsys):
    assert diagnose.main([str(run)]) == 0
    said = capsys.readouterr().out
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"kind": "epoch", "ste')
    assert diagnose.main([str(run)]) == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("file", ["summary.json", "evaluation.json"])
def test_odd_figures_cost_a_line(file, run, tmp_path, capsys):
    for name, odd in FIGURES.items():
        put(run / file, odd)
        assert f"{run}/{file}" in costs_a_line("compare", run, tmp_path, capsys, name), name


def test_an_evaluation_of_other_classes_costs_a_line(run, tmp_path, capsys):
    figures = json.loads((run / "evaluation.json").read_text())
    for odd in ({"confusion": figures["confusion"][:-1]}, {"per_class": {}}, {"classes": figures["classes"][:3]}):
        put(run / "evaluation.json", json.dumps({**figures, **odd}))
        assert "its figures are not of its" in costs_a_line("compare", run, tmp_path, capsys, odd)


def test_json_is_held_to_annotated_types():
    for value, kind, holds in (
        (1, float, True), (True, float, False), (True, int, False), (1.5, int, False), (None, str | None, True),
        (5, str | None, False), ([1, 2], list[int], True), ([1, "2"], tuple[int, ...], False), ((), list[int], False),
        ({"a": [1]}, dict[str, list[float]], True), ({"a": 1}, dict[str, list[float]], False),
        ({"examples": 1, "confidence": 0.5, "accuracy": 1}, Bin, True), ({"examples": 1}, Bin, False),
    ):  # fmt: skip
        assert fits(value, kind) == holds, (value, kind)
