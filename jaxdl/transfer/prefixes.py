"""The places in a file where a network's arrays lie: under whatever prefix, and in whatever wrappers."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxdl.transfer.renamings import newer

COUNTER = "num_batches_tracked"  # PyTorch's batch norm keeps one, and needs it only for a cumulative average
# Modules around a module, that wrap a part of a network or all of it: DataParallel, torch.compile, FSDP, checkpointing.
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
# What a program of training keeps in the same module: its loss, its measures, the counts of a profiler.
TRAINING = re.compile(
    r"criterion\w*|\w*loss(es)?|loss_\w+|\w*metrics?|(train|val|valid|validation|test)_\w+|"
    r"\w*(acc|accuracy|auroc|auc|f1|f1_score|iou|precision|recall|confmat|confusion_matrix)"
)
# Layers behind a backbone that learns without labels: no classifier, though some end in one's name.
PRETEXT = re.compile(
    r"(\w+_)?(proj(ect(or|ion))?(_?(head|mlp))?|pred(ict(or|ion))?(_?(head|mlp))?|rotation|jigsaw|contrast\w*)"
)
COUNTED = ("total_ops", "total_params")  # of every layer, by thop
HALF = 0.5  # of a network's names that a place must have to be one
MOST_PLACES = 20  # that are looked into, those with most


@dataclass(frozen=True)
class Placement:
    """Where a network lies: ``prefix``, with a dot behind it or empty.

    names: the file's names by the network's. unused: the file's names by what they are below the prefix, of arrays that
    the network has no place for. beside: the file's names of what is not the network's.
    """

    prefix: str
    names: dict[str, str]
    unused: dict[str, str]
    beside: list[str]


def placements(given: Mapping[str, Any], wanted: Collection[str]) -> list[Placement]:
    """Every place that holds half of the network or more, or else the one that holds most of it.

    given: what has a ``shape``, by the file's names. wanted: the network's names. Names that lie under no prefix with
    the others, but under one of their own alone, such as a classifier's beside a backbone's, are taken from there.
    """
    wanted = set(wanted)
    wrappers = WRAPPERS - {part for name in wanted for part in name.split(".")}
    plain = without_wrappers((name for name in given if not name.endswith(COUNTER)), wrappers)
    hits = _hits(plain, wanted)
    most = max(map(len, hits.values()), default=0)
    main = [prefix for prefix, found in hits.items() if len(found) >= max(HALF * len(wanted), 1)]
    main = main or [prefix for prefix, found in hits.items() if len(found) == most][:1] or [""]
    main = sorted(main, key=lambda prefix: -len(hits.get(prefix, {})))[:MOST_PLACES]
    return [_placement(prefix, main, hits, plain, given, wanted) for prefix in sorted(main, key=len)]


def without_wrappers(names: Iterable[str], wrappers: Collection[str] = WRAPPERS) -> dict[str, str]:
    """The file's names by what they are without wrappers inside; one before everything is a prefix, as any."""
    plain: dict[str, str] = {}
    for name in names:
        first, *rest = name.split(".")
        shorter = ".".join([first, *(part for part in rest if part not in wrappers)])
        plain[name if shorter in plain else shorter] = name
    return plain


def _hits(plain: Collection[str], wanted: set[str]) -> dict[str, dict[str, str]]:
    """By prefix, the names without wrappers by the network's."""
    deepest = max((name.count(".") + 1 for name in wanted), default=0)
    hits: dict[str, dict[str, str]] = {}
    for name in plain:
        for spelling in {name: None, newer(name): None}:
            parts = spelling.split(".")
            for count in range(1, min(len(parts), deepest) + 1):
                end = ".".join(parts[-count:])
                if end in wanted:
                    hits.setdefault(spelling.removesuffix(end), {}).setdefault(end, name)
    return hits


def _placement(
    prefix: str,
    main: list[str],
    hits: Mapping[str, Mapping[str, str]],
    plain: Mapping[str, str],
    given: Mapping[str, Any],
    wanted: set[str],
) -> Placement:
    found = dict(hits.get(prefix, {}))
    elsewhere: dict[str, list[str]] = {}
    taken = set(found.values())
    for other, there in hits.items():
        if other not in main and not there.keys() & found.keys() and taken.isdisjoint(there.values()):
            for name in there:
                elsewhere.setdefault(name, []).append(other)
    alone = {name: others[0] for name, others in elsewhere.items() if len(others) == 1}
    alone = {name: other for name, other in alone.items() if not any(map(PRETEXT.fullmatch, other.split(".")))}
    sources: dict[str, set[str]] = {}  # of a layer's arrays: half of it from another place would be no layer
    for name in found | alone:
        sources.setdefault(name.rpartition(".")[0], set()).add(alone.get(name, prefix))
    alone = {name: other for name, other in alone.items() if len(sources[name.rpartition(".")[0]]) == 1}
    found |= {name: hits[other][name] for name, other in alone.items()}
    roots = (prefix, *set(alone.values()))
    nested = tuple(other for other in main if other != prefix and other.startswith(prefix))
    own = {name.partition(".")[0] for name in wanted}
    taken = set(found.values())
    unused, beside = {}, []
    for name, theirs in plain.items():
        if name in taken:
            continue
        root = max((root for root in roots if name.startswith(root)), key=len, default=None)
        if root is None or name.startswith(nested) or _of_training(name.removeprefix(root), given[theirs], own):
            beside.append(theirs)
        else:
            unused[name.removeprefix(root)] = theirs
    return Placement(prefix, {name: plain[other] for name, other in found.items()}, unused, beside)


def _of_training(name: str, array: Any, own: set[str]) -> bool:
    """Whether a name at the network's own level is a training program's; own: the network's first parts."""
    first, dot, _ = name.partition(".")
    if name.rpartition(".")[2] in COUNTED or (not dot and math.prod(array.shape) <= 1):
        return True
    return first not in own and TRAINING.fullmatch(first) is not None
