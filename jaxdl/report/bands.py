"""Curves of several runs each, mean and deviation, as a picture."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.report import svg
from jaxdl.report.axes import DASHES, FONT, PRINTED, plain, ticks

MOST_NAMED = 20  # in the legend


@dataclass(frozen=True, kw_only=True)
class Band:
    """A named curve by epoch: mean and standard deviation of several runs; the deviation of one run is 0."""

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
            clip_on=False,
            zorder=3 + len(bands) - number,
        )
        # A deviation knows of no limits, a share does.
        low, high = np.clip((means - deviations, means + deviations), 0, 1)
        axes.fill_between(band.epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    plain(axes)
    axes.spines["bottom"].set_color("#c8c8c8")
    axes.grid(axis="y", color="#e2e2e2", linewidth=0.7)
    axes.tick_params(which="both", labelcolor="#444444")
    points = [(x, y) for band in bands for x, y in zip(band.epochs, band.means, strict=True) if math.isfinite(y)]
    if points:
        ticks(axes, points, percent=True, log=False)
        axes.yaxis.set_major_formatter(PercentFormatter(1))  # with as many decimals as its ticks need
    axes.set_title(title, loc="left", fontsize=FONT + 2)
    axes.set_xlabel("epoch", color="#444444", fontsize=FONT)
    if len(bands) > 1:
        more = f"the first {MOST_NAMED} of {len(bands)}" if len(bands) > MOST_NAMED else None
        figure.legend(loc="outside right upper", frameon=False, fontsize=FONT - 2, title=more)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
