"""The start of the command is measured kind by kind."""

import json

import pytest

from experiments.benchmark.__main__ import main
from experiments.benchmark.contestant import Job
from experiments.benchmark.startup import starts

TASKS = [
    Job(subject="start", contestant=name, model="quick_cnn", batch_size=256) for name in ("jaxdl", "flax", "pytorch")
]


def test_starts_are_told_apart_by_contestant_and_kind():
    turns = starts.turns(TASKS)
    kinds = [(task.contestant, what) for task, what in turns]
    assert kinds[0] == ("jaxdl", starts.HELP)
    assert kinds[-1] == ("pytorch", starts.COLD)
    begun = [
        starts.Start(
            number=number,
            contestant=task.contestant,
            what=what,
            wall_seconds=number * place,
            cpu_seconds=2.0 * number * place,
        )
        for number in (1, 2, 3)
        for place, (task, what) in enumerate(turns, 1)
    ]
    found = starts.record(TASKS[0], begun, {})
    assert [(name, what) for name, of in found["starts"].items() for what in of] == kinds
    assert found["starts"]["jaxdl"][starts.COLD]["wall_seconds"] == {"median": 4, "lowest": 2, "highest": 6}
    assert found["starts"]["flax"][starts.WARM]["cpu_seconds"] == {"median": 20, "lowest": 10, "highest": 30}
    assert found["ratios"]["flax"][starts.COLD]["rounds"] == [0.5, 0.5, 0.5]
    assert list(found["ratios"]["pytorch"]) == [starts.COLD]


@pytest.mark.slow
def test_start_is_measured_beside_flax_with_and_without_a_cache(tmp_path, capsys):
    out = tmp_path / "start.json"
    flags = ["--subject", "start", "--model", "cifar_cnn", "--batch-size", "4", "--rounds", "1", "--out", str(out)]
    assert main([*flags, "--contestants", "jaxdl,flax"]) == 0
    (result,) = json.loads(out.read_text())["results"]
    for name in ("jaxdl", "flax"):
        cpu = {what: seconds["cpu_seconds"]["median"] for what, seconds in result["starts"][name].items()}
        assert cpu[starts.WARM] < cpu[starts.COLD]  # which compiles seconds of a processor's time
    assert "first step, warm" in capsys.readouterr().out
