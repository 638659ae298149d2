"""Settings of a lesson's environment: how long it may take, and where its pictures and files go.

In a notebook a lesson runs in full, its pictures appear below the cell, and files go to a temporary folder.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110


@dataclass(frozen=True)
class Stage:
    """quick: the short form, for tests. folder: of this lesson's pictures and files; None in a notebook."""

    quick: bool = False
    folder: Path | None = None


_current = [Stage()]


@contextlib.contextmanager
def on(stage: Stage) -> Iterator[None]:
    """Lessons that run inside run there."""
    _current.append(stage)
    try:
        yield
    finally:
        _current.pop()


def pick(full: Any, quick: Any) -> Any:
    """``full``, or ``quick`` where the lesson runs in its short form."""
    return quick if _current[-1].quick else full


def files(name: str) -> Path:
    """A new, empty folder of that name for what the lesson writes."""
    folder = _current[-1].folder
    if folder is None:
        return Path(tempfile.mkdtemp(prefix=f"{name}-"))
    (folder / name).mkdir(parents=True)
    return folder / name


def show(figure: "Figure", name: str) -> None:
    """A picture for the reader: below the cell in a notebook, else in a file ``name``.png that is told."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
    if _current[-1].folder is None and _in_notebook():
        from IPython.display import Image, display

        display(Image(picture.getvalue()))
        return
    path = (_current[-1].folder or Path(tempfile.mkdtemp(prefix="lesson-"))) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.getvalue())
    print(f"picture  {path}")


def _in_notebook() -> bool:
    try:
        return get_ipython() is not None  # a builtin of IPython alone
    except NameError:
        return False
