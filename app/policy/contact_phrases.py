"""How changes of a pack's contact policy are told, and what its rows come to in a few words."""

from __future__ import annotations

from msgspec import Struct

from app.domain.contact_policy import DEPTH, PREFERENCE, STAGE, TIER, Arbitration, Cap, ContactPolicy, Holidays, Level, QuietHours, Wish
from app.domain.trigger import Trigger
from app.policy.phrase import WHY, Phrase

PHRASES: dict[tuple[type[Struct], str], Phrase] = {
    (ContactPolicy, "quiet_hours"): Phrase("", "nothing goes out any more {new}", "nothing is quiet any more (it was {old})"),
    (ContactPolicy, "caps"): Phrase("", "adds cap {new}", "removes cap {old}"),
    (ContactPolicy, "arbitration"): Phrase(""),
    (QuietHours, "start"): Phrase("quiet hours now begin at {new} instead of {old}"),
    (QuietHours, "end"): Phrase("quiet hours now end at {new} instead of {old}"),
    (QuietHours, "zone"): Phrase(
        "who has told no zone is now taken to live by {new} instead of {old}",
        "who has told no zone is now taken to live by {new}",
        "who has told no zone is now taken to live by UTC instead of {old}",
    ),
    (QuietHours, "holidays"): Phrase("", "adds holidays {new}", "removes holidays {old}"),
    (Holidays, "region"): Phrase("holidays of {old} are now those of {new}"),
    (Holidays, "days"): Phrase("holidays of {who} are now {new} instead of {old}"),
    (Cap, "name"): Phrase("cap {old} is now named {new}"),
    (Cap, "why"): WHY,
    (Cap, "most"): Phrase(
        "{who} now allows {new} instead of {old}", "{who} now allows {new}", "{who} no longer says how many itself ({old})"
    ),
    (Cap, "per"): Phrase("{who} now looks back {new} instead of {old}", "{who} now looks back {new}", "{who} no longer looks back {old}"),
    (Cap, "calendar"): Phrase(
        "{who} now counts by the {new} instead of by the {old}", "{who} now counts by the {new}", "{who} no longer counts by the {old}"
    ),
    (Cap, "by"): Phrase("{who} now goes by {new} instead of by {old}", "{who} now goes by {new}", "{who} no longer goes by {old}"),
    (Cap, "steps"): Phrase("", "{who} now allows {new}", "{who} no longer allows {old}"),
    (Cap, "words"): Phrase("", "{who} now allows {new}", "{who} no longer allows {old}"),
    (Cap, "triggers"): Phrase(
        "{who} is now of {new} instead of {old}", "{who} is now of {new} alone", "{who} is now of all, not of {old} alone"
    ),
    (Cap, "channel"): Phrase(
        "{who} is now of {new} instead of {old}", "{who} is now of {new} alone", "{who} is now of all channels, not of {old}"
    ),
    (Cap, "counts"): Phrase("{who} now counts {new} instead of {old}"),
    (Level, "most"): Phrase("{who} now allows {new} instead of {old}"),
    (Level, "least"): Phrase("{who} now begins at {new} instead of {old}"),
    (Level, "above"): Phrase("", "{who} now begins above its score", "{who} now begins at its score"),
    (Wish, "says"): Phrase("{who} is now of who says {new} instead of {old}"),
    (Wish, "most"): Phrase("{who} now allows {new} instead of {old}"),
    (Wish, "per"): Phrase("{who} now looks back {new} instead of {old}", "{who} now looks back {new}", "{who} no longer looks back {old}"),
    (Arbitration, "combine"): Phrase("of several caps by stage, tier and engagement now {new} counts instead of {old}"),
    (Arbitration, "losers"): Phrase("who loses a place to another message now goes out {new} instead of {old}"),
}


def cap(one: Cap) -> str:
    """`at most 4 in 7d`, as a picture or a sentence has room for it."""
    from app.policy.phrases import duration  # which is made of these phrases

    within = f"a {one.calendar}" if one.calendar else f"in {duration(one.per)}" if one.per else ""
    if one.by == TIER:
        told = f"by tier {within}"
    elif one.by == STAGE:
        told = "by stage"
    elif one.by == PREFERENCE:
        told = "as often as she asks"
    elif one.by:
        told = f"by engagement {', '.join(map(level, one.steps))} {within}"
    else:
        told = f"at most {one.most} {within}"
    whom = " and ".join([*one.triggers, *([one.channel] if one.channel else [])])
    return f"{told}{', of how much they show' if one.counts == DEPTH else ''}{f', of {whom}' if whom else ''}"


def gates(policy: ContactPolicy, row: Trigger) -> list[str]:
    """What the contact policy asks of a trigger's messages, a line each."""
    if row.transactional:
        return ["transactional: no quiet hours, no caps"] if policy.quiet_hours is not None or policy.caps else []
    told = [] if policy.quiet_hours is None else [f"not {quiet(policy.quiet_hours)}"]
    if policy.quiet_hours is not None and policy.quiet_hours.holidays:
        told.append(f"not on holidays: {', '.join(f'{len(one.days)} of {one.region}' for one in policy.quiet_hours.holidays)}")
    return told + [f"cap {one.name}: {cap(one)}" for one in policy.caps if not one.triggers or row.name in one.triggers]


def level(one: Level) -> str:
    """`5 above 0.7`."""
    return f"{one.most} {'above' if one.above else 'from'} {one.least:g}"


def wish(one: Wish) -> str:
    """`1 in 7d of who says weekly`."""
    from app.policy.phrases import duration

    return f"{one.most} in {duration(one.per)} of who says {one.says[0]}" if one.most else f"none of who says {one.says[0]}"


def quiet(one: QuietHours) -> str:
    """`21:00-08:00`."""
    from app.policy.phrases import clock

    return f"from {clock(one.start)} to {clock(one.end)}"
