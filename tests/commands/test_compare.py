"""Runs side by side: the page says what each run's own files say."""

import json
import shutil

import numpy as np
import pytest

from jaxdl.commands.compare import main
from jaxdl.report.evaluation import Predictions, evaluation_of
from tests import browser as chromium
from tests.report import reports

browser = chromium.browser
NONE = "\N{EN DASH}"  # stands where a run has no figure


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    """Folders: a finished run with an evaluation, another's with a worse one, and one that goes on."""
    logits, labels, _, classes = reports.digits()
    folder = tmp_path_factory.mktemp("compared")
    worse = np.random.default_rng(0).normal(size=logits.shape) * 3 + logits
    for name, changed, scores in (
        ("first", {}, logits),
        ("<b>second</b>", {"lr": 0.01, "flip": True}, worse),
        ("going", {"lr": 0.01}, None),
    ):
        out = folder / name.replace("/", "_")
        out.mkdir()
        for file in ("config.json", "metrics.jsonl", "summary.json"):
            shutil.copy(finished[0] / file, out)
        edit(out / "config.json", lambda record, changed=changed: record["config"].update(changed))
        if scores is None:
            (out / "summary.json").unlink()
            with (out / "metrics.jsonl").open("a") as log:
                log.write('{"kind": "epo')  # it is being written
        else:
            found = evaluation_of(Predictions(scores, labels, classes))
            (out / "evaluation.json").write_text(json.dumps({"split": "test", **found.to_json()}))
            edit(out / "summary.json", lambda summary, found=found: summary.update(test_accuracy=found.top1))
    return [folder / name for name in ("first", "<b>second<_b>", "going")]


@pytest.fixture(scope="module")
def page_file(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "comparison.html"
    assert main([*map(str, runs), "--out", str(out)]) == 0
    return out


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def table(page, section):
    """{first cell: the others} of a section's table."""
    rows = [row.split("\t") for row in page.locator(f"{section} tbody tr").all_inner_texts()]
    return {name: values for name, *values in rows}


def said(folder, file="evaluation.json"):
    return json.loads((folder / file).read_text())


def test_key_figures_are_those_of_the_files_and_the_best_is_marked(browser, page_file, runs):
    first, second = (said(run) for run in runs[:2])
    assert first["top1"] > second["top1"]
    summary = said(runs[0], "summary.json")
    with browser.visit(page_file.as_uri(), offline=True) as page:
        figures = table(page, "#figures")
        assert page.locator("h1").inner_text() == "3 runs compared"
        assert page.locator("[role=note]").count() == 0
        names = page.locator(".runs dd").all_inner_texts()
    assert figures["Test accuracy"] == [f"best {first['top1']:.2%}", f"{second['top1']:.2%}", NONE]
    assert figures["Test loss"] == [f"best {first['loss']:.4f}", f"{second['loss']:.4f}", NONE]
    assert figures["Best validation accuracy"] == [f"{summary['best_val_accuracy']:.2%}"] * 3
    assert figures["Updates"] == ["36", "36", "36"]
    assert names[0] == "first"
    assert names[1] == "<b>second<_b>"
    assert names[2].startswith("going not finished")


def test_settings_that_differ_are_shown_and_no_others(browser, page_file):
    with browser.visit(page_file.as_uri()) as page:
        assert table(page, "#settings") == {"lr": ["0.05", "0.01", "0.01"], "flip": ["no", "yes", "no"]}


def test_f1_of_each_class_is_side_by_side_and_sorts(browser, page_file, runs):
    expected = [said(run)["per_class"] for run in runs[:2]]
    with browser.visit(page_file.as_uri()) as page:
        for name, values in table(page, "#classes").items():
            assert [value.removeprefix("best ") for value in values] == [
                *(f"{each[name]['f1']:.1%}" for each in expected),
                NONE,
            ]
        page.locator("#classes th:nth-child(2) button").click()
        order = page.locator("#classes tbody th").all_inner_texts()
        values = [expected[0][name]["f1"] for name in order]
        assert values == sorted(values)


def test_each_run_has_its_matrix_its_diagnosis_and_its_curves(browser, page_file, runs):
    with browser.visit(page_file.as_uri(), size=chromium.PHONE) as page:
        for number, run in enumerate(runs[:2]):
            matrix = page.locator("#confusion table").nth(number)
            rows = [row.split("\t")[1:-1] for row in matrix.locator("tbody tr").all_inner_texts()]
            assert [[int(count or 0) for count in row] for row in rows] == said(run)["confusion"]
            matrix.locator("tbody td").first.hover()
            count, total = said(run)["confusion"][0][0], sum(said(run)["confusion"][0])
            readout = page.locator("#confusion .readout").nth(number).inner_text()
            assert readout.startswith(f"0 recognised: {count} of {total}")
        assert "no evaluation.json" in page.locator("#confusion").inner_text()
        assert page.locator("#diagnosis .columns > div").count() == 3
        assert page.locator("#diagnosis .finding").count() >= 3
        charts = page.locator(".chart h3").all_inner_texts()
        assert charts[:5] == [
            "Validation accuracy", "Training accuracy", "Validation loss", "Training loss", "Learning rate"
        ]  # fmt: skip
        legend = page.locator(".chart").first.locator(".legend li").all_inner_texts()
        assert [name.strip() for name in legend] == ["A: first", "B: <b>second<_b>", "C: going"]
        records = [json.loads(line) for line in (runs[0] / "metrics.jsonl").read_text().splitlines()]
        accuracy = [f"{record['val_accuracy']:.2%}" for record in records if record["kind"] == "epoch"]
        page.locator("summary").first.click()
        rows = page.locator(".chart").first.locator("tbody tr").all_inner_texts()
        assert [row.split("\t")[1:] for row in rows] == [[value] * 3 for value in accuracy]
        assert page.evaluate("document.documentElement.scrollWidth") <= chromium.PHONE[0]


def test_runs_on_other_data_are_not_held_against_each_other(browser, runs, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    edit(
        other / "config.json",
        lambda record: record.update(dataset_fingerprint="another", notice="It is not [bold]mine."),
    )
    assert main([str(runs[0]), str(other), "--out", str(tmp_path / "page.html")]) == 0
    printed = capsys.readouterr().out
    assert "cannot be compared" in printed
    assert "It is not [bold]mine." in printed
    with browser.visit((tmp_path / "page.html").as_uri()) as page:
        assert "different data" in page.locator("[role=note]").inner_text()
        assert "best" not in page.locator("#figures tbody td").all_inner_texts()[0]
        assert page.locator("#figures .best").count() == 0
        assert "It is not [bold]mine." in page.locator(".runs").inner_text()


def test_the_printed_table_has_the_figures_and_the_path(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxdl.commands.compare.time.strftime", lambda _: "20260101-120000")
    assert main([*map(str, runs)]) == 0
    printed = capsys.readouterr().out
    assert f"* {said(runs[0])['top1']:.2%}" in printed
    assert "B <b>second<_b>" in printed
    assert "C going (not finished)" in printed
    assert printed.splitlines()[-1] == "page  comparison-20260101-120000.html"
    assert main([*map(str, runs)]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["comparison-20260101-120000-2.html", "comparison-20260101-120000.html"]


def test_no_run_is_changed(runs, tmp_path):
    def contents():
        return {path: path.read_bytes() for run in runs for path in sorted(run.rglob("*")) if path.is_file()}

    before = contents()
    assert main([*map(str, runs), "--out", str(tmp_path / "page.html")]) == 0
    assert contents() == before


def test_mistakes_end_with_status_2_and_a_line(runs, tmp_path, capsys):
    first, second = str(runs[0]), str(runs[1])
    (tmp_path / "there.html").write_text("mine")
    (tmp_path / "link").symlink_to(runs[0])
    broken = tmp_path / "broken"
    shutil.copytree(runs[0], broken)
    bad = {}
    for name, file, text in (
        ("no json", "evaluation.json", "{"),
        ("a list", "evaluation.json", "[]"),
        ("no bins", "evaluation.json", '{"classes": ["a"]}'),
        ("a number", "summary.json", "3"),
        ("no records", "metrics.jsonl", "nonsense\n{}\n"),
        ("no objects", "metrics.jsonl", "[1]\n"),
        ("no strings", "config.json", "{}"),
        ("bytes", "metrics.jsonl", b"\xff\xfe\n"),
    ):
        bad[name] = tmp_path / name
        shutil.copytree(runs[0], bad[name])
        (bad[name] / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    for argv, says in (
        ([], "required: RUNS"),
        ([first], "two runs or more"),
        ([first, str(tmp_path / "absent")], "there is no run in"),
        ([first, second, first], "is given twice"),
        ([first, str(tmp_path / "link")], "is given twice"),
        ([first, second, "--out", str(tmp_path / "there.html")], "nothing is overwritten"),
        ([first, second, "--out", str(tmp_path / "absent" / "page.html")], "cannot write"),
        ([first, second, "--output", "x"], "unknown flag"),
        *(([first, str(folder), "--out", str(tmp_path / "page.html")], str(folder)) for folder in bad.values()),
    ):
        assert main(argv) == 2, argv
        error = capsys.readouterr().err
        assert says in error
        assert len(error.splitlines()) == 1, error
    assert (tmp_path / "there.html").read_text() == "mine"
    assert not (tmp_path / "page.html").exists()
