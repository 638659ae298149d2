"""Parts of sentences: numbers with their nouns, names escaped for any terminal, and errors in brief."""

LONGEST = 300  # letters of another library's error; its end often names the place


def counted(count: float, one: str, several: str | None = None) -> str:
    """``1 update``, ``2,000 updates``, ``0.5 epochs``, with ``several`` ``2 classes``; thousands are set apart."""
    number = f"{count:,.12g}" if isinstance(count, float) else f"{count:,}"
    return f"{number} {one if count == 1 else several or one + 's'}"


def brief(error: BaseException) -> str:
    """The first non-empty line of the error's message, or its class; shortened in the middle if very long."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    half = LONGEST // 2
    return said if len(said) <= LONGEST else f"{said[:half]} ... {said[-half:]}"


def printable(text: str) -> str:
    """``text`` for any terminal or file: non-printable characters and lone surrogates are escaped.

    A byte of a file's name that is no UTF-8, as ``os.fsdecode`` has it, is written as that byte, ``\\xe9``.
    """
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def shown(name: object, most: int = 80) -> str:
    """A name out of a file, fit for one line: printable and cut at ``most`` characters."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(name)[: most + 1])
    return text if len(text) <= most else f"{text[:most]}..."


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape", "surrogatepass").decode()
