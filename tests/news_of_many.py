"""How long a lane is busy with news of a product that everybody wants: `python -m tests.news_of_many --people 1000000`.

One partition's lane over a real RocksDB, in process and without Kafka: people look at one product, then it costs less. Prints CPU and wall
time per person and what the process takes.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from app import events
from app.agents.person_program import PersonProgram
from app.engine.store import PartitionStore
from app.engine.turn import Turn
from app.events import Activation, Broadcast, Event
from app.flow import TABLES
from tests.her import HOUR, MONDAY, pack
from tests.test_turn import Line

BATCH = 2_000


@click.command()
@click.option("--people", default=100_000, show_default=True)
@click.option("--policy", default="merged", show_default=True)
def main(people: int, policy: str) -> None:
    """News of one product for so many people."""
    compiled, table = pack(policy), TABLES["people"]
    program = PersonProgram({compiled.ref: compiled}.__getitem__, frozenset({"consent", "address"}))
    with tempfile.TemporaryDirectory() as folder:
        store = PartitionStore.open(Path(folder) / "partition-0", "news")
        rows = store.table(table.name, table.prefix, index=table.index.encode())
        turn = Turn(program, 0, rows)
        offset = 0

        def play(records: list[Any]) -> tuple[int, int]:
            nonlocal offset
            lines = [Line(offset + n, MONDAY, None, events.encode(one)) for n, one in enumerate(records)]
            offset += len(records)
            woken = plans = 0
            for segment in turn.segments(lines):
                rows.keep(segment.rows, segment.marks, 0)
                woken += segment.woken
                plans += sum(one.topic == "addressed_plans" for one in segment.outputs)
            return woken, plans

        play([Activation(MONDAY, "policy", compiled.ref)])
        shoe = {"product_id": "p1", "product_name": "Shoe", "price": 80.0, "currency": "EUR", "category": "shoes", "dwell_seconds": 5}
        for start in range(0, people, BATCH):
            one = range(start, min(people, start + BATCH))
            play([Event(MONDAY + n // 100, f"e{n}", "product_view", MONDAY, f"{n:032d}", f"c{n}", properties=shoe) for n in one])
        values = {**shoe, "price": 50.0, "old_price": 80.0, "drop": 0.375, "stock": 9}
        cpu, wall = time.process_time(), time.monotonic()
        woken, plans = play([Broadcast(MONDAY + 10 * HOUR, "p1", "price_drop", values)])
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        each, megabytes = 1e6 * cpu / max(1, woken), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{woken:,} people, {plans:,} messages: {cpu:.1f} s of CPU, {wall:.1f} s, {each:.0f} us each, {megabytes:.0f} MB")
        store.close()


if __name__ == "__main__":
    main()
