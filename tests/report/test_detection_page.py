"""A detector's page in a real browser: its figures, its boxes, and the slider that hides them."""

import re

import numpy as np
import pytest

from jaxdl.objects import Detections, Objects
from jaxdl.report.box_overlay import laid_detections, laid_truth
from jaxdl.report.boxes_drawn import boxed, ink_on
from jaxdl.report.class_colors import class_colors
from jaxdl.report.detection_errors import errors_of
from jaxdl.report.detection_page import OTHERS, WORST, render
from jaxdl.report.detection_predictions import DetectionPredictions, evaluation_of
from tests import browser as chromium
from tests.browser import PHONE
from tests.report import found_objects
from tests.report.pages import texts, undecoded, wide

browser = chromium.browser


@pytest.fixture(scope="module")
def predictions():
    return found_objects.made()


@pytest.fixture(scope="module")
def address(predictions, tmp_path_factory):
    return written(found_objects.report(*predictions), tmp_path_factory.mktemp("page"))


def written(report, folder):
    path = folder / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path.as_uri()


def slide(page, value):
    page.locator(".confidence input").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", str(value)
    )


def test_the_page_shows_the_figures_in_every_section(browser, address, predictions):
    found = evaluation_of(predictions[0])
    with browser.visit(address, offline=True) as page:
        assert texts(page, "h2") == texts(page, "nav a") == [
            "What was run", "Diagnosis", "Training", "Class by class", "How sure it is", "Mistakes", "Pictures",
            "What is taken for what", "A batch as the network saw it",
        ]  # fmt: skip
        shown = dict(zip(texts(page, ".key-figures dt"), texts(page, ".key-figures b"), strict=True))
        assert shown == {
            "Test AP": f"{found.ap:.2%}",
            "AP50": f"{found.ap50:.2%}",
            "AP75": f"{found.figures['ap75']:.2%}",
            "Pictures": "14",
            "Objects": str(found.objects),
        }
        charts = [re.sub(" logarithmic scale", "", each) for each in texts(page, ".chart h3")]
        assert {"Loss of classes", "AP", "Precision of each class", "Recall, precision and F1"} <= set(charts)
        rows = [re.split(r"\s+", row.strip()) for row in texts(page, "#classes tbody tr")]
        assert [row[0] for row in rows] == list(found.classes)
        assert [row[1] for row in rows] == [f"{found.ap_by_class[name]:.2%}" for name in found.classes]
        assert [int(row[-1]) for row in rows] == list(found.objects_by_class.values())
        counts = [row.split("\t")[1:-1] for row in texts(page, "#confusion tbody tr")]
        assert [[int(count or 0) for count in row] for row in counts] == [list(row) for row in found.confusion]
        assert undecoded(page) == []
        assert page.evaluate("[...document.images].every(image => image.alt)")


def test_the_slider_hides_boxes_and_tells_what_is_missed_then(browser, address, predictions):
    predictions, _ = predictions
    worst = predictions.worst(WORST).tolist()
    with browser.visit(address, offline=True) as page:
        first = page.locator(".beside > li").first
        for threshold in (predictions.threshold, 0.0, 0.5, 0.83, 1.0):
            slide(page, threshold)
            at = errors_of(predictions.truth, predictions.found, classes=predictions.classes, threshold=threshold)
            errors, counts = at.pictures[worst[0]], at.counts
            right = int((errors.kinds == 0).sum())
            told = f"{right} right, {len(errors.kinds) - right} wrong, {errors.missed.sum()} missed"
            assert first.locator(".summed").inner_text() == told
            assert first.locator(".laid").nth(1).locator("i:visible").count() == len(errors.kinds)
            said = page.locator(".confidence [role=status]").inner_text()
            every = sum(count for kind, count in counts.items() if kind != "missed")
            objects = sum(map(len, predictions.truth))
            assert said.startswith(f"In all pictures {counts['correct']} of {objects} objects are found")
            assert f"{counts['correct']} of {every} boxes are right" in said


def test_kinds_of_mistakes_are_told_by_words_and_lines(browser, address):
    with browser.visit(address, offline=True) as page:
        slide(page, 0)
        words = set(texts(page, ".laid .wrong b"))
        assert any(each.endswith(": invented") for each in words)
        style = "box => getComputedStyle(box).borderTopStyle"
        assert page.locator(".laid .wrong").first.evaluate(style) == "dashed"
        assert page.locator(".laid .right").first.evaluate(style) == "solid"
        slide(page, 1)
        assert page.locator(".laid .missed").first.evaluate(style) == "dashed"
        assert set(texts(page, ".laid .missed b")) == {"missed"}
        page.locator("summary", has_text="In words").first.click()
        assert "object, missed" in page.locator(".beside tbody").first.inner_text()


def test_the_slider_moves_by_keyboard_and_the_page_is_no_wider_than_a_phone(browser, address):
    with browser.visit(address, size=PHONE, offline=True) as page:
        assert wide(page) == 0
        page.locator(".confidence input").focus()
        page.keyboard.press("End")
        assert page.locator(".confidence output").inner_text() == "100%"
        page.keyboard.press("Home")
        assert page.locator(".confidence output").inner_text() == "0%"
        widths = page.locator(".beside figure").evaluate_all("all => all.map(each => each.offsetWidth)")
        assert min(widths) > 300


def test_pictures_are_the_worst_and_some_others(browser, address, predictions):
    predictions, _ = predictions
    worst = [f"{row}.png" for row in predictions.worst(WORST)]
    with browser.visit(address, offline=True) as page:
        names = texts(page, ".beside p .name")
        assert names[: len(worst)] == worst
        assert len(names) == len(worst) + min(OTHERS, len(predictions) - len(worst))
        assert len(set(names)) == len(names)


def test_masks_lie_within_their_boxes_and_have_figures_of_their_own(browser, tmp_path):
    made = found_objects.made(masks=True, pictures=5)
    with browser.visit(written(found_objects.report(*made), tmp_path), offline=True) as page:
        assert "Mask AP" in texts(page, ".key-figures dt")
        assert any(each.startswith("Mask AP") for each in texts(page, "#classes thead th"))
        layer = page.locator(".laid i").first.evaluate("box => getComputedStyle(box).backgroundImage")
        assert layer.startswith('url("data:image/png')


def test_a_detector_that_found_nothing_has_a_page_and_names_are_text(browser, tmp_path):
    predictions, images = found_objects.made(pictures=3, classes=("<b>&cell", "鹿" * 80, "x"))
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    nothing = DetectionPredictions((none,) * 3, predictions.truth, predictions.sizes, predictions.classes)
    report = found_objects.report(nothing, images, seen=None, seen_objects=(), names=["<i>a.png"] * 3, records=None)
    with browser.visit(written(report, tmp_path), size=PHONE, offline=True) as page:
        assert wide(page) == 0
        assert "<b>&cell" in texts(page, "#classes tbody th .name")
        assert page.locator(".laid .missed").count() == sum(map(len, predictions.truth))
        assert page.locator("#seen").count() == 0


def test_what_lies_over_a_picture_is_where_its_box_is():
    no = np.zeros(1, bool)
    truth = Objects(np.array([[10, 20, 60, 40]], np.float32), np.zeros(1, np.int32), no, no, np.array([1000.0]))
    found = Detections(np.array([[10, 20, 60, 41]], np.float32), np.zeros(1, np.int32), np.array([0.75], np.float32))
    [errors] = errors_of([truth], [found], classes=("cat",), threshold=0.0).pictures
    [box] = laid_detections(found, (80, 100), ("cat",), errors)
    assert box.style.startswith("left: 10.00%; top: 25.00%; width: 50.00%; height: 26.25%; --color: #0072b2")
    assert (box.kind, box.words, box.score, box.shown(0.75), box.shown(0.76)) == ("right", "right", 0.75, True, False)
    [true] = laid_truth(truth, (80, 100), ("cat",), found, errors)
    assert (true.reach, true.missed(0.75), true.missed(0.76)) == (0.75, False, True)


def test_boxes_in_pixels_keep_what_is_within_them():
    image = np.full((60, 80, 3), 200, np.uint8)
    box = np.array([[20, 20, 60, 50]], np.float32)
    color = class_colors(1)
    drawn = boxed(image, box, color, words=["cat 75%"])
    assert (drawn[20, 25:60] == color[0]).all()
    assert (drawn[25:45, 25:55] == 200).all()  # within
    assert (image == 200).all()
    assert (drawn[:19, 20:60] == color[0]).any()  # what is told above it
    outside = boxed(
        image, np.array([[-5, -5, 90, 70]], np.float32), color, words=["a name that is far too long for it"]
    )
    assert outside.shape == image.shape
    assert (boxed(image, box[:0], color[:0]) == image).all()


def test_words_are_black_or_white_whichever_is_read_better():
    assert [ink_on(np.array(each)) for each in ((240, 228, 66), (0, 0, 120))] == [(0, 0, 0), (255, 255, 255)]
