import io
import os
import re
import time

import pytest

from jaxdl.metrics import Totals
from jaxdl.report import console, heartbeat
from jaxdl.train.history import History

HISTORY = History(window=Totals(loss=[3.0, 2.0], accuracy=[1.0, 2.0]), timed_images=600, timed_seconds=2.0)
EPOCH = {"kind": "epoch", "step": 50, "epoch": 1.0, "train_loss": 1.5, "train_accuracy": 0.25, "val_loss": 1.25,
         "val_accuracy": 0.5, "images_per_second": 300.0, "seconds": 65.0}  # fmt: skip
STEP = {"kind": "step", "step": 20, "loss": 1.5, "accuracy": 0.25, "images_per_second": 300.0, "seconds": 2.0}


@pytest.fixture
def plain():
    with console.Console(step=0, steps=100, steps_per_epoch=50) as shown:
        yield shown


def test_plain_lines_tell_steps_and_epochs(plain, capsys):
    plain.step(1, HISTORY)
    assert capsys.readouterr().out == ""
    plain.record(STEP)
    plain.record(EPOCH)
    step, epoch = capsys.readouterr().out.splitlines()
    assert step.startswith("  step 20/100  loss 1.5000  accuracy 25.00%  300 images/s")
    assert epoch == (
        "epoch 1/2  train loss 1.5000  accuracy 25.00%  |  val loss 1.2500  accuracy 50.00%  |  300 images/s  01:05"
    )


def test_slow_steps_do_not_keep_silent(plain, capsys, monkeypatch):
    monkeypatch.setattr(heartbeat, "LONGEST_SILENCE", 0.0)
    plain.step(3, HISTORY)
    assert capsys.readouterr().out.startswith("  step 3/100  loss 1.5000  accuracy 50.00%  300 images/s")


def test_an_epoch_without_validation_has_none(plain, capsys):
    plain.record({name: value for name, value in EPOCH.items() if not name.startswith("val_")})
    assert "val" not in capsys.readouterr().out


@pytest.mark.parametrize(("count", "says"), [(1, "|  1 update skipped"), (1200, "|  1,200 updates skipped")])
def test_skipped_updates_are_counted(plain, capsys, count, says):
    plain.record(EPOCH | {"skipped_updates": count})
    assert says in capsys.readouterr().out


class Terminal(io.StringIO):
    """What a terminal is sent."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("columns", "waiting", "fields"),
    [
        (
            120,
            "compiling the training step (kept for the next start)",
            "epoch 1/2, loss 1.500, accuracy 50.0%, 300 images/s",
        ),
        (100, "compiling the training step", "epoch 1/2, loss 1.500, accuracy 50.0%, 300 images/s"),
        (90, "compiling the training step", "epoch 1/2, loss 1.500, accuracy 50.0%"),
        (80, "compiling the training step", "epoch 1/2, loss 1.500"),
        (60, "compiling the training step", "epoch 1/2, loss 1.500"),
        (50, "compiling", "epoch 1/2"),
        (0, "compiling the training step", "epoch 1/2, loss 1.500"),  # one that does not say
    ],
)
def test_the_bar_has_the_fields_that_fit(monkeypatch, columns, waiting, fields):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
    monkeypatch.setenv("COLUMNS", str(columns or 80))
    with console.Console(step=0, steps=100, steps_per_epoch=50) as shown:
        first = terminal.getvalue()
        shown.step(1, HISTORY)
        shown.step(2, HISTORY)
        shown._bar.refresh()
        later = terminal.getvalue()[len(first) :]
    assert waiting in first
    drawn = later.split("\r")[-1]
    assert ("2/100 steps" if columns >= 80 or not columns else "2/100, ") in drawn
    assert len(drawn) <= (columns or 80)
    assert drawn.rstrip().endswith(f"left, {fields}" if fields else "left")


@pytest.mark.parametrize(
    ("columns", "words"), [(120, "train loss 1.5000  accuracy 25.00%"), (100, "train 1.5000  25.00%")]
)
def test_an_epochs_line_fits_the_terminal(monkeypatch, columns, words):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
    with console.Console(step=0, steps=100, steps_per_epoch=50) as shown:
        shown.record(EPOCH)
    [line] = [part for part in re.split(r"[\r\n]", terminal.getvalue()) if "train" in part and "compiling" not in part]
    assert words in line
    assert len(line) <= columns


def test_the_clock_of_the_bar_ticks_while_the_first_update_is_compiled(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr(heartbeat, "TICK", 0.01)
    with console.Console(step=0, steps=100, steps_per_epoch=50):
        begun, drawn = time.monotonic(), terminal.getvalue().count("0/100 steps")
        while terminal.getvalue().count("0/100 steps") < drawn + 3 and time.monotonic() < begun + 30:
            time.sleep(0.01)
        assert terminal.getvalue().count("0/100 steps") >= drawn + 3


def test_what_compiling_took_is_not_in_the_time_left(plain, capsys, monkeypatch):
    plain.step(10, HISTORY)
    monkeypatch.setattr(console.time, "monotonic", lambda: plain._began + 10.0)
    plain.record(STEP)  # ten updates after the first that was seen, in ten seconds
    assert "01:20 left" in capsys.readouterr().out
