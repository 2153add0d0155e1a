"""How many messages people bear (A-202, A-228): what became of a message, by how many the person had in the 7 days before it.

Measured, not assumed: by engagement band, tier, stage and the pack's own segments, the share of messages that a human opened or clicked,
and that made her unsubscribe, each with its 95 % Wilson interval (E. B. Wilson, 1927: honest also for small samples and for shares near 0,
where a normal interval is not). A share whose interval is wider than `WIDEST` says too little to act on, and is marked. Messages of the
last `ANSWER_MS` are left out: they may still be answered.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

from msgspec import Struct

from app.domain.days import DAY_MS

BEFORE_MS = 7 * DAY_MS
ANSWER_MS = 2 * DAY_MS
MOST = 6
"""As many or more in the 7 days before stand together."""
Z = 1.959964
"""97.5 % point of the normal distribution."""
ACTS = ("opened", "clicked", "unsubscribed")
WIDEST = {"opened": 0.10, "clicked": 0.10, "unsubscribed": 0.02, "goals": 0.10}
RULE = (
    f"95 % Wilson intervals; a share is too uncertain where its interval is wider than {100 * WIDEST['opened']:.0f} points "
    f"(opened, clicked, goals) or {100 * WIDEST['unsubscribed']:.0f} points (unsubscribed); messages of the last 2 days are left out"
)
EVERYBODY = "everybody"
TOO_FEW = "too few to tell"


class Sent(Struct, frozen=True):
    """A message. `at` in ms; `acts`: what a human did with it."""

    person_id: str
    at: int
    acts: frozenset[str] = frozenset()
    send_id: str = ""


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if not of:
        return 0.0, 1.0
    share, spread = hits / of, Z * Z / of
    centre, half = share + spread / 2, Z * sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


def measured(what: str, hits: int, of: int) -> dict[str, Any]:
    """A share with its interval, and whether that is narrow enough to act on."""
    low, high = wilson(hits, of)
    share = hits / of if of else 0.0
    return {"share": round(share, 4), "low": round(low, 4), "high": round(high, 4), "enough": high - low <= WIDEST[what]}


def segments(profile: Mapping[str, Any]) -> list[str]:
    """The segments of a profile that tolerance is told by; all of them as they are now, not as they were at the send."""
    found = []
    band = (profile.get("engagement") or {}).get("band")
    if band is not None:
        found.append(f"engagement {band}")
    for name, schemes in (("tier", (profile.get("clv") or {}).get("tier")), ("stage", profile.get("lifecycle"))):
        found += [f"{name} {scheme}.{value}" for scheme, value in sorted((schemes or {}).items()) if value is not None]
    return found + [f"segment {name}" for name in sorted(profile.get("segments") or ())]


def tolerance(sends: Iterable[Sent], hers: Mapping[str, Iterable[str]], now: int) -> dict[str, Any]:
    """For JSON. `hers`: person → her segments; everybody is one, too."""
    by_person: dict[str, list[Sent]] = {}
    for one in sends:
        by_person.setdefault(one.person_id, []).append(one)
    counts: Counter[tuple[str, int, str]] = Counter()
    young = 0
    for person, mine in by_person.items():
        mine.sort(key=lambda one: one.at)
        instants = [one.at for one in mine]
        names = (EVERYBODY, *hers.get(person, ()))
        for place, one in enumerate(mine):
            if one.at > now - ANSWER_MS:
                young += 1
                continue
            before = min(MOST, place - bisect_left(instants, one.at - BEFORE_MS, 0, place))
            for name in names:
                counts[name, before, "sends"] += 1
                for act in one.acts:
                    counts[name, before, act] += 1
    found: dict[str, Any] = {}
    for name in sorted({name for name, _, _ in counts}, key=lambda name: (name != EVERYBODY, name)):
        rows = [_row(counts, name, before) for before in range(MOST + 1) if counts[name, before, "sends"]]
        found[name] = {"rows": rows, "verdict": _verdict(rows)}
    return {
        "segments": found,
        "left_out": young,
        "rule": RULE,
    }


def _row(counts: Counter[tuple[str, int, str]], name: str, before: int) -> dict[str, Any]:
    of = counts[name, before, "sends"]
    row: dict[str, Any] = {"before": before, "or_more": before == MOST, "sends": of}
    for act in ACTS:
        row[act] = measured(act, counts[name, before, act], of)
    return row


def _verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """From how many messages on she bears them worse than the fewest: two intervals that do not meet, as far as both are narrow enough."""
    first: dict[str, dict[str, Any]] = {}
    seen: int | None = None
    for row in rows:
        for act in ACTS:
            one = row[act]
            if not one["enough"]:
                continue
            known = first.setdefault(act, one)
            worse = one["low"] > known["high"] if act == "unsubscribed" else one["high"] < known["low"]
            if worse:
                return {"worse_from": row["before"], "by": act, "text": f"worse from {row['before']} in the 7 days before on ({act})"}
            if known is not one:
                seen = row["before"]
    if seen is None:
        return {"worse_from": None, "by": None, "text": TOO_FEW}
    return {"worse_from": None, "by": None, "text": f"no worse up to {seen} in the 7 days before"}
