"""Axes in the project's style, for charts on pages and for pictures."""

import math
from collections.abc import Sequence
from typing import Any

from jaxdl.report import svg

FONT = 11.5  # pixels
DASHES = ((), (5, 2.5), (1.4, 2), (7, 2, 1.4, 2))  # on, off, ... in pixels
PRINTED = ("#0072b2", "#c45100", "#00815d", "#a8477f", "#a56a00", "#4b4fb8", "#7d7200", "#444444")  # on white
NARROWEST = 0.05  # span of an axis of shares, so that next to nothing does not look like much


def plain(axes: Any) -> None:
    """Styles axes as two thin spines and a faint grid."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(svg.RULE)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=svg.RULE, linewidth=0.7)
    axes.tick_params(which="both", length=0, labelsize=FONT, labelcolor=svg.MUTED)


def ticks(axes: Any, points: Sequence[tuple[float, float]], *, percent: bool, log: bool) -> None:
    """Ticks for ``points``: epochs from 0 across; up, shares in percent, no further than from 0 to 1, or numbers, on a
    logarithmic scale if asked. Curves of shares are to be drawn with ``clip_on=False``: they may run along an edge."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

    epochs, values = zip(*points, strict=True)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10), integer=max(epochs) >= 3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if log:
        axes.set_yscale("log")
        decades = math.log10(max(values) / min(values))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,), numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(left=0)
    low, high = axes.get_ylim()
    if percent:
        low, high = axes.set_ylim(max(low, 0), min(high, 1))  # a margin beyond would be of shares that cannot be
    if percent and high - low < NARROWEST:
        middle = min(max((low + high) / 2, NARROWEST / 2), 1 - NARROWEST / 2)
        low, high = axes.set_ylim(middle - NARROWEST / 2, middle + NARROWEST / 2)
    axes.yaxis.set_major_formatter(
        PercentFormatter(1, decimals=0 if all((100 * tick).round(6) % 1 == 0 for tick in axes.get_yticks()) else 1)
        if percent
        else FuncFormatter(lambda value, _: f"{value:g}")
    )
