"""Flags of a command from a dataclass: each field's metadata holds its help and its limits.

``@dataclass(frozen=True, kw_only=True)`` with fields made by ``flag`` and ``check(self)`` in ``__post_init__``.
"""

import argparse
import dataclasses
import math
import os
import re
import types
import typing
from typing import Any

from jaxdl.errors import UserError, unknown

Options = typing.TypeVar("Options")


def flag(
    default: Any,
    text: str,
    *,
    group: str | None = None,
    min: float | None = None,
    above: float | None = None,
    below: float | None = None,
    max: float | None = None,
    choices: tuple[str, ...] | None = None,
    unset: str = "none",
    value: str | None = None,
    path: bool = False,
    on_only: bool = False,
    positional: bool = False,
    optional: bool = False,
    resumable: bool = False,
    per_process: bool = False,
    sweepable: bool = False,
    in_sweep: bool = True,
    setting: bool = True,
) -> Any:
    """Field that is a flag of the command.

    text: the help. group: heading in the help above this flag and those that follow. min, max, above, below: limits, of
    which the first two are themselves allowed. unset: what the help calls None. value: what it calls the value. path:
    of a file or folder, in which ``~`` is the home. on_only: of a bool, no ``--no-`` form. positional: given without
    its name; a field of type ``tuple[str, ...]`` takes one or more; with optional it may be left out.
    resumable: may differ when the run is resumed; anything else would make it another run. per_process: belongs to one
    process of one start: resumable too, and never stored. sweepable: a sweep takes several values. in_sweep: a sweep
    takes it at all. setting: describes what the run computes, rather than where it goes or what it shows.
    """
    about = {"help": text, "group": group, "min": min, "above": above, "below": below, "max": max, "choices": choices,
             "unset": unset, "value": value, "path": path, "on_only": on_only, "positional": positional,
             "optional": optional, "resumable": resumable or per_process, "per_process": per_process,
             "sweepable": sweepable, "in_sweep": in_sweep, "setting": setting and not per_process,
             "fixed": False}  # fmt: skip
    return dataclasses.field(default=default, metadata=about)


def fixed(default: Any, *, group: str | None = None) -> Any:
    """Field of an inherited configuration that is no flag of this one: it keeps its default.

    group: heading in the help above the flags that follow, as of ``flag``.
    """
    about = {**flag(default, "", group=group, setting=False).metadata, "fixed": True}
    return dataclasses.field(default=default, metadata=about)


def names(options: type, trait: str) -> tuple[str, ...]:
    """Names of the fields whose ``flag`` was given ``trait``, in their order."""
    return tuple(field.name for field in dataclasses.fields(options) if field.metadata[trait])


def parse(
    argv: list[str], base: Options, command: str, description: str, *, shown: str | None = None
) -> tuple[Options, frozenset[str]]:
    """``base`` with what the flags say, and the names of the fields that were given.

    shown: the trait of the fields that the help lists, all if None. Raises UserError for what is not understood.
    ``--help`` prints and exits.
    """
    parser = _Parser(
        prog=f"python -m {command}",
        usage=_usage(command, base),
        description=description,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=110),
    )
    group: argparse._ActionsContainer = parser
    for field in dataclasses.fields(base):
        if field.metadata["group"]:
            group = parser.add_argument_group(field.metadata["group"])
        if field.metadata["fixed"]:
            continue
        _add(group, field, getattr(base, field.name), hidden=shown is not None and not field.metadata[shown])
    elsewhere = {flag_name(field.name) for field in dataclasses.fields(base) if field.metadata["fixed"]}
    values, rest = parser.parse_known_intermixed_args(argv)
    for word in rest:
        if word.startswith("-"):
            if (asked := word.split("=")[0]) in elsewhere:
                raise UserError(f"{asked} is not for python -m {command}: leave it out, or see --help.")
            known = [option for action in parser._actions for option in action.option_strings]
            raise unknown("flag", word.split("=")[0], known, listed=False)
        raise UserError(f"unexpected argument {word!r}; see --help.")
    given = {field.name: _read(field, getattr(values, field.name)) for field in dataclasses.fields(base)
             if hasattr(values, field.name)}  # fmt: skip
    return dataclasses.replace(base, **given), frozenset(given)


def _usage(command: str, base: Any) -> str:
    named = [field.metadata["value"] or field.name.upper() for field in dataclasses.fields(base)
             if field.metadata["positional"]]  # fmt: skip
    return " ".join(["python -m", command, *named, "[flags]"])


def understood(flags: str, options: type) -> bool:
    """Whether all the flags in a text, ``--lr 0.1 --no-flip``, are of ``options``, and choices among theirs."""
    fields = {flag_name(field.name): field for field in dataclasses.fields(options) if not field.metadata["fixed"]}
    words = flags.split()
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if not word.startswith("--"):
            continue
        field = fields.get(word) or fields.get(word.replace("--no-", "--", 1))
        if field is None or (field.metadata["choices"] and value not in field.metadata["choices"]):
            return False
    return True


def value_of(argv: list[str], option: str, default: str) -> str:
    """Value of one option in ``argv``, ignoring everything else."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument(option, dest="value", default=default)
    return parser.parse_known_args([word for word in argv if word != "--"])[0].value


def check(options: Any) -> None:
    """Raises UserError for the first field of ``options`` that is outside its limits."""
    for field in dataclasses.fields(options):
        _check(field, getattr(options, field.name))


def flag_name(field_name: str) -> str:
    """``batch_size`` -> ``--batch-size``."""
    return "--" + field_name.replace("_", "-")


def in_flags(message: str, options: type) -> str:
    """The message of a library's error with the arguments that it names as the flags of ``options``.

    Arguments are known by an underscore, ``data_dir``, or by a choice behind them, ``dataset digits``.
    """
    fields = [field for field in dataclasses.fields(options) if not field.metadata["fixed"]]
    names = [field.name for field in fields if "_" in field.name]
    names += [f"{field.name}(?= (?:{'|'.join(field.metadata['choices'])})\\b)" for field in fields
              if field.metadata["choices"]]  # fmt: skip
    if not names:
        return message
    pattern = rf"(?<![\w/.'\"-])({'|'.join(names)})(?![\w/'\"-]|\.\w)"
    return re.sub(pattern, lambda found: flag_name(found[0]), message)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise UserError(message.replace("argument --", "--", 1) + ".")


def _read(field: dataclasses.Field, value: Any) -> Any:
    """The value of a flag from the parser's; ``--out=~/x`` is the user's to write, and no shell expands it."""
    if isinstance(value, list):
        return tuple(_read(field, each) for each in value)
    if not field.metadata["path"] or value is None:
        return value
    if not value:
        named = field.name.upper() if field.metadata["positional"] else flag_name(field.name)
        raise UserError(
            f"{named} is empty, as a variable of the shell may be that is not set. Name a file or a folder."
        )
    path = os.path.expanduser(value)
    if path == value and value.startswith("~") and not os.path.lexists(value):
        flag = flag_name(field.name)
        raise UserError(f"{flag} {value}: no such home folder is known. Write the path out, or ./{value}.")
    return path


def _type(field: dataclasses.Field) -> type:
    if isinstance(field.type, types.UnionType):
        return next(kind for kind in typing.get_args(field.type) if kind is not types.NoneType)
    return field.type


def _add(parser: argparse._ActionsContainer, field: dataclasses.Field, default: Any, *, hidden: bool) -> None:
    about = field.metadata
    shown = about["unset"] if default is None else default
    choices = f"; one of {', '.join(about['choices'])}" if about["choices"] else ""
    if about["positional"]:
        name, several = about["value"] or field.name.upper(), typing.get_origin(_type(field)) is tuple
        text, optional = f"{about['help']}{choices}", about["optional"]
        count = ("*" if optional else "+") if several else ("?" if optional else None)
        parser.add_argument(field.name, nargs=count, metavar=name, help=text)
    elif _type(field) is bool:
        action = "store_true" if about["on_only"] else argparse.BooleanOptionalAction
        shown = {True: "yes", False: "no"}.get(default, shown)
        text = argparse.SUPPRESS if hidden else f"{about['help']} (default: {shown})"
        parser.add_argument(flag_name(field.name), action=action, help=text)
    else:
        name = about["value"] or {int: "N", float: "X", str: "PATH" if about["path"] else "NAME"}[_type(field)]
        text = argparse.SUPPRESS if hidden else f"{about['help']}{choices} (default: {shown})"
        parser.add_argument(flag_name(field.name), type=_type(field), metavar=name, help=text)


def _check(field: dataclasses.Field, value: Any) -> None:
    if value is None:
        return
    about, flag = field.metadata, flag_name(field.name)
    if about["choices"] and value not in about["choices"]:
        raise unknown(flag.removeprefix("--"), value, about["choices"])
    limits = [
        (about["min"], lambda limit: value >= limit, "at least"),
        (about["above"], lambda limit: value > limit, "greater than"),
        (about["below"], lambda limit: value < limit, "less than"),
        (about["max"], lambda limit: value <= limit, "at most"),
    ]
    if _type(field) is float and not math.isfinite(value):
        raise UserError(f"{flag} must be a finite number, got {value}.")
    for limit, holds, words in limits:
        if limit is not None and not holds(limit):
            raise UserError(f"{flag} must be {words} {limit}, got {value}.")
