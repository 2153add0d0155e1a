"""`kairos demo`: a whole Kairos on an embedded broker plays a shop's day with a fast clock, then the 7 days after it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console

from app import events
from app.agents.core import Core
from app.commands.interrupt import until_interrupted
from app.commands.outcome import Outage, WrongUse
from app.domain.plural import count
from app.edges.demo_clock import INTERVAL_MS, DemoClock
from app.edges.embedded import LIMITS, Unavailable
from app.edges.events_file import Arrival, Unreadable, arrivals, encode_lines
from app.edges.machine import Follower, local_broker, running
from app.edges.mail_writer import MailWriter
from app.edges.player import Player, with_assumptions
from app.edges.report import MAILS, write_report
from app.edges.shop_day import shop_day
from app.edges.spectator import Spectator
from app.edges.view import View
from app.engine.artifacts import POPULATION
from app.engine.clock import wall_ms
from app.engine.topics import client_options
from app.engine.worker import Refusal
from app.flow import DAY_MS
from app.policy.pack import BadPack, build, compile_artifact
from app.settings import Settings

FOLDER = Path(".kairos/demo")
SEED, DAY = 1, date(2026, 3, 2)
"""The made-up day, always the same."""
DURATION_S = 24.0
"""Of the play-back, unless told otherwise; the days after take about as long."""
AFTER_MS = 7 * DAY_MS
AFTER_PAUSE_S = 0.03
LONG_MS, LONG_FRAME_MS = 3 * DAY_MS, 4 * INTERVAL_MS
"""A file of more days is played in larger frames, still below the 10 minutes from which on an event would be from the future."""
BEHIND_DAY_MS, BEHIND_LONG_MS = 30 * INTERVAL_MS, 120 * INTERVAL_MS
"""How far the low-water mark may stay behind the clock: of one day, and of many or the days after. By so much a message may go out late,
and an event in between cancels it; it must stay below the 6 h from which on a message is not sent at all."""
BEHIND_RECORDS = 2000
TICK_MS = 50
"""Between two ticks of the clock, in real time."""
PEOPLE_SHOWN = 8


@click.command()
@click.option("--events", "events_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Play this file instead.")
@click.option("--policy", metavar="PACK", help="A shipped pack (s1, merged) or a file; default: KAIROS_POLICY.")
@click.option("--speed", type=click.FloatRange(min=1), help="How many times faster than life the day is played.")
@click.option("--duration", type=click.FloatRange(min=1), help=f"Seconds the play-back takes instead; default: {DURATION_S:.0f}.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The broker's port; default: a free one.")
@click.option("--assume-consent", is_flag=True, help="People of whom the file says nothing consent.")
@click.option("--assume-address", is_flag=True, help="People of whom the file says nothing have an address (…@example.invalid).")
@click.option("--stay", is_flag=True, help="Keep it up afterwards, until Ctrl-C.")
def demo(
    events_file: Path | None,
    policy: str | None,
    speed: float | None,
    duration: float | None,
    port: int,
    assume_consent: bool,
    assume_address: bool,
    stay: bool,
) -> None:
    """A whole Kairos on an embedded broker plays a shop's day, and the 7 days after it, in under a minute."""
    if speed is not None and duration is not None:
        raise WrongUse("give --speed or --duration, not both")
    for old in ("broker", "data", MAILS):
        shutil.rmtree(FOLDER / old, ignore_errors=True)
    try:
        file = events_file or _made_up()
        begin, end = _span(file)
        frame = LONG_FRAME_MS if end - begin > LONG_MS else INTERVAL_MS
        pace = speed or max(1.0, (end - begin) / 1000 / (duration or DURATION_S))
        lines = with_assumptions(arrivals(file), assume_consent, assume_address)
        with local_broker(FOLDER, port, policy, keep=False, tick_ms=TICK_MS) as settings, MailWriter(FOLDER / MAILS) as mails:
            clock = DemoClock(begin - frame)
            until_interrupted(Demo(settings, clock, frame, mails).run(lines, pace, end, stay))
    except Unreadable as error:
        raise WrongUse(str(error)) from error
    except BadPack as error:
        raise WrongUse("; ".join(map(str, error.problems))) from error
    except Refusal as error:
        raise (Outage if error.code == Outage.exit_code else WrongUse)(str(error)) from error
    except (Unavailable, KafkaError) as error:
        raise Outage(str(error)) from error


class Demo:
    """One run."""

    def __init__(self, settings: Settings, clock: DemoClock, frame: int, mails: MailWriter) -> None:
        pack = compile_artifact(*build(settings.policy))
        self.settings, self.clock, self.frame, self.mails = settings, clock, frame, mails
        self.console = Console(highlight=False)
        waits = {trigger.name: tuple(step.wait for step in trigger.steps) for trigger in pack.triggers}
        self.spectator = Spectator(waits, frozenset(trigger.name for trigger in pack.triggers if trigger.opening.needs_dwell))
        self.played = 0

    async def run(self, lines: Iterator[Arrival], pace: float, end: int, stay: bool) -> None:
        began = time.monotonic()
        producer = AIOKafkaProducer(**client_options(self.settings), max_request_size=9_000_000)
        async with running(self.settings, self.clock) as core, Follower(self.settings, self.spectator) as follower:
            self.console.print(f"broker {self.settings.broker}\n{LIMITS}", soft_wrap=True)
            await producer.start()
            while "policy" not in core.artifacts.active:  # noqa: ASYNC110 plain attributes; before that nothing opens
                await asyncio.sleep(0.02)
            try:
                await self._play(core, producer, lines, pace, end)
            finally:
                await producer.stop()
            await self._settle(core, follower)
            self._tell(time.monotonic() - began, _ranked(core))
            if stay:
                self.console.print("it stays up until Ctrl-C")
                await asyncio.Event().wait()  # the shop's time goes on at its own pace

    async def _play(self, core: Core, producer: Any, lines: Iterator[Arrival], pace: float, end: int) -> None:
        async def produce(frame: list[Arrival]) -> None:
            acks = []
            for arrival in frame:
                self.spectator.sent_in(_event_id(arrival), wall_ms())
                acks.append(await producer.send(self.settings.topic("customer_events"), arrival.value, arrival.key))
            await asyncio.gather(*acks)
            self.played += len(frame)

        async def keep_up() -> None:
            behind = BEHIND_DAY_MS if self.clock.reached < end and self.frame < LONG_FRAME_MS else BEHIND_LONG_MS
            while self.clock.reached - core.clock.rounds.low_water > behind or core.lag > BEHIND_RECORDS:  # noqa: ASYNC110 plain attributes
                await asyncio.sleep(0.005)

        begin = self.clock.reached
        whole = end - begin + AFTER_MS
        player = Player(self.clock, produce, keep_up, self.spectator.next_due, self.frame)
        with View(self.spectator, self.console, "Kairos demo") as view:
            async for at in player.play(lines, pace):
                view.show(at, (at - begin) / whole, "the day")
                self.mails.take(self.spectator.sends)
            async for at in player.pass_time(end + AFTER_MS, AFTER_PAUSE_S):
                view.show(at, (at - begin) / whole, "the days after")
                self.mails.take(self.spectator.sends)

    async def _settle(self, core: Core, follower: Follower) -> None:
        """Until everything has been decided, sent and seen."""
        while core.clock.rounds.low_water < self.clock.reached or await core.measure_lag():  # noqa: ASYNC110 plain attributes
            await asyncio.sleep(0.02)
        await follower.caught_up()

    def _tell(self, seconds: float, ranked: str) -> None:
        seen = self.spectator
        summary: dict[str, Any] = {
            "events": seen.events,
            "people": len(seen.people),
            "policy": self.settings.policy,
            "until": events.iso(self.clock.reached),
            "seconds": round(seconds, 1),
            "latency_p50_ms": seen.latency(0.5),
            "latency_p99_ms": seen.latency(0.99),
            **seen.tally.summary(),
        }
        self.mails.take(seen.sends, all_of_them=True)
        people = {person_id: seen.timeline_of(person_id) for person_id in seen.telling_people(PEOPLE_SHOWN)}
        report = write_report(FOLDER, seen.sends, seen.decisions(), people, summary)
        say = self.console.print
        say(
            f"{count(self.played, 'event')} played, {seen.events:,} accepted, "
            f"{count(len(seen.people), 'person', 'people')}, {seconds:.0f} s"
        )
        say("\n".join(seen.tally.lines()))
        say(f"ranked     {ranked}")
        if seen.latencies:
            p50, p99 = summary["latency_p50_ms"], summary["latency_p99_ms"]
            say(f"latency    p50 {p50} ms, p99 {p99} ms from event to the window it opened ({count(len(seen.latencies), 'window')})")
        say(f"mails      {FOLDER / MAILS}\nreport     {report}", soft_wrap=True)


def _ranked(core: Core) -> str:
    """How many customers the newest figures of everybody compare."""
    ref = core.artifacts.active.get(POPULATION)
    if ref is None:
        return "nobody has ordered yet"
    figures = core.artifacts.packs(ref)
    customers = sum(figures.figures.get("frequency", {}).values())
    return f"{count(customers, 'customer')} among each other, as of {events.iso(figures.as_of)}"


def _event_id(arrival: Arrival) -> str:
    try:
        return str(orjson.loads(arrival.value)["event_id"])
    except (ValueError, LookupError, TypeError):
        return ""


def _made_up() -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "events.jsonl"
    file.write_bytes(encode_lines(shop_day(SEED, DAY)))
    return file


def _span(file: Path) -> tuple[int, int]:
    """The clock at the first and at the last line. Raises `Unreadable`."""
    first = last = None
    for arrival in arrivals(file):
        first = arrival.at if first is None else first
        last = arrival.at
    if first is None or last is None:
        raise Unreadable(f"{file}: no events in it")
    return first, last
