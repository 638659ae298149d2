"""A lesson's file as cells: passages of prose and of code, as editors and jupytext divide it."""

from dataclasses import dataclass
from pathlib import Path

MARK = "# %%"
PROSE = "# %% [markdown]"


@dataclass(frozen=True)
class Cell:
    """text: Markdown or Python, without the line that opens the cell. line: the file's number of its first line."""

    text: str
    line: int
    prose: bool

    @property
    def headings(self) -> list[str]:
        """Of prose, the titles in it, from ``#`` to ``######``, without these signs."""
        lines = [line for line in self.text.splitlines() if line.startswith("#")] if self.prose else []
        return [line.lstrip("#").strip() for line in lines]


def read(path: Path) -> list[Cell]:
    """The cells of a file in percent format; what stands before the first is none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(MARK)]
    return [
        _cell(lines[start], lines[start + 1 : end], start + 2)
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]


def _cell(opening: str, lines: list[str], line: int) -> Cell:
    prose = opening.startswith(PROSE)
    if prose:
        lines = [each.removeprefix("#").removeprefix(" ") for each in lines]
    return Cell("\n".join(lines).rstrip() + "\n", line, prose)
