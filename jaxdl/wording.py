"""Numbers with their nouns, as sentences have them."""


def counted(count: float, one: str, several: str | None = None) -> str:
    """``1 update``, ``2,000 updates``, ``0.5 epochs``, with ``several`` ``2 classes``; thousands are set apart."""
    number = f"{count:,g}" if isinstance(count, float) else f"{count:,}"
    return f"{number} {one if count == 1 else several or one + 's'}"
