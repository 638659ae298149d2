"""Checks of options: their names and the range of each value."""

import inspect
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from jaxdl.errors import UserError, unknown


def check_options(owner: str, build: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raises UserError unless ``options`` fit the keyword-only arguments of ``build``, which makes ``owner``."""
    known = {
        name: parameter.default is inspect.Parameter.empty
        for name, parameter in inspect.signature(build).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for name in options:
        if not known:
            raise UserError(f"{owner} has no options, got {name}={options[name]!r}.")
        if name not in known:
            raise unknown(f"option of {owner}", name, known)
    missing = [name for name, needed in known.items() if needed and name not in options]
    if missing:
        raise UserError(f"{owner} needs {' and '.join(missing)}.")


def check_number(
    name: str,
    value: Any,
    *,
    min: float | None = None,
    above: float | None = None,
    max: float | None = None,
    below: float | None = None,
) -> None:
    """Raises UserError unless ``value`` is a number within the limits; NaN is within none."""
    limits = [
        ("at least", min, lambda limit: value >= limit),
        ("greater than", above, lambda limit: value > limit),
        ("at most", max, lambda limit: value <= limit),
        ("less than", below, lambda limit: value < limit),
    ]
    limits = [limit for limit in limits if limit[1] is not None]
    if not isinstance(value, Real) or not all(holds(limit) for _, limit, holds in limits):
        expected = " and ".join(f"{words} {limit}" for words, limit, _ in limits)
        raise UserError(f"{name} must be {expected or 'a number'}, got {value!r}.")


def check_count(name: str, value: Any, *, min: int = 1) -> None:
    """Raises UserError unless ``value`` is a whole number of at least ``min``."""
    if not isinstance(value, Integral) or value < min:
        raise UserError(f"{name} must be a whole number of at least {min}, got {value!r}.")


def check_pair(name: str, value: Any, *, min: float, below: float) -> None:
    """Raises UserError unless ``value`` is two numbers within the limits."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise UserError(f"{name} must be two numbers, got {value!r}.")
    for index, part in enumerate(value):
        check_number(f"{name}[{index}]", part, min=min, below=below)
