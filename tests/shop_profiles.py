"""Who a shop's customers are: `python -m tests.shop_profiles FILE… --out DIR [--name NAME]`.

Plays the files of one shop, merged by time, through `kairos simulate … --profiles`, as of the hour after their last line; writes
NAME.md (tables) and NAME.svg, and holds orders, customers and revenue against an independent count with pandas, person by person and to
the ten-thousandth. Exit 1 if they differ. Nobody's consent is assumed, so no mail goes out that the shop did not send.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from app.domain.trigger import Pack
from app.policy.pack import build, compile_artifact
from tests.shop_count import UNITS, Event, counted, log, with_refunds
from tests.shop_plot import plot

ROOT = Path(__file__).resolve().parents[1]
OF_MAIL = ("profile.email.", "profile.mail.", "profile.opens", "profile.clicks", "profile.engagement.email", "profile.engagement.shift")
FIFTHS = range(1, 6)

Record = dict[str, Any]
Row = Sequence[object]


@cache
def pack() -> Pack:
    return compile_artifact(*build("merged"))


def profiles(events: Sequence[Event]) -> tuple[list[Record], str]:
    """The `profiles` record of everybody in these events, and the instant as of which they are."""
    until = (datetime.fromisoformat(events[-1]["timestamp"]).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)).isoformat()
    with tempfile.TemporaryDirectory(prefix="kairos-shop-") as folder:
        file, out = Path(folder) / "events.jsonl", Path(folder) / "profiles.jsonl"
        file.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in with_refunds(events)))
        told = [
            sys.executable,
            "-m",
            "app",
            "simulate",
            str(file),
            "--policy",
            "merged",
            "--until",
            until,
            "--profiles",
            str(out),
            "--json",
        ]
        subprocess.run(told, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        return [orjson.loads(line) for line in out.read_bytes().splitlines()], until


def key(record: Record) -> str:
    return str(record["customer_id"] or record["anonymous_ids"][0])


def units(record: Record) -> int:
    return round(float(record["spent"]["amount"]) * UNITS)


def differences(records: Iterable[Record], exact: pd.DataFrame) -> list[str]:
    """Everybody whose orders or money are not as counted."""
    mine = {key(one): (one["orders"], units(one)) for one in records if one["orders"] or units(one)}
    theirs = {str(who): (int(row.orders), int(row.spent)) for who, row in exact.iterrows()}
    return [f"{who}: {mine.get(who)}, counted {theirs.get(who)}" for who in sorted({*mine, *theirs}) if mine.get(who) != theirs.get(who)]


# --- tables ---------------------------------------------------------------------------------------------------------------------


def table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in line) + " |" for line in lines) + "\n"
    )


def money(amount: int) -> str:
    return f"{amount / UNITS:,.2f}"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def checked(records: list[Record], exact: pd.DataFrame) -> str:
    """Kairos' sums beside the count's."""
    customers = [one for one in records if one["orders"]]
    rows = [
        ("customers", len(customers), int((exact["orders"] > 0).sum())),
        ("orders", sum(one["orders"] for one in customers), int(exact["orders"].sum())),
        ("revenue net of cancellations", money(sum(map(units, records))), money(int(exact["spent"].sum()))),
        ("– gross / given back", "", f"{money(int(exact['gross'].sum()))} / {money(int(exact['back'].sum()))}"),
        ("order lines", "", int(exact["lines"].sum())),
    ]
    return table(("", "Kairos", "pandas"), rows)


def stages(records: list[Record]) -> dict[str, dict[str, int]]:
    """Scheme → stage → people, in the order of the pack."""
    found = {}
    for name, scheme in pack().stage_schemes.items():
        counts = Counter(one["lifecycle"].get(name) for one in records)
        found[name] = {stage.name: counts[stage.name] for stage in scheme.stages}
    return found


def stage_table(records: list[Record]) -> str:
    rows = [
        (f"`{scheme}`", stage, people, share(people, len(records)))
        for scheme, found in stages(records).items()
        for stage, people in found.items()
    ]
    return table(("scheme", "stage", "people", "of all"), rows)


def tier_table(records: list[Record]) -> str:
    customers, rows = [one for one in records if one["orders"]], []
    revenue = sum(map(units, customers))
    for name, scheme in pack().tier_schemes.items():
        for tier in scheme.tiers:
            worth = [units(one) for one in customers if one["clv"]["tier"].get(name) == tier.name]
            spent = f"{money(min(worth))} – {money(max(worth))}" if worth else "–"
            rows.append(
                (
                    f"`{name}`",
                    tier.name,
                    len(worth),
                    f"{share(len(worth), len(customers))} ({tier.share:g} %)",
                    spent,
                    share(sum(worth), revenue),
                )
            )
    return table(("scheme", "tier", "people", "of customers (aim)", "spent", "of revenue"), rows)


def fifths(records: list[Record]) -> dict[tuple[int, int], int]:
    """(recency, frequency) → people who have ordered."""
    counts = Counter((one["rfm"]["recency"], one["rfm"]["frequency"]) for one in records if one["orders"])
    return {(recency, frequency): counts[recency, frequency] for recency in FIFTHS for frequency in FIFTHS}


def rfm_table(records: list[Record]) -> str:
    found = fifths(records)
    rows = [(f"frequency {frequency}", *(found[recency, frequency] for recency in FIFTHS)) for frequency in reversed(FIFTHS)]
    return table(("", *(f"recency {n}" for n in FIFTHS)), rows)


def of_mail() -> frozenset[str]:
    """Segments that ask what she does with mails, themselves or by a segment they build on."""
    rows = pack()
    found = {name for name, one in rows.segments.items() if any(path.startswith(OF_MAIL) for path in one.when.paths)}
    found |= {f"{scheme}_{band.name}" for scheme, one in rows.band_schemes.items() if one.by.startswith(OF_MAIL) for band in one.bands}
    return frozenset(found)


def segment_table(records: list[Record]) -> str:
    counts = Counter(name for one in records for name in one["segments"])
    bands = [f"{scheme}_{band.name}" for scheme, one in pack().band_schemes.items() for band in one.bands]
    mails = any(one["email"]["sent"] or one["email"]["opened"] for one in records)
    names = [name for name in (*pack().segments, *bands) if mails or name not in of_mail()]
    ordered = sorted(names, key=lambda name: (-counts[name], name))
    left_out = "" if mails else f"\nLeft out, since no mail is told of: {', '.join(f'`{name}`' for name in sorted(of_mail()))}.\n"
    return (
        table(("segment", "people", "of all"), [(f"`{name}`", counts[name], share(counts[name], len(records))) for name in ordered])
        + left_out
    )


def page(name: str, records: list[Record], exact: pd.DataFrame, until: str, wrong: Sequence[str]) -> str:
    verdict = "Every person's orders and money are as counted." if not wrong else f"**{len(wrong)} people differ**: {'; '.join(wrong[:5])}"
    return "\n".join(
        [
            f"### {name}: {len(records):,} people, as of {until[:16]}\n",
            checked(records, exact),
            f"{verdict}\n",
            f"![Customers of {name}](figures/{name}.svg)\n",
            stage_table(records),
            tier_table(records),
            rfm_table(records),
            segment_table(records),
        ]
    )


def examined(name: str, events: Sequence[Event], out: Path) -> list[str]:
    """Writes page and picture; returns who differs from the count."""
    records, until = profiles(events)
    exact = counted(events)
    wrong = differences(records, exact)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(page(name, records, exact, until, wrong))
    about = f"{len(records):,} people, {sum(1 for one in records if one['orders']):,} with an order, as of {until[:10]}"
    shown = {scheme: found for scheme, found in stages(records).items() if scheme != "s0"}
    (out / f"{name}.svg").write_text(plot(f"Who the customers are: {name}", about, fifths(records), shown))
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.shop_profiles", description="Tables, a picture and a check of a shop's customers."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="events of one shop (JSON Lines, .gz)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", help="default: the first file's name up to its first dot")
    options = parser.parse_args()
    name = options.name or options.files[0].name.split(".")[0]
    wrong = examined(name, log(options.files), options.out)
    print((options.out / f"{name}.md").read_text())
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
