"""A file from the web, whole onto the disk before anybody reads it: a feed that breaks off is then seen to be one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

MAX_BYTES = 8 * 1024**3
CHUNK = 256 * 1024
CONNECT_S, SILENT_S = 15.0, 60.0
"""Until it answers; between two pieces of it."""
SUFFIXES = (".csv", ".tsv", ".xml", ".jsonl", ".ndjson", ".json", ".rss", ".atom", ".gz")


class NotFetched(Exception):
    """It could not be fetched; the message says why."""


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


async def fetch(address: str, folder: Path, on_progress: Callable[[int, int], None]) -> Path:
    """Fetches an http or https address into `folder`. `on_progress(bytes so far, in all or 0)`. Raises `NotFetched`, OSError.

    The name keeps the endings of the address (`feed.csv.gz`), by which the format is told.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENT_S)
    name = "feed" + "".join(one.lower() for one in Path(_path(address)).suffixes if one.lower() in SUFFIXES)
    path = Path(tempfile.mkdtemp(dir=folder)) / name
    try:
        # Packed as the feed's own format it stays so; unpacked by the client it would not be what its name says.
        async with (
            aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "Kairos catalog import"}) as session,
            session.get(address, max_redirects=5) as answer,
        ):
            if answer.status != 200:
                raise NotFetched(f"{address}: {answer.status} {answer.reason}")
            total, so_far = answer.content_length or 0, 0
            with path.open("wb") as file:
                async for piece in answer.content.iter_chunked(CHUNK):
                    so_far += len(piece)
                    if so_far > MAX_BYTES:
                        raise NotFetched(f"{address}: more than {MAX_BYTES // 1024**3} GiB")
                    file.write(piece)
                    on_progress(so_far, total)
    except aiohttp.InvalidURL as error:
        raise NotFetched(f"{address}: not an http address") from error  # its own message is the address
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise NotFetched(f"{address}: {error or type(error).__name__}") from error
    return path


def _path(address: str) -> str:
    """What stands behind the host. Raises `NotFetched` if there is none, or no address at all."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # read only when it is asked for
    except ValueError as error:
        raise NotFetched(f"{address}: not an http address: {error}") from error
    if not parts.hostname:
        raise NotFetched(f"{address}: not an http address: it names no host")
    return parts.path
