"""What is wrong with what is known of people: decay, contradictions, one person as two (A-244–A-249), from `profiles` records.

A finding is a check of one record, or of what several records share. It names people by person_id alone: an audit is passed around.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from app.domain.plausible import MAX_AGE
from app.domain.traits import sane_address

DAY_MS = 86_400_000
MAX_NAMED = 20
"""People named with a finding; the others are counted."""
MAX_SPENT = 10_000_000
"""In units of the currency: more is a quantity of 10^16 rather than a customer."""
STALE_DAYS = 32
"""Behind the longest sliding window of visits and mails (30 d) there can be nothing left in it."""

Record = dict[str, Any]


class Check(Struct, frozen=True):
    """One finding. `of`: among whom its share is counted: everybody, customers (a customer_id is known), buyers."""

    name: str
    why: str
    of: str
    holds: Callable[[Record, int], bool]


class Finding(Struct, frozen=True):
    """What came of a check. `people`: the first MAX_NAMED, by person_id."""

    name: str
    why: str
    count: int
    of: str
    among: int
    people: tuple[str, ...]

    @property
    def share(self) -> float:
        return self.count / self.among if self.among else 0.0


class Audited(Struct, frozen=True):
    """`groups`: everybody, customers, buyers → how many. `missing`: mandatory field → incomplete profiles that lack it."""

    groups: dict[str, int]
    findings: tuple[Finding, ...]
    missing: dict[str, int]


class Audit:
    """Takes records one after the other, in any order, each person once; keeps 16 bytes or so of each address, nothing else of a record."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._groups: Counter[str] = Counter({"everybody": 0, "customers": 0, "buyers": 0})
        self._found: dict[str, _Named] = {one.name: _Named() for one in CHECKS}
        self._missing: Counter[str] = Counter()
        self._shared: dict[str, dict[bytes, str | None]] = {name: {} for name in SHARED}
        self._shared_by: dict[str, _Named] = {name: _Named() for name in SHARED}

    def add(self, record: Record) -> None:
        who = str(record.get("person_id"))
        groups = ["everybody"]
        if record.get("customer_id"):
            groups.append("customers")
        if _number(record.get("orders")) > 0:
            groups.append("buyers")
        self._groups.update(groups)
        for check in CHECKS:
            if check.of in groups and check.holds(record, self._now):
                self._found[check.name].add(who)
        self._missing.update(name for name in record.get("missing") or () if isinstance(name, str))
        for name, trait in SHARED.items():
            if (text := _told(record, trait)) is not None:
                self._share(name, hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest(), who)

    def _share(self, name: str, what: bytes, who: str) -> None:
        seen = self._shared[name]
        if what not in seen:
            seen[what] = who
            return
        first = seen[what]
        if first is not None:
            self._shared_by[name].add(first)
            seen[what] = None  # named once
        self._shared_by[name].add(who)

    def result(self) -> Audited:
        groups = dict(self._groups)
        found = [self._found[one.name].finding(one.name, one.why, one.of, groups[one.of]) for one in CHECKS]
        found += [
            self._shared_by[name].finding(name, f"the same {trait} on several people: one person as two", "everybody", groups["everybody"])
            for name, trait in SHARED.items()
        ]
        return Audited(groups, tuple(found), dict(self._missing.most_common()))


class _Named:
    """How many, and the least MAX_NAMED of their ids, whatever the order."""

    def __init__(self) -> None:
        self.count = 0
        self.least: list[str] = []

    def add(self, who: str) -> None:
        self.count += 1
        if len(self.least) < MAX_NAMED or who < self.least[-1]:
            self.least = sorted((*self.least, who))[:MAX_NAMED]

    def finding(self, name: str, why: str, of: str, among: int) -> Finding:
        return Finding(name, why, self.count, of, among, tuple(self.least))


def newest(records: Iterable[Record]) -> int | None:
    """The newest instant at which anybody was seen (ms): as of when a file of profiles speaks, unless it is said."""
    return max((at for record in records if (at := _at(record, "last_seen")) is not None), default=None)


# --- reading a record -------------------------------------------------------------------------------------------------------------


def _at(record: Record, name: str) -> int | None:
    told = record.get(name)
    if not isinstance(told, str):
        return None
    try:
        return round(datetime.fromisoformat(told).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _amount(record: Record, name: str) -> float:
    told = record.get(name)
    try:
        return float(told["amount"]) if isinstance(told, dict) else _number(told)
    except (KeyError, TypeError, ValueError):
        return 0.0


def _part(record: Record, name: str) -> Record:
    told = record.get(name)
    return told if isinstance(told, dict) else {}


def _told(record: Record, trait: str) -> str | None:
    """A trait that is told, as it is compared."""
    told = _part(record, "traits").get(trait)
    return " ".join(told.split()).lower() if isinstance(told, str) and told.strip() else None


def _address(record: Record) -> bool:
    return sane_address(_part(record, "traits").get("email")) is not None


def _unseen(days: int) -> Callable[[Record, int], bool]:
    def holds(record: Record, now: int) -> bool:
        at = _at(record, "last_seen")
        return at is not None and now - at >= days * DAY_MS

    return holds


def _never_reachable(record: Record, now: int) -> bool:
    return not _number(_part(record, "email").get("sent")) and (not _address(record) or _part(record, "consent").get("email") is not True)


def _impossible(record: Record, now: int) -> bool:
    age = _part(record, "traits").get("age")
    first, last, bought = (_at(record, name) for name in ("first_seen", "last_seen", "last_purchase_at"))
    orders = _number(record.get("orders"))
    return (
        (isinstance(age, int | float) and not 0 <= age <= MAX_AGE)
        or any(at is not None and at > now + DAY_MS for at in (first, last, bought))
        or (first is not None and last is not None and first > last)
        or orders < 0
        or (orders == 0 and (bought is not None or _amount(record, "spent") > 0))
        or abs(_amount(record, "spent")) > MAX_SPENT
    )


def _stale(record: Record, now: int) -> bool:
    at = _at(record, "last_seen")
    if at is None or now - at < STALE_DAYS * DAY_MS:
        return False
    return _part(record, "intent").get("level") in ("high", "medium") or _number(_part(record, "engagement").get("website")) > 0


def _lacks(record: Record, now: int) -> bool:
    return bool(record.get("missing")) or record.get("complete") is False


def _bad(trait: str) -> Callable[[Record, int], bool]:
    def holds(record: Record, now: int) -> bool:
        told = _part(record, "traits").get(trait)
        return told not in (None, "") and sane_address(told) is None

    return holds


SHARED = {"shared_email": "email", "shared_phone": "phone"}
"""Finding → the trait that only one person has (A-249)."""

CHECKS: tuple[Check, ...] = (
    Check("incomplete", "a mandatory field was never told (A-245)", "customers", _lacks),
    Check("bad_address", "the e-mail address cannot be written to (A-244)", "customers", _bad("email")),
    Check(
        "rejected_traits",
        "a trait that cannot be true was told, and left out (A-244)",
        "everybody",
        lambda record, now: any(_number(count) > 0 for count in _part(record, "rejected").values()),
    ),
    Check("never_reachable", "never had a mail, and has no address or no consent to e-mail", "customers", _never_reachable),
    Check(
        "consent_without_address",
        "agreed to e-mail and has no address",
        "customers",
        lambda record, now: _part(record, "consent").get("email") is True and not _address(record),
    ),
    Check(
        "suppressed",
        "unsubscribed, bounced or complained",
        "customers",
        lambda record, now: bool(_part(record, "email").get("unsubscribed") or _part(record, "email").get("suppressed")),
    ),
    Check("unseen_30d", "not seen for 30 days (A-247)", "everybody", _unseen(30)),
    Check("unseen_90d", "not seen for 90 days (A-247)", "everybody", _unseen(90)),
    Check("unseen_180d", "not seen for 180 days (A-247)", "everybody", _unseen(180)),
    Check("unseen_365d", "not seen for 365 days (A-247)", "everybody", _unseen(365)),
    Check("never_seen", "known by imports alone", "everybody", lambda record, now: record.get("last_seen") is None),
    Check("bot", "more events in an hour than a person can send", "everybody", lambda record, now: record.get("bot") is True),
    Check(
        "unseen_orders",
        "bought what was never looked at: is the shop's tracking whole? (A-246)",
        "buyers",
        lambda record, now: _number(record.get("unseen_orders")) > 0,
    ),
    Check("refunds_above_orders", "more was refunded than was paid", "everybody", lambda record, now: _amount(record, "spent") < 0),
    Check("impossible", "an age, an instant, a count or a sum that cannot be", "everybody", _impossible),
    Check("stale", f"figures of the last 30 days on somebody not seen for {STALE_DAYS} (A-248)", "everybody", _stale),
)
