"""Runs a lesson cell by cell in this process, as a notebook would."""

import linecache
import os
import sys
import types
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax

from experiments.course import cells, stage
from experiments.course.catalogue import Lesson

EXERCISES = "Try · 练习"
WIDTH = 120  # characters, where no terminal has one


def run(lesson: Lesson, *, folder: Path, quick: bool = False, read: bool = False) -> None:
    """All of its cells, in order; what they print appears under the titles of its sections.

    folder: new, for its pictures and files. quick: its short form. read: print the prose and the code as well.
    """
    name = f"{lesson.path.parent.name}.{lesson.path.stem}"
    module = types.ModuleType(name)
    module.__file__ = str(lesson.path)
    sys.modules[name] = module  # where dataclasses look up the annotations of classes that a lesson defines
    linecache.checkcache(str(lesson.path))
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    if not read:
        print(f"text and code in {os.path.relpath(lesson.path)}; --read prints them, too")
    try:
        with stage.on(stage.Stage(quick=quick, folder=folder)):
            for cell in cells.read(lesson.path):
                if cell.prose:
                    _print_prose(console, cell, read)
                else:
                    if read:
                        console.print("", Syntax(cell.text, "python", background_color="default", word_wrap=True))
                    source = "\n" * (cell.line - 1) + cell.text  # so that an error names the file's line
                    exec(compile(source, lesson.path, "exec", dont_inherit=True), module.__dict__)
                    sys.stdout.flush()
    finally:
        del sys.modules[name]


def _print_prose(console: Console, cell: cells.Cell, read: bool) -> None:
    if read or EXERCISES in cell.headings:
        console.print("", Markdown(cell.text))
        return
    for heading in cell.headings:
        console.print(f"\n{heading}", style="bold", markup=False)
