"""Charts show their numbers: where lines run, what tables and descriptions say, and that they belong to the page."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from jaxdl.report.charts import comparing_charts, training_charts
from jaxdl.report.evaluation import Bin
from jaxdl.report.figures import MOST_POINTS, MOST_ROWS, SIZE, Line, line_chart, reliability
from tests.report.reports import GROUPS, records


def paths(chart, style):
    """The points, in pixels, of each stroked path of that colour, longest first."""
    found = [
        np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", node.get("d")), float)
        for node in ElementTree.fromstring(chart.svg).iter("path")
        if f"stroke: var(--series-{style})" in node.get("style", "") and "fill: none" in node.get("style")
    ]
    return sorted(found, key=len, reverse=True)


def is_affine(pixels, values):
    """Whether pixels are a scale and a shift of values."""
    slope, intercept = np.polyfit(values, pixels, 1)
    return np.allclose(pixels, slope * np.asarray(values) + intercept, atol=2e-3) and abs(slope) > 0


def test_a_line_runs_through_its_points(rng):
    loss = [(epoch, float(value)) for epoch, value in enumerate(rng.random(12), start=1)]
    rate = [(epoch, 10.0**-epoch) for epoch in range(1, 8)]
    for points, log, drawn in ((loss, False, float), (rate, True, math.log10)):
        x, y = paths(line_chart("Loss", [Line(name="train", points=points)], log=log), 0)[0].T
        assert is_affine(x, [x for x, _ in points])
        assert is_affine(-y, [drawn(y) for _, y in points])
        assert y.argmin() == np.argmax([y for _, y in points])  # upwards


def test_lines_differ_in_colour_dash_and_marker_and_the_legend_says_which():
    lines = [Line(name=name, points=[(1, k + 1.0), (2, k + 2.0)], style=k) for k, name in enumerate("abcd")]
    chart = line_chart("Loss", lines)
    assert len({line.colour for line in chart.lines}) == 4
    assert len({line.dash for line in chart.lines}) == 4
    assert len({line.marker for line in chart.lines}) == 4
    for line in chart.lines:
        dashes = re.search(rf"stroke-dasharray: ([^;]*);[^\"]*stroke: var\(--series-{line.style}\)", chart.svg)
        assert (dashes is None) == (line.dash == ())


def test_the_numbers_and_the_description_are_those_drawn():
    train = Line(name="train", points=[(1.0, 2.0), (2.0, 1.0)])
    val = Line(name="validation", points=[(2.0, 1.5)], style=1)
    chart = line_chart("Loss", [train, val], number="{:.2f}".format)
    assert chart.columns == ("epoch", "train", "validation")
    assert chart.rows == [("1", "2.00", ""), ("2", "1.00", "1.50")]
    label = ElementTree.fromstring(chart.svg).get("aria-label")
    assert label.startswith("Line chart. Loss by epoch. train: 2.00 at first, 1.00 at last, between 1.00 and 2.00.")
    assert label.endswith("validation: 1.50.")


def test_an_svg_is_the_pages_own():
    charts = training_charts(records(), GROUPS)
    ids = [name for chart in charts for name in re.findall(r'\bid="([^"]+)"', chart.svg)]
    assert len(ids) == len(set(ids)) > 0
    for chart in charts:
        root = ElementTree.fromstring(chart.svg)
        used = set(re.findall(r'(?:url\(|href=")#([^")]+)', chart.svg))
        assert used == {node.get("id") for node in root.iter() if node.get("id")}
        assert root.get("role") == "img"
        assert [node.text for node in root.iter("text")].count("epoch") == 1
        assert not re.search(r": #[0-9a-f]{6}|http|font-family|<title|metadata|<!", chart.svg)
        assert root.get("viewBox") == f"0 0 {72 * SIZE[0]:g} {72 * SIZE[1]:g}"


def test_the_same_numbers_give_the_same_bytes():
    assert training_charts(records(), GROUPS) == training_charts(records(), GROUPS)
    first = line_chart("Loss", [Line(name="a", points=[(1, 2), (2, 3)])])
    other = line_chart("Loss", [Line(name="a", points=[(1, 2), (2, 4)])])
    assert first.svg != other.svg


def test_what_cannot_be_drawn_is_left_out():
    points = [(1.0, math.nan), (2.0, 5.0), (3.0, math.inf), (4.0, 0.0), (5.0, 7.0)]
    assert line_chart("Loss", [Line(name="a", points=points)]).rows == [("2", "5"), ("4", "0"), ("5", "7")]
    assert line_chart("Norm", [Line(name="a", points=points)], log=True).rows == [("2", "5"), ("5", "7")]
    assert line_chart("Loss", [Line(name="a", points=points[:1])]) is None
    assert line_chart("Loss", []) is None


def test_a_loss_that_exploded_is_drawn_on_a_logarithmic_scale():
    calm = [(epoch, 1.0 / epoch) for epoch in range(1, 9)]
    assert line_chart("Loss", [Line(name="a", points=calm)]).scale == ""
    assert line_chart("Loss", [Line(name="a", points=[*calm, (9, 1e6)])]).scale == "logarithmic scale"


def test_long_runs_are_thinned_evenly():
    points = [(k / 100, float(k)) for k in range(50_000)]
    chart = line_chart("Loss", [Line(name="a", points=points)])
    assert len(chart.rows) == MOST_ROWS
    assert (chart.rows[0][0], chart.rows[-1][0]) == ("0", "500")
    assert len(paths(chart, 0)[0]) <= MOST_POINTS
    assert len(chart.svg) < 60_000


def test_a_reliability_diagram_has_each_bin():
    bins = (Bin(10, 0.31, 0.5), Bin(200, 0.62, 0.6), Bin(1234, 0.97, 0.99))
    chart = reliability(bins)
    x, y = max(paths(chart, 0), key=len).T
    assert is_affine(x, [each.confidence for each in bins])
    assert is_affine(-y, [each.accuracy for each in bins])
    assert chart.rows[2] == ("97.0%", "99.0%", "1,234")
    assert "At 97.0% confidence 99.0% of 1,234 were right." in chart.svg


def test_a_run_has_the_charts_that_its_records_allow():
    def of(*arguments, **options):
        return {
            chart.title: chart
            for chart in training_charts(records(*arguments, **options), options.get("groups", GROUPS))
        }

    full = of(5)
    assert list(full) == [
        "Loss", "Accuracy", "Learning rate", "Norm of the gradient by layer", "Share of units without any gradient"
    ]  # fmt: skip
    assert full["Norm of the gradient by layer"].columns == ("epoch", *GROUPS)
    assert full["Norm of the gradient by layer"].scale == "logarithmic scale"
    assert [line.faint for line in full["Loss"].lines] == [True, False, False]
    last = [line for line in records(5) if line["kind"] == "epoch"][-1]
    assert full["Accuracy"].rows[-1][2:] == (f"{last['train_accuracy']:.2%}", f"{last['val_accuracy']:.2%}")
    bare = of(1, validation=False, groups=())
    assert list(bare) == ["Loss", "Accuracy", "Learning rate", "Norm of the gradient"]
    assert "validation" not in bare["Loss"].columns
    assert training_charts([], ()) == []
    assert training_charts([{"kind": "run"}, {"kind": "test", "step": 3, "test_loss": 1.0}], ()) == []


def test_layers_that_no_gradient_reaches_are_named():
    still = [{**line, "grad_norm/stem": 0.0, "train_grad_norm/stem": 0.0} for line in records()]
    chart = next(chart for chart in training_charts(still, GROUPS) if chart.title.startswith("Norm"))
    assert chart.note == "No gradient reached stem."
    assert chart.columns == ("epoch", *GROUPS[1:])


@pytest.mark.parametrize("title", ["Validation accuracy", "Training accuracy", "Validation loss", "Training loss"])
def test_runs_are_drawn_over_each_other(title):
    runs = [("A", records(3)), ("B", records(5)), ("C", records(4, validation=False))]
    chart = next(chart for chart in comparing_charts(runs) if chart.title == title)
    assert [line.name for line in chart.lines] == (["A", "B"] if title.startswith("Val") else ["A", "B", "C"])
    assert [line.style for line in chart.lines] == list(range(len(chart.lines)))
    assert [len(line.points) for line in chart.lines] == [3, 5, 4][: len(chart.lines)]


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_run_of_an_epoch_or_less_is_compared_by_its_steps(epochs):
    begun = [line for line in records(3) if line["kind"] == "step" or line.get("epoch", 0) <= epochs]
    chart = next(chart for chart in comparing_charts([("A", begun)]) if chart.title == "Training loss")
    assert list(chart.lines[0].points) == [(line["epoch"], line["loss"]) for line in begun if line["kind"] == "step"]
