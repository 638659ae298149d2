"""Pictures of a folder by their names without a suffix, by which other files name them."""

import os
from pathlib import Path

from jaxdl.data import picture_files
from jaxdl.data.pictures import SUFFIXES
from jaxdl.errors import UserError
from jaxdl.wording import printable


def by_stem(folder: Path, remarks: list[str]) -> dict[str, Path]:
    """Name without a suffix -> picture below ``folder``, in sorted order; what is left out goes to ``remarks``.

    Raises UserError for two pictures of one name, and where there is none.
    """
    if not folder.is_dir():
        raise UserError(f"{printable(str(folder))} is not a folder.")
    found = picture_files.find(folder)
    if said := picture_files.told([found]):
        remarks.append(f"left out of {printable(str(folder))}: {said}")
    pictures: dict[str, Path] = {}
    for name in found.pictures:
        stem = os.path.splitext(name)[0]
        if stem in pictures:
            raise UserError(f"{printable(str(pictures[stem]))} and {printable(name)} have one name: remove one.")
        pictures[stem] = folder / name
    if not pictures:
        raise UserError(f"{printable(str(folder))} holds no pictures ({', '.join(SUFFIXES)}).")
    return pictures
