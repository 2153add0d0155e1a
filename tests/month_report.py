"""The month in tables (Markdown): who got how much and when, what was held and for how long, what did not go out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.month_ledger import Ledger, Went, again_within, local_hour
from tests.month_people import DAY_MS, HOUR_MS

WEEKS = 4
MOST = 8
TOP = 15


def report(ledger: Ledger, reachable: int, default_zone: str) -> str:
    """`reachable`: people who could get mail at all."""
    month = {who: [one for one in mails if one.at >= ledger.since] for who, mails in ledger.went.items()}
    mails = [one for them in month.values() for one in them]
    parts = [
        _weeks(ledger, month, reachable),
        _most(month),
        _triggers(ledger, mails),
        _stages(month),
        _hours(mails, default_zone),
        _not_sent(ledger),
        _held(ledger),
        _losers(ledger),
        _again(month),
        _left(ledger, mails),
    ]
    return "\n\n".join(parts) + "\n"


def _weeks(ledger: Ledger, month: dict[str, list[Went]], reachable: int) -> str:
    counts = [Counter[int]() for _ in range(WEEKS)]
    for them in month.values():
        weeks = Counter((one.at - ledger.since) // (7 * DAY_MS) for one in them)
        for week in range(WEEKS):
            counts[week][min(weeks[week], MOST)] += weeks[week] > 0
    for week in counts:
        week[0] = reachable - sum(week.values())
    rows = [
        [f"{number}{'+' if number == MOST else ''}", *(f"{week[number]:,} ({_share(week[number], reachable)})" for week in counts)]
        for number in range(MOST + 1)
        if any(week[number] for week in counts)
    ]
    mean = sum(number * count for week in counts for number, count in week.items()) / max(1, reachable * WEEKS)
    title = f"Messages per person and week ({reachable:,} people who can be written to; mean {mean:.2f})"
    return _table(title, ["messages", *(f"week {n + 1}" for n in range(WEEKS))], rows)


def _most(month: dict[str, list[Went]]) -> str:
    """Who got the most, and within any seven days."""
    worst: Counter[int] = Counter()
    gaps: list[int] = []
    for them in month.values():
        first = most = 0
        for number, one in enumerate(them):
            while them[first].at <= one.at - 7 * DAY_MS:
                first += 1
            most = max(most, number - first + 1)
            if number:
                gaps.append(one.at - them[number - 1].at)
        worst[most] += bool(them)
    rows = [[str(most), f"{people:,}"] for most, people in sorted(worst.items()) if people]
    shortest = f"; shortest gap between two {min(gaps) / HOUR_MS:.2f} h" if gaps else ""
    month_most = max((len(them) for them in month.values()), default=0)
    return _table(f"The most within any 7 days (in the month at most {month_most}{shortest})", ["messages", "people"], rows)


def _triggers(ledger: Ledger, mails: list[Went]) -> str:
    sent = Counter((one.trigger, one.step) for one in mails)
    stopped: Counter[str] = Counter()
    crowded: Counter[str] = Counter()
    cancelled: Counter[str] = Counter()
    for (trigger, outcome, reason), count in ledger.ended.items():
        if outcome == "cancelled":
            cancelled[trigger] += count
        elif outcome == "not_sent":
            stopped[trigger] += count
            if reason in ("frequency_cap", "lost_to_trigger", "suppression_group", "quiet_hours", "send_time"):
                crowded[trigger] += count
    names = sorted({*ledger.opened, *(one for one, _ in sent)}, key=lambda name: (-_of(sent, name), name))
    rows = []
    for name in names:
        all_of = _of(sent, name)
        steps = [sent[name, step] for step in range(max((step for one, step in sent if one == name), default=-1) + 1)]
        told = ", ".join(f"{count:,}" for count in steps[:5]) + (" …" if len(steps) > 5 else "")
        share = _share(crowded[name], crowded[name] + all_of)
        rows.append(
            [name, *(f"{count:,}" for count in (ledger.opened[name], all_of)), told, f"{cancelled[name]:,}", f"{stopped[name]:,}", share]
        )
    silent = [one.name for one in ledger.pack.triggers if one.name not in names]
    text = _table(
        f"By trigger ({len(mails):,} messages)", ["trigger", "opened", "sent", "by step", "cancelled", "not sent", "crowded out"], rows
    )
    about = "Crowded out: of the messages that could have gone, those that a cap, another message or the night kept back for good."
    return f"{text}\n\n{about}" + (f"\nNever opened: {', '.join(silent)}." if silent else "")


def _of(sent: Counter[tuple[str, int]], name: str) -> int:
    return sum(count for (one, _), count in sent.items() if one == name)


def _stages(month: dict[str, list[Went]]) -> str:
    sent: Counter[str] = Counter()
    people: Counter[str] = Counter()
    most: dict[str, int] = {}
    for them in month.values():
        for stage, count in Counter(one.stage for one in them).items():
            sent[stage] += count
            people[stage] += 1
            most[stage] = max(most.get(stage, 0), _densest([one for one in them if one.stage == stage]))
    rows = [
        [stage, f"{people[stage]:,}", f"{count:,}", f"{count / people[stage]:.1f}", str(most[stage])] for stage, count in sent.most_common()
    ]
    return _table("By her stage at the sending", ["stage", "people written to", "messages", "each", "most in 7 days"], rows)


def _densest(mails: list[Went]) -> int:
    return max((sum(one.at - 7 * DAY_MS < other.at <= one.at for other in mails) for one in mails), default=0)


def _hours(mails: list[Went], default_zone: str) -> str:
    clocks = [local_hour(one, default_zone) for one in mails]
    hours = Counter(map(int, clocks))
    rows = [[f"{hour:02d}–{hour + 1:02d}", f"{hours[hour]:,}", _share(hours[hour], len(mails))] for hour in range(24) if hours[hour]]
    table = _table("By the hour on her own wall", ["hour", "messages", "share"], rows)
    minutes = Counter(int(clock * 60) for clock in clocks)
    minute, count = minutes.most_common(1)[0] if minutes else (0, 0)
    told = f"The fullest minute of the day is {minute // 60:02d}:{minute % 60:02d}, with {count:,} messages ({_share(count, len(mails))})."
    return f"{table}\n\n{told}"


def _not_sent(ledger: Ledger) -> str:
    reasons: Counter[str] = Counter()
    triggers: dict[str, Counter[str]] = {}
    for (trigger, outcome, reason), count in ledger.ended.items():
        if outcome == "not_sent" and count:
            reasons[reason] += count
            triggers.setdefault(reason, Counter())[trigger] += count
    total = sum(reasons.values())
    rows = [[reason, f"{count:,}", _share(count, total), _top(triggers[reason])] for reason, count in reasons.most_common()]
    return _table(f"Not sent ({total:,})", ["reason", "steps", "share", "most of them"], rows)


def _held(ledger: Ledger) -> str:
    rows = []
    for reason, lasted in sorted(ledger.held.items(), key=lambda one: -len(one[1])):
        ordered = sorted(lasted)
        rows.append([reason, f"{len(lasted):,}", *(f"{_at(ordered, share) / HOUR_MS:.1f} h" for share in (0.5, 0.9, 1.0))])
    text = _table("Held", ["reason", "holds", "median", "p90", "longest"], rows)
    waited = sorted(ms for ms, _ in ledger.released)
    if not waited:
        return text
    triggers = Counter(trigger for _, trigger in ledger.released)
    spread = ", ".join(f"{name} {_at(waited, share) / HOUR_MS:.1f} h" for name, share in (("median", 0.5), ("p90", 0.9), ("longest", 1.0)))
    return text + f"\n\nHeld and then sent: {len(waited):,}, from due to sent {spread}. Most of them: {_top(triggers)}."


def _losers(ledger: Ledger) -> str:
    rows = [[loser, winner, f"{count:,}"] for (loser, winner), count in ledger.lost.most_common(TOP)]
    text = _table("Who lost a place to whom (held or not sent)", ["loser", "winner", "times"], rows)
    groups = "; ".join(f"{trigger} {outcome} {count:,}" for (trigger, outcome), count in ledger.grouped.most_common(TOP))
    return text + (f"\n\nBy a suppression group: {groups}." if groups else "")


def _again(month: dict[str, list[Went]]) -> str:
    again: Counter[str] = Counter()
    people: Counter[str] = Counter()
    for them in month.values():
        for message, count in again_within(them, 7).items():
            again[message] += count
            people[message] += 1
    rows = [[message, f"{count:,}", f"{people[message]:,}"] for message, count in again.most_common(TOP)]
    return _table("The same message again within 7 days", ["message", "times", "people"], rows)


def _left(ledger: Ledger, mails: list[Went]) -> str:
    left = [(at, who) for at, who in ledger.left if at >= ledger.since]
    after = Counter(sum(at - 7 * DAY_MS < one.at <= at for one in ledger.went.get(who, ())) for at, who in left)
    rows = [[str(number), f"{count:,}"] for number, count in sorted(after.items())]
    return _table(
        f"Unsubscribes and complaints ({len(left):,}, {_share(len(left), len(mails))} of messages)",
        ["mails in the 7 days before", "people"],
        rows,
    )


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = [f"| {' | '.join(row)} |" for row in rows]
    if not body:
        return f"### {title}\n\nnone"
    return "\n".join([f"### {title}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *body])


def _top(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common(3))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _at(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
