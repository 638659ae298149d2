"""Diagnosis of a run from its folder, with remedies in its flags."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl import losses
from jaxdl.errors import UserError
from jaxdl.report.diagnosis import Finding, diagnose
from jaxdl.run import recorded
from jaxdl.run.flags import understood
from jaxdl.run.remedies import remedies_of
from jaxdl.run.tasks import CONFIGS, TASKS, USUAL
from jaxdl.train.state import parameter_count


def findings_of(
    record: Mapping[str, Any], records: Sequence[Mapping[str, Any]], *, parameters: int | None
) -> list[Finding]:
    """The diagnosis of the run whose ``config.json`` and ``metrics.jsonl`` are these; [] before any epoch ends."""
    settings, classes, task = record["config"], len(record["classes"]), record.get("task", USUAL)
    remedies = remedies_of(settings, classes=classes, parameters=parameters)
    loss = settings.get("loss", "cross_entropy")  # which runs of earlier versions all had
    return diagnose(
        records,
        classes=classes,
        groups=recorded.groups(records),
        guess=None if loss == "cross_entropy" else losses.of_constant_guess(loss, classes),
        remedies=lambda case, progress: tuple(
            remedy for remedy in remedies(case, progress) if understood(remedy.change, CONFIGS[task])
        ),
    )


def parameters_of(record: Mapping[str, Any], summary: Mapping[str, Any] | None, folder: str) -> int | None:
    """All parameters of the network of the run in ``folder``: as its ``summary.json`` says, or where it has not ended,
    as the shapes do of the network that ``record``, its ``config.json``, names; None for one of another version."""
    if summary and "parameters" in summary:
        return summary["parameters"]
    try:
        config = recorded.config_of(dict(record), folder)
        model = TASKS[record.get("task", USUAL)].model(config, num_classes=len(record["classes"]))
        images = jnp.zeros((1, *record["image"]))
        return parameter_count(jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)["params"])
    except (UserError, KeyError):
        return None
