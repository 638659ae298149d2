import json

import pytest

from jaxdl.report.runlog import RunLog
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
