"""Several runs side by side as one HTML page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jaxdl.report import confusion
from jaxdl.report.charts import comparing_charts, trained
from jaxdl.report.classification_page import accuracy_interval
from jaxdl.report.detection_predictions import DetectionEvaluation
from jaxdl.report.diagnosis import Finding
from jaxdl.report.document import document
from jaxdl.report.evaluation import Evaluation
from jaxdl.report.mask_predictions import SegmentationEvaluation

WHOLE_MATRIX, MOST_CONFUSED = 20, 15  # smaller than of one run: there are several beside each other
Evaluated = Evaluation | SegmentationEvaluation | DetectionEvaluation


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """Settings and results of one run.

    settings: its configuration. summary: its final results, None while it is running. evaluation: None where there is
    none. data: an identifier of the dataset.
    """

    title: str
    notice: str | None
    facts: Mapping[str, str]
    settings: Mapping[str, object]
    summary: Mapping | None
    records: Sequence[Mapping]
    groups: Sequence[str]
    findings: Sequence[Finding]
    evaluation: Evaluated | None
    data: str


@dataclass(frozen=True)
class Row:
    """A figure of each run as text, "" if it has none; best: for each run, whether it is the best of several."""

    name: str
    values: tuple[str, ...]
    best: tuple[bool, ...]
    sort_keys: tuple[float | None, ...] = ()


def render_comparison(runs: Sequence[ComparedRun]) -> str:
    """A self-contained HTML document; the same runs give the same text."""
    names = [label(number) for number in range(len(runs))]
    titles = [f"{name}: {run.title}" for name, run in zip(names, runs, strict=True)]
    evaluations = [run.evaluation for run in runs]
    return document(
        "comparison.html",
        runs=list(zip(names, runs, strict=True)),
        names=names,
        caution=caution(runs),
        key_figures=key_figures(runs),
        settings=differing_settings([run.settings for run in runs]),
        charts=comparing_charts(list(zip(titles, (run.records for run in runs), strict=True))),
        per_class=_per_class(evaluations),
        class_figure=" or ".join(sorted({_class_figure(each) for each in evaluations if each is not None})) or "F1",
        matrices=[
            each and confusion.matrix(_rows_of(each), each.confusion, most=WHOLE_MATRIX, kept=MOST_CONFUSED)
            for each in evaluations
        ],
        margin=None if caution(runs) else _margin(evaluations),
    )


def label(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    letters = ""
    while number >= 0:
        letters = chr(ord("A") + number % 26) + letters
        number = number // 26 - 1
    return letters


def caution(runs: Sequence[ComparedRun]) -> str | None:
    """Warning if the runs were not made on the same data, else None."""
    if len({run.data for run in runs}) == 1:
        return None
    return "These runs were made on different data: their accuracies and losses cannot be compared."


def key_figures(runs: Sequence[ComparedRun]) -> list[Row]:
    """Results and cost of each run; the best is marked only among runs on the same data."""
    comparable = caution(runs) is None

    def of(key: str) -> Callable[[ComparedRun], float | None]:
        return lambda run: (run.summary or {}).get(key)

    def evaluated(field: str, key: str | None = None) -> Callable[[ComparedRun], float | None]:
        return lambda run: of(key)(run) if run.evaluation is None and key else getattr(run.evaluation, field, None)

    def last(figure: str) -> Callable[[ComparedRun], float | None]:
        return lambda run: next((value for _, value in reversed(trained(run.records, figure))), None)

    share, count, plain = "{:.2%}".format, "{:,.0f}".format, "{:.4f}".format
    rows = [
        _row("Test AP", evaluated("ap", "test_ap"), runs, share, max if comparable else None),
        _row("Test AP50", evaluated("ap50", "test_ap50"), runs, share, max if comparable else None),
        _row("Test mask AP", evaluated("mask_ap", "test_mask_ap"), runs, share, max if comparable else None),
        _row("Test mean IoU", evaluated("mean_iou", "test_mean_iou"), runs, share, max if comparable else None),
        _row("Test accuracy", evaluated("accuracy", "test_accuracy"), runs, share, max if comparable else None),
        _row("Top-5 accuracy", evaluated("top5"), runs, share, max if comparable else None),
        _row("Test loss", evaluated("loss", "test_loss"), runs, plain, min if comparable else None),
        _row("Calibration error", evaluated("calibration_error"), runs, share, min if comparable else None),
        _row("Best validation AP", _best("val_ap"), runs, share, max if comparable else None),
        _row("Best validation mean IoU", _best("val_mean_iou"), runs, share, max if comparable else None),
        _row("Best validation accuracy", _best("val_accuracy"), runs, share, max if comparable else None),
        _row("Training accuracy at the end", last("accuracy"), runs, share, None),
        _row("Training loss at the end", last("loss"), runs, plain, None),
        _row("Epochs", _reached("epochs", "epoch"), runs, "{:.4g}".format, None),
        _row("Updates", _reached("steps", "step"), runs, count, None),
        _row("Updates skipped", of("skipped_updates"), runs, count, None),
        _row("Training time, seconds", of("train_seconds"), runs, "{:,.1f}".format, None),
        _row("Images a second", of("images_per_second"), runs, count, None),
        _row("Parameters", of("parameters"), runs, count, None),
        _row("Parameters trained", of("trained_parameters"), runs, count, None),
    ]
    return [row for row in rows if any(row.values)]


def differing_settings(settings: Sequence[Mapping[str, object]]) -> list[Row]:
    """The settings that differ between runs, as text."""
    rows = []
    for name in dict.fromkeys(name for each in settings for name in each):
        values = tuple(_said(each[name]) if name in each else "not known" for each in settings)
        if len(set(values)) > 1:
            rows.append(Row(name.replace("_", " "), values, (False,) * len(values)))
    return rows


def _row(
    name: str,
    figure: Callable[[ComparedRun], float | None],
    runs: Sequence[ComparedRun],
    text: Callable[[float], str],
    choose: Callable | None,
) -> Row:
    values = tuple(figure(run) for run in runs)
    shown = tuple("" if value is None else text(value) for value in values)
    return Row(name, shown, _where_best(values, choose), sort_keys=values)


def _where_best(values: Sequence[float | None], choose: Callable | None) -> tuple[bool, ...]:
    """Where the best is; nowhere if nothing is worse."""
    known = {value for value in values if value is not None}
    best = choose(known) if choose and len(known) > 1 else None
    return tuple(best is not None and value == best for value in values)


def _best(figure: str) -> Callable[[ComparedRun], float | None]:
    """Over a run's records."""
    return lambda run: max((record[figure] for record in run.records if record.get(figure) is not None), default=None)


def _reached(key: str, of_record: str) -> Callable[[ComparedRun], float | None]:
    """From the summary, or from the last record of a run that goes on."""

    def figure(run: ComparedRun) -> float | None:
        if run.summary is not None:
            return run.summary.get(key)
        return max((record[of_record] for record in run.records if record.get(of_record) is not None), default=None)

    return figure


def _margin(evaluations: Sequence[Evaluated | None]) -> float | None:
    """Half the widest interval in which a classifier's accuracy is known to lie; pixels are no examples."""
    intervals = [accuracy_interval(each) for each in evaluations if isinstance(each, Evaluation)]
    return max(((high - low) / 2 for low, high in intervals), default=None)


def _said(value: object) -> str:
    if value is None:
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _class_figure(evaluation: Evaluated) -> str:
    return {Evaluation: "F1", SegmentationEvaluation: "IoU", DetectionEvaluation: "AP"}[type(evaluation)]


def _rows_of(evaluation: Evaluated) -> tuple[str, ...]:
    """Names of the rows of a confusion matrix."""
    return evaluation.named if isinstance(evaluation, DetectionEvaluation) else evaluation.classes


def _per_class(evaluations: Sequence[Evaluated | None]) -> list[Row]:
    """F1 of each class in each run, IoU, or AP."""
    known = [each for each in evaluations if each is not None]
    rows = []
    for name in dict.fromkeys(name for each in known for name in each.classes):
        values = tuple(None if each is None else each.by_class.get(name) for each in evaluations)
        texts = tuple("" if value is None else f"{value:.1%}" for value in values)
        rows.append(Row(name, texts, _where_best(values, max), sort_keys=values))
    return rows
