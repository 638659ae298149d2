"""A run's parameters, known from its folder whether it has ended or not."""

import dataclasses

from jaxdl.run.diagnosed import parameters_of
from jaxdl.run.recipes import RECIPES

RECORD = {"classes": list("0123456789"), "image": [32, 32, 3], "config": dataclasses.asdict(RECIPES["course"])}


def test_parameters_are_the_summarys_or_those_of_the_shapes():
    assert parameters_of(RECORD, {"parameters": 7}, "runs/a") == 7
    assert parameters_of(RECORD, None, "runs/a") == 145_578


def test_parameters_of_a_run_of_another_version_are_unknown():
    assert parameters_of({**RECORD, "config": {"modl": "cifar_cnn"}}, None, "runs/a") is None
    assert parameters_of({"classes": [], "config": RECORD["config"]}, None, "runs/a") is None
