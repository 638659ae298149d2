import json

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.report.runlog import RunLog
from tests.power_cut import Watch
from tests.report.tensorboard_events import scalars

RECORD = {"kind": "epoch", "step": 8, "epoch": 2.0, "val_loss": 0.5, "seconds": 3.0, "note": "x", "bad": float("inf")}


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_records_become_lines_and_finite_numbers_curves(tmp_path):
    with RunLog(tmp_path) as log:
        log.write(RECORD)
        log.write({**RECORD, "step": 12, "val_loss": 0.25})
    assert lines(tmp_path) == [RECORD, {**RECORD, "step": 12, "val_loss": 0.25}]
    found = scalars(tmp_path / "tensorboard")
    assert found == {"epoch/epoch": {8: 2.0, 12: 2.0}, "epoch/val_loss": {8: 0.5, 12: 0.25}}


@pytest.mark.parametrize("tail", [b"", b'{"kind": "half a li'])
def test_resuming_drops_what_came_after_the_checkpoint(tmp_path, tail):
    with RunLog(tmp_path) as log:
        log.write(RECORD)
        size = log.size
        log.write({**RECORD, "step": 12})
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(tail)
    with RunLog(tmp_path, resume_at=(size, 8)) as log:
        assert log.size == size
        log.write({**RECORD, "step": 10})
    assert [line["step"] for line in lines(tmp_path)] == [8, 10]
    assert set(scalars(tmp_path / "tensorboard")["epoch/val_loss"]) == {8, 10}


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda content: content[:-5], [8]),
        (lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2), [8]),
        (lambda content: content.replace(b"\n", b" ", 1), []),
        (lambda content: b"5\n" + content, []),
        (lambda content: b"", []),
        (lambda content: b"\xff" + content, []),
    ],
)
def test_a_log_that_a_power_cut_left_short_goes_on_behind_its_last_whole_line(tmp_path, damage, left):
    with RunLog(tmp_path) as log:
        log.write(RECORD)
        log.write({**RECORD, "step": 12})
        size = log.size
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    told = []
    with RunLog(tmp_path, resume_at=(size, 12), report=told.append) as log:
        assert log.size == path.stat().st_size
        log.write({**RECORD, "step": 13})
    assert [line["step"] for line in lines(tmp_path)] == [*left, 13]
    [line] = told
    assert f"{path} lacks" in line
    assert ("of step 8" in line) == bool(left)


def test_what_is_flushed_is_on_the_disk(tmp_path, monkeypatch):
    watch = Watch(monkeypatch)
    with RunLog(tmp_path) as log:
        log.write(RECORD)
        assert watch.size(tmp_path / "metrics.jsonl") == 0
        log.flush()
        assert watch.size(tmp_path / "metrics.jsonl") == log.size


def test_its_folder_is_made_and_a_place_where_none_can_be_is_a_mistake(tmp_path):
    with RunLog(tmp_path / "new" / "folder") as log:
        log.write(RECORD)
    assert lines(tmp_path / "new" / "folder") == [RECORD]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file"):
        RunLog(tmp_path / "file" / "below")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*run.tensorboard"):
        RunLog(tmp_path / "run")
    with pytest.raises(UserError, match=r"cannot write .*null"):
        RunLog("a\0b")


def test_a_record_that_is_none_is_refused_before_it_is_written(tmp_path):
    with RunLog(tmp_path) as log:
        with pytest.raises(UserError, match="must be a whole number from 0, got 'x'"):
            log.write({"step": "x", "loss": 0.5})
        for step in (-1, 2**70, 1.5):
            with pytest.raises(UserError, match="must be a whole number from 0"):
                log.write({"step": step})
        for value in ({1}, b"x", 1j, object()):
            with pytest.raises(UserError, match="what JSON can"):
                log.write({"step": 1, "loss": value})
        with pytest.raises(UserError, match="must be a dict, got list"):
            log.write([1])
        log.write({"step": 1, "loss": 10**400})
        log.write({"step": 2, "losses": np.arange(3)})
    assert lines(tmp_path) == [{"step": 1, "loss": 10**400}, {"step": 2, "losses": [0, 1, 2]}]


def test_a_record_without_a_kind_is_kept_and_its_curve_has_its_name_alone(tmp_path):
    with RunLog(tmp_path) as log:
        log.write({"step": 1, "loss": 0.5})
        log.write({"step": np.int64(2), "loss": np.float32(0.25)})
    assert lines(tmp_path) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    assert scalars(tmp_path / "tensorboard") == {"loss": {1: 0.5, 2: 0.25}}


def test_names_that_are_no_utf8_reach_tensorboard_escaped(tmp_path):
    with RunLog(tmp_path) as log:
        log.text("dataset", "bild\udce9r")
        log.hyperparameters({"data_dir": "bild\udce9r", "lr": 0.1, "out": None}, {"accuracy": 0.5})
