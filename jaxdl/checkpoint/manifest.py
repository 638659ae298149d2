"""Manifest of a checkpoint: its arrays, their checksums and those of its files, the notes, the validation's score."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jaxdl import disk
from jaxdl.errors import UserError
from jaxdl.processes import from_first
from jaxdl.wording import brief

MANIFEST, NOTES = "manifest/metadata", "notes/metadata"  # JSON where Orbax looks for it
EARLIER = "val_accuracy"  # the score in manifests of earlier versions


class DamagedError(Exception):
    """A checkpoint is not as it was saved; the message says which part."""


@dataclass(frozen=True)
class Manifest:
    """Manifest of one checkpoint.

    leaves: by name, such as ``float32[64, 10]``. sums: ``checksums`` of those that are not empty. notes: the caller's,
    as JSON text. score: of the validation, None where it was not measured.
    """

    leaves: Mapping[str, str]
    sums: Mapping[str, jax.Array | int]
    notes: str
    score: float | None

    def write(self, folder: Path) -> None:
        """Writes the notes and the manifest to a checkpoint's folder, after all other files."""
        (folder / NOTES).parent.mkdir()
        (folder / NOTES).write_text(self.notes)
        contents = {
            "leaves": dict(self.leaves),
            "sums": {name: int(total) for name, total in jax.device_get(dict(self.sums)).items()},
            "score": self.score,
            "files": {str(path.relative_to(folder)): disk.crc32(path) for path in folder.rglob("*") if path.is_file()},
        }
        (folder / MANIFEST).parent.mkdir()
        (folder / MANIFEST).write_text(disk.sealed(contents))

    def check_fits(self, leaves: Mapping[str, str], folder: Path) -> None:
        """Raises UserError unless the checkpoint in ``folder`` holds ``leaves``, naming the first difference."""
        for name in {**leaves, **self.leaves}:
            here, there = leaves.get(name, "absent"), self.leaves.get(name, "absent")
            if here != there:
                raise UserError(
                    f"the checkpoint {folder} does not fit this model and optimizer: {name} is {there} in it, "
                    f"{here} here."
                )


def read(folder: Path) -> Manifest:
    """The manifest in ``folder``, as read by the first process; raises DamagedError in all processes alike.

    Verifies the checksum of every file, so that arrays read afterwards are never damaged.
    """
    found, damage = from_first(_read(folder) if jax.process_index() == 0 else None)
    if damage:
        raise DamagedError(damage)
    return Manifest(**found)


def score(folder: Path) -> float | None:
    """The validation's score in the manifest in ``folder``, None where it cannot be read; asks no other process."""
    try:
        return _contents(folder)["score"]
    except (OSError, ValueError):
        return None


def why(error: BaseException) -> str:
    """The error in a few words, a line at most; the operating system's own where it is the cause."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    number = re.search(r"os_error_code='(\d+)'", str(error))  # as tensorstore has it
    if number:
        return os.strerror(int(number[1]))
    return brief(error)


def _read(folder: Path) -> tuple[dict[str, Any], str | None]:
    """The fields, or else which file is damaged and how."""
    name = MANIFEST
    try:
        contents = _contents(folder)
        for name, crc in contents.pop("files").items():
            if disk.crc32(folder / name) != crc:
                raise ValueError("has changed since it was saved")
        with disk.opened(folder / NOTES) as file:
            notes = file.read().decode()
    except FileNotFoundError:
        return {}, f"{name} is missing"
    except OSError as error:
        return {}, f"{name} cannot be read: {why(error)}"
    except ValueError as error:
        return {}, f"{name} {error}"
    return {**contents, "notes": notes}, None


def _contents(folder: Path) -> dict[str, Any]:
    """Raises ValueError if they have changed."""
    with disk.opened(folder / MANIFEST) as file:
        contents = disk.unsealed(file.read())
    if EARLIER in contents:
        contents["score"] = contents.pop(EARLIER)
    return contents
