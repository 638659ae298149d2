"""Simulates a power cut: files as they were when they were last flushed."""

import hashlib
import os
from pathlib import Path


class Watch:
    """Every file's content at its last ``fsync``, and whether what was renamed had been flushed by then.

    on_rename: called with (source, target) before each.
    """

    def __init__(self, monkeypatch, on_rename=lambda source, target: None):
        self.flushed, self.renamed, self.unflushed = {}, [], []
        self._on_rename = on_rename
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, self._renaming(getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self._flushing(os.fsync))

    def size(self, path):
        """The bytes of it that would be left."""
        return self.flushed.get(os.stat(path).st_ino, (0, ""))[0]

    def _flushing(self, fsync):
        def flush(descriptor):
            fsync(descriptor)
            about = os.fstat(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").resolve()
            self.flushed[about.st_ino] = _content(path) if path.is_file() else (0, "folder")

        return flush

    def _renaming(self, rename):
        def renaming(source, target, **options):
            self._on_rename(Path(source), Path(target))
            source = Path(source)
            for path in (source, *source.rglob("*")):
                now = _content(path) if path.is_file() else (0, "folder")
                if self.flushed.get(path.stat().st_ino) != now:
                    self.unflushed.append(path)
            rename(source, target, **options)
            self.renamed.append(Path(target))

        return renaming


def _content(path):
    content = path.read_bytes()
    return len(content), hashlib.sha256(content).hexdigest()
