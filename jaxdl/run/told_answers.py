"""Answers of a network to pictures in files, as a terminal shows them and as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jaxdl.wording import counted, printable

if TYPE_CHECKING:
    from jaxdl.run.answers import Answer, Found

SCORE = "score"  # what a detector gives of an object
BAR = 30  # columns


def as_json(answer: "Answer", figure: str) -> dict:
    """An answer for JSON. figure: what it gives of a class or an object."""
    if answer.error:
        return {"file": answer.file, "error": answer.error}
    if figure == SCORE:
        found = {"file": answer.file, "objects": [_object_as_json(each) for each in answer.objects]}
    else:
        found = {"file": answer.file, "predictions": [{"class": name, figure: value} for name, value in answer.best]}
    return found | ({"written": list(answer.written)} if answer.written else {})


def _object_as_json(found: "Found") -> dict:
    mask = found.mask and {"size": found.mask["size"], "counts": found.mask["counts"].decode()}
    told = {"class": found.name, SCORE: found.score, "box": list(found.box)}
    return told | ({"mask": mask} if mask else {})


def show_objects(console: Console, answers: "list[Answer]", threshold: float) -> None:
    """Prints the objects in each picture. threshold: of their scores."""
    for number, answer in enumerate(answers):
        if number:
            console.print()
        console.print(Text(printable(answer.file), "bold"))
        if not answer.objects:
            console.print(f"  nothing with a score of {threshold:.0%} or more")
            continue
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(justify="right")
        table.add_column(style="bright_black")
        for each in answer.objects:
            place = ", ".join(f"{side:.0f}" for side in each.box)
            table.add_row(Text("  " + printable(each.name)), Text(f"{each.score:.1%}"), Text(f"box {place}"))
        console.print(table)


def show_counts(console: Console, answers: "list[Answer]", threshold: float) -> None:
    """Prints a line a picture, and how many objects of each class there are in all."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("objects", overflow="fold", style="bold")
    for answer in answers:
        table.add_row(Text(printable(answer.file)), Text(_counts(answer.objects) or "nothing"))
    console.print(table)
    every = [each for answer in answers for each in answer.objects]
    found = _counts(every) or "nothing"
    console.print(Text(f"{counted(len(answers), 'picture')}, scores of {threshold:.0%} or more: {found}"))


def _counts(objects: "Sequence[Found]") -> str:
    counts = Counter(each.name for each in objects).most_common()
    return ", ".join(f"{count:,} {printable(name)}" for name, count in counts)


def show_bars(console: Console, answers: "list[Answer]", figure: str) -> None:
    """Prints the classes of each picture with a bar for each."""
    widest = max(len(printable(name)) for answer in answers for name, _ in answer.best)
    for number, answer in enumerate(answers):
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(min_width=widest + 2, overflow="fold")
        table.add_column(justify="right")
        table.add_column(width=BAR)
        for place, (name, probability) in enumerate(answer.best):
            bar = ProgressBar(
                total=1, completed=probability, width=BAR, complete_style="cyan", finished_style="cyan",
                style="bright_black",
            )  # fmt: skip
            style = "bold" if place == 0 else ""
            table.add_row(Text("  " + printable(name), style), Text(f"{probability:.1%}", style), bar)
        if number:
            console.print()
        console.print(Text(printable(answer.file), "bold"))
        console.print(table)


def show_table(console: Console, answers: "list[Answer]", figure: str) -> None:
    """Prints a line a picture, and of a classifier how many there are of each class."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("class", overflow="fold", style="bold")
    table.add_column(figure, justify="right", no_wrap=True)
    several = len(answers[0].best) > 1
    if several:
        table.add_column("then", overflow="fold")
    for answer in answers:
        (name, probability), *others = answer.best
        then = ", ".join(f"{printable(other)} {share:.1%}" for other, share in others)
        table.add_row(
            Text(printable(answer.file)),
            Text(printable(name)),
            f"{probability:.1%}",
            *([Text(then)] if several else []),
        )
    console.print(table)
    if figure != "probability":
        return
    counts = Counter(answer.best[0][0] for answer in answers).most_common()
    console.print(
        Text(
            f"{counted(len(answers), 'picture')}: {', '.join(f'{count:,} {printable(name)}' for name, count in counts)}"
        )
    )
