"""What a pack says of contacts that can never matter, or that lets nothing through."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from app.domain.contact_policy import EVERYWHERE, MIN, Cap, QuietHours
from app.domain.trigger import Pack
from app.policy.closed_days import longest
from app.policy.contact_phrases import cap, quiet
from app.policy.phrases import duration
from app.policy.place import Path
from app.policy.standing_lint import Odd

MINUTE = 60_000
DAY = 24 * 60
NAMED = 4
"""Triggers named one by one where a sentence is about many."""
FEW = 60
"""Minutes of a day in which messages go out, below which it looks like the two times changed places."""


def contacts(pack: Pack, text: str) -> Iterator[Odd]:
    """All of it; what is inherited has been looked at where it stands."""
    told = tomllib.loads(text)
    policy = pack.contact
    if "quiet_hours" in told and policy.quiet_hours is not None:
        yield from _quiet(pack, policy.quiet_hours)
    declared = [one.get("name") for one in told.get("cap", ())]
    for one in policy.caps:
        if one.name in declared:
            yield from _cap(pack, one, ("cap", declared.index(one.name)))
    if policy.arbitration.combine != MIN and "arbitration" in told and len([one for one in policy.caps if one.by]) < 2:
        yield (
            ("arbitration", "combine"),
            "combine: fewer than two caps go by stage, tier or engagement, so there is nothing to combine",
            True,
        )
    worthless = [row.name for row in pack.triggers if row.converts and not row.transactional]
    if worthless and not policy.caps:
        yield (), f"converts of {', '.join(worthless)}: without a cap nothing competes for a place", True


def _quiet(pack: Pack, hours: QuietHours) -> Iterator[Odd]:
    length = (hours.end - hours.start) % DAY
    if DAY - length < FEW:
        yield ("quiet_hours",), f"{quiet(hours)} leaves {DAY - length} minutes a day: did from and to change places?", True
    for row in pack.triggers:
        if not row.transactional and row.expires <= length * MINUTE:
            why = f"what {row.name} has to say expires after {duration(row.expires)}: due in the evening it is gone by the morning"
            yield ("quiet_hours",), why, True
    closed, region, begins = longest(hours)
    lost = [row for row in pack.triggers if not row.transactional and length * MINUTE < row.expires <= closed * MINUTE]
    if lost:
        names, shortest = ", ".join(row.name for row in lost[:NAMED]), min(row.expires for row in lost)
        names += f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        yield (
            ("quiet_hours", "holidays"),
            f"holidays: from {begins} on nothing goes out for {duration(closed * MINUTE)} in {region}: "
            f"what {names} {'has' if len(lost) == 1 else 'have'} to say expires before it ends (the first after {duration(shortest)})",
            True,
        )
    everywhere = {day for one in hours.holidays if one.region == EVERYWHERE for day in one.days}
    for one in hours.holidays:
        twice = sorted(everywhere & set(one.days)) if one.region != EVERYWHERE else []
        if twice:
            yield ("quiet_hours", "holidays"), f"holidays: {', '.join(twice)} of {one.region} is one of all regions already", True


def _cap(pack: Pack, one: Cap, at: Path) -> Iterator[Odd]:
    free = [name for name in one.triggers if pack.by_name[name].transactional]
    if free:
        yield (*at, "triggers"), f"cap {one.name!r}: {', '.join(free)} is transactional, which no cap counts", True
    if one.channel is not None and not any(one.channel in row.channels for row in pack.triggers):
        yield (*at, "channel"), f"cap {one.name!r}: no trigger goes out by {one.channel}", True
    for other in pack.contact.caps:
        if other.name != one.name and _implied(one, other):
            yield at, f"cap {one.name!r} never matters: {other.name!r} ({cap(other)}) closes before it", True


def _implied(one: Cap, other: Cap) -> bool:
    """Whether whatever the first would hold back the other does already."""
    if one.by or other.by or one.calendar or other.calendar or one.counts != other.counts or not (one.most and other.most):
        return False
    wider = (not other.triggers or (set(one.triggers) <= set(other.triggers) and one.triggers)) and other.channel in (None, one.channel)
    return bool(wider) and other.per >= one.per and other.most <= one.most and (other.per, other.most) != (one.per, one.most)
