"""Decisions of many people, wherever they are: in a file that `kairos simulate --decisions` wrote, on their topic, at a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from app import events
from app.domain.sought import Sought
from app.edges.events_file import Unreadable, raw_lines
from app.edges.progress import Bar
from app.edges.reader import decode_row
from app.edges.reader_client import Readers, with_readers
from app.edges.topic_scan import Scanner
from app.engine.clock import wall_ms
from app.engine.partition import partition_of
from app.events import Tick, Undecodable
from app.settings import Settings

NEAR_END = 200
"""Records at a partition's end among which there is a tick, however busy it is."""
Take = Callable[[bytes], None]


def of_file(path: Path, what: str = "decision") -> Iterator[bytes]:
    """A record a line, `.gz` read as such. Raises `Unreadable`, which names the line, for what is no JSON object."""
    with Bar(f"reading {path.name}", path.stat().st_size) as bar:
        for number, (line, read) in enumerate(raw_lines(path), 1):
            if not (text := line.strip()):
                continue
            if not text.startswith(b"{"):
                raise Unreadable(f"{path}:{number}: no {what}: not a JSON object")
            yield text
            bar.at(read)


def found_in_file(path: Path, sought: Sought) -> Iterator[bytes]:
    """Those of a file that are sought. Raises `Unreadable`."""
    for number, text in enumerate(of_file(path), 1):
        try:
            if sought.holds(decode_row(text)):
                yield text
        except msgspec.MsgspecError as error:
            raise Unreadable(f"{path}: record {number} is no decision: {error}") from error


async def found_in_cluster(scan: Scanner, settings: Settings, addresses: Sequence[str], sought: Sought, take: Take) -> None:
    """Those of a cluster, from readers where they answer, else from the topic; a record may come twice. Raises `ScanFailed`."""

    async def read(readers: Readers | None) -> None:
        if readers is None:
            await _of_topic(scan, sought, take)
        elif sought.persons:
            for person in sorted(sought.persons):
                for value in await readers.decisions(person):
                    if sought.holds(decode_row(value)):
                        take(value)
        else:
            with Bar("asking the reader", 0) as bar:
                done = 0
                async for value in readers.everybody(sought):
                    take(value)
                    done += 1
                    bar.at(done, f"{done:,} decisions")

    await with_readers(settings, addresses, read)


async def _of_topic(scan: Scanner, sought: Sought, take: Take) -> None:
    count = scan.partitions("decisions")
    places = sorted({partition_of(one.encode(), count) for one in sought.persons}) if sought.persons else None
    with Bar("reading decisions", 0) as bar:
        async for record in scan.read("decisions", places, lambda done, total: bar.at(done, f"{done} of {total}")):
            try:
                if sought.holds(decode_row(record.value or b"")):
                    take(record.value)
            except msgspec.MsgspecError:
                continue  # the reader buried it


async def journal_now(scan: Scanner) -> int:
    """The journal's time: a demo's days are over in a minute. Without a tick, this machine's."""
    newest = 0
    async for record in scan.read("journal", [0], last=NEAR_END):
        try:
            found = events.journal.decode(record.value)
        except Undecodable:
            continue
        if isinstance(found, Tick):
            newest = max(newest, found.at)
    return newest or wall_ms()
