"""The start of the command is measured kind by kind."""

import json

import pytest

from experiments.benchmark.__main__ import main
from experiments.benchmark.contestant import Job
from experiments.benchmark.startup import starts


def test_starts_are_told_apart_by_kind():
    task = Job(subject="start", contestant="jaxdl", model="quick_cnn", batch_size=256)
    begun = [
        starts.Start(number=number, what=what, wall_seconds=number * place, cpu_seconds=2.0 * number * place)
        for number in (1, 2, 3)
        for place, what in enumerate(starts.STARTS, 1)
    ]
    kinds = starts.record(task, begun)["starts"]
    assert list(kinds) == list(starts.STARTS)
    assert kinds[starts.COLD]["wall_seconds"] == {"median": 6, "lowest": 3, "highest": 9}
    assert kinds[starts.WARM]["cpu_seconds"] == {"median": 16, "lowest": 8, "highest": 24}


@pytest.mark.slow
def test_start_is_measured_with_and_without_a_cache(tmp_path, capsys):
    out = tmp_path / "start.json"
    flags = ["--subject", "start", "--model", "cifar_cnn", "--batch-size", "4", "--rounds", "1", "--out", str(out)]
    assert main(flags) == 0
    (result,) = json.loads(out.read_text())["results"]
    cpu = {what: seconds["cpu_seconds"]["median"] for what, seconds in result["starts"].items()}
    assert list(cpu) == [turn["what"] for turn in result["rounds"]] == list(starts.STARTS)
    assert cpu[starts.WARM] < cpu[starts.COLD]  # which compiles seconds of a processor's time
    assert "first step, warm cache" in capsys.readouterr().out
