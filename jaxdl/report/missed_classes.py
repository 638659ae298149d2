"""Classes that a segmenter hardly ever finds, from the figures of its last epoch."""

from collections.abc import Mapping, Sequence

PREFIX = "val_iou/"  # of a class's figure in the record of an epoch
MISSED, FOUND = 0.05, 0.3  # IoU below which a class is hardly ever found, and above which one is
NAMED = 5


def missed_classes(records: Sequence[Mapping]) -> tuple[str, str, list[str]] | None:
    """(case, summary, figures) as of ``diagnosis``, None where no class is missed, or none is found yet.

    records: those of ``metrics.jsonl``.
    """
    epochs = [each for each in records if each.get("kind") == "epoch"]
    last = epochs[-1] if epochs else {}
    ious = {name.removeprefix(PREFIX): value for name, value in last.items() if name.startswith(PREFIX)}
    missed = sorted((name for name, value in ious.items() if value < MISSED), key=ious.__getitem__)
    if not missed or max(ious.values()) < FOUND:
        return None
    more = f" and {len(missed) - NAMED} more" if len(missed) > NAMED else ""
    return (
        "missed classes",
        f"{len(missed)} of {len(ious)} classes are hardly ever found, however many pixels are right.",
        [f"IoU in validation: {', '.join(f'{name} {ious[name]:.1%}' for name in missed[:NAMED])}{more}."],
    )
