"""Pictures of products compared by perceptual hash, so that what looks alike counts as alike (A-157). Nothing is fetched.

What it can do is little and said so: the hash knows shapes and poses of one kind of picture, such as the colours of one shirt. It knows
nothing of what a picture shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from msgspec import Struct

from app.agents.table import Column, NotInstalled

ENDS = (".jpg", ".jpeg", ".png", ".webp", ".gif")
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000
"""A picture of more is a bomb, not a product."""


class Seen(Struct, frozen=True):
    """`hashes`: column → 64 bits. `missing`: columns without a file; `broken`: files that are no picture, or too large a one."""

    hashes: dict[int, int]
    missing: int
    broken: list[str]


def seen(columns: Sequence[Column], folder: Path) -> Seen:
    """Of each item its picture in the folder: the file's name of its image link, else `PRODUCT_ID.jpg` (.png, .webp, .gif).

    Raises `NotInstalled`.
    """
    try:
        import imagehash
        from PIL import Image
    except ImportError as error:
        raise NotInstalled("pictures need Pillow and imagehash: pip install 'kairos[models]'") from error
    there = {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDS and path.is_file()}
    hashes: dict[int, int] = {}
    missing, broken = 0, []
    for number, column in enumerate(columns):
        path = _file(column, there)
        if path is None:
            missing += 1
            continue
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ValueError("too large")
            with Image.open(path) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise ValueError("too many pixels")
                hashes[number] = int(str(imagehash.phash(picture.convert("RGB"))), 16)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            broken.append(path.name)
    return Seen(hashes, missing, broken)


def _file(column: Column, there: dict[str, Path]) -> Path | None:
    named = there.get(PurePosixPath(urlsplit(column.image).path).name) if column.image else None
    own = (there.get(f"{product}{end}") for product in column.products for end in ENDS)
    return named or next((path for path in own if path is not None), None)
