"""Console output of a run: a progress bar on a terminal, plain lines elsewhere."""

import shutil
import sys
import time

from tqdm import tqdm

from jaxdl.report.heartbeat import Heartbeat
from jaxdl.train.history import History
from jaxdl.wording import counted

BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, {elapsed}, {remaining} left{postfix}"
NARROW_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {remaining} left{postfix}"
COMPILING = "compiling the training step"
WIDTH_OF_BAR, WIDTH_OF_NARROW_BAR = 47, 33  # columns that the bar takes at least, without the fields behind it
USUAL_WIDTH = 80  # of a terminal that does not say; what is narrower is narrow


def steps_bar(step: int, steps: int) -> tqdm:
    """A progress bar from ``step`` to ``steps`` on a terminal, nothing elsewhere."""
    unknown = not shutil.get_terminal_size((0, 0)).columns
    return tqdm(
        total=steps,
        initial=step,
        bar_format=NARROW_BAR if _columns() < USUAL_WIDTH else BAR,
        dynamic_ncols=not unknown,
        ncols=USUAL_WIDTH if unknown else None,
        leave=False,
        disable=not sys.stdout.isatty(),
        file=sys.stdout,
    )


class Console:
    """Progress from ``step`` to ``steps``; a context.

    score: what validation is judged by, its name in records and in words.
    """

    def __init__(
        self, *, step: int, steps: int, steps_per_epoch: int, score: tuple[str, str] = ("accuracy", "accuracy")
    ):
        self._score = score
        self._first, self._steps = step, steps
        self._began: float | None = None  # when the first update was finished, and compiling with it
        self._epochs, self._steps_per_epoch = steps / steps_per_epoch, steps_per_epoch
        self._bar = steps_bar(step, steps)
        self._heartbeat = Heartbeat(COMPILING, tick=self._bar.refresh)
        self._bar.set_postfix_str(_fitting(COMPILING + " (kept for the next start)", COMPILING, "compiling"))

    def step(self, step: int, history: History) -> None:
        """Moves the bar to ``step``; without a bar, prints a line if none was printed for a while."""
        means = history.window.means()
        if self._began is None:
            self._first, self._began = step, time.monotonic()
            self._bar.n = self._bar.initial = step
            self._bar.unpause()  # what compiling took says nothing of the time left
        if not self._bar.disable:
            fields = (
                f"epoch {min(step // self._steps_per_epoch + 1, self._epochs):.4g}/{self._epochs:.4g}",
                f"loss {means['loss']:.3f}",
                f"accuracy {means['accuracy']:.1%}" if "accuracy" in means else "",
                f"{history.images_per_second:,.0f} images/s" if history.images_per_second else "",
            )
            shown = [", ".join(filter(None, fields[:count])) for count in range(len(fields), -1, -1)]
            self._bar.set_postfix_str(_fitting(*shown), refresh=False)
            self._bar.update(step - self._bar.n)
        elif self._heartbeat.due:
            self._plain_line(step, means, history.images_per_second)
        self._heartbeat.begin(f"at step {step}/{self._steps}")

    def record(self, record: dict) -> None:
        """Prints a line for an epoch's record, and without a bar for a step's record too."""
        if record["kind"] == "epoch":
            lines = (self._epoch_line(record), self._epoch_line(record, brief=True))
            fitting = self._bar.disable or len(lines[0]) <= _columns()
            self._bar.write(lines[0] if fitting else lines[1], file=sys.stdout)
            self._heartbeat.spoke()
            self._bar.unpause()  # nor does what validating took
        elif record["kind"] == "step" and self._bar.disable:
            self._plain_line(record["step"], record, record["images_per_second"])

    def _plain_line(self, step: int, means: dict, images_per_second: float) -> None:
        began = time.monotonic() if self._began is None else self._began
        left = (self._steps - step) * (time.monotonic() - began) / max(step - self._first, 1)
        known = f"  {tqdm.format_interval(left)} left" if step > self._first else ""
        accuracy = f"  accuracy {means['accuracy']:.2%}" if "accuracy" in means else ""
        self._heartbeat.say(
            f"step {step}/{self._steps}  loss {means['loss']:.4f}{accuracy}  {images_per_second:,.0f} images/s{known}"
        )

    def _epoch_line(self, record: dict, *, brief: bool = False) -> str:
        loss, accuracy = ("", "") if brief else (" loss", " accuracy")
        name, words = self._score
        score = "" if brief and name == "accuracy" else f" {words}"
        line = f"epoch {record['epoch']:.4g}/{self._epochs:.4g}  train{loss} {record['train_loss']:.4f}"
        if "train_accuracy" in record:
            line += f" {accuracy} {record['train_accuracy']:.2%}"
        if f"val_{name}" in record:
            measured = f"{loss} {record['val_loss']:.4f} " if "val_loss" in record else ""
            line += f"  |  val{measured}{score} {record[f'val_{name}']:.2%}"
        if record.get("skipped_updates"):
            line += f"  |  {counted(record['skipped_updates'], 'update')} skipped"
        rate = "" if brief else f"{record['images_per_second']:,.0f} images/s  "
        return f"{line}  |  {rate}{tqdm.format_interval(record['seconds'])}"

    def close(self) -> None:
        """Clears the bar."""
        self._bar.close()

    def __enter__(self) -> "Console":
        self._heartbeat.__enter__()
        return self

    def __exit__(self, *reason) -> None:
        self._heartbeat.__exit__(*reason)
        self.close()


def _fitting(*texts: str) -> str:
    """The first of them that fits behind the bar, or else the last."""
    columns = _columns()
    left = columns - (WIDTH_OF_NARROW_BAR if columns < USUAL_WIDTH else WIDTH_OF_BAR)
    return next((text for text in texts if len(text) <= left), texts[-1])


def _columns() -> int:
    return shutil.get_terminal_size((0, 0)).columns or USUAL_WIDTH
