"""The lessons there are, in order, each described by its own first cell."""

import re
from dataclasses import dataclass
from pathlib import Path

from experiments.course import cells
from jaxdl.errors import unknown

FOLDER = Path(__file__).parent / "lessons"
ROWS = re.compile(r"^Rows: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Lesson:
    """name: what the command calls it. title: in both languages. rows: of the material, those it covers."""

    number: int
    name: str
    path: Path
    title: str
    rows: tuple[str, ...]


def lessons() -> list[Lesson]:
    """All of them, in the order of the course."""
    return [_lesson(path) for path in sorted(FOLDER.glob("[0-9]*_*.py"))]


def find(name: str) -> Lesson:
    """The lesson of that name; raises UserError, with the nearest, where there is none."""
    found = {lesson.name: lesson for lesson in lessons()}
    if name not in found:
        raise unknown("lesson", name, list(found))
    return found[name]


def _lesson(path: Path) -> Lesson:
    number, name = path.stem.split("_", 1)
    opening = cells.read(path)[0]
    rows = ROWS.search(opening.text)
    if not (opening.headings and rows):
        raise ValueError(f"{path} must open with a title and a line 'Rows: ...'.")
    title = opening.headings[0].split(" · ", 1)[1]
    return Lesson(int(number), name, path, title, tuple(rows.group(1).rstrip(".").split(", ")))
