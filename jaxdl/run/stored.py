"""JSON files read back: nothing in them is trusted before it has the names and types that it should have."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl import disk
from jaxdl.errors import UserError

MOST_BYTES = 2**28  # of a file


def read(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in the file, each of ``fields`` of its type; what else it holds is left as it is.

    Raises UserError for anything else, but FileNotFoundError and NotADirectoryError where there is no file.
    """
    return checked(parsed(content(path), path), fields, path)


def content(path: Path) -> bytes:
    """The file's bytes; raises as ``read`` does."""
    try:
        with disk.opened(path) as file:
            found = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}).") from error
    if len(found) > MOST_BYTES:
        raise UserError(f"{path} has more than {MOST_BYTES:,} bytes, which none that this program writes has.")
    return found


def parsed(text: bytes, path: Path) -> Any:
    """The JSON in ``text``; raises UserError, naming ``path``, if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: it is not JSON ({str(error).splitlines()[0][:100]}).") from None


def checked(value: Any, fields: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """``value``, if it is an object with ``fields`` of their types; else raises UserError naming the first at fault."""
    if not isinstance(value, dict):
        raise UserError(f"{path} is not as this program writes it: it holds {_brief(value)}, not names and values.")
    for name, kind in fields.items():
        if name not in value:
            raise UserError(f"{path} is not of this version of the program: it has no {name!r}.")
        if not fits(value[name], kind):
            raise UserError(f"{path} is not as this program writes it: its {name!r} is {_brief(value[name])}.")
    return value


def fits(value: Any, kind: Any) -> bool:
    """Whether ``value``, from JSON, is of the annotated type: lists stand for tuples, objects for dataclasses.

    A whole number is a float, too; True and False are no numbers.
    """
    if kind is Any:
        return True
    if kind is None or kind is types.NoneType:
        return value is None
    if kind is float:
        return isinstance(value, float) or fits(value, int)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return isinstance(value, dict) and all(name in value and fits(value[name], hints[name]) for name in hints)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, each) for each in inner)
    if origin in (list, tuple):
        return isinstance(value, list) and all(fits(each, inner[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(each, inner[1]) for each in value.values())
    return isinstance(value, kind)


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
