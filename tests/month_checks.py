"""What must hold of every month, whoever lived it: caps in every sliding window, quiet hours, consent, gaps, and every step's one end."""

from __future__ import annotations

from collections.abc import Iterator

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
    """Each mail at which more had gone out within the cap's span than it allows, this one included. Only sliding spans of numbers."""
    if not cap.per or cap.counts != "messages":
        return
    counted = [one for one in mails if (not cap.triggers or one.trigger in cap.triggers) and cap.channel in (None, one.channel)]
    first = 0
    for number, one in enumerate(counted):
        while counted[first].at <= one.at - cap.per:
            first += 1
        most = cap.most
        if cap.by == "tier":
            scheme = pack.goes_by.tier
            told = None if scheme is None else pack.treatment("tier", scheme, one.tier)
            most = None if told is None or told.mails_high is None else round(told.mails_high)
        elif cap.by:
            continue
        if most is not None and number - first + 1 > most:
            yield f"{number - first + 1} within the span of cap {cap.name} ({most}), the last {one.message} at {one.at}"


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
