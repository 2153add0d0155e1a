"""Quiet hours, caps and arbitration of a pack's TOML, checked field by field (A-198–A-201, X-17)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any

from app.domain.caps import plain
from app.domain.contact_policy import (
    DAY,
    DEPTH,
    DROP,
    ENGAGEMENT,
    EVERYWHERE,
    LATER,
    MESSAGES,
    MIN,
    MONTH,
    PREFERENCE,
    STAGE,
    TIER,
    WEEK,
    Arbitration,
    Cap,
    ContactPolicy,
    Holidays,
    Level,
    QuietHours,
    Wish,
)
from app.domain.countries import MEANT, place
from app.domain.device import zone
from app.domain.treatments import By, Treatment
from app.policy import closed_days, fields
from app.policy.fields import NAME, Fields
from app.policy.place import Path
from app.policy.problem import meant

TABLES = ("quiet_hours", "cap", "arbitration")
"""Keys of a pack that are read here; `contact_policy` says what becomes of those of the pack that it extends."""
INHERITED, OWN = "inherited", "own"
QUIET = ("from", "to", "zone", "holidays")
CAP = ("name", "why", "most", "per", "by", "steps", "words", "triggers", "channel", "counts")
STEP = ("above", "least", "most")
WISH = ("says", "most", "per")
ARBITRATION = ("combine", "losers")
CALENDAR = (DAY, WEEK, MONTH)
CHANNELS = ("email", "sms", "push")
MAX_CAPS = 20
MAX_MOST = 200
MAX_HOLIDAYS = 400
LONGEST = 40 * fields.DAY
"""What a cap may look back: her messages are kept no longer."""
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_YEARLY, _ONCE = re.compile(r"\d\d-\d\d"), re.compile(r"\d{4}-\d\d-\d\d")
_FORM = "a day such as 12-25 (every year) or 2026-04-06"


class Contact:
    """Reads a pack's contact policy on top of the one that it has already."""

    def __init__(self, read: Fields, base: ContactPolicy) -> None:
        self._fields, self._base = read, base

    def policy(self, told: dict[str, Any], inherits: bool) -> ContactPolicy:
        """Of the whole pack. A section stated anew takes the place of the inherited one, a cap that of the one of its name."""
        read = self._fields
        kept = read.one_of(told, (), "contact_policy", (INHERITED, OWN), INHERITED)
        if "contact_policy" in told and not inherits:
            read.wrong(("contact_policy",), "contact_policy: there is nothing to inherit without extends")
        base = self._base if kept == INHERITED else ContactPolicy()
        quiet, arbitration = base.quiet_hours, base.arbitration
        if "quiet_hours" in told:
            quiet = self._quiet(read.table(told, (), "quiet_hours"), ("quiet_hours",))
        if "arbitration" in told:
            arbitration = self._arbitration(read.table(told, (), "arbitration"), ("arbitration",))
        caps = {one.name: one for one in base.caps}
        rows = read.list(told, (), "cap", dict)
        for n, one in enumerate(rows):
            if (cap := self._cap(one, ("cap", n))) is not None:
                caps[cap.name] = cap
        read.twice([one.get("name") for one in rows], "cap")
        if len(caps) > MAX_CAPS:
            read.wrong(("cap", len(rows) - 1), f"cap: more than {MAX_CAPS}")
        return ContactPolicy(quiet, tuple(caps.values()), arbitration)

    # --- quiet hours --------------------------------------------------------------------------------------------------------------

    def _quiet(self, told: dict[str, Any], at: Path) -> QuietHours | None:
        read = self._fields
        before = len(read.problems)
        read.known(told, at, QUIET, required=("from", "to"))
        start, end = self._time(told, at, "from"), self._time(told, at, "to")
        if start is not None and start == end:
            why = (
                f"from and to are both {told['from']}: that is no hour or every hour; leave [quiet_hours] out, or name the days in holidays"
            )
            read.wrong((*at, "to"), why)
        name = read.text(told, at, "zone")
        if name is not None and zone(name) is None:
            read.wrong((*at, "zone"), f"zone: no time zone {name!r}: one of the IANA names, such as Europe/Berlin")
        holidays = self._holidays(told, at)
        if len(read.problems) > before or start is None or end is None:
            return None
        return QuietHours(start, end, name, holidays)

    def _time(self, told: dict[str, Any], at: Path, field: str) -> int | None:
        """Minute of the day."""
        value = self._fields.text(told, at, field, _TIME, "a time of day such as 21:00, 00:00 to 23:59")
        return None if value is None else int(value[:2]) * 60 + int(value[3:])

    def _holidays(self, told: dict[str, Any], at: Path) -> tuple[Holidays, ...]:
        read, where = self._fields, (*at, "holidays")
        value = told.get("holidays", [])
        by_region = value if isinstance(value, dict) else {EVERYWHERE: value}
        found = []
        for region, days in by_region.items():
            if region != EVERYWHERE and not place(region):
                hint = f"; did you mean {MEANT[region]}?" if region in MEANT else ""
                read.wrong((*where, region), f"holidays: {region!r} is no region: {EVERYWHERE}, EU, or a country's code such as DE{hint}")
            if not isinstance(days, list):
                read.wrong(where, "holidays: a list of days, or a table: region → list of days")
                continue
            for n, day in enumerate(days):
                if not _is_day(day):
                    read.wrong(where, f"holidays: {_FORM}, not {day!r}")
                elif day in days[:n]:
                    read.wrong(where, f"holidays: {day} a second time")
            found.append(Holidays(region, tuple(day for day in days if _is_day(day))))
        if sum(len(one.days) for one in found) > MAX_HOLIDAYS:
            read.wrong(where, f"holidays: more than {MAX_HOLIDAYS}")
        elif (none := closed_days.without_a_day(found)) is not None:
            region, year = none
            read.wrong(where, f"holidays: every day of {year} is one in {region}: nothing would ever go out there")
        return tuple(one for one in found if one.days)

    # --- caps ---------------------------------------------------------------------------------------------------------------------

    def _cap(self, told: dict[str, Any], at: Path) -> Cap | None:
        read = self._fields
        before = len(read.problems)
        by = read.one_of(told, at, "by", (TIER, STAGE, ENGAGEMENT, PREFERENCE), "") if "by" in told else ""
        needed = {"": ("most", "per"), TIER: ("per",), STAGE: (), ENGAGEMENT: ("per", "steps"), PREFERENCE: ("words",)}[by]
        read.known(told, at, CAP, required=("name", "why", *needed))
        for field in ("most", "per", "steps", "words"):
            if field in told and field not in needed:
                read.wrong((*at, field), f"{field}: {_TOLD[by][field]}")
        name, why = read.text(told, at, "name", NAME, "lower case, digits and hyphens"), read.text(told, at, "why")
        most = self._most(told, at) if "most" in needed and "most" in told else None
        per, calendar = self._per(told, at) if "per" in needed and "per" in told else (0, "")
        steps, words = self._steps(told, at), self._words(told, at)
        triggers = tuple(read.list(told, at, "triggers", str))
        if "triggers" in told and not triggers:
            read.wrong((*at, "triggers"), "triggers: none named; without it the cap is of all")
        channel = read.one_of(told, at, "channel", CHANNELS, CHANNELS[0]) if "channel" in told else None
        counts = read.one_of(told, at, "counts", (MESSAGES, DEPTH), MESSAGES)
        if counts == DEPTH and by in (TIER, STAGE, PREFERENCE):
            read.wrong((*at, "counts"), f"counts: what a {by} may get is told in messages")
        if len(read.problems) > before or not (name and why):
            return None
        return Cap(name, why, most, per, calendar, by, steps, words, triggers, channel, counts)

    def _most(self, told: dict[str, Any], at: Path) -> int:
        if told.get("most") == 0 and not isinstance(told["most"], bool):
            self._fields.wrong((*at, "most"), "most: a cap of 0 sends nothing, ever; to send nothing, leave the triggers out")
            return 0
        return self._fields.whole(told, at, "most", 1, MAX_MOST, 1)

    def _per(self, told: dict[str, Any], at: Path) -> tuple[int, str]:
        """(sliding ms, calendar)."""
        read, value = self._fields, told.get("per")
        if value in CALENDAR:
            return 0, str(value)
        if isinstance(value, str) and not value[:1].isdigit():
            read.wrong((*at, "per"), f"per: a duration such as 16h or 7d, or {', '.join(CALENDAR)}, not {value!r}")
            return 0, ""
        per = read.duration(told, at, "per")
        if isinstance(value, str) and not fields.SECOND <= per <= LONGEST:
            read.wrong((*at, "per"), f"per: 1s to {LONGEST // fields.DAY}d, as long as messages are kept for it")
        return per, ""

    def _steps(self, told: dict[str, Any], at: Path) -> tuple[Level, ...]:
        read = self._fields
        found = []
        for n, one in enumerate(read.list(told, at, "steps", dict)):
            place: Path = (*at, "steps", n)
            read.known(one, place, STEP, required=("most",))
            if ("least" in one) == ("above" in one):
                read.wrong(place, "a step begins at a score (least), or above one (above)")
            field = "above" if "above" in one else "least"
            most = self._most(one, place) if "most" in one else 1
            found.append(Level(most, read.number(one, place, field, 0, 1, 0), field == "above"))
        if "steps" in told and not found:
            read.wrong((*at, "steps"), "steps: none; such as [{ above = 0.7, most = 5 }, { least = 0, most = 1 }]")
        for n, (higher, lower) in enumerate(pairwise(found)):
            if (higher.least, higher.above) <= (lower.least, lower.above):
                read.wrong((*at, "steps", n + 1), "steps: from the highest down, each begins below the one before")
        return tuple(found)

    def _words(self, told: dict[str, Any], at: Path) -> tuple[Wish, ...]:
        read = self._fields
        found: list[Wish] = []
        seen: set[str] = set()
        for n, one in enumerate(read.list(told, at, "words", dict)):
            place: Path = (*at, "words", n)
            none = one.get("most") == 0 and not isinstance(one["most"], bool)  # who asks for nothing gets nothing
            read.known(one, place, WISH, required=("says", "most") if none else WISH)
            says = tuple(read.list(one, place, "says", str))
            for word in says:
                if not plain(word):
                    read.wrong((*place, "says"), "says: an empty word")
                elif plain(word) in seen:
                    read.wrong((*place, "says"), f"says: {word!r} a second time")
                seen.add(plain(word))
            if "says" in one and not says:
                read.wrong((*place, "says"), 'says: no word; such as ["weekly", "once a week"]')
            per, calendar = self._per(one, place) if "per" in one else (0, "")
            if calendar:
                read.wrong((*place, "per"), "per: of a cap by preference a duration such as 7d")
            elif none and "per" in one:
                read.wrong((*place, "per"), "per: most = 0 is nothing, ever")
            found.append(Wish(says, 0 if none else read.whole(one, place, "most", 0, MAX_MOST, 1), per))
        if "words" in told and not found:
            read.wrong((*at, "words"), 'words: none; such as [{ says = ["weekly"], most = 1, per = "7d" }]')
        return tuple(found)

    def _arbitration(self, told: dict[str, Any], at: Path) -> Arbitration:
        read = self._fields
        read.known(told, at, ARBITRATION)
        return Arbitration(read.one_of(told, at, "combine", (MIN, STAGE, TIER), MIN), read.one_of(told, at, "losers", (LATER, DROP), LATER))


_WORDS = "of a cap by preference"
_TOLD: dict[str, dict[str, str]] = {
    "": {"steps": "of a cap by engagement", "words": _WORDS},
    TIER: {"most": "a cap by tier takes the upper number of each tier's mails", "steps": "of a cap by engagement", "words": _WORDS},
    STAGE: {
        "most": "a cap by stage allows one message per interval of the stage",
        "per": "a cap by stage takes the interval (every) of each stage's treatment",
        "steps": "of a cap by engagement",
        "words": _WORDS,
    },
    ENGAGEMENT: {"most": "a cap by engagement has one in each of its steps", "words": _WORDS},
    PREFERENCE: {
        "most": "a cap by preference has one for each of her words",
        "per": "a cap by preference has one for each of her words",
        "steps": "of a cap by engagement",
    },
}


def _is_day(day: object) -> bool:
    if not isinstance(day, str) or not (_YEARLY.fullmatch(day) or _ONCE.fullmatch(day)):
        return False
    try:
        date.fromisoformat(day if len(day) == 10 else f"2024-{day}")  # 02-29 is a day in some years
    except ValueError:
        return False
    return True


def unfounded(
    policy: ContactPolicy, goes_by: By, treatments: Mapping[str, Treatment], triggers: Mapping[str, int]
) -> list[tuple[str, str]]:
    """(cap, what is wrong with it) of what only the whole pack tells. `triggers`: name → depth."""
    found = []
    for cap in policy.caps:
        for name in cap.triggers:
            if name not in triggers:
                found.append((cap.name, f"triggers: unknown trigger {name!r}{meant(name, triggers)}"))
        if cap.by in (STAGE, TIER):
            found += [(cap.name, why) for why in _untold(cap, goes_by, treatments)]
        if cap.counts == DEPTH:
            least = min([step.most for step in cap.steps], default=cap.most or 0)
            for name, depth in triggers.items():
                if depth > least and (not cap.triggers or name in cap.triggers):
                    found.append((cap.name, f"most: {name} alone shows {depth}, so it is never sent"))
    return found


def _untold(cap: Cap, goes_by: By, treatments: Mapping[str, Treatment]) -> list[str]:
    scheme = getattr(goes_by, cap.by)
    if scheme is None:
        return [f"by: [goes_by] names no {cap.by} scheme"]
    mine = [one for one in treatments.values() if one.of == cap.by and one.scheme == scheme]
    field, what = ("mails_high", "mails") if cap.by == TIER else ("every", "every")
    told = [one for one in mine if getattr(one, field) is not None]
    if not told:
        return [f"by: no [[treatment]] of a {cap.by} of {scheme} says {what}"]
    if cap.by == TIER:
        few = [one for one in told if one.mails_high is not None and one.mails_high < 1]
        return [f"by: the treatment of {one.group} allows {one.mails_high:g}, so nothing is ever sent" for one in few]
    long = [one for one in told if one.every is not None and one.every > LONGEST]
    return [f"by: the treatment of {one.group} has one in more than {LONGEST // fields.DAY}d, which is not remembered" for one in long]


def intervals(goes_by: By, treatments: Mapping[str, Treatment]) -> tuple[int, ...]:
    """Of the stages that the pack goes by, as far as they have one (ms)."""
    hers = [one for one in treatments.values() if one.of == STAGE and one.scheme == goes_by.stage]
    return tuple(one.every for one in hers if one.every is not None)
