"""The exception for mistakes that a user can correct, and the destination of warnings."""

import difflib
import re
import sys
from collections.abc import Iterable
from itertools import groupby

from jaxdl import elsewhere
from jaxdl.elsewhere import flat

ALIKE = 0.75  # of two names' letters, that one is taken for the other mistyped
ALIKE_SHORT = 0.65  # the same, of names of three letters, of which two are changed places
FEWEST, MOST = 3, 8  # letters from which a name is completed, and completions that are named
MOST_LISTED = 30  # names that are written out; of more, those of a family share its name
MOST_NAME = 100  # letters of an unknown name that are shown


class UserError(ValueError):
    """A mistake of the user: says in a line or two what was wrong, what was expected and what to do.

    Commands print it without a traceback and exit with status 2.
    """


def to_stderr(line: str) -> None:
    """Prints ``line`` to stderr and flushes it."""
    print(line, file=sys.stderr, flush=True)


def unknown(kind: str, name: str, known: Iterable[str], *, listed: bool = True) -> UserError:
    """The error for a name that is not one of ``known``: suggests the closest and, if ``listed``, names them all.

    Case and punctuation are ignored. If names are listed, a name with other numbers is not suggested: numbers tell
    networks apart. A name known in another library is explained.
    """
    name = name[:MOST_NAME]  # it may be out of a file
    known = sorted(known)
    hint = f" {_hint(kind, name, known, numbers=listed)}".rstrip()
    choice = f" Known: {', '.join(_families(known))}." if listed else ""
    return UserError(f"unknown {kind} {name!r}.{hint}{choice}")


def _families(names: list[str]) -> list[str]:
    """The sorted names, or if they are many, as a shell abbreviates them: ``vit_{b_16,b_32}``."""
    if len(names) <= MOST_LISTED:
        return names
    family_of = re.compile("[a-z]+[0-9]_|[a-z]*_?").match  # dinov2_vits14, or vit_b_16 and vgg11
    members = [(family, list(group)) for family, group in groupby(names, lambda name: family_of(name)[0])]
    return [
        group[0] if len(group) == 1 else f"{family}{{{','.join(each[len(family) :] for each in group)}}}"
        for family, group in members
    ]


def _hint(kind: str, name: str, known: list[str], *, numbers: bool) -> str:
    written = re.sub(r"[\W_]", "_", name.lower())
    plain = {flat(each): each for each in known}
    plain |= {flat(each): each for each in known if each in written}  # 1_6gf is not 16gf
    same = plain.get(flat(name)) or elsewhere.ours(kind, name)
    if same is None or same not in known:
        if said := elsewhere.meaning(kind, name):
            return said
        found = _part(name, plain, words=not numbers) or _completed(name, plain) or _mistyped(name, plain, numbers)
    else:
        found = [same]
    if not found:
        return ""
    return f"Did you mean {'one of ' if len(found) > 1 else ''}{', '.join(found)}?"


def _part(name: str, plain: dict[str, str], *, words: bool) -> list[str]:
    """The longest part of the name that is known, from its start or from behind a slash or dot; words: or any mark."""
    marks = [mark.start() for mark in re.finditer(r"[\W_]", name)]
    starts = [0, *(mark + 1 for mark in marks if words or name[mark] in "./")]
    parts = (flat(name[start:end]) for start in starts for end in [len(name), *reversed(marks)] if end > start)
    return next(([plain[part]] for part in parts if part in plain), [])


def _completed(name: str, plain: dict[str, str]) -> list[str]:
    """Those that begin with the name; or the longest without a number that the name begins with."""
    typed = flat(name)
    if len(typed) < FEWEST:
        return []
    longer = [each for key, each in plain.items() if key.startswith(typed)]
    if longer:
        return longer if len(longer) <= MOST else []
    shorter = [key for key in plain if len(key) >= FEWEST and typed.startswith(key) and (key + typed).isalpha()]
    return [plain[max(shorter, key=len)]] if shorter else []


def _mistyped(name: str, plain: dict[str, str], numbers: bool) -> list[str]:
    """The nearest with no more than two letters too many or too few and, if ``numbers``, the same digits."""
    typed = flat(name)
    like = [key for key in plain if abs(len(key) - len(typed)) <= 2]
    if numbers:
        like = [key for key in like if _digits(key) == _digits(typed)]
    like = [key for key in like if sorted(key) == sorted(typed)] or like  # of its own letters, two changed places
    near = difflib.get_close_matches(typed, like, n=1, cutoff=ALIKE_SHORT if len(typed) <= FEWEST else ALIKE)
    return [plain[near[0]]] if near else []


def _digits(name: str) -> list[str]:
    return sorted(filter(str.isdigit, name))
