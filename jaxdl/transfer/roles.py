"""The roles of state dicts by their names: a network's own weights, an average of them, an optimizer's state."""

import re

AVERAGES = {"average", "averaged", "avg", "ema", "polyak", "shadow", "swa"}
# where programs save the weights that are trained
MAIN = {"model", "model_state", "model_state_dict", "module", "net", "network", "params", "state_dict", "weights"}
_OPTIMIZER = re.compile(r"(^|\.)opt(?!im(al|um)|ion|ical)")
_WORDS = re.compile(r"[A-Z]*[a-z0-9]*")


def is_average(name: str) -> bool:
    """Whether a part of the dotted name is of an average of weights: ``state_dict_ema``, ``netEMA``, ``swa.module``."""
    return any(word.lower() in AVERAGES for word in _WORDS.findall(name))


def is_main(keys: str) -> bool:
    """Whether the keys that lead to a state dict are those of the weights that were trained."""
    return keys == "" or keys.partition(".")[0] in MAIN


def is_optimizers(keys: str) -> bool:
    """Whether the keys lead to an optimizer's state."""
    return _OPTIMIZER.search(keys) is not None
