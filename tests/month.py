"""A month of made-up people through the engine, and what came of it: `python -m tests.month [--people 20000] [--out FILE]`.

Every trigger of the pack is on; people answer the mails they get. Exit code 1 if a cap was exceeded, a mail went out at night or without
consent, or a step of a window has not exactly one end. `--shop FILE` plays a shop's own file instead, with consent and address assumed.
"""

from __future__ import annotations

import argparse
import heapq
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import orjson
from msgspec import Struct

from app.agents.simulator import simulator
from app.edges.events_file import Arrival, arrivals
from app.engine.program import Output
from app.engine.simulation import SECOND, Simulation
from app.policy.pack import build, compile_artifact
from app.settings import load
from tests import month_people
from tests.month_answers import SOONEST_MS, Answers
from tests.month_checks import breaches
from tests.month_ledger import Ledger
from tests.month_people import DAY_MS, DAYS, RUN_IN, START_MS, Told
from tests.month_report import report

AFTER_SHOP_MS = 30 * DAY_MS
MINUTE_MS = SOONEST_MS - 1_000


class Lived(Struct):
    """A month that is over."""

    ledger: Ledger
    text: str
    wrong: list[str]


def live(people: int, seed: int = 1, policy: str = "merged", on_day: Callable[[int, Ledger], None] = lambda day, ledger: None) -> Lived:
    """Plays the run-in and the month."""
    artifact = build(policy)
    ledger = Ledger(compile_artifact(*artifact), START_MS)
    everybody = [month_people.one(seed, number) for number in range(people)]
    answers = Answers(seed)
    heap: list[tuple[int, int, Told]] = []
    order = count()

    def push(told: Told) -> None:
        heapq.heappush(heap, (told[0], next(order), told))

    def on_output(topic: str, output: Output) -> None:
        mail = ledger.output(output)
        if mail is not None and mail.customer_id is not None:
            for told in answers.of(everybody[int(mail.customer_id[2:])], mail, ledger.went[mail.customer_id][-1].at):
                push(told)

    simulation = simulator(artifact, load(policy=policy), on_output)
    simulation.activate(START_MS - (RUN_IN + 1) * DAY_MS, artifact[0])
    for told in month_people.past(seed, everybody):
        push(told)
    for day in range(-RUN_IN, DAYS + 1):
        for who in everybody:
            for told in month_people.day_of(seed, who, day):
                push(told)
        # Of the day before everything is known by now: zones are up to 14 h apart from the month's own.
        _play(simulation, ledger, heap, START_MS + day * DAY_MS)
        on_day(day, ledger)
    return _lived(ledger, simulation, sum(_reachable(one) for one in everybody))


def _reachable(who: month_people.One) -> bool:
    return who.address and "email" in who.consent and not who.dead


def _play(simulation: Simulation, ledger: Ledger, heap: list[tuple[int, int, Told]], until: int) -> None:
    """Everything before `until`. Time goes on by a minute at most where mails may go out: what answers them comes later than that."""
    while True:
        at = heap[0][0] if heap else until
        due = simulation.next_due()
        second = until if due is None else max(-(-due // SECOND), simulation.now // SECOND + 1) * SECOND
        if second < min(at, until):
            simulation.run_until(min(at, until, second + MINUTE_MS) - 1)
        elif at < until:
            told = heapq.heappop(heap)[2]
            ledger.told(told)
            simulation.feed(at, told[1].encode(), orjson.dumps(told[2]))
        else:
            return


def shop(path: Path, policy: str = "merged") -> Lived:
    """A shop's own events; the month is all of it and 30 days."""
    artifact = build(policy)
    lines = arrivals(path)
    first = next(lines)
    ledger = Ledger(compile_artifact(*artifact), first.at, assumed=True)
    assume = frozenset(("consent", "address"))
    simulation = simulator(artifact, load(policy=policy), lambda topic, output: _noted(ledger, output), assume)
    simulation.activate(first.at, artifact[0])
    for number, line in enumerate(_with(first, lines), 1):
        simulation.feed(line.at, line.key, line.value)
        if number % 5_000 == 0:
            print(f"{number:>9,} lines  {sum(map(len, ledger.went.values())):>9,} messages", file=sys.stderr)
    simulation.run_until(simulation.now + AFTER_SHOP_MS)
    return _lived(ledger, simulation, sum(1 for _ in simulation.groups()))


def _noted(ledger: Ledger, output: Output) -> None:
    ledger.output(output)


def _with(first: Arrival, rest: Iterator[Arrival]) -> Iterator[Arrival]:
    yield first
    yield from rest


def _lived(ledger: Ledger, simulation: Simulation, reachable: int) -> Lived:
    quiet = ledger.pack.contact.quiet_hours
    text = report(ledger, reachable, (quiet.zone if quiet is not None else None) or "UTC")
    return Lived(ledger, text, breaches(ledger, ledger.still_open(simulation)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.month", description="A month of made-up people, in tables.")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", default="merged")
    parser.add_argument("--shop", type=Path, help="a shop's events; else made-up people")
    parser.add_argument("--out", type=Path, help="the tables as Markdown; else stdout")
    options = parser.parse_args()
    began = time.monotonic()

    def on_day(day: int, ledger: Ledger) -> None:
        sent = sum(map(len, ledger.went.values()))
        print(f"day {day:>4}  {ledger.events:>9,} events  {sent:>9,} messages  {time.monotonic() - began:>7.0f} s", file=sys.stderr)

    lived = shop(options.shop, options.policy) if options.shop else live(options.people, options.seed, options.policy, on_day)
    took = time.monotonic() - began
    who = options.shop.name if options.shop else f"{options.people:,} people, seed {options.seed}, {DAYS} days"
    head = f"## {who}, policy {lived.ledger.pack.ref.partition('@')[0]} ({took:.0f} s)\n\n"
    text = head + lived.text + "\n" + ("\n".join(f"- BROKEN: {one}" for one in lived.wrong) or "Everything that must hold, holds.") + "\n"
    if options.out:
        options.out.write_text(text, "utf-8")
    else:
        print(text)
    return 1 if lived.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
