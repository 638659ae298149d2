"""The configuration of a run that its flags ask for, beginning with that of a recipe."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from jaxdl.errors import UserError, unknown
from jaxdl.models import MODELS
from jaxdl.run import flags
from jaxdl.run.config import TORCHVISION, Config
from jaxdl.run.told_by_weights import model_of

Asked = TypeVar("Asked", bound=Config)
ABOUT = "Train an image classifier."


def parse(
    argv: list[str], recipes: Mapping[str, Asked], command: str, *, about: str = ABOUT
) -> tuple[Asked, frozenset[str]]:
    """The configuration that the flags ask for, and the names of those that were given.

    recipes: by name; without ``--recipe`` the first. about: the help's first sentence. Raises UserError for what is not
    understood. ``--help`` prints and exits.
    """
    name = flags.value_of(argv, "--recipe", next(iter(recipes)))
    if name not in recipes:
        raise unknown("recipe", name, recipes)
    about = f"{about} Defaults are those of --recipe {name}; recipes: {', '.join(recipes)}."
    try:
        config, given = flags.parse(argv, recipes[name], command, about)
    except UserError as error:
        if not re.search(r"invalid (?:int|float) value: '[^']*[,:]", str(error)):
            raise
        raise UserError(f"{error} Of several values it is a sweep: jaxdl sweep.") from None
    for other in ("epochs", "steps"):
        if {"budget", other} <= given:
            raise UserError(f"--budget and {flags.flag_name(other)} both end the training; give one.")
    if config.pretrained not in (None, TORCHVISION) and not given & {"model", "resume"}:
        config = _told_by_weights(config, given)
    return config, given


def _told_by_weights(config: Asked, given: frozenset[str]) -> Asked:
    """``config`` with the network, or its backbone, that the file in ``--pretrained`` tells."""
    told = model_of(Path(config.pretrained))
    choices = {field.name: field.metadata["choices"] for field in dataclasses.fields(config)}
    for name, words in (("model", "network"), ("backbone", "backbone")):
        if told is None or name not in choices or name in given or told not in (choices[name] or MODELS):
            continue
        if getattr(config, name) != told:
            print(f"note     the {words} is {told}, whose weights these are", flush=True)
        return dataclasses.replace(config, **{name: told})
    return config
