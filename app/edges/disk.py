"""What a folder takes of its disk, and what is left there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def taken(folder: Path) -> int:
    """Bytes of all files under a folder; files that go while it looks do not count. 0 if there is no such folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def nearest(folder: Path) -> Path:
    """The folder itself, or the closest one above it that exists."""
    folder = folder.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return folder


def free(folder: Path) -> int:
    """Bytes left on the disk that a folder is, or would be, on."""
    return shutil.disk_usage(nearest(folder)).free
