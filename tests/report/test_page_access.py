"""A run's page serves everybody: by pointer and by keyboard, without scripts, on a phone, in the dark."""

import itertools

import numpy as np
import pytest
from sklearn import metrics

from tests import browser as chromium
from tests.report import pages
from tests.report.legibility import faint_lines, faint_texts
from tests.report.pages import texts, wide

browser, data, address = chromium.browser, pages.data, pages.address


def test_the_matrix_tells_what_lies_under_the_pointer_and_under_the_arrow_keys(browser, address, data):
    logits, labels, _, _ = data
    counts = metrics.confusion_matrix(labels, logits.argmax(1))

    def told(true, predicted):
        count, total = counts[true, predicted], counts[true].sum()
        event = "recognised" if true == predicted else f"taken for {predicted}"
        return f"{true} {event}: {count} of {total}, {100 * count / total:.1f}%"

    true, predicted = np.argwhere(counts * (1 - np.eye(10)) > 0)[0]
    with browser.visit(address) as page:
        readout = page.locator("#matrix-readout")
        cells = page.locator("#confusion tbody tr").nth(true).locator("td")
        cells.nth(predicted).hover()
        assert readout.inner_text() == told(true, predicted)
        page.locator("#confusion td[tabindex='0']").focus()
        assert page.locator("#confusion td[tabindex='0']").count() == 1
        assert readout.inner_text() == told(0, 0)
        for key, place in (
            ("ArrowRight", (0, 1)), ("ArrowDown", (1, 1)), ("End", (1, 9)), ("ArrowRight", (1, 9)),
            ("Control+End", (9, 9)), ("ArrowUp", (8, 9)), ("Home", (8, 0)), ("ArrowLeft", (8, 0)),
            ("Control+Home", (0, 0)),
        ):  # fmt: skip
            page.keyboard.press(key)
            assert readout.inner_text() == told(*place), key
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert readout.inner_text() == told(0, 0)


def test_the_table_of_classes_is_sorted_by_its_headers(browser, address):
    def order(page):
        return [float(value) for value in page.locator("#classes tbody td:nth-child(4)").evaluate_all(
            "cells => cells.map(cell => cell.dataset.value)")]  # fmt: skip

    with browser.visit(address) as page:
        before, head = order(page), page.locator("#classes th:nth-child(4)")
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert order(page) == sorted(before) != before
        assert head.get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Enter")
        assert order(page) == sorted(before, reverse=True)
        assert head.get_attribute("aria-sort") == "descending"
        page.locator("#classes th:nth-child(1) button").click()
        assert texts(page, "#classes tbody th") == [str(digit) for digit in range(10)]
        assert head.get_attribute("aria-sort") is None


def test_nothing_is_missing_without_scripts(browser, address):
    with browser.visit(address) as page:
        context = page.context.browser.new_context(java_script_enabled=False)
        still = context.new_page()
        still.goto(address)
        assert texts(still, "h2, h3") == texts(page, "h2, h3")
        assert texts(still, "td") == texts(page, "td")
        assert still.locator("button").count() == 0
        assert "arrow keys" not in still.locator("body").inner_text()
        assert "arrow keys" in page.locator("body").inner_text()
        context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_legible_on_a_phone(browser, address, dark):
    with browser.visit(address, size=chromium.PHONE, dark=dark) as page:
        assert wide(page) <= 0
        page.evaluate(  # every colour that a cell can have
            "document.querySelectorAll('#confusion tbody td:not(.total)').forEach((cell, number) => {"
            " cell.className = `${number % 2 ? 'r' : 'w'} l${1 + (number >> 1) % 9}`; cell.textContent = '1'; })"
        )
        assert faint_texts(page) == []
        assert faint_lines(page) == []


def test_dark_mode_recolours_page_and_figures(browser, address):
    seen = []
    for dark in (False, True):
        with browser.visit(address, dark=dark) as page:
            seen.append(
                page.evaluate(
                    "() => { const of = (s, k) => getComputedStyle(document.querySelector(s))[k];"
                    " return [of('html', 'backgroundColor'), of('.chart svg text', 'fill'),"
                    " of('.chart svg path[style*=series-0]', 'stroke'), of('#confusion td.l9, #confusion td.l8',"
                    " 'backgroundColor')]; }"
                )
            )
    assert all(light != dark for light, dark in zip(*seen, strict=True))


def test_headings_landmarks_and_ids_are_in_order(browser, address):
    with browser.visit(address) as page:
        levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        assert len(set(ids)) == len(ids)
        assert page.evaluate("[...document.querySelectorAll('a')].every(a => document.querySelector(a.hash))")
        assert all(page.locator(each).count() == 1 for each in ("main", "header", "nav", "html[lang=en]"))
        assert page.evaluate("[...document.querySelectorAll('.chart > svg')].every(s => s.getAttribute('aria-label'))")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.hash") == "#content"
