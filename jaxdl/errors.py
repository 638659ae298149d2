"""The one exception for mistakes that the person at the keyboard can mend, and where warnings go."""

import difflib
import sys
from collections.abc import Iterable

MOST_NAME = 100  # letters of an unknown name that are shown


class UserError(ValueError):
    """Says in a line or two what was wrong, what was expected and what to do.

    Commands print it without a traceback and exit with status 2.
    """


def to_stderr(line: str) -> None:
    """Prints ``line`` there, at once."""
    print(line, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """``text`` as any terminal and any file can take it: what would steer it, or has no encoding, is escaped.

    A byte of a file's name that is no UTF-8, as ``os.fsdecode`` has it, is written as that byte, ``\\xe9``.
    """
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape", "surrogatepass").decode()


def unknown(kind: str, name: str, known: Iterable[str], *, listed: bool = True) -> UserError:
    """The error for a name that is not one of ``known``: suggests the nearest and, if ``listed``, names them all."""
    name = name[:MOST_NAME]  # it may be out of a file
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    choice = f" Known: {', '.join(known)}." if listed else ""
    return UserError(f"unknown {kind} {name!r}.{hint}{choice}")
