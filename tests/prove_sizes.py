"""Bytes and memory per person: `python -m tests.prove_sizes [--people 100000] [--events N] [--shop FILE]`.

Plays the benches' mix (everybody says who she is and consents, then views, carts, clicks and orders) and, if given, a shop's own file
through a simulation in this process, and measures both rows of everybody, part by part, and what the store takes of memory.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.agents.simulator import simulator
from app.domain import person
from app.domain.person import Person, is_stub
from app.domain.profile import Profile
from app.edges import workload
from app.edges.events_file import Arrival, arrivals
from app.engine.simulation import Simulation
from app.events import iso
from app.flow import DAY_MS
from app.policy.pack import build
from app.settings import load

START = 1_772_409_600_000
"""2026-03-02T00:00:00Z, in ms."""
EVERY_MS = 200
encode = msgspec.msgpack.Encoder().encode
LIMIT = 1_500
"""The issue: bytes of state per typical person."""


def resident() -> int:
    """Bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def mix(people: int, events: int) -> Iterator[Arrival]:
    at = START
    for told in (workload.everybody(people), workload.mix(1, people, events)):
        for number, (who, event) in enumerate(told):
            at += EVERY_MS
            record = {"event_id": f"{event['event_type']}-{number}", "customer_id": who, "timestamp": iso(at), **event}
            yield Arrival(at, who.encode(), json.dumps(record).encode())


def played(lines: Iterable[Arrival], assume: frozenset[str]) -> Simulation:
    pack = build("merged")
    simulation = simulator(pack, load(policy="merged"), lambda topic, output: None, assume)
    started = False
    for line in lines:
        if not started:
            simulation.activate(line.at, pack[0])
            started = True
        simulation.feed(line.at, line.key, line.value)
    return simulation


def parts(one: Person) -> dict[str, int]:
    """Bytes of each part of the main row, the profile's by field."""
    found = {name: len(encode(getattr(one, name))) for name in Person.__struct_fields__ if name != "profile"}
    return found | {f"profile.{name}": len(encode(getattr(one.profile, name))) for name in Profile.__struct_fields__}


def measured(simulation: Simulation) -> dict[str, Any]:
    main, second, both = list[int](), list[int](), list[int]()
    sums, window, count, opened = dict[str, int](), dict[str, int](), 0, 0
    for group in simulation.groups():
        if is_stub(group.person):
            continue
        rows = dict(person.dump(group, None))
        main.append(len(rows[b"p"]))
        second.append(len(rows.get(b"h", b"")))
        both.append(main[-1] + second[-1])
        count, opened = count + 1, opened + len(group.person.windows.open)
        for name, size in parts(group.person).items():
            sums[name] = sums.get(name, 0) + size
        for one in group.person.windows.open:
            for name in one.__struct_fields__:
                window[name] = window.get(name, 0) + len(encode(getattr(one, name)))
    spread = {name: at(sizes) for name, sizes in (("main row", main), ("second row", second), ("both", both))}
    within = sum(size <= LIMIT for size in both) / count
    means = {name: round(total / count) for name, total in sorted(sums.items(), key=lambda one: -one[1])}
    return {
        "people": count,
        "bytes": spread,
        "share_within_limit": round(within, 4),
        "open_windows_per_person": round(opened / count, 2),
        "mean_bytes_by_part": {name: mean for name, mean in means.items() if mean > 1},
        "mean_bytes_of_a_window": {name: round(total / opened) for name, total in sorted(window.items(), key=lambda one: -one[1])}
        if opened
        else {},
    }


def at(sizes: list[int]) -> dict[str, int]:
    ordered = sorted(sizes)
    return {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in SHARES} | {"mean": sum(sizes) // len(sizes)}


SHARES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.prove_sizes", description="Bytes and memory per person.")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--events", type=int, help="of the mix; default: four per person, as in kairos bench pipeline")
    parser.add_argument("--rest", type=float, default=0, help="days without events before it is measured: chains of messages end")
    parser.add_argument("--shop", type=Path, help="a shop's events; else the benches' mix is played")
    options = parser.parse_args()
    gc.collect()
    before = resident()
    lines = arrivals(options.shop) if options.shop else mix(options.people, options.events or 4 * options.people)
    simulation = played(lines, frozenset())
    if options.rest:
        simulation.run_until(simulation.now + int(options.rest * DAY_MS))
    gc.collect()
    found = measured(simulation)
    found["memory_bytes_per_person"] = (resident() - before) // found["people"]
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
