"""Long runs of the fault simulation: `python -m tests.prove_faults --seeds 1000 --from 0 [--toy] [--shop]`.

Goes on where the last one stopped: what was run stands in .kairos/prove_faults.jsonl, one line a seed, with the program's hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

from tests.faults.gated import MUST_HAPPEN
from tests.faults.oracle import report
from tests.faults.pipelines import Pipeline, ToyPipeline, run
from tests.faults.shop import ShopPipeline

DONE = Path(".kairos/prove_faults.jsonl")
SOURCES = ("app/domain", "app/engine", "app/agents", "app/policy", "tests/faults", "tests/packs", "tests/naive_gate.py", "tests/toy.py")

ENOUGH = 20
"""Runs of the shop that together must contain all that the gate can do."""


def sources() -> str:
    """Hash of what is being proved: other code, other proof."""
    digest = hashlib.sha256()
    for source in map(Path, SOURCES):
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.suffix in {".py", ".toml", ".mjml", ".txt"}:
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def main() -> int:
    """Exit 0: every seed right; 1: the failing ones are printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--toy", action="store_true", help="only the toy pipeline")
    parser.add_argument("--shop", action="store_true", help="only the shop")
    chosen = parser.parse_args()
    pipelines: list[Pipeline] = [pipeline for pipeline in (ToyPipeline(), ShopPipeline()) if getattr(chosen, pipeline.name)]
    version = sources()
    DONE.parent.mkdir(exist_ok=True)
    lines = [json.loads(line) for line in DONE.read_text("utf-8").splitlines()] if DONE.exists() else []
    done = {(line["pipeline"], line["seed"]) for line in lines if line["version"] == version and not line["found"]}
    failed, ran, kills, steps, begun = 0, 0, 0, 0, time.monotonic()
    tally: Counter[str] = Counter()
    with DONE.open("a", encoding="utf-8") as out:
        for pipeline in pipelines or [ToyPipeline(), ShopPipeline()]:
            for seed in range(chosen.first, chosen.first + chosen.seeds):
                if (pipeline.name, seed) in done:
                    continue
                cluster, found = run(pipeline, seed)
                ran, kills, steps, failed = ran + 1, kills + cluster.counts.kills, steps + cluster.counts.awaits, failed + bool(found)
                tally += cluster.tally
                line = {"version": version, "pipeline": pipeline.name, "seed": seed, "found": found[:20], "kills": cluster.counts.kills}
                line |= {"tally": cluster.tally} if cluster.tally else {}
                print(json.dumps(line), file=out, flush=True)
                if found:
                    print(f"{pipeline.name}: {report(seed, found)}", flush=True)
                elif ran % 50 == 0:
                    print(f"{pipeline.name} {seed}: {ran} runs, {failed} failed, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{ran} runs ({len(done)} done before), {kills} kills, {steps} failpoints passed, {failed} failed; sources {version}")
    missing = [what for what in MUST_HAPPEN if not tally[what]] if tally and ran >= ENOUGH else []
    print("; ".join(f"{what}: {count}" for what, count in sorted(tally.items())))
    if missing:
        print(f"never happened: {', '.join(missing)}")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
