"""Pages opened in a real headless Chromium; tests that need it are skipped where it or playwright is not installed."""

import contextlib
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
DESKTOP, PHONE = (1280, 900), (375, 812)  # CSS pixels


class Browser:
    """One Chromium for a module's tests: ``with browser.visit(url) as page``."""

    def __init__(self, chromium):
        self._chromium = chromium

    @contextlib.contextmanager
    def visit(self, url, *, size=DESKTOP, dark=False, offline=False):
        """The page at ``url``, a playwright Page; fails afterwards if it complained or asked any other host."""
        width, height = size
        context = self._chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=size == PHONE,
            offline=offline,
        )
        page = context.new_page()
        complaints, strangers = [], []
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        own = url.split("/")[2] if url.startswith("http") else ""
        page.on("request", lambda request: strangers.append(request.url) if _host(request.url) != own else None)
        page.goto(url)
        yield page
        context.close()
        assert complaints == []
        assert strangers == []


def _host(url):
    return url.split("/")[2] if url.startswith("http") else ""


@pytest.fixture(scope="module")
def browser():
    """A Browser."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield Browser(chromium)
        chromium.close()
