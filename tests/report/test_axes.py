"""Charts of shares show nothing below 0 or above 1: no axis, no tick, no band."""

import numpy as np
import pytest

from jaxdl.report.bands import Band, bands_picture
from jaxdl.report.evaluation import Bin
from jaxdl.report.figures import Line, line_chart, reliability


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were written, in their order."""
    from matplotlib.figure import Figure

    figures, savefig = [], Figure.savefig

    def noted(self, *args, **options):
        figures.append(self)
        return savefig(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", noted)
    return figures


def assert_shares(axes):
    low, high = axes.get_ylim()
    assert 0 <= low < high <= 1
    labels = [float(label.get_text().rstrip("%")) for label in axes.get_yticklabels() if label.get_text()]
    shown = [value for value, place in zip(labels, axes.get_yticks(), strict=True) if low <= place <= high]
    assert shown
    assert min(shown) >= 0
    assert max(shown) <= 100


RISING = {"wild": [0.1, 0.5, 0.99], "all right": [0.97, 1.0, 1.0], "always": [1.0, 1.0, 1.0], "never": [0.0, 0.0, 0.0],
          "nearly never": [0.0, 0.001, 0.004]}  # fmt: skip


@pytest.mark.parametrize("name", RISING)
def test_an_axis_of_shares_ends_at_0_and_1(name, drawn):
    points = list(zip((1.0, 2.0, 3.0), RISING[name], strict=True))
    line_chart("Accuracy", [Line(name="train", points=points)], percent=True)
    (figure,) = drawn
    (axes,) = figure.axes
    assert_shares(axes)
    assert not axes.lines[0].get_clip_on()  # else half of what runs along an edge would be cut away


def test_an_axis_of_other_numbers_keeps_its_margin(drawn):
    line_chart("Loss", [Line(name="train", points=[(1.0, 0.0), (2.0, 1.0)])])
    low, high = drawn[0].axes[0].get_ylim()
    assert low < 0
    assert high > 1


@pytest.mark.parametrize("name", RISING)
def test_a_band_around_shares_stays_among_them(name, drawn):
    bands = [
        Band(name="a", epochs=(1, 2, 3), means=RISING[name], deviations=(0.3, 0.2, 0.1)),
        Band(name="b", epochs=(1, 2, 3), means=(0.5, 0.6, 0.7), deviations=(0.0, 0.0, 0.0)),
    ]
    bands_picture("Validation accuracy", bands)
    (axes,) = drawn[0].axes
    assert_shares(axes)
    corners = np.concatenate([path.vertices[:, 1] for each in axes.collections for path in each.get_paths()])
    assert corners.min() >= 0
    assert corners.max() <= 1
    means, deviations = np.array(RISING[name]), np.array((0.3, 0.2, 0.1))
    low, high = means - deviations, means + deviations
    inside = [edge for edge in (*low, *high) if 0 < edge < 1]
    assert all(np.isclose(corners, edge).any() for edge in inside)  # nothing else is moved


def test_a_reliability_diagram_is_of_shares(drawn):
    reliability([Bin(confidence=0.0, accuracy=0.0, examples=4), Bin(confidence=1.0, accuracy=1.0, examples=9)])
    above, below = drawn[0].axes
    assert_shares(above)
    assert above.get_xlim() == below.get_xlim() == (0, 1)
