"""Text, JSON and XML out of untrusted files: bounded in size, UTF-8, and refused in a line."""

import json
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jaxdl.errors import UserError
from jaxdl.wording import brief, printable

MOST_TEXT = 2**24  # bytes of a file with names or labels
MOST_XML = 10_000_000
MOST_JSON = 2**32


def text_of(path: Path, *, most: int = MOST_TEXT) -> str:
    """The content of a file of UTF-8, of at most so many bytes. Raises UserError with the place of a fault."""
    name = printable(str(path))
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UserError(f"{name} is not a file.")
        if about.st_size > most:
            raise UserError(f"{name} has {about.st_size:,} bytes, more than the {most:,} allowed.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 at byte {error.start:,}. Save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"cannot read {name} ({error.strerror or error}).") from error


def json_of(path: Path) -> Any:
    """The content of a JSON file of up to 4 GiB. Raises UserError with the line of a fault."""
    text = text_of(path, most=MOST_JSON)
    try:
        return json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{printable(str(path))} is no JSON that can be read: {printable(brief(error))}.") from error


def xml_of(path: Path) -> ElementTree.Element:
    """The root of an XML file. Raises UserError with the line of a fault, and for declarations of entities."""
    text = text_of(path, most=MOST_XML)
    name = printable(str(path))
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{name} declares a document type or entities, which are not read here. Remove them.")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{name} is no XML that can be read: {printable(brief(error))}.") from error
