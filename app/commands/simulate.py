"""`kairos simulate`: the same agents over virtual time; what would be sent for a file of events, and why. Same input, same bytes out."""

from __future__ import annotations

import contextlib
import sys
from itertools import islice
from pathlib import Path
from typing import IO

import click
import orjson

from app import events
from app.agents.kinds import encode_budgets, encode_model
from app.agents.simulator import simulator
from app.commands.built import artifact
from app.commands.instant import Instant
from app.commands.outcome import WrongUse
from app.domain import money, ranks
from app.domain.budgets import BUDGETS, Budgets
from app.domain.catalogue import key_of
from app.domain.neighbours import Model, decode
from app.domain.person import is_stub
from app.domain.plural import count
from app.domain.profile_view import view
from app.domain.recommended import RECOMMENDATIONS
from app.domain.trigger import Pack
from app.edges.catalog_file import accepted, timed
from app.edges.events_file import Arrival, Unreadable, arrivals
from app.edges.people_file import people
from app.edges.progress import Bar
from app.edges.tally import Tally
from app.engine.artifacts import POLICY
from app.engine.program import Output
from app.engine.simulation import Simulation
from app.flow import DAY_MS
from app.policy.pack import compile_artifact
from app.settings import DEMO_SECRET, load

AFTER_LAST_LINE_MS = 30 * DAY_MS
FILE = click.Path(dir_okay=False, path_type=Path)
INPUT = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


class Sinks:
    """The files the outputs go to; `-` is stdout."""

    def __init__(self, wanted: dict[str, Path | None], stack: contextlib.ExitStack) -> None:
        self.files: dict[str, IO[bytes]] = {}
        for topic, path in wanted.items():
            if path is None:
                continue
            try:
                self.files[topic] = sys.stdout.buffer if str(path) == "-" else stack.enter_context(path.open("wb"))
            except OSError as error:
                raise WrongUse(f"{path}: {error.strerror}") from error
        self.to_stdout = any(file is sys.stdout.buffer for file in self.files.values())

    def write(self, topic: str, value: bytes) -> None:
        if file := self.files.get(topic):
            file.write(value + b"\n")


@click.command()
@click.argument("events_file", metavar="EVENTS.jsonl", type=INPUT)
@click.option("--policy", metavar="PACK", help="A shipped pack (s1, merged) or a file; default: KAIROS_POLICY.")
@click.option("--until", type=Instant(), help="Let time run on to here, inclusive; default: the last line + 30 days.")
@click.option(
    "--products", "products_file", type=INPUT, help="The catalogue before the first line, in any format that `catalog import` takes."
)
@click.option(
    "--catalog-changes", "changes_file", type=INPUT, help="Changes of products, JSON Lines as on catalog_changes, each with its timestamp."
)
@click.option("--recommendations", "model_file", type=INPUT, help="A model, as `kairos train recommend --out` writes it; needs --products.")
@click.option("--people", "people_file", type=INPUT, help="What is known of people before the first line, CSV or JSON Lines.")
@click.option("--assume-consent", is_flag=True, help="Every purpose is consented to, unless withdrawn.")
@click.option("--assume-address", is_flag=True, help="Everybody has <id>@example.invalid, unless an address is known.")
@click.option("--budget", "given", metavar="CAMPAIGN=AMOUNT", multiple=True, help="What a campaign may give away; else nothing.")
@click.option("--sends", type=FILE, help="Write message_sends here (JSON Lines; - is stdout).")
@click.option("--decisions", type=FILE, help="Write decisions here.")
@click.option("--profiles", type=FILE, help="Write a line per person, as of --until, here.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def simulate(
    events_file: Path,
    policy: str | None,
    until: int | None,
    products_file: Path | None,
    changes_file: Path | None,
    model_file: Path | None,
    people_file: Path | None,
    assume_consent: bool,
    assume_address: bool,
    given: tuple[str, ...],
    sends: Path | None,
    decisions: Path | None,
    profiles: Path | None,
    as_json: bool,
) -> None:
    """What would be sent for the events of EVENTS.jsonl (.gz is read as such), in arrival order, and why."""
    if model_file is not None and products_file is None and changes_file is None:
        raise click.UsageError("--recommendations goes with --products: only what the catalogue has in stock is recommended")
    settings = load(policy=policy)
    model = None if model_file is None else _model(model_file, settings.model_mb)
    pack = artifact(settings.policy)
    tally = Tally()
    budgets = _budgets(given, pack)
    assume = frozenset(name for name, told in (("consent", assume_consent), ("address", assume_address)) if told)
    try:
        with contextlib.ExitStack() as stack:
            sinks = Sinks({"message_sends": sends, "decisions": decisions, "profiles": profiles}, stack)

            def on_output(topic: str, output: Output) -> None:
                tally.record(topic, output.value)
                sinks.write(topic, output.value)

            models = {} if model is None else {model[0]: model[1]}
            simulation = simulator(pack, settings, on_output, assume, models=models, budgets=budgets)
            active = {POLICY: pack[0]}
            active |= {} if model is None else {RECOMMENDATIONS: model[0]}
            active |= {} if budgets is None else {BUDGETS: encode_budgets(budgets)[0]}
            played = _play(simulation, active, events_file, people_file, until, Shop(products_file, changes_file))
            known = 0
            for line in _profiles(simulation, compile_artifact(*pack)):
                known += 1
                sinks.write("profiles", line)
    except Unreadable as error:
        raise WrongUse(str(error)) from error
    summary = {
        "policy": pack[0],
        "events_file": events_file.name,
        **played,
        "people": known,
        "until": events.iso(simulation.now),
        **tally.summary(),
    }
    out = sys.stderr if sinks.to_stdout else sys.stdout
    if as_json:
        print(orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode(), file=out)
        return
    print(f"{count(played['lines'], 'line')}, {count(known, 'person', 'people')}, policy {pack[0]}, until {summary['until']}", file=out)
    if played["after_until"]:
        print(f"{count(played['after_until'], 'line arrives', 'lines arrive')} after --until, not played", file=out)
    if settings.secret == DEMO_SECRET:
        print("ids use the constant demo secret (KAIROS_SECRET is not set)", file=out)
    print("\n".join(tally.lines()), file=out)


def _budgets(given: tuple[str, ...], pack: tuple[str, bytes]) -> Budgets | None:
    """What was asked for, all of it in the one partition of a simulation. Raises `WrongUse`."""
    found: dict[str, int] = {}
    for one in given:
        name, _, amount = one.partition("=")
        units = money.units(amount)
        if not name or units is None or units < 0:
            raise WrongUse(f"--budget: CAMPAIGN=AMOUNT such as spring=500, not {one!r}")
        found[name] = units
    return Budgets(1, compile_artifact(*pack).offers.currency, found) if found else None


class Shop:
    """What becomes of the catalogue meanwhile: all of it before the first line, its changes in their time. Raises `Unreadable`."""

    def __init__(self, products_file: Path | None, changes_file: Path | None) -> None:
        self._products = products_file
        self._coming = timed(changes_file) if changes_file is not None else iter(())
        self._next = next(self._coming, None)
        self.changes = 0

    @property
    def begins(self) -> int | None:
        """When the first change comes (ms), or None."""
        return None if self._next is None else self._next[0]

    def open(self, simulation: Simulation, at: int) -> None:
        """The catalogue as it is at `at` (ms)."""
        found = accepted(self._products, at) if self._products is not None else iter(())
        while some := list(islice(found, 1_000)):
            simulation.change(at, [(key_of(row.product_id), row.value) for row in some])

    def pass_time(self, simulation: Simulation, to: int) -> None:
        """Every change up to `to` (ms), inclusive: one stamped as a line is comes before it."""
        while self._next is not None and self._next[0] <= to:
            at, change, value = self._next
            simulation.change(at, [(key_of(change.product_id), value)])
            self.changes += 1
            self._next = next(self._coming, None)


def _play(
    simulation: Simulation, active: dict[str, str], path: Path, people_file: Path | None, until: int | None, shop: Shop
) -> dict[str, int]:
    lines = left = 0
    started = False

    def start(at: int) -> None:
        if shop.begins is not None:
            at = min(at, shop.begins)
        for kind, ref in active.items():
            simulation.activate(at, ref, kind)
        shop.open(simulation, at)
        for arrival in people(people_file, at) if people_file else ():
            simulation.feed(arrival.at, arrival.key, arrival.value)

    with Bar("simulating", path.stat().st_size) as bar:
        for arrival in arrivals(path):
            if until is not None and arrival.at > until:
                left += 1
                continue
            if not started:
                start(arrival.at)
                started = True
            shop.pass_time(simulation, arrival.at)
            _feed(simulation, arrival)
            lines += 1
            bar.at(arrival.read, events.iso(arrival.at)[:10])
        if not started:
            if until is None:
                raise Unreadable(f"{path}: no events in it")
            start(until)
        end = simulation.now + AFTER_LAST_LINE_MS if until is None else until
        shop.pass_time(simulation, end)
        simulation.run_until(end)
    return {"lines": lines, "after_until": left, "catalog_changes": shop.changes}


def _model(path: Path, model_mb: int) -> tuple[str, Model]:
    """(ref, model) of a file. Raises `WrongUse`."""
    try:
        ref, data = encode_model(path.read_bytes(), model_mb)
        return ref, decode(data)
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise WrongUse(f"{path}: {error}") from error


def _feed(simulation: Simulation, arrival: Arrival) -> None:
    simulation.feed(arrival.at, arrival.key, arrival.value)


def _profiles(simulation: Simulation, pack: Pack) -> list[bytes]:
    """A line per person as of the clock, by person_id, ranked exactly among all; who has become somebody else is that person."""
    people = sorted((group.person for group in simulation.groups() if not is_stub(group.person)), key=lambda person: person.person_id)
    now = simulation.now
    among = ranks.everybody(people, now)
    return [events.encode_json(view(ranks.ranked(person, pack.tier_schemes, among), now, pack.scoring, among, pack)) for person in people]
