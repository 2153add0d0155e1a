"""`kairos replay dead_letters`: after a mend, feeds buried records again, each once.

Intake's letters go back to `customer_events` under their key, the lane's as `retry` records to the journal partition they came from, the
postmaster's and the renderer's to the partition of their topic they came from. What was fed is noted on `dead_letters` itself (reason
`replayed`), so that a second run does not feed it again; a crash between feeding and noting feeds some twice.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter

import click
import msgspec
from aiokafka.errors import KafkaError

from app import events
from app.commands.outcome import Outage
from app.edges.producing import producing
from app.edges.topic_scan import ScanFailed, scanner
from app.engine.clock import wall_ms
from app.engine.program import Output
from app.events import DeadLetter, Retry
from app.settings import Settings, load

REPLAYED = "replayed"
BATCH = 500
"""Letters fed before their acks are awaited and they are noted."""

_letter = msgspec.json.Decoder(DeadLetter).decode


@click.group()
def replay() -> None:
    """Feed records again."""


@replay.command("dead_letters")
@click.option("--reason", metavar="R", help="Only letters of this reason: contract, too_large, undecodable, no_key, defect.")
@click.option("--dry-run", is_flag=True, help="Say what would be fed, feed nothing.")
def dead_letters(reason: str | None, dry_run: bool) -> None:
    """Feed dead letters again, after a mend."""
    try:
        asyncio.run(_replay(load(), reason, dry_run))
    except ScanFailed as error:
        raise Outage(str(error)) from error


def fed(letter: DeadLetter, at: int) -> Output | None:
    """What a letter is fed back as, or None: cut letters have lost their end, and a control record is the operator's to give again."""
    if letter.truncated:
        return None
    key = None if letter.key is None else base64.b64decode(letter.key)
    value = base64.b64decode(letter.value)
    match letter.topic:
        case "customer_events":
            return Output("customer_events", key, value)
        case "journal" if key is not None:
            retry = Retry(at, key.decode("utf-8", "replace"), letter.letter_id, value)
            return Output("journal", key, events.encode(retry), letter.partition)
        case "addressed_plans" | "message_plans" | "facts":
            return Output(letter.topic, key, value, letter.partition)
    return None


async def _replay(settings: Settings, reason: str | None, dry_run: bool) -> None:
    letters = await _open_letters(settings, reason)
    now = wall_ms()
    feedable = [(letter, record) for letter in letters if (record := fed(letter, now)) is not None]
    counts = Counter((letter.topic, letter.reason) for letter, _ in feedable)
    if not dry_run and feedable:
        await _feed(settings, feedable)
    for (topic, why), count in sorted(counts.items()):
        click.echo(f"{count:,} {'would go' if dry_run else 'went'} back to {topic} ({why})")
    if left := len(letters) - len(feedable):
        click.echo(f"{left:,} cannot be fed again (cut at 256 KiB, or no record of a person)")
    if not letters:
        click.echo("no dead letters to feed" + (f" of reason {reason}" if reason else ""))


async def _open_letters(settings: Settings, reason: str | None) -> list[DeadLetter]:
    """Letters that were not fed yet, one for each id, in order within a partition."""
    found: dict[str, DeadLetter] = {}
    done: set[str] = set()
    async with scanner(settings) as scan:
        async for record in scan.read("dead_letters"):
            letter = _letter(record.value)
            if letter.reason == REPLAYED:
                done.add(letter.letter_id)
            elif reason is None or letter.reason == reason:
                found.setdefault(letter.letter_id, letter)
    return [letter for letter_id, letter in found.items() if letter_id not in done]


async def _feed(settings: Settings, feedable: list[tuple[DeadLetter, Output]]) -> None:
    try:
        async with producing(settings) as producer:
            for start in range(0, len(feedable), BATCH):
                part = feedable[start : start + BATCH]
                await producer.publish([record for _, record in part])
                await producer.publish([_note(letter) for letter, _ in part])
    except (KafkaError, OSError) as error:
        raise ScanFailed(f"broker {settings.broker}: {error}") from error


def _note(letter: DeadLetter) -> Output:
    """That a letter was fed, beside the letter itself."""
    key = None if letter.key is None else base64.b64decode(letter.key)
    return Output("dead_letters", key, events.encode_json(msgspec.structs.replace(letter, reason=REPLAYED, violations=[], value="")))
