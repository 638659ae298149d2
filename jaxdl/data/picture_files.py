"""Finds the pictures in a folder at any depth, and the other files: by name only, nothing is opened."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from jaxdl.data.pictures import SUFFIXES

LINKS = "links that lead nowhere"
FOLDERS = "folders that cannot be read"
CLOSED = "files that this user may not look at"
STRANGE = "pictures' names that are no files"  # pipes, devices
NO_SUFFIX = "files without a suffix"
ONE = {
    LINKS: "link that leads nowhere",
    FOLDERS: "folder that cannot be read",
    CLOSED: "file that this user may not look at",
    STRANGE: "picture's name that is no file",
    NO_SUFFIX: "file without a suffix",
    "pictures in no class": "picture in no class",
    "hidden folders of pictures": "hidden folder of pictures",
}
LEFT = ("__MACOSX", "@eaDir", "lost+found")  # folders that systems leave
NOT_COUNTED = ("thumbs.db", "desktop.ini")  # what systems leave, beside hidden files
UNREAD = (".avif", ".cr2", ".dng", ".exr", ".heic", ".heif", ".jp2", ".jxl", ".nef", ".psd", ".svg", ".tga")  # pictures
MOST_KINDS = 6  # that are named


Place = tuple[int, int]  # device and inode: the same for one file or folder, whatever leads to it


class Found(NamedTuple):
    """pictures: paths below the folder that was searched, in sorted order. left_out: other paths, by the reason.

    folders: those that were searched, and the path that led to each; files: the pictures, the same way.
    """

    pictures: list[str]
    left_out: dict[str, list[str]]
    folders: Mapping[Place, str] = MappingProxyType({})
    files: Mapping[Place, str] = MappingProxyType({})

    @property
    def refused(self) -> list[str]:
        """Paths left out that have a picture's name or could contain pictures."""
        links = [path for path in self.left_out.get(LINKS, ()) if path.lower().endswith(SUFFIXES)]
        others = [path for reason in (FOLDERS, STRANGE, CLOSED) for path in self.left_out.get(reason, ())]
        return links + others


def find(root: str | os.PathLike[str]) -> Found:
    """The pictures below ``root``, known by their suffix.

    Hidden files and folders are skipped. Links are followed, and each folder is searched once, wherever links lead.
    Names that are not UTF-8 are decoded by ``os.fsdecode``.
    """
    root = os.fspath(root)
    pictures: list[str] = []
    left_out: dict[str, list[str]] = {}
    files: dict[Place, str] = {}
    waiting, seen = [""], {}
    while waiting:
        below = waiting.pop(0)
        folder = os.path.join(root, below) if below else root
        try:
            about = os.stat(folder)
            names = sorted(os.listdir(folder))
        except OSError:
            left_out.setdefault(FOLDERS, []).append(below)
            continue
        if (about.st_dev, about.st_ino) in seen:
            continue
        seen[about.st_dev, about.st_ino] = below
        for name in names:
            path = os.path.join(below, name)
            if name.startswith(".") or name in LEFT or name.lower() in NOT_COUNTED:
                continue
            try:
                about = os.stat(os.path.join(root, path))
            except PermissionError:
                left_out.setdefault(CLOSED, []).append(path)
                continue
            except OSError:
                left_out.setdefault(LINKS, []).append(path)
                continue
            mode = about.st_mode
            if stat.S_ISDIR(mode):
                waiting.append(path)
            elif not name.lower().endswith(SUFFIXES):
                suffix = Path(name).suffix.lower()
                left_out.setdefault(f"{suffix} files" if suffix else NO_SUFFIX, []).append(path)
            elif stat.S_ISREG(mode):
                pictures.append(path)
                if about.st_ino:
                    files.setdefault((about.st_dev, about.st_ino), path)
            else:
                left_out.setdefault(STRANGE, []).append(path)
    return Found(sorted(pictures, key=lambda path: Path(path).parts), left_out, seen, files)


def told(found: Iterable[Found]) -> str:
    """Counts of paths left out, by kind: ``6 links that lead nowhere, 1 .heic file``; "" if there are none."""
    counts = Counter({reason: 0 for reason in (LINKS, FOLDERS, CLOSED, STRANGE)})
    for each in found:
        counts.update({reason: len(paths) for reason, paths in each.left_out.items()})
    counted = [(reason, count) for reason, count in counts.items() if count]
    counted.sort(key=lambda each: each[0].startswith(".") and not each[0].startswith(UNREAD))
    words = [
        f"{count:,} {reason}" if count > 1 else f"1 {ONE.get(reason, reason.removesuffix('s'))}"
        for reason, count in counted
    ]
    more = [f"{sum(count for _, count in counted[MOST_KINDS:]):,} other files"] if len(words) > MOST_KINDS else []
    return ", ".join(words[:MOST_KINDS] + more)
