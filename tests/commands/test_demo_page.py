"""The demo's page as a browser has it."""

# ruff: noqa: F811 (fixtures are imported by name)

import base64
import re

import numpy as np
import pytest

from jaxdl.commands.demo_page.application import MOST_BYTES
from jaxdl.data.pictures import png
from tests.browser import PHONE, browser  # noqa: F401, a fixture
from tests.commands.demo_server import NAMES, address, ask, digit, server  # noqa: F401, fixtures


def dropped(page, files):
    """Drops ``files``, (name, content), on the page, as the desktop would."""
    encoded = [[name, base64.b64encode(content).decode()] for name, content in files]
    transfer = page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, content] of files)
                transfer.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name));
            return transfer;
        }""",
        encoded,
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


@pytest.mark.long
def test_a_dropped_picture_is_answered_and_each_class_explained(browser, address, digit):
    expected = ask(address, body=png(digit))[1]["predictions"]
    with browser.visit(f"http://{address}/") as page:
        dropped(page, [("<i>seven</i>.png", png(digit)), ("other.png", png(digit))])
        page.locator("#mapped:not(:empty)").wait_for()
        assert page.locator("#name").inner_text() == "<i>seven</i>.png (the first of 2 files)"
        assert page.locator(".name").all_inner_texts() == [each["class"] for each in expected]
        shares = [f"{each['probability']:.1%}" for each in expected]
        assert page.locator(".share").all_inner_texts() == shares
        widths = [each.bounding_box()["width"] for each in page.locator(".track span").all()]
        assert widths == sorted(widths, reverse=True)
        assert widths[0] / page.locator(".track").first.bounding_box()["width"] == pytest.approx(
            expected[0]["probability"], abs=0.02
        )
        assert page.locator("#status").inner_text().endswith(f"{expected[0]['class']}, {shares[0]}")
        assert page.locator("#mapped").inner_text() == expected[0]["class"]
        first = page.locator("#map").get_attribute("src")
        page.get_by_role("radio").nth(0).focus()
        page.keyboard.press("ArrowDown")
        page.locator("#mapped", has_text=f"&{expected[1]['index']}").wait_for()
        assert page.locator("#map").get_attribute("src") != first
        for name in ("seen", "map"):
            assert page.locator(f"#{name}").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [32, 32]
            assert page.locator(f"#{name}").get_attribute("alt")


def test_a_picture_is_chosen_by_keyboard_and_pasted(browser, address, digit, tmp_path):
    (tmp_path / "chosen.png").write_bytes(png(digit))
    with browser.visit(f"http://{address}/") as page:
        handed_over = []
        page.on("filechooser", lambda chooser: handed_over.append(chooser))  # playwright takes no builtin
        for _ in range(4):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "file":
                break
        for _ in range(10):  # a busy browser keeps the first one to itself
            page.keyboard.press("Enter")
            page.wait_for_timeout(1000)
            if handed_over:
                break
        handed_over[0].set_files(tmp_path / "chosen.png")
        page.locator("#name", has_text="chosen.png").wait_for()
        page.evaluate(
            """content => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], "pasted.png"));
                document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer}));
            }""",
            base64.b64encode(png(digit)).decode(),
        )
        page.locator("#name", has_text="pasted.png").wait_for()
        assert page.get_by_role("alert").inner_text() == ""


def test_what_cannot_be_read_is_said_in_an_alert(browser, address, digit):
    with browser.visit(f"http://{address}/") as first:
        page = first.context.new_page()  # of its own: Chromium itself complains of a status of 4xx
        page.goto(f"http://{address}/")
        dropped(page, [("good.png", png(digit))])
        page.locator("#name", has_text="good.png").wait_for()
        dropped(page, [("bad.png", b"not a picture")])
        page.get_by_role("alert").filter(
            has_text="bad.png: the picture is not one that can be read here (JPEG"
        ).wait_for()
        assert not page.locator("#result").is_visible()
        dropped(first, [("huge.png", bytes(MOST_BYTES + 1))])
        first.get_by_role("alert").filter(has_text="huge.png: the file has more than 10 MB.").wait_for()
        dropped(first, [])
        first.get_by_role("alert").filter(has_text="That is no file.").wait_for()
        dropped(first, [("good.png", png(digit))])
        first.locator("#name", has_text="good.png").wait_for()
        assert first.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone_and_has_contrast(browser, address, digit, dark):
    with browser.visit(f"http://{address}/", size=PHONE, dark=dark) as page:
        dropped(page, [(f"{'long' * 40}.png", png(digit))])
        page.locator("#mapped:not(:empty)").wait_for()
        page.locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for selector in ("h1", ".hint", "#limits", "#drop b", ".share", "figcaption"):
            text, behind = page.evaluate(
                """selector => {
                    let each = document.querySelector(selector);
                    const text = getComputedStyle(each).color;
                    const clear = "rgba(0, 0, 0, 0)";
                    while (getComputedStyle(each).backgroundColor === clear) each = each.parentElement;
                    return [text, getComputedStyle(each).backgroundColor];
                }""",
                selector,
            )
            lights = sorted(luminance(color) for color in (text, behind))
            assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5, selector
            assert (luminance(behind) < 0.1) == dark


def luminance(color):
    """As the Web Content Accessibility Guidelines have it."""
    values = np.array([int(value) for value in re.findall(r"\d+", color)[:3]]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]
