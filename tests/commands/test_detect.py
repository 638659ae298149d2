"""``jaxdl detect``: what a run leaves, and what the other commands make of it."""

import csv
import http.client
import json
import re
import shutil
import threading

import jax
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from werkzeug.serving import make_server

from jaxdl import coco_results, rle
from jaxdl.commands import compare, detect, evaluate, predict
from jaxdl.commands.demo_page.application import Demo
from jaxdl.data.detection import box_folder
from jaxdl.data.pictures import open_picture
from jaxdl.objects import Detections
from jaxdl.report.boxes_drawn import boxed
from jaxdl.run import finished_run
from jaxdl.run.answers import Answer, Found
from jaxdl.run.detection.answers import objects_in, surest
from jaxdl.run.detection.detector import ObjectFinder
from jaxdl.run.detection.other_data import split_of
from jaxdl.run.told_answers import as_json
from tests import browser as chromium
from tests.browser import PHONE
from tests.commands import blind_run, cells
from tests.commands.cells import CLASSES, SHORT, SIZE
from tests.commands.test_demo_page import dropped
from tests.report.pages import wide

browser = chromium.browser


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return cells.write(tmp_path_factory.mktemp("data") / "cells", train=6, val=2, test=4)


@pytest.fixture(scope="module")
def blind(data, tmp_path_factory):
    """The folder of a run that was never trained, whose network finds things of no sense."""
    return blind_run.made(data, tmp_path_factory.mktemp("runs") / "blind")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run of two updates with its report."""
    out = tmp_path_factory.mktemp("runs") / "cells"
    assert detect.main([*SHORT, "--data-dir", str(data), "--out", str(out)]) == 0
    return out


def answered(main, *argv, capsys):
    """Status, and what was printed on either stream."""
    status = main(list(map(str, argv)))
    return status, *capsys.readouterr()


@pytest.mark.slow
def test_a_run_leaves_its_figures_its_detections_and_its_page(data, trained):
    summary = json.loads((trained / "summary.json").read_text())
    found = json.loads((trained / "evaluation.json").read_text())
    assert found["figures"]["ap"] == pytest.approx(summary["test_ap"])
    assert (found["pictures"], found["objects"], found["classes"]) == (4, 8, list(CLASSES))
    assert np.array(found["confusion"]).shape == (3, 3)
    page = (trained / "report.html").read_text()
    for words in ("Loss of classes", "A batch as the network saw it", "How sure it is"):
        assert words in page
    results = json.loads((trained / "detections.json").read_text())
    rows = list(csv.DictReader((trained / "predictions.csv").read_text().splitlines()))
    assert len(results) == len(rows)


@pytest.mark.long
def test_evaluate_finds_what_pycocotools_measures(data, blind, tmp_path, capsys):
    out = tmp_path / "found"
    status, printed, _ = answered(evaluate.main, blind, "--out", out, capsys=capsys)
    found = json.loads((out / "evaluation.json").read_text())
    assert status == 0
    assert f"AP {found['figures']['ap']:.2%}" in printed
    assert f"detections   {out}/detections.json" in printed
    test = box_folder.load(data).test
    labels = test.labels
    about = {"image_ids": labels.image_ids, "category_ids": labels.category_ids, "classes": CLASSES}
    truth = coco_results.truth_to_json(labels.objects, **about, sizes=labels.sizes.tolist(), names=test.files)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    theirs = COCO(str(tmp_path / "truth.json"))
    evaluation = COCOeval(theirs, theirs.loadRes(str(out / "detections.json")), "bbox")
    for step in (evaluation.evaluate, evaluation.accumulate, evaluation.summarize):
        step()
    capsys.readouterr()
    assert evaluation.stats[:3] == pytest.approx([found["figures"][name] for name in ("ap", "ap50", "ap75")])


@pytest.mark.long
def test_evaluate_on_other_pictures_renumbers_their_classes(data, blind, tmp_path, capsys):
    other, first, second = tmp_path / "other", tmp_path / "first", tmp_path / "second"
    shutil.copytree(data, other)
    (other / "classes.txt").write_text("block\nbar\nnever\n")  # in another order, and one more that nothing is of
    assert evaluate.main([str(blind), "--out", str(first)]) == 0
    assert evaluate.main([str(blind), "--pictures", str(other), "--out", str(second)]) == 0
    own, theirs = (json.loads((each / "evaluation.json").read_text()) for each in (first, second))
    assert theirs["ap_by_class"] == own["ap_by_class"]
    numbers = [
        {each["category_id"] for each in json.loads((out / "detections.json").read_text())} for out in (first, second)
    ]
    assert numbers == [{1, 2}, {1, 2}]
    (other / "classes.txt").write_text("barge\nblock\nbar\n")
    for sheet in other.glob("Annotations/*.xml"):
        sheet.write_text(sheet.read_text().replace("<name>bar<", "<name>barge<"))
    status, _, errors = answered(evaluate.main, blind, "--pictures", other, "--out", tmp_path / "no", capsys=capsys)
    assert status == 2
    assert "objects of other classes (barge) than the network has (bar, block)" in errors
    assert not (tmp_path / "no").exists()


@pytest.mark.long
def test_predict_tells_and_draws_the_objects_of_pictures_of_any_size(data, blind, tmp_path, capsys):
    picture, out = tmp_path / "wide.png", tmp_path / "out"
    with Image.open(data / "JPEGImages" / "test00.png") as image:
        image.resize((150, 70)).save(picture)
    (tmp_path / "no.png").write_text("no picture")
    flags = [picture, data / "JPEGImages" / "test01.png", tmp_path / "no.png", "--threshold", "0.2", "--json"]
    status, printed, errors = answered(predict.main, blind, *flags, "--out", out, capsys=capsys)
    assert (status, errors.count("\n")) == (2, 1)
    first, _, refused = json.loads(printed)
    assert "error" in refused
    assert first["objects"]
    boxes = np.array([each["box"] for each in first["objects"]])
    assert (boxes >= 0).all()
    assert (boxes <= (150, 70, 150, 70)).all()
    scores = [each["score"] for each in first["objects"]]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.2
    assert {each["class"] for each in first["objects"]} <= set(CLASSES)
    assert first["written"] == [str(out / "wide-objects.png")]
    assert open_picture(out / "wide-objects.png", None).shape == (70, 150, 3)
    assert sorted(each.name for each in out.iterdir()) == ["test01-objects.png", "wide-objects.png"]
    status, _, errors = answered(predict.main, blind, picture, "--out", out, capsys=capsys)
    assert (status, "nothing is overwritten" in errors) == (2, True)
    status, printed, _ = answered(
        predict.main, blind, picture, "--threshold", "1", "--out", tmp_path / "none", capsys=capsys
    )
    assert status == 0
    assert "nothing with a score of 100% or more" in printed
    status, printed, _ = answered(
        predict.main, blind, picture, "--threshold", "0.2", "--top", "1", "--out", tmp_path / "one", capsys=capsys
    )
    assert re.search(rf"({'|'.join(CLASSES)}) +\d+\.\d% +box \d+, \d+, \d+, \d+", printed)
    assert f"pictures with boxes  {tmp_path / 'one'}" in printed


@pytest.mark.long
def test_a_picture_of_the_data_is_seen_as_in_evaluation(data, blind):
    run, test = finished_run.load(str(blind)), box_folder.load(data).test
    finder = ObjectFinder(run)
    counted = finder.evaluated(test).found
    for row in range(2):
        own = finder.objects(np.asarray(test.images[row]))
        assert len(own) == len(counted[row]) > 0
        np.testing.assert_allclose(np.sort(own.scores), np.sort(counted[row].scores), atol=1e-4)


@pytest.mark.long
def test_compare_shows_runs_by_ap(blind, tmp_path, capsys):
    other = tmp_path / "copy"
    shutil.copytree(blind, other)
    for out, figure in ((blind, 0.25), (other, 0.5)):
        found = {"test_ap": figure, "epochs": 1, "steps": 2, "parameters": 10, "train_seconds": 1.0,
                 "images_per_second": 1.0, "device": "CPU", "finished": "now"}  # fmt: skip
        (out / "summary.json").write_text(json.dumps(found))
    status, printed, _ = answered(compare.main, blind, other, "--out", tmp_path / "page.html", capsys=capsys)
    (blind / "summary.json").unlink()
    assert status == 0
    assert re.search(r"Test AP +25.00% +\* 50.00%", printed)
    assert re.search(r"Best validation AP +10.00% +10.00%", printed)


@pytest.fixture(scope="module")
def address(blind):
    """Host and port of a demo of the run."""
    run = finished_run.load(str(blind))
    hosts: list[str] = []
    demo = Demo(run, top=5, hosts=hosts)
    server = make_server("127.0.0.1", 0, demo, threaded=True)
    hosts.append(f"127.0.0.1:{server.port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hosts[0]
    server.shutdown()
    thread.join()
    jax.clear_caches()


@pytest.mark.long
def test_the_demo_lays_boxes_over_a_dropped_picture(data, browser, address):
    content = (data / "JPEGImages" / "test00.png").read_bytes()
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request("POST", "/predict", content, {"Origin": f"http://{address}"})
    said = json.loads(connection.getresponse().read())["objects"]
    assert said
    for size in (None, PHONE):
        with browser.visit(f"http://{address}/", **({"size": size} if size else {})) as page:
            dropped(page, [("cells.png", content)])
            page.locator("#result").wait_for()
            for least in (50, 0, 30):
                page.locator("#least").evaluate(
                    "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", str(least)
                )
                shown = [each for each in said if 100 * each["score"] >= least]
                assert page.locator("#boxes .box:visible").count() == len(shown)
                assert page.locator("#objects .name:visible").all_inner_texts() == [each["class"] for each in shown]
            assert wide(page) == 0
            page.locator("#least").focus()
            page.keyboard.press("Tab")
            assert page.locator("#objects li.on").count() == page.locator("#boxes .box.on").count() == 1
            page.locator("#least").focus()
            page.keyboard.press("End")
            assert page.locator("#count").inner_text() == "Nothing with a score of 100% or more"


def test_the_surest_objects_are_told_with_their_masks():
    mask = np.zeros((8, 8), bool)
    mask[2:4, 2:6] = True
    boxes = np.array([[2, 2, 6, 4], [0, 0, 8, 8]], np.float32)
    found = Detections(
        boxes, np.array([1, 0]), np.array([0.5, 0.75], np.float32), (rle.encode(mask), rle.encode(~mask))
    )
    first = Found("block", 0.75, (0.0, 0.0, 8.0, 8.0), rle.encode(~mask))
    assert objects_in(surest(found, 0.6), ("block", "bar")) == (first,)
    assert [each.name for each in objects_in(surest(found, 0.5), ("block", "bar"))] == ["block", "bar"]
    assert len(surest(found, 0.1, top=1)) == 1
    told = as_json(Answer("a.png", objects=(first,)), "score")["objects"][0]
    assert told["mask"]["size"] == [8, 8]
    back = rle.from_counts(told["mask"]["counts"], height=8, width=8)
    np.testing.assert_array_equal(rle.decode(back), ~mask)
    drawn = boxed(np.zeros((8, 8, 3), np.uint8), boxes[:0], np.array([[255, 255, 255]]), masks=(rle.encode(mask),))
    assert (drawn[2:4, 2:6] == 102).all()


def test_other_data_has_the_runs_numbers(data):
    split, _ = split_of(data, ("never", "block", "bar"))
    own = box_folder.load(data).test
    assert split.labels.category_ids == (3, 2, 1)
    for ours, theirs in zip(split.labels.objects, own.labels.objects, strict=True):
        assert [("never", "block", "bar")[number] for number in ours.classes] == [CLASSES[n] for n in theirs.classes]
    assert split.images.shape[1:] == (*SIZE, 3)


def test_a_single_split_is_evaluated_on(data, tmp_path):
    shutil.copytree(data, tmp_path / "one")
    for split in ("train", "val"):
        (tmp_path / "one" / "ImageSets" / "Main" / f"{split}.txt").unlink()
    split, remarks = split_of(tmp_path / "one", CLASSES)
    assert (len(split), remarks) == (4, ())
