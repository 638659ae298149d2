"""A run's page written for the tests, and what they ask a browser that shows it."""

import pytest

from jaxdl.report.classification_page import render
from tests.report import reports


@pytest.fixture(scope="module")
def data():
    return reports.digits()


@pytest.fixture(scope="module")
def address(data, tmp_path_factory):
    return written(reports.of(*data), tmp_path_factory.mktemp("page"))


def written(report, folder):
    path = folder / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path.as_uri()


def texts(page, selector):
    return page.locator(selector).all_inner_texts()


def wide(page):
    """By how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def undecoded(page):
    """Alternative texts of pictures without pixels."""
    return page.evaluate(
        "async () => { const bad = []; for (const image of document.images)"
        " await image.decode().catch(() => bad.push(image.alt));"
        " return [...bad, ...[...document.images].filter(i => !i.naturalWidth).map(i => i.alt)]; }"
    )
