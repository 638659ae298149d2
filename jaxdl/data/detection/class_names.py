"""Names of classes: a line each, or as the ``names`` of a YAML file of YOLO's."""

import re
from collections.abc import Sequence
from pathlib import Path

from jaxdl.data.detection.text_files import text_of
from jaxdl.errors import UserError, unknown
from jaxdl.wording import printable

MOST_LETTERS = 2**20  # of a file with names
MOST_LISTED = 30  # classes in an error
LONGEST = 500  # letters of a line of YAML with a name
QUOTED = r"""'(?:[^']|'')*'|"(?:[^"\\\n]|\\.)*\""""
PLAIN = r"""[^\s\[\]{},:'"#&*!|>%@`](?:[^,\[\]{}\n:#]|:(?!\s)|(?<!\s)\#)*"""
LINE = r"""[^\s\[\]{},:'"#&*!|>%@`](?:[^:#]|:(?!\s)|(?<!\s)\#)*"""
TOKEN = re.compile(rf"\s*(?:\#[^\n]*\n\s*)*({QUOTED}|[\[\]{{}},:]|{PLAIN})")
ITEM = re.compile(rf"\s*-\s+({QUOTED}|{LINE})\s*(?:\s\#.*)?")
ENTRY = re.compile(rf"\s+['\"]?([0-9]{{1,9}})['\"]?\s*:\s+({QUOTED}|{LINE})\s*(?:\s\#.*)?")
NAMES = re.compile(r"^names[ \t]*:(?=\s|$)", re.MULTILINE)
COUNT = re.compile(r"^nc[ \t]*:[ \t]*([0-9]{1,9})[ \t]*(?:#.*)?$", re.MULTILINE)


def in_lines(path: Path) -> tuple[str, ...]:
    """Names, a line each, of a text file. Raises UserError for a file without, an empty line, and a name twice."""
    names = [line.strip() for line in text_of(path, most=MOST_LETTERS).splitlines()]
    while names and not names[-1]:
        names.pop()
    return checked(names, path)


def in_yaml(path: Path) -> tuple[str, ...]:
    """The ``names`` of a YAML file: a list, or a map from numbers. No other YAML is understood.

    Raises UserError where they are not there or are written in another way, and where ``nc`` is another number.
    """
    text = text_of(path, most=MOST_LETTERS).replace("\r\n", "\n")
    found = NAMES.search(text)
    if found is None:
        raise UserError(f"{printable(str(path))} has no names: it must have a list of the classes' names.")
    rest = text[found.end() :]
    token = TOKEN.match(rest)
    names = _flow(rest, path) if token and token[1] in "[{" else _block(rest, path)
    count = COUNT.search(text)
    if count and int(count[1]) != len(names):
        raise UserError(f"{printable(str(path))} has nc {count[1]} but {len(names):,} names. Correct one of them.")
    return checked(names, path)


def checked(names: Sequence[str], path: Path) -> tuple[str, ...]:
    """Names fit to print. Raises UserError for none, an empty one, and one that is there twice."""
    told = printable(str(path))
    if not names:
        raise UserError(f"{told} names no class: it must name each, in the order of their numbers.")
    if "" in names:
        raise UserError(f"the name {list(names).index('') + 1} in {told} is empty: each class needs a name.")
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise UserError(f"{told} names {printable(twice)} twice. Remove one.")
    return tuple(map(printable, names))


def unknown_class(place: str, name: str, classes: Sequence[str]) -> UserError:
    """The error for an object at ``place`` of a class that is none of ``classes``."""
    return UserError(f"{place}: {unknown('class', printable(name), classes, listed=len(classes) <= MOST_LISTED)}")


def _flow(text: str, path: Path) -> list[str]:
    """``[a, 'b', "c"]`` or ``{0: a, 1: b}``."""
    tokens = (token[1] for token in iter(TOKEN.scanner(text).match, None))
    close = {"[": "]", "{": "}"}[next(tokens)]
    found: list[list[str]] = [[]]
    for token in tokens:
        if token == close:
            break
        if token == ",":
            found.append([])
        else:
            found[-1].append(token)
    else:
        raise _refused(path)
    if not found[-1]:
        found.pop()
    if close == "]":
        if any(len(each) != 1 or each[0] in "[]{}:" for each in found):
            raise _refused(path)
        return [_plain(name) for (name,) in found]
    if any(len(each) != 3 or each[1] != ":" or each[2] in "[]{}:" for each in found):
        raise _refused(path)
    return _in_order([(_plain(number), _plain(name)) for number, _, name in found], path)


def _block(text: str, path: Path) -> list[str]:
    """Lines ``- a``, or ``  0: a``."""
    first, *lines = text.split("\n")
    if first.split("#")[0].strip():
        raise _refused(path)
    items, entries = [], []
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(line) > LONGEST:
            raise _refused(path)
        if found := ITEM.fullmatch(line):
            items.append(_plain(found[1]))
        elif found := ENTRY.fullmatch(line):
            entries.append((found[1], _plain(found[2])))
        elif line[0].isspace() or line.startswith("-"):
            raise _refused(path)
        else:
            break
    if items and entries:
        raise _refused(path)
    return items or _in_order(entries, path)


def _in_order(entries: Sequence[tuple[str, str]], path: Path) -> list[str]:
    numbered = {int(number): name for number, name in entries if re.fullmatch("[0-9]{1,9}", number)}
    if len(numbered) < len(entries) or sorted(numbered) != list(range(len(entries))):
        raise UserError(f"the names in {printable(str(path))} are not numbered 0 to {max(len(entries) - 1, 0)}.")
    return [numbered[number] for number in sorted(numbered)]


def _plain(name: str) -> str:
    if name[0] == "'":
        return name[1:-1].replace("''", "'").strip()
    if name[0] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1]).strip()
    return name.strip()


def _refused(path: Path) -> UserError:
    return UserError(
        f"the names in {printable(str(path))} cannot be read: write them as a list, names: [cat, dog], or into "
        "classes.txt, a line each."
    )
