"""Charts: an SVG, a legend, a sentence that describes it, and the numbers as a table."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxdl.report import svg
from jaxdl.report.axes import DASHES, FONT, plain, ticks
from jaxdl.report.evaluation import Bin

SIZE = (5.6, 3.3)  # inches of 72 pixels: small, so that text stays legible where a phone shrinks it
MARKERS = ("o", "s", "^", "D", "v")
MARKS = 15  # of a line, at most about so many; one at each point would hide it
MOST_POINTS = 600  # of a line; of more, evenly many are left out
MOST_ROWS = 200  # of a chart's table
LOG_FROM = 30  # largest over median from where a chart is better read on a logarithmic scale


@dataclass(frozen=True, kw_only=True)
class Line:
    """A named curve. style: a number that selects colour, dash and marker; faint: drawn behind the others."""

    name: str
    points: Sequence[tuple[float, float]]
    style: int = 0
    faint: bool = False

    @property
    def dash(self) -> tuple[float, ...]:
        """Lengths on and off, in pixels; none for a line without gaps."""
        return () if self.faint else DASHES[self.style % len(DASHES)]

    @property
    def marker(self) -> str | None:
        """Marker by matplotlib's name, or None."""
        return None if self.faint else MARKERS[self.style % len(MARKERS)]

    @property
    def colour(self) -> int:
        """Index of the page's colours for lines."""
        return self.style % svg.SERIES


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Numbers as a picture and as a table.

    columns, rows: the table, as text; evenly spaced rows where there are too many. scale: of the vertical axis, where
    it is not the usual one. note: a remark.
    """

    title: str
    svg: str
    lines: Sequence[Line] = ()
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    scale: str = ""
    note: str = ""


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    number: Callable[[float], str] = "{:.4g}".format,
    percent: bool = False,
    log: bool | None = None,
    note: str = "",
    across: str = "epoch",
) -> Chart | None:
    """Curves by epoch, or by what else is ``across``; None if there is not one number to draw.

    number: formats a value; percent: fractions in [0, 1]. log: of the vertical axis; None: where few values are far
    above the rest. Values that are not finite, or not positive on a logarithmic axis, are left out.
    """
    from matplotlib.figure import Figure

    values = sorted(y for line in lines for _, y in line.points if math.isfinite(y))
    if log is None:
        log = not percent and bool(values) and values[0] > 0 and values[-1] > LOG_FROM * values[len(values) // 2]
    lines = [_drawable(line, log) for line in lines]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    figure = Figure(figsize=SIZE, dpi=72, layout="constrained")
    axes = figure.add_subplot()
    for order, line in enumerate(sorted(lines, key=lambda line: not line.faint)):
        x, y = zip(*_thinned(line.points, MOST_POINTS), strict=True)
        axes.plot(
            x,
            y,
            color=svg.series_colour(line.style),
            alpha=0.45 if line.faint else 1,
            linewidth=1 if line.faint else 1.7,
            dashes=line.dash or (None, None),
            marker=line.marker,
            markersize=4.5,
            markevery=math.ceil(len(x) / MARKS / 2),
            clip_on=not percent,
            zorder=3 + order,
        )
    plain(axes)
    ticks(axes, [point for line in lines for point in line.points], percent=percent, log=log)
    axes.set_xlabel(across, color=svg.MUTED, fontsize=FONT)
    scale = "logarithmic scale" if log else ""
    said = ". ".join(["Line chart", f"{title} by {across}", *([scale] if log else [])])
    sentences = [_sentence(line, number) for line in lines]
    return Chart(
        title=title,
        scale=scale,
        svg=svg.svg(figure, label=f"{said}. {' '.join(sentences)}"),
        lines=lines,
        columns=(across, *(line.name for line in lines)),
        rows=_rows(lines, number),
        note=note,
    )


def reliability(bins: Sequence[Bin]) -> Chart:
    """Reliability diagram: accuracy by confidence, in bins of equal width, above a histogram of the confidence."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

    figure = Figure(figsize=(SIZE[0], SIZE[1] * 1.25), dpi=72, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    x = [each.confidence for each in bins]
    above.plot((0, 1), (0, 1), color=svg.MUTED, linewidth=1, dashes=DASHES[1])
    above.vlines(
        x, x, [each.accuracy for each in bins], color=svg.series_colour(1), linewidth=2.5, alpha=0.6, clip_on=False
    )
    about = {"color": svg.series_colour(0), "marker": "o", "markersize": 5, "linewidth": 1.4}
    above.plot(x, [each.accuracy for each in bins], clip_on=False, **about)  # whole at 0 and 1 too
    below.bar(x, [each.examples for each in bins], width=0.035, color=svg.series_colour(0))
    for axes in (above, below):
        plain(axes)
        axes.set_xlim(0, 1)
    above.set_ylim(0, 1)
    above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    above.set_ylabel("were right", color=svg.MUTED, fontsize=FONT)
    below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    below.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    below.set_ylabel("how many", color=svg.MUTED, fontsize=FONT)
    below.set_xlabel("confidence", color=svg.MUTED, fontsize=FONT)
    rows = [(f"{each.confidence:.1%}", f"{each.accuracy:.1%}", f"{each.examples:,}") for each in bins]
    said = " ".join(f"At {a} confidence {b} of {c} were right." for a, b, c in rows)
    return Chart(
        title="Accuracy by confidence",
        svg=svg.svg(figure, label=f"Reliability diagram. {said}"),
        columns=("mean confidence", "were right", "predictions"),
        rows=rows,
    )


def _drawable(line: Line, log: bool) -> Line:
    kept = [(x, y) for x, y in line.points if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log)]
    return Line(name=line.name, points=sorted(kept), style=line.style, faint=line.faint)


def _sentence(line: Line, number: Callable[[float], str]) -> str:
    values = [y for _, y in line.points]
    if len(values) == 1:
        return f"{line.name}: {number(values[0])}."
    return (
        f"{line.name}: {number(values[0])} at first, {number(values[-1])} at last, "
        f"between {number(min(values))} and {number(max(values))}."
    )


def _rows(lines: Sequence[Line], number: Callable[[float], str]) -> list[tuple[str, ...]]:
    columns = [dict(line.points) for line in lines]
    epochs = _thinned(sorted(set().union(*columns)), MOST_ROWS)
    return [(f"{x:.4g}", *(number(each[x]) if x in each else "" for each in columns)) for x in epochs]


def _thinned(points: Sequence, most: int) -> Sequence:
    """At most so many of them, evenly, the first and the last among them."""
    if len(points) <= most:
        return points
    return [points[round(k * (len(points) - 1) / (most - 1))] for k in range(most)]
