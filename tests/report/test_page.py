"""A run's page, opened in a real browser: it says what scikit-learn says, asks for nothing, and runs only its own."""

import html
import math
import re

import numpy as np
import pytest
from sklearn import metrics

from jaxdl.report.classification_page import MISTAKES, render
from tests import browser as chromium
from tests.report import pages, reports
from tests.report.pages import texts, undecoded, wide, written

browser, data, address = chromium.browser, pages.data, pages.address

NASTY = ("<script>alert(1)</script>", "\"&'<b>", "鹿と馬" * 40, "x" * 300, "‮abc", "\udcff")


def test_the_page_shows_what_scikit_learn_computes(browser, address, data):
    logits, labels, _, classes = data
    predicted = logits.argmax(1)
    probabilities = np.exp(logits - np.logaddexp.reduce(logits, 1, keepdims=True))
    with browser.visit(address, offline=True) as page:
        shown = dict(zip(texts(page, ".key-figures dt"), texts(page, ".key-figures b"), strict=True))
        rows = [re.split(r"\s+", row) for row in texts(page, "#classes tbody tr")]
        averages = [row.split("\t")[1:] for row in texts(page, "#classes tfoot tr")]
        counts = [row.split("\t")[1:] for row in texts(page, "#confusion tbody tr")]
    assert shown["Test accuracy"] == f"{metrics.accuracy_score(labels, predicted):.2%}"
    assert shown["Top-5 accuracy"] == f"{metrics.top_k_accuracy_score(labels, logits, k=5):.2%}"
    assert shown["Loss"] == f"{metrics.log_loss(labels, probabilities):.4f}"
    assert shown["Examples"] == "360"
    report = metrics.classification_report(labels, predicted, target_names=classes, output_dict=True)
    for row in rows:
        figures = report[row[0]]
        assert row[1:] == [*(f"{figures[name]:.2%}" for name in ("precision", "recall", "f1-score")), row[4]]
        assert int(row[4]) == figures["support"]
    assert [row[2] for row in averages] == [f"{report[name]['f1-score']:.2%}" for name in ("macro avg", "weighted avg")]
    matrix = np.array([[int(count or 0) for count in row] for row in counts])
    np.testing.assert_array_equal(matrix[:, :-1], metrics.confusion_matrix(labels, predicted))
    np.testing.assert_array_equal(matrix[:, :-1].sum(1), np.bincount(labels))
    np.testing.assert_array_equal(matrix[:, -1], np.bincount(labels))


def test_every_section_is_there_and_every_picture_decodes(browser, address):
    with browser.visit(address, offline=True) as page:
        names = texts(page, "h2")
        assert names == [
            "What was run", "Diagnosis", "Training", "What is taken for what", "Most confident mistakes",
            "Class by class", "Calibration", "A batch as the network saw it", "First-layer filters",
        ]  # fmt: skip
        assert texts(page, "nav a") == names
        assert texts(page, ".chart h3") == [
            "Loss", "Accuracy", "Learning rate", "Norm of the gradient by layer logarithmic scale",
            "Share of units without any gradient", "Accuracy by confidence",
        ]  # fmt: skip
        assert "not CIFAR-10" in page.locator("[role=note]").inner_text()
        assert texts(page, "#diagnosis code") == ["--weight-decay 0.01 --patience 5"]
        assert texts(page, "#seen p") == [
            "Training pictures after augmentation, brought back to pixels. The first 32 of 40."
        ]
        assert undecoded(page) == []
        assert page.evaluate("[...document.images].every(image => image.alt)")


def test_mistakes_are_the_surest_and_their_pictures_those_of_the_data(browser, address, data):
    logits, labels, images, classes = data
    probabilities = np.exp(logits - np.logaddexp.reduce(logits, 1, keepdims=True))
    confidence, predicted = probabilities.max(1), logits.argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    with browser.visit(address) as page:
        shown = page.locator("#mistakes img").evaluate_all("images => images.map(image => image.alt)")
        assert shown == [f"{classes[labels[row]]}, taken for {classes[predicted[row]]}" for row in surest]
        pixels = page.locator("#mistakes img").first.evaluate(
            "image => { const c = new OffscreenCanvas(32, 32).getContext('2d'); c.drawImage(image, 0, 0);"
            " return [...c.getImageData(0, 0, 32, 32).data]; }"
        )
        assert page.locator("#mistakes img").first.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"
    np.testing.assert_array_equal(np.reshape(pixels, (32, 32, 4))[..., :3], images[surest[0]])


@pytest.mark.parametrize("size", [(1280, 900), chromium.PHONE], ids=["desktop", "phone"])
def test_names_from_the_data_stay_text(browser, tmp_path, size):
    finding = reports.FINDING.__class__("<i>", "</p><script>alert(2)</script>", ("<b>",), ())
    groups = ("<script>alert(3)</script>", "a$b_c$", "层")
    report = reports.drawn(
        NASTY,
        title=NASTY[0],
        notice=NASTY[1],
        facts={NASTY[0]: NASTY[1], "command": NASTY[0]},
        findings=[finding],
        records=reports.records(groups=groups),
        groups=groups,
    )
    with browser.visit(written(report, tmp_path), size=size) as page:
        names = page.locator("#classes tbody th").all_text_contents()
        assert names[:2] == list(NASTY[:2])
        assert names[2] == f"{NASTY[2][:40]}…{NASTY[2][-19:]}"
        assert page.locator("script").count() == 1
        assert page.locator("h1").inner_text() == NASTY[0]
        assert groups[0] in page.locator("#training").inner_text()
        page.locator("#confusion tbody td").nth(1).hover()
        assert page.locator("#matrix-readout").inner_text().startswith(f"{NASTY[0]} taken for {NASTY[1]}: ")
        assert wide(page) <= 0


def test_a_script_that_is_not_the_pages_own_does_not_run(browser, address, tmp_path):
    page = render(reports.drawn(("a", "b")))
    spoiled = page.replace("</main>", "<script>document.title = 'changed'</script></main>")
    assert spoiled != page
    path, complaints = tmp_path / "report.html", []
    path.write_text(spoiled, encoding="utf-8")
    with browser.visit(address) as other:
        opened = other.context.new_page()  # whose complaints are no failure
        opened.on("console", lambda line: complaints.append(line.text))
        opened.goto(path.as_uri())
        assert opened.title() == "digits-quick-20260101-120000"
    assert "Content Security Policy" in complaints[0]


def test_the_same_report_gives_the_same_bytes(data):
    assert render(reports.of(*data)) == render(reports.of(*data))


def test_only_the_pictures_that_are_shown_are_read():
    class Lazy:
        def __init__(self, images):
            self.images, self.read = images, []

        def __getitem__(self, rows):
            self.read.extend(np.arange(len(self.images))[rows])
            return self.images[rows]

    images = Lazy(np.zeros((5000, 8, 8, 3), np.uint8))
    report = reports.drawn(("a", "b", "c"), examples=5000, images=images)
    assert render(report).count("<img") > MISTAKES
    assert len(images.read) <= MISTAKES + 6 * 6 + 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("report", "says"),
    [
        ({"classes": ("ants", "bees"), "skill": 50.0}, "None: every example of the test split"),
        ({"classes": ("ants", "bees"), "examples": 1, "skill": -50.0}, "The one wrong prediction."),
        ({"classes": ("ants", "bees"), "examples": 1}, "The one example of the test split"),
        ({"classes": ("a", "b", "c"), "records": []}, "recorded no figures of its training"),
        ({"classes": ("a", "b", "c"), "records": None, "groups": ()}, "Calibration"),
        ({"classes": ("a", "b", "c"), "records": reports.records(1, validation=False), "groups": ()}, "all layers"),
        ({"classes": ("a", "b", "c"), "findings": []}, "a diagnosis needs an epoch"),
        ({"classes": ("a", "b", "c"), "seen": None, "filters": None, "notice": None}, "Calibration"),
        ({"classes": ("a", "b", "c"), "filters": np.zeros((3, 3, 1, 200), np.float32)}, "The first 96 of 200"),
        (
            {"classes": [f"class {k}" for k in range(1000)], "examples": 2000, "skill": 3.0, "size": 100},
            "Of 1,000 classes the matrix shows the 30",
        ),
    ],
    ids=[
        "no mistakes",
        "one mistake",
        "one example",
        "no records",
        "no training",
        "one epoch",
        "no finding",
        "no batch",
        "gray",
        "thousand classes",
    ],
)
def test_unusual_runs_read_well(browser, tmp_path, report, says):
    report = reports.drawn(report.pop("classes"), **report)
    address = written(report, tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 6e6
    with browser.visit(address, size=chromium.PHONE) as page:
        assert says in re.sub(r"\s+", " ", html.unescape(page.locator("body").inner_text()))
        assert wide(page) <= 0
        assert undecoded(page) == []
        rows = [row.split("\t")[1:] for row in texts(page, "#confusion tbody tr")]
        sums = [(sum(int(count or 0) for count in row[:-1]), int(row[-1])) for row in rows]
        assert all(total == stated for total, stated in sums)
        assert sum(total for total, _ in sums) == len(report.predictions)
        assert page.locator("#training").count() == page.locator("#diagnosis").count() == (report.records is not None)
        for absent, field in (("#seen", report.seen), ("#filters", report.filters), ("[role=note]", report.notice)):
            assert page.locator(absent).count() == (field is not None)


def test_the_accuracys_interval_is_wilsons():
    evaluation = reports.drawn(("a", "b"), examples=50, skill=1.0).evaluation
    share, count, z = evaluation.top1, 50, 1.959964
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    page = render(reports.drawn(("a", "b"), examples=50, skill=1.0))
    assert f"95% interval: {middle - half:.1%} to {middle + half:.1%}" in page


def test_counts_of_one_are_singular():
    page = render(reports.drawn(("ants", "bees"), examples=1, skill=-50.0, filters=np.zeros((3, 3, 3, 1), np.float32)))
    assert '<span class="remark">1 time,' in page
    assert re.search(r"The one\s+filter of the first convolution", page)
    assert not re.search(r"\b1 (times|filters|classes|examples)\b", page)
