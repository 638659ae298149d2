"""The user's home and cache folders, also for users without a home."""

import os
import stat
import tempfile
from pathlib import Path


def home() -> Path | None:
    """The user's home folder; None where neither the environment nor the system's list of users has one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def cache(program: str, *, variable: str) -> Path:
    """The folder that the environment's ``variable`` names, else ``program`` in the user's cache folder.

    Without a home it lies in the system's folder of temporary files, and only this user can write to it.
    """
    chosen = os.environ.get(variable)
    if chosen:
        return Path(os.path.expanduser(chosen))
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen) / program
    found = home()
    if found is not None:
        return found / ".cache" / program
    folder = Path(tempfile.gettempdir(), f"{program}-{os.getuid()}")
    folder.mkdir(0o700, exist_ok=True)
    about = folder.lstat()  # anybody may make a folder of that name there, or a link
    mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o022
    return folder if mine else Path(tempfile.mkdtemp(prefix=f"{program}-"))
