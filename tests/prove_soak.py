"""The soak: `python -m tests.prove_soak --minutes 30`.

A JSON line per sample and fault, and a summary at the end, are appended to .kairos/prove_soak.jsonl; exit 1 if anything was not exact,
grew, or did not come to rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from app.edges.local_kafka import missing
from tests.kafka.cluster import ROOT
from tests.kafka.soak import Report, Soak, soak
from tests.kafka.vitals import LEAK_MB_H

RESULTS = ROOT / ".kairos" / "prove_soak.jsonl"
RECORD_BYTES = 18_000
"""Memory the judges take per record played: they hold every topic and every person's fold whole. Measured: 5.8 GB for 350,000."""
MEMORY_SHARE = 0.6


def bearable() -> int:
    """Records the judges have memory for."""
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(int(line.split()[1]) * 1024 * MEMORY_SHARE / RECORD_BYTES)
    return Soak(0).most


async def prove(asked: Soak) -> Report:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="kairos-soak-"))

    def say(line: str) -> None:
        print(time.strftime("%H:%M:%S"), line, flush=True)

    with RESULTS.open("a", encoding="utf-8") as out:
        report = await soak(asked, home, out, say)
    if report.wrong:
        shutil.copytree(home, RESULTS.parent / f"soak-{asked.seed}", dirs_exist_ok=True, ignore=shutil.ignore_patterns("kafka"))
    shutil.rmtree(home, ignore_errors=True)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.prove_soak", description="Two workers, steady load, a fault a minute, for long.")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long people shop; rest and judging come on top")
    parser.add_argument("--rate", type=float, help="records a second; default: 60 %% of what the machine takes, measured with a burst")
    parser.add_argument("--fault-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--broker-every", type=int, default=10, help="every n-th fault kills the broker")
    parser.add_argument("--seed", type=int, default=1_000)
    parser.add_argument("--leak", type=float, default=LEAK_MB_H, help="MB/h that count as a leak; eight hours can tell 1")
    options = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 3
    asked = Soak(
        options.minutes * 60,
        options.rate,
        options.fault_every,
        options.broker_every,
        seed=options.seed,
        leak_mb_h=options.leak,
        most=bearable(),
    )
    report = asyncio.run(prove(asked))
    print(json.dumps({name: value for name, value in report.line.items() if name != "log"}, indent=1))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
