"""How many programs a run has compiled: each is waited for by whoever starts it."""

import pytest

from jaxdl.commands import train
from tests.programs import compiled


@pytest.mark.long
def test_a_run_with_its_report_compiles_few_programs(tmp_path, capsys):
    flags = ["--dataset", "digits", "--recipe", "quick", "--steps", "60", "--out", str(tmp_path / "run")]
    with compiled() as programs:
        assert train.main(flags) == 0
    capsys.readouterr()
    assert len(programs) <= 20, programs
