"""How a run went, as charts of what ``metrics.jsonl`` holds."""

from collections.abc import Callable, Mapping, Sequence

from jaxdl.report.figures import Chart, Line, line_chart

STEPS = "train, every few updates"
EPOCHS = "train, mean of the epoch"
VALIDATION = "validation"
percent = "{:.2%}".format
Records = Sequence[Mapping]
PARTS = {
    "loss_classifier": "Loss of classes",
    "loss_box_reg": "Loss of boxes",
    "loss_mask": "Loss of masks",
    "loss_objectness": "Loss of proposals",
    "loss_rpn_box_reg": "Loss of proposals' boxes",
    "classification": "Loss of classes",
    "bbox_regression": "Loss of boxes",
}  # of a detector's loss, by torchvision's names
PRECISIONS = {
    "ap": "boxes, IoU 50 to 95%",
    "ap50": "boxes, IoU 50%",
    "mask_ap": "masks, IoU 50 to 95%",
    "mask_ap50": "masks, IoU 50%",
}


def training_charts(records: Records, groups: Sequence[str]) -> list[Chart]:
    """Loss and its parts, accuracy, a segmenter's mean IoU, a detector's AP, learning rate, gradient norm by layer
    group, and units without gradient.

    Figures that the run did not record have no chart. groups: from the input to the output.
    """
    charts = [
        _learning("Loss", records, "loss", number="{:.4f}".format),
        *(_learning(title, records, name, number="{:.4f}".format) for name, title in PARTS.items()),
        _learning("Accuracy", records, "accuracy", number=percent, percent=True),
        _learning("Mean IoU", records, "mean_iou", number=percent, percent=True),
        _average_precision(records),
        line_chart("Learning rate", [Line(name="learning rate", points=learning_rates(records))]),
        _gradient(records, groups),
        _idle(records, groups),
    ]
    return [chart for chart in charts if chart]


def comparing_charts(runs: Sequence[tuple[str, Records]]) -> list[Chart]:
    """The curves of several runs, (name, records), over each other."""

    def over(title: str, points: Callable[[Records], list[tuple[float, float]]], **options) -> Chart | None:
        return line_chart(
            title,
            [Line(name=name, points=points(records), style=style) for style, (name, records) in enumerate(runs)],
            **options,
        )

    number = "{:.4f}".format
    charts = [
        over(
            "Validation accuracy",
            lambda records: _points(records, "epoch", "val_accuracy"),
            percent=True,
            number=percent,
        ),
        over("Training accuracy", lambda records: trained(records, "accuracy"), percent=True, number=percent),
        over("Validation AP", lambda records: _points(records, "epoch", "val_ap"), percent=True, number=percent),
        over("Validation loss", lambda records: _points(records, "epoch", "val_loss"), number=number),
        over("Training loss", lambda records: trained(records, "loss"), number=number),
        over("Learning rate", learning_rates),
    ]
    return [chart for chart in charts if chart]


def trained(records: Records, figure: str) -> list[tuple[float, float]]:
    """(epoch, value) of a training figure: means of epochs, or what there is of a run that has not ended two."""
    epochs, steps = _points(records, "epoch", f"train_{figure}"), _points(records, "step", figure)
    return steps if len(epochs) < 2 <= len(steps) else epochs or steps


def learning_rates(records: Records) -> list[tuple[float, float]]:
    """(epoch, learning rate), from every record that has one."""
    found = {**dict(_points(records, "step", "learning_rate")), **dict(_points(records, "epoch", "learning_rate"))}
    return sorted(found.items())


def _learning(title: str, records: Records, figure: str, **options) -> Chart | None:
    steps = _points(records, "step", figure)
    return line_chart(
        title,
        [
            *([Line(name=STEPS, points=steps, faint=True)] if len(steps) > 1 else []),
            Line(name=EPOCHS, points=_points(records, "epoch", f"train_{figure}")),
            Line(name=VALIDATION, points=_points(records, "epoch", f"val_{figure}"), style=1),
        ],
        **options,
    )


def _average_precision(records: Records) -> Chart | None:
    lines = [
        Line(name=f"validation, {words}", points=_points(records, "epoch", f"val_{name}"), style=style)
        for style, (name, words) in enumerate(PRECISIONS.items(), start=1)
    ]
    return line_chart("AP", lines, number=percent, percent=True)


def _gradient(records: Records, groups: Sequence[str]) -> Chart | None:
    lines = _by_group(records, groups, "grad_norm")
    unreached = [line.name for line in lines if line.points and not any(value for _, value in line.points)]
    note = f"No gradient reached {', '.join(unreached)}." if unreached else ""
    return line_chart("Norm of the gradient" + (" by layer" if len(lines) > 1 else ""), lines, log=True, note=note)


def _idle(records: Records, groups: Sequence[str]) -> Chart | None:
    lines = [line for line in _by_group(records, groups, "no_gradient", whole=False) if line.points]
    return line_chart("Share of units without any gradient", lines, percent=True, number=percent)


def _by_group(records: Records, groups: Sequence[str], figure: str, *, whole: bool = True) -> list[Line]:
    """A line for each layer group; one of the whole network where the run did not tell them apart."""
    lines = [
        Line(name=group, points=_finest(records, f"{figure}/{group}"), style=style)
        for style, group in enumerate(groups)
    ]
    if whole and not any(line.points for line in lines):
        return [Line(name="all layers", points=_finest(records, figure))]
    return lines


def _finest(records: Records, figure: str) -> list[tuple[float, float]]:
    steps, epochs = _points(records, "step", figure), _points(records, "epoch", f"train_{figure}")
    return steps if len(steps) >= len(epochs) else epochs


def _points(records: Records, kind: str, figure: str) -> list[tuple[float, float]]:
    return [
        (float(record["epoch"]), float(record[figure]))
        for record in records
        if record.get("kind") == kind and record.get(figure) is not None and record.get("epoch") is not None
    ]
