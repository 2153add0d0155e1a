"""Kill proofs in number: `python -m tests.prove_kills --runs 50`.

Every run is a line in .kairos/prove_kills.jsonl, so that it can be stopped and goes on where it was; ends with a table, exit 1 if any run
was not exact.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from app.edges.local_kafka import missing
from tests.kafka.cluster import ROOT, Broker
from tests.kafka.run import PLANS, Plan, run

FIRST_SEED = 100
RESULTS = ROOT / ".kairos" / "prove_kills.jsonl"


def recorded(file: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """(run, seed) → its line."""
    if not file.is_file():
        return {}
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]
    return {(line["run"], line["seed"]): line for line in lines}


def table(lines: list[dict[str, Any]]) -> str:
    """What the runs came to, a line per plan."""
    by_plan: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_plan[line["run"]].append(line)
    head = f"{'run':<14}{'runs':>6}{'exact':>7}{'starts':>8}{'events':>9}{'sends':>8}{'repeats: journal':>18}{'sends':>7}{'rest s max':>12}"
    rows = [head]
    for name, some in sorted(by_plan.items()):
        total = defaultdict(int)
        for line in some:
            for figure in ("starts", "events", "sends", "journal_repeats", "send_repeats"):
                total[figure] += line.get(figure, 0)
        rows.append(
            f"{name:<14}{len(some):>6}{sum(line['exact'] for line in some):>7}{total['starts']:>8}{total['events']:>9}{total['sends']:>8}"
            f"{total['journal_repeats']:>18}{total['send_repeats']:>7}{max(line.get('rest_s', 0) for line in some):>12}"
        )
    return "\n".join(rows)


async def prove(runs: int, only: list[str], at_once: int, people: int, seconds: float) -> bool:
    """Does the runs that are not recorded yet. Returns whether all were exact."""
    plans = [plan for plan in PLANS if not only or plan.name in only]
    wanted = [(plans[n % len(plans)], FIRST_SEED + n // len(plans)) for n in range(runs)]
    done = recorded(RESULTS)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    places = asyncio.Semaphore(at_once)
    with tempfile.TemporaryDirectory(prefix="kairos-kills-") as home:
        broker = Broker(Path(home) / "kafka")
        broker.up()

        async def one(plan: Plan, seed: int) -> None:
            async with places:
                folder = Path(home) / f"{plan.name}-{seed}"
                report = await run(plan, seed, broker.address, folder, people, seconds)
            done[plan.name, seed] = report.line
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(report.line) + "\n")
            print(f"{plan.name}-{seed}: {'exact' if not report.wrong else report.wrong[0]}", flush=True)
            if report.wrong:
                shutil.copytree(folder, RESULTS.parent / folder.name, dirs_exist_ok=True)

        try:
            await asyncio.gather(*(one(plan, seed) for plan, seed in wanted if (plan.name, seed) not in done))
        finally:
            broker.down()
    lines = [done[plan.name, seed] for plan, seed in wanted]
    print(table(lines))
    return all(line["exact"] for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.prove_kills", description="Kill proofs on real Kafka, recorded and resumable.")
    parser.add_argument("--runs", type=int, default=50)
    names = [plan.name for plan in PLANS]
    parser.add_argument("--only", action="append", default=[], choices=names, help="a plan by name; may be repeated")
    parser.add_argument("--at-once", type=int, default=2, help="runs at the same time: they mostly wait")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=14.0, help="how long people shop in a run")
    options = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 3
    return 0 if asyncio.run(prove(options.runs, options.only, options.at_once, options.people, options.seconds)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
