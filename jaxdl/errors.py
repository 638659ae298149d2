"""The one exception for mistakes that the person at the keyboard can mend."""

import difflib
from collections.abc import Iterable

MOST_NAME = 100  # letters of an unknown name that are shown


class UserError(ValueError):
    """Says in a line or two what was wrong, what was expected and what to do.

    Commands print it without a traceback and exit with status 2.
    """


def unknown(kind: str, name: str, known: Iterable[str], *, listed: bool = True) -> UserError:
    """The error for a name that is not one of ``known``: suggests the nearest and, if ``listed``, names them all."""
    name = name[:MOST_NAME]  # it may be out of a file
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    choice = f" Known: {', '.join(known)}." if listed else ""
    return UserError(f"unknown {kind} {name!r}.{hint}{choice}")
