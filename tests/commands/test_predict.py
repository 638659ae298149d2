"""Pictures of one's own are predicted as those of the run's data, whatever else lies beside them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from jaxdl.commands.predict import find, main
from jaxdl.data import sources
from jaxdl.data.pictures import png
from jaxdl.errors import UserError
from jaxdl.run import answers as answers_module
from jaxdl.run import finished_run
from jaxdl.run.answers import best
from jaxdl.run.classifier import Classifier
from jaxdl.wording import printable
from tests.commands.short_run import ROOT
from tests.data import bad_pictures

MEASURED = """
import sys
from jaxdl.commands.predict import main
status = main(sys.argv[2:])
open(sys.argv[1], "w").write(open("/proc/self/status").read())
sys.exit(status)
"""  # getrusage would count what the process that forked it took


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder of 30 pictures of the digits' test split, and their pixels."""
    folder = tmp_path_factory.mktemp("digits")
    images = sources.load("digits").test.images[:30]
    for row, image in enumerate(images):
        (folder / f"{row:02}.png").write_bytes(png(image))
    return folder, images


@pytest.fixture
def run(finished):
    return str(finished[0])


def answers(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.mark.long
def test_probabilities_are_those_of_the_runs_network(run, digits, capsys):
    folder, images = digits
    assert main([run, str(folder), "--json", "--top", "10"]) == 0
    expected = softmax(Classifier(finished_run.load(run)).logits(images).astype(np.float64), axis=1)
    found = answers(capsys)
    assert [answer["file"] for answer in found] == [str(folder / f"{row:02}.png") for row in range(30)]
    for answer, row in zip(found, expected, strict=True):
        given = {each["class"]: each["probability"] for each in answer["predictions"]}
        assert [given[str(digit)] for digit in range(10)] == pytest.approx(row, rel=1e-4, abs=1e-9)
        shown = [each["probability"] for each in answer["predictions"]]
        assert shown == sorted(shown, reverse=True)
        assert sum(shown) == pytest.approx(1)


def test_few_pictures_have_bars_and_many_a_line_each(run, digits, capsys):
    folder, _ = digits
    assert main([run, str(folder / "03.png"), str(folder / "04.png"), "--top", "3"]) == 0
    few = capsys.readouterr().out.splitlines()
    assert few[0] == str(folder / "03.png")
    assert few[4:6] == ["", str(folder / "04.png")]
    assert all(line.split()[1].endswith("%") for line in few[1:4])
    assert few[1].count("━") > few[3].count("━")
    assert main([run, str(folder)]) == 0
    many = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    rows = [line.split() for line in many if ".png" in line]
    assert [row[0] for row in rows] == [str(folder / f"{number:02}.png") for number in range(30)]
    assert all(len(row) == 5 and row[2].endswith("%") and row[4].endswith("%") for row in rows)
    assert many[-1].startswith("30 pictures: ")
    counts = [int(part.split()[0]) for part in many[-1].removeprefix("30 pictures: ").split(", ")]
    assert sum(counts) == 30
    assert counts == sorted(counts, reverse=True)


def test_more_classes_than_there_are_is_all_of_them(run, digits, capsys):
    assert main(["--top", "99", run, str(digits[0] / "00.png"), "--json"]) == 0
    assert len(answers(capsys)[0]["predictions"]) == 10


def test_pictures_are_read_a_few_batches_ahead_and_no_further(run, digits, monkeypatch, capsys):
    folder, _ = digits
    assert main([run, str(folder), "--json"]) == 0
    expected = answers(capsys)
    monkeypatch.setattr(answers_module, "MOST_PIXELS", 4 * 32 * 32)  # four pictures at a time
    opened, ahead, logits, open_picture = [], [], Classifier.logits, answers_module.open_picture

    def recorded(path, size, name):
        opened.append(name)
        return open_picture(path, size, name=name)

    def counted(self, images):
        assert len(images) == 4
        ahead.append(len(opened) - 4 * len(ahead))
        return logits(self, images)

    monkeypatch.setattr(answers_module, "open_picture", recorded)
    monkeypatch.setattr(Classifier, "logits", counted)
    assert main([run, str(folder), "--json"]) == 0
    found = answers(capsys)
    assert [answer["file"] for answer in found] == [answer["file"] for answer in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["predictions"][0]["class"] == theirs["predictions"][0]["class"]
    assert len(ahead) == 8
    assert max(ahead) <= 12


def test_a_folder_is_searched_at_any_depth_in_order_and_once(tmp_path):
    for name in ("b.JPG", "a/z.png", "a/deep/er/y.webp", "a.gif", "c.bmp", "notes.txt", ".hidden.png", ".git/x.png"):
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "all" / "a" / "up").symlink_to(tmp_path / "all")
    (tmp_path / "all" / "self").symlink_to("self")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "w.jpeg").write_bytes(b"")
    (tmp_path / "all" / "link").symlink_to(tmp_path / "elsewhere")
    found = find([str(tmp_path / "all"), "x.png"])
    inside = ["a/deep/er/y.webp", "a/z.png", "a.gif", "b.JPG", "c.bmp", "link/w.jpeg"]
    assert found == [*(str(tmp_path / "all" / name) for name in inside), "x.png"]
    (tmp_path / "empty").mkdir()
    assert find([str(tmp_path / "empty")]) == [str(tmp_path / "empty")]


@pytest.mark.long
def test_pictures_in_formats_that_are_not_read_are_said(run, digits, tmp_path, capsys):
    shutil.copy(digits[0] / "00.png", tmp_path / "one.png")
    for name in ("two.heic", "three.AVIF", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert main([run, str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "one.png" in printed.out
    assert printed.err == f"left out of {tmp_path}: 1 .avif file, 1 .heic file\n"


def test_bad_pictures_cost_a_line_each_and_the_others_are_predicted(run, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    odd, broken = bad_pictures.odd(), bad_pictures.broken()
    for name, content in (odd | broken).items():
        (folder / f"{'good' if name in odd else 'bad'}_{name}").write_bytes(content)
    for number in range(2):
        (folder / f"good_large{number}.png").write_bytes(bad_pictures.nearly_too_large())
    places = list(map(str, bad_pictures.strange_places(folder)))
    last = tmp_path / "last.png"
    last.write_bytes(png(bad_pictures.PIXELS))
    status = tmp_path / "status"
    asked = [str(folder), *places, "https://example.org/cat.jpg", str(last)]
    command = [sys.executable, "-c", MEASURED, str(status), run, *asked, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    found = json.loads(done.stdout)
    predicted = [Path(answer["file"]).name for answer in found if "predictions" in answer]
    assert predicted == [*sorted([f"good_{name}" for name in odd] + ["good_large0.png", "good_large1.png"]), "last.png"]
    errors = [f"error: {answer['error']}" for answer in found if "error" in answer]
    assert len(errors) == len(broken) + 3 + len(places) + 1  # links and pipe: once in the folder, once by name
    assert done.stderr.splitlines() == errors
    assert all(answer["file"] in answer["error"] for answer in found if "error" in answer)
    assert "https://example.org/cat.jpg is a URL, and nothing is fetched. Download" in done.stderr
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    assert peak < 1_700_000  # kB; the two large ones at once would take more


def test_names_are_text_for_the_terminal(run, tmp_path, capsys):
    content = png(bad_pictures.PIXELS)
    names = ["[red]x[bold].png", "a\x1b[31mb\n.png", "\udcff.png", "ß.png"]
    for name in names:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "bad\x1b[2J.png").write_bytes(b"no")
    assert main([run, str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    for shown in ("[red]x[bold].png", r"a\x1b[31mb\n.png", r"\xff.png", "ß.png"):
        assert f"{tmp_path}/{shown}" in out.splitlines()
    assert r"bad\x1b[2J.png" in err
    assert "\x1b" not in out + err
    assert printable("é [b]") == "é [b]"


def test_classes_are_text_and_the_runs_notice_is_said(run, digits, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    record = json.loads(config.read_text())
    classes = [f"[b]{digit}[/b]\x1b" for digit in range(10)]
    config.write_text(json.dumps({**record, "classes": classes, "notice": "not the real data"}))
    assert main([str(tmp_path / "run"), str(digits[0] / "00.png")]) == 0
    out, err = capsys.readouterr()
    assert out.count("[/b]\\x1b") == 5
    assert err == "not the real data\n"
    assert main([str(tmp_path / "run"), str(digits[0])]) == 0
    assert capsys.readouterr().out.count("[/b]\\x1b") > 60


def test_a_network_that_gives_no_numbers_is_refused():
    with pytest.raises(UserError, match="diverged"):
        best(np.array([[1.0, np.nan]]), ("a", "b"), 1)


def test_mistakes_end_with_status_2_and_a_line(run, tmp_path, capsys):
    for argv, says in (
        ([], "name one picture or more"),
        ([run], "name one picture or more"),
        ([str(tmp_path), "a.png"], "there is no run in"),
        ([run, "a.png", "--top", "0"], "--top must be at least 1"),
        ([run, "a.png", "--jsn"], "Did you mean --json"),
        (
            [run, str(tmp_path / "a.png"), "--top", "2"],
            f"cannot read the picture {tmp_path}/a.png (No such file or directory).",
        ),
        ([run, str(tmp_path)], f"{tmp_path} is a folder that cannot be read, or has no pictures in it"),
    ):
        assert main(argv) == 2
        out, err = capsys.readouterr()
        assert says in err
        assert len(err.splitlines()) == 1
        assert out == ""
