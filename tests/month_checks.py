"""What must hold of every month, whoever lived it: caps in every sliding window, quiet hours, consent, gaps, and every step's one end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain.contact_policy import Cap
from app.domain.trigger import Pack
from tests.month_ledger import Ledger, Went, local_hour

SHOWN = 5
"""Of each kind of breach so many are told."""


def breaches(ledger: Ledger, still_open: dict[str, int]) -> list[str]:
    """Everything that does not hold, in words; empty: all is well."""
    found: list[str] = []
    for name, wrong in (
        ("caps", _caps(ledger)),
        ("quiet hours", _nights(ledger)),
        ("consent", _refused(ledger)),
        ("windows", _windows(ledger, still_open)),
    ):
        told = list(wrong)
        found += [f"{name}: {one}" for one in told[:SHOWN]]
        if len(told) > SHOWN:
            found.append(f"{name}: … {len(told):,} in all")
    return found


def _caps(ledger: Ledger) -> Iterator[str]:
    for who, mails in ledger.went.items():
        ours = [one for one in mails if not ledger.pack.by_name[one.trigger].transactional]
        for cap in ledger.pack.contact.caps:
            yield from (f"{who}: {one}" for one in exceeded(cap, ours, ledger.pack))


def exceeded(cap: Cap, mails: list[Went], pack: Pack) -> Iterator[str]:
    """Each mail at which more had gone out within the cap's span than it allows, this one included."""
    counted = [one for one in mails if (not cap.triggers or one.trigger in cap.triggers) and cap.channel in (None, one.channel)]
    quiet = pack.contact.quiet_hours
    zone = (quiet.zone if quiet is not None else None) or "UTC"
    weights = [pack.by_name[one.trigger].depth if cap.counts == "depth" else 1 for one in counted]
    for number, (one, weight) in enumerate(zip(counted, weights, strict=True)):
        most = _most(cap, one, pack)
        if most is None or not weight:
            continue
        before = zip(counted[: number + 1], weights, strict=False)
        total = sum(each for other, each in before if _together(cap, other, one, zone))
        if total > most:
            yield f"{total} within the span of cap {cap.name} ({most}), the last {one.message} at {one.at}"


def _most(cap: Cap, one: Went, pack: Pack) -> float | None:
    """None: nothing is said of her, or by a figure that nobody here follows (her engagement)."""
    if cap.by in ("tier", "stage"):
        scheme = getattr(pack.goes_by, cap.by)
        told = None if scheme is None else pack.treatment(cap.by, scheme, one.tier if cap.by == "tier" else one.stage)
        return None if told is None or cap.by == "stage" else told.mails_high
    return None if cap.by else cap.most


def _together(cap: Cap, other: Went, one: Went, default_zone: str) -> bool:
    """Whether both fall into one span of the cap."""
    if not cap.calendar:
        return other.at > one.at - cap.per
    there = ZoneInfo(one.zone or default_zone)
    days = [datetime.fromtimestamp(each.at / 1000, there).date() for each in (other, one)]
    keys = [(day.year, day.month) if cap.calendar == "month" else day.isocalendar()[:2] if cap.calendar == "week" else day for day in days]
    return keys[0] == keys[1]


def _nights(ledger: Ledger) -> Iterator[str]:
    quiet = ledger.pack.contact.quiet_hours
    if quiet is None:
        return
    start, end = quiet.start / 60, quiet.end / 60
    for who, mails in ledger.went.items():
        for one in mails:
            hour = local_hour(one, quiet.zone or "UTC")
            asleep = start <= hour < end if start < end else hour >= start or hour < end
            if asleep and not ledger.pack.by_name[one.trigger].transactional:
                yield f"{who}: {one.message} at {hour:.2f} o'clock in {one.zone or quiet.zone or 'UTC'}"


def _refused(ledger: Ledger) -> Iterator[str]:
    for who, mails in ledger.went.items():
        yield from (f"{who}: {one.message} at {one.at} though {one.refused}" for one in mails if one.refused)


def _windows(ledger: Ledger, still_open: dict[str, int]) -> Iterator[str]:
    yield from ledger.wrong
    for window, bits in ledger.windows.items():
        name = f"window {window} of {ledger.trigger_of[window]}"
        step = still_open.get(window)
        row = ledger.pack.by_name[ledger.trigger_of[window]]
        steps = bits.bit_count()
        if bits & (bits + 1):
            yield f"{name}: a step before step {bits.bit_length() - 1} has no end ({bits:b})"
        elif step is not None and steps not in (step, len(row.steps)):
            yield f"{name}: open at step {step}, {steps} steps have ended"
        elif step is None and (not steps or (row.programme is None and steps != len(row.steps))):
            yield f"{name}: closed, {steps} of {len(row.steps)} steps have ended"
    for window in still_open.keys() - ledger.windows.keys():
        yield f"window {window}: open, and no decision says so"
