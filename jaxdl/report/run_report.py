"""Report of a run: what every task's page says of it, and what is shown of the task is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxdl.report import confusion
from jaxdl.report.charts import training_charts
from jaxdl.report.diagnosis import Finding
from jaxdl.report.document import document

WHOLE_MATRIX, MOST_CONFUSED = 40, 30  # classes up to which a matrix is whole; those shown of more


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """Contents of a run's page.

    title: the run's name. notice: a warning on top. facts: about the run, in order. records: of ``metrics.jsonl``, None
    where nothing was trained.
    groups: layer groups from the input to the output. split: what was evaluated. predictions, evaluation: of it, as the
    task has them.
    images: uint8[N, H, W, 3], a row per prediction, or anything that can be indexed by an array of rows like it.
    seen: uint8[B, H, W, 3], a batch as the network saw it.
    """

    title: str
    notice: str | None
    facts: Mapping[str, str]
    records: Sequence[Mapping] | None
    groups: Sequence[str]
    findings: Sequence[Finding]
    split: str
    predictions: Any
    evaluation: Any
    images: np.ndarray
    seen: np.ndarray | None = None


def render(
    template: str,
    report: RunReport,
    *,
    key_figures: Sequence[tuple[str, str, str]],
    matrix: Sequence[Sequence[int]],
    named: Sequence[str] | None = None,
    **judged: Any,
) -> str:
    """A self-contained HTML document; the same report gives the same text.

    template: what extends ``run.html``. key_figures: (name, figure, remark) of each. matrix: of the classes, a row each
    of what is true; named: its rows, the classes if None. judged: what else the template shows.
    """
    evaluation = report.evaluation
    return document(
        template,
        report=report,
        evaluation=evaluation,
        key_figures=key_figures,
        charts=training_charts(report.records or (), report.groups),
        matrix=confusion.matrix(named or evaluation.classes, matrix, most=WHOLE_MATRIX, kept=MOST_CONFUSED),
        **judged,
    )
