"""What a person sees while a run goes on: a progress bar on a terminal, plain lines elsewhere."""

import sys

from tqdm import tqdm

from jaxdl.train.loop import History

BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, {elapsed}, {remaining} left{postfix}"


class Console:
    """Progress from ``step`` to ``steps``; a context."""

    def __init__(self, *, step: int, steps: int, steps_per_epoch: int):
        self._steps = steps
        self._epochs = steps / steps_per_epoch
        self._bar = tqdm(
            total=steps,
            initial=step,
            bar_format=BAR,
            dynamic_ncols=True,
            leave=False,
            disable=not sys.stdout.isatty(),
            file=sys.stdout,
        )

    def step(self, step: int, history: History) -> None:
        """Moves the bar to ``step``."""
        if self._bar.disable:
            return
        means = history.window.means() or history.epoch.means()
        self._bar.set_postfix_str(
            f"loss {means['loss']:.3f}, accuracy {means['accuracy']:.1%}, {history.images_per_second:,.0f} images/s",
            refresh=False,
        )
        self._bar.update(step - self._bar.n)

    def record(self, record: dict) -> None:
        """A line for each epoch; for each step record too where there is no bar."""
        if record["kind"] == "epoch":
            self._bar.write(self._epoch_line(record), file=sys.stdout)
        elif record["kind"] == "step" and self._bar.disable:
            print(self._step_line(record), flush=True)

    def _step_line(self, record: dict) -> str:
        speed = record["images_per_second"]
        left = (self._steps - record["step"]) * record["seconds"] / record["step"]
        return (
            f"  step {record['step']}/{self._steps}  loss {record['loss']:.4f}  accuracy {record['accuracy']:.2%}"
            f"  {speed:,.0f} images/s  {tqdm.format_interval(left)} left"
        )

    def _epoch_line(self, record: dict) -> str:
        line = (
            f"epoch {record['epoch']:.4g}/{self._epochs:.4g}  train loss {record['train_loss']:.4f}"
            f"  accuracy {record['train_accuracy']:.2%}"
        )
        if "val_loss" in record:
            line += f"  |  val loss {record['val_loss']:.4f}  accuracy {record['val_accuracy']:.2%}"
        return f"{line}  |  {record['images_per_second']:,.0f} images/s  {tqdm.format_interval(record['seconds'])}"

    def close(self) -> None:
        """Clears the bar."""
        self._bar.close()

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_) -> None:
        self.close()
