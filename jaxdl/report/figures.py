"""Charts of numbers: an SVG to look at, a legend, a sentence that says it, and the numbers as a table."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.report import svg
from jaxdl.report.evaluation import Bin

SIZE = (5.6, 3.3)  # inches of 72 pixels: small, so that text stays legible where a phone shrinks it
FONT = 11.5  # pixels
DASHES = ((), (5, 2.5), (1.4, 2), (7, 2, 1.4, 2))  # on, off, ... in pixels
MARKERS = ("o", "s", "^", "D", "v")
MARKS = 15  # of a line, at most about so many; one at each point would hide it
NARROWEST = 0.05  # span of an axis of shares, so that next to nothing does not look like much
MOST_POINTS = 600  # of a line; of more, evenly many are left out
MOST_ROWS = 200  # of a chart's table
MOST_NAMED = 20  # in the legend of a picture
PRINTED = ("#0072b2", "#c45100", "#00815d", "#a8477f", "#a56a00", "#4b4fb8", "#7d7200", "#444444")  # on white
LOG_FROM = 30  # largest over median from where a chart is better read on a logarithmic scale


@dataclass(frozen=True, kw_only=True)
class Line:
    """A named curve. style: its number, from which follow colour, dash and marker; faint: drawn behind the others."""

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
        """As matplotlib calls it."""
        return None if self.faint else MARKERS[self.style % len(MARKERS)]

    @property
    def colour(self) -> int:
        """Of the page's colours for lines."""
        return self.style % svg.SERIES


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What a page shows of some numbers.

    columns, rows: all of them as text, or evenly many. scale: of the vertical axis, where it is another than usual.
    note: what to know besides.
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
) -> Chart | None:
    """Curves by epoch; None if there is not one number to draw.

    number: how one is written; percent: shares in [0, 1]. log: of the vertical axis; None: where few values are far
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
            zorder=3 + order,
        )
    _plain(axes)
    _scale(axes, lines, percent=percent, log=log)
    axes.set_xlabel("epoch", color=svg.MUTED, fontsize=FONT)
    scale = "logarithmic scale" if log else ""
    said = ". ".join(["Line chart", f"{title} by epoch", *([scale] if log else [])])
    sentences = [_sentence(line, number) for line in lines]
    return Chart(
        title=title,
        scale=scale,
        svg=svg.svg(figure, label=f"{said}. {' '.join(sentences)}"),
        lines=lines,
        columns=("epoch", *(line.name for line in lines)),
        rows=_rows(lines, number),
        note=note,
    )


def reliability(bins: Sequence[Bin]) -> Chart:
    """Accuracy against confidence above how many predictions had it, for bins of confidence of equal width."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

    figure = Figure(figsize=(SIZE[0], SIZE[1] * 1.25), dpi=72, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    x = [each.confidence for each in bins]
    above.plot((0, 1), (0, 1), color=svg.MUTED, linewidth=1, dashes=DASHES[1])
    above.vlines(x, x, [each.accuracy for each in bins], color=svg.series_colour(1), linewidth=2.5, alpha=0.6)
    above.plot(x, [each.accuracy for each in bins], color=svg.series_colour(0), marker="o", markersize=5, linewidth=1.4)
    below.bar(x, [each.examples for each in bins], width=0.035, color=svg.series_colour(0))
    for axes in (above, below):
        _plain(axes)
        axes.set_xlim(-0.02, 1.02)
    above.set_ylim(-0.02, 1.04)
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


@dataclass(frozen=True, kw_only=True)
class Band:
    """A named curve by epoch with what lies around it: the mean and the standard deviation of several, 0 of one."""

    name: str
    epochs: Sequence[float]
    means: Sequence[float]
    deviations: Sequence[float]


def bands_picture(title: str, bands: Sequence[Band]) -> bytes:
    """A PNG of shares in [0, 1] by epoch, a line and a band each; at most MOST_NAMED names in its legend, the first."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    few = len(bands) <= svg.SERIES
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    for number, band in enumerate(bands):
        colour = PRINTED[number] if few else colormaps["viridis"](0.95 * number / (len(bands) - 1))
        means, deviations = np.asarray(band.means, float), np.asarray(band.deviations, float)
        name = band.name.replace("$", r"\$")  # no mathematics in it
        axes.plot(
            band.epochs,
            means,
            color=colour,
            linewidth=1.7,
            dashes=(DASHES[number % len(DASHES)] if few else ()) or (None, None),
            marker="o" if len(band.epochs) == 1 else None,
            label=name if number < MOST_NAMED else None,
            zorder=3 + len(bands) - number,
        )
        axes.fill_between(band.epochs, means - deviations, means + deviations, color=colour, alpha=0.15, linewidth=0)
    _plain(axes)
    axes.spines["bottom"].set_color("#c8c8c8")
    axes.grid(axis="y", color="#e2e2e2", linewidth=0.7)
    axes.tick_params(which="both", labelcolor="#444444")
    points = [(x, y) for band in bands for x, y in zip(band.epochs, band.means, strict=True) if math.isfinite(y)]
    if points:
        _scale(axes, [Line(name=title, points=points)], percent=True, log=False)
        axes.yaxis.set_major_formatter(PercentFormatter(1))  # with as many decimals as its ticks need
    axes.set_title(title, loc="left", fontsize=FONT + 2)
    axes.set_xlabel("epoch", color="#444444", fontsize=FONT)
    if len(bands) > 1:
        more = f"the first {MOST_NAMED} of {len(bands)}" if len(bands) > MOST_NAMED else None
        figure.legend(loc="outside right upper", frameon=False, fontsize=FONT - 2, title=more)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _drawable(line: Line, log: bool) -> Line:
    kept = [(x, y) for x, y in line.points if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log)]
    return Line(name=line.name, points=sorted(kept), style=line.style, faint=line.faint)


def _plain(axes) -> None:
    """Two thin axes, faint lines behind, and nothing else."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(svg.RULE)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=svg.RULE, linewidth=0.7)
    axes.tick_params(which="both", length=0, labelsize=FONT, labelcolor=svg.MUTED)


def _scale(axes, lines: Sequence[Line], *, percent: bool, log: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

    epochs = [x for line in lines for x, _ in line.points]
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10), integer=max(epochs) >= 3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if log:
        values = [y for line in lines for _, y in line.points]
        axes.set_yscale("log")
        decades = math.log10(max(values) / min(values))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,), numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(left=0)
    low, high = axes.get_ylim()
    if percent and high - low < NARROWEST:
        middle = min(max((low + high) / 2, NARROWEST / 2), 1 - NARROWEST / 2)
        low, high = axes.set_ylim(middle - NARROWEST / 2, middle + NARROWEST / 2)
    axes.yaxis.set_major_formatter(
        PercentFormatter(1, decimals=0 if high - low > NARROWEST else 1)
        if percent
        else FuncFormatter(lambda value, _: f"{value:g}")
    )


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
