"""Her standing over time: what time alone turns is concluded at that very instant, and what is kept is what a look at everything says."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import person
from app.domain.effects import PassOn, Tell
from app.domain.facts import Facts
from app.domain.person import Group, Person, See
from app.domain.population import ACTIVE_BY_MS, Population, bin_of
from app.domain.standing import NEVER, Standing
from app.events import Event, Fact, MergeOut, derived_id
from app.policy.pack import compile_artifact
from tests.her import pack
from tests.person_story import DAY, HOUR, MINUTE, SECOND, START
from tests.test_packs import GOOD, build_text

MERGED = pack("merged")
OWN = ("stage", "tier", "segment_entered", "segment_left")


class Watched:
    """A person under the merged pack. Every wake-up comes exactly when it is asked for; `told`: facts and conclusions in order."""

    def __init__(self, the: Any = MERGED, population: Population | None = None, person_id: str = "her") -> None:
        self.the, self.population = the, population
        self.packs = {the.ref: the}
        self.group = Group(Person(person_id))
        self.now, self.count = START, 0
        self.conclusions: list[Any] = []
        self.facts: list[Fact] = []

    def does(self, event_type: str, at: int, /, known: bool = True, bot: bool = False, **properties: Any) -> str:
        """Time passes up to `at`, then she does it."""
        self.until(at)
        self.count += 1
        event_id = f"e-{self.count}"
        ids = ("c-9", None) if known else (None, "a-1")
        self._after(
            *person.step(self.group, Event(self.now, event_id, event_type, self.now, "her", *ids, properties, bot=bot), self._see())
        )
        return event_id

    def goes_by(self, the: Any) -> None:
        self.the = self.packs[the.ref] = the

    def until(self, at: int) -> None:
        while 0 <= (due := person.due(self.group.person)) <= START + at:
            assert due > self.now or self.now == START, "a wake-up lies ahead"
            self.now = max(due, self.now)
            self._after(*person.wake(self.group, self._see()))
        self.now = START + at

    def _see(self) -> See:
        return See(self.group, self.now, self.now, SECOND, self.the, self.packs.__getitem__, frozenset(), self.population)

    def _after(self, group: Group, effects: list[Any]) -> None:
        rows = dict(person.dump(group, None))
        self.group = person.load(group.person.person_id, rows[b"p"], rows.get(b"h"))
        self.conclusions += [one.conclusion for one in effects if hasattr(one, "conclusion") and one.conclusion.kind in OWN]
        self.facts += [fact for one in effects if isinstance(one, Tell) for fact in one.counted.facts]

    @property
    def standing(self) -> Standing:
        return self.group.person.standing

    def concluded(self, kind: str) -> list[tuple[str, int]]:
        return [(one.value, one.ts - START) for one in self.conclusions if one.kind == kind]

    def naive(self, at: int) -> tuple[tuple[str, ...], tuple[str | None, ...], tuple[str, ...]]:
        """All predicates looked at as of an instant (ms), with nothing kept."""
        known = Facts(self.group.person, at, self.the.scoring, self.population)
        flags, stages = self.the.verdicts.ladders(known)
        return flags, stages, self.the.verdicts.segments(known)

    def agrees(self, at: int) -> None:
        """What is kept is what a look at everything as of `at` (ms) says; a stage that is held is held for its time."""
        flags, stages, segments = self.naive(at)
        assert self.standing.flags == flags
        assert tuple(self.standing.segments) == segments
        for (name, scheme), stage in zip(self.the.stage_schemes.items(), stages, strict=True):
            kept, since = self.standing.stages[name]
            assert kept == stage or at < since + scheme.hold, (name, kept, stage)


def test_time_alone_moves_her_at_the_exact_ms() -> None:
    # nothing happens, and yet
    her = Watched()
    bought = her.does("purchase", 0, order_id="o-1", total=20)
    entered = dict(her.concluded("segment_entered"))
    assert {"purchaser", "recent_buyers", "onboarding"} <= set(entered)
    assert her.concluded("stage") == [("s0.new_customer", 0), ("s1.first_time_customer", 0), ("merged.new_customer", 0)]
    assert {one.cause for one in her.conclusions} == {bought}
    her.until(400 * DAY)
    moved = [one for one in her.concluded("stage") if one[1]]
    assert moved == [
        ("s0.active", 30 * DAY + 1),
        ("merged.one_time", 30 * DAY + 1),
        ("s1.churned", 90 * DAY),
        ("s0.at_risk", 90 * DAY + 1),
        ("merged.at_risk", 90 * DAY + 1),
        ("merged.dormant", 180 * DAY + 1),
    ]
    assert ("lapsed", 90 * DAY) in her.concluded("segment_entered")
    assert ("recent_buyers", 7 * DAY + 1) in her.concluded("segment_left")
    lapsed = next(one for one in her.conclusions if one.value == "lapsed")
    assert lapsed.cause == derived_id("segment_entered", "lapsed", str(START + 90 * DAY))
    assert lapsed.values == {"event": {"segment": "lapsed"}}
    stage = next(one for one in her.conclusions if one.value == "merged.at_risk")
    assert stage.values == {"event": {"scheme": "merged", "stage": "at_risk", "before": "one_time"}}


def test_the_first_stage_comes_from_nowhere_and_an_order_ends_it_at_once() -> None:
    her = Watched()
    her.does("product_view", 0, known=False, product_id="p1")
    assert [one.values["event"]["before"] for one in her.conclusions if one.kind == "stage"] == [None, None, None]
    assert her.standing.stages["merged"][0] == "visitor"
    her.does("identify", HOUR, traits={"first_name": "Ann"})
    assert her.standing.stages["merged"][0] == "visitor", "held for 7 d"
    her.until(8 * DAY)
    assert ("merged.prospect", 7 * DAY) in her.concluded("stage")
    her.does("purchase", 9 * DAY, order_id="o-1", total=20)
    assert ("merged.new_customer", 9 * DAY) in her.concluded("stage")


def test_what_it_costs_to_be_nobody() -> None:
    # Bots: none.
    her = Watched()
    her.does("product_view", 0, known=False, product_id="p1")
    assert her.standing.stages
    her.does("product_view", HOUR, known=False, bot=True, product_id="p1")
    assert her.standing == Standing(rules=MERGED.verdicts.rules)
    assert sum((one.new is not None) - (one.old is not None) for one in her.facts) == 0
    count = len(her.conclusions)
    her.until(100 * DAY)
    assert len(her.conclusions) == count


def test_sizes_and_migrations_are_told_as_old_and_new() -> None:
    #
    her = Watched()
    her.does("purchase", 0, order_id="o-1", total=20)
    told = {one.figure: (one.old, one.new) for one in her.facts}
    assert told["segment/purchaser"] == (None, "in")
    assert told["stage/s1"] == (None, "first_time_customer")
    assert told["clv"] == (None, bin_of("clv", 200_000))
    assert told["recency"] == (None, bin_of("recency", START))
    her.until(200 * DAY)
    assert [(one.old, one.new) for one in her.facts if one.figure == "stage/merged"][-2:] == [
        ("one_time", "at_risk"),
        ("at_risk", "dormant"),
    ]
    totals: dict[tuple[str, Any], int] = {}
    for one in her.facts:
        for value, sign in ((one.old, -1), (one.new, 1)):
            totals[one.figure, value] = totals.get((one.figure, value), 0) + sign * (value is not None)
    standing = her.standing
    assert {figure for (figure, _), n in totals.items() if n} == {
        *standing.counted, *(f"stage/{one}" for one in standing.stages), *(f"segment/{one}" for one in standing.segments),
    }  # fmt: skip
    assert set(totals.values()) <= {0, 1}


def test_a_customer_is_ranked_again_when_the_figures_of_the_day_are_active() -> None:
    # both schemes; the figures of everybody are the day's
    people = Population(figures={"clv": {bin_of("clv", 10_000 * n): 1 for n in range(1, 101)}})
    her = Watched(population=people)
    her.does("purchase", HOUR, order_id="o-1", total=96)
    assert her.standing.tiers == {"s0": "platinum", "s1": "high"}
    assert [one.values["event"] for one in her.conclusions if one.kind == "tier"] == [
        {"scheme": "s0", "tier": "platinum", "before": None},
        {"scheme": "s1", "tier": "high", "before": None},
    ]
    her.population = Population(figures={"clv": {bin_of("clv", 10_000 * n): 1 for n in range(1, 1001)}})
    her.until(DAY + ACTIVE_BY_MS - 1)
    assert her.standing.tiers == {"s0": "platinum", "s1": "high"}
    her.until(DAY + ACTIVE_BY_MS)
    assert her.standing.tiers == {"s0": "bronze", "s1": "low"}
    assert her.concluded("tier")[-1] == ("s1.low", DAY + ACTIVE_BY_MS)


def test_another_pack_looks_at_her_anew() -> None:
    her = Watched()
    her.does("purchase", 0, order_id="o-1", total=20)
    her.goes_by(pack("cart-timing"))
    kept = her.standing
    her.does("page_view", HOUR, page_type="home")
    assert her.standing.rules == kept.rules, "the same rows under another name are the same rules"
    her.goes_by(compile_artifact("mine@1", build_text(GOOD)))
    her.does("page_view", 2 * HOUR, page_type="home")
    assert (her.standing.stages, her.standing.segments, her.standing.flags, her.standing.due) == ({}, {}, (), NEVER)
    assert set(her.standing.counted) == {"clv", "frequency", "recency", "monetary"}, "everybody is counted, whatever the pack asks"


KINDS = ("page_view", "product_view", "cart_add", "purchase", "email_sent", "email_open", "email_click", "content_download", "identify")


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**9))
@pytest.mark.parametrize("days", [5, 120])
def test_waking_when_due_is_as_good_as_looking_every_minute(days: int, seed: int) -> None:
    rng = random.Random(seed)
    her = Watched()
    her.does("page_view", 0, known=False, page_type="home")
    at = 0
    for n in range(rng.randint(3, 14)):
        until = at + int(rng.expovariate(1 / (days * DAY / 8)))
        look(her, at, until, rng)
        kind = rng.choice(KINDS)
        told: dict[str, Any] = {"order_id": f"o-{n}", "total": rng.choice([5, 80, 700]), "coupon": "X"} if kind == "purchase" else {}
        told |= {"send_id": f"s-{rng.randint(0, 6)}"} if kind.startswith("email") else {}
        told |= {"product_id": "p1", "category": "shoes"} if kind in ("product_view", "cart_add") else {}
        her.does(kind, until, known=rng.random() < 0.7, **told)
        her.agrees(her.now)
        at = until
    look(her, at, at + days * DAY, rng)


def look(her: Watched, since: int, until: int, rng: random.Random) -> None:
    """Lets time pass; at whole minutes, and next to each wake-up, what is kept is what a look at everything says."""
    at = since
    while at < until:
        due = person.due(her.group.person)
        end = min(until, due - START if due != NEVER else until)
        for minute in {rng.randrange(at, end) // MINUTE * MINUTE for _ in range(3)} if end > at else ():
            if minute >= at:
                her.agrees(START + minute)
        if end > at:
            her.agrees(START + end - 1)
        her.until(end)
        her.agrees(her.now)
        at = end


def test_two_people_as_one_are_counted_once_and_enter_nothing_twice() -> None:
    # design.md 1.6: what the other was counted as is taken back; the facts of both add to those of one
    device = Watched(person_id="device")
    device.does("purchase", 0, known=False, order_id="o-1", total=20)
    device.does("product_view", HOUR, known=False, product_id="p1")
    her = Watched()
    her.does("identify", 2 * HOUR, traits={"first_name": "Ann"})
    device.until(2 * HOUR)
    moved, effects = person.step(device.group, MergeOut(device.now, "device", "her", "l-1"), device._see())
    handed = next(one.record for one in effects if isinstance(one, PassOn))
    her._after(*person.step(her.group, handed, her._see()))
    assert her.standing.stages["merged"] == device.standing.stages["merged"], "she came there as whom she was before"
    assert "purchaser" in her.standing.segments
    assert "purchaser" not in dict(her.concluded("segment_entered")), "entered on the device already"
    her.agrees(her.now)
    totals: dict[tuple[str, Any], int] = {}
    for one in (*device.facts, *her.facts):
        for value, sign in ((one.old, -1), (one.new, 1)):
            if value is not None:
                totals[one.figure, value] = totals.get((one.figure, value), 0) + sign
    standing = her.standing
    assert {place for place, n in totals.items() if n} == {
        *standing.counted.items(),
        *((f"stage/{scheme}", stage) for scheme, (stage, _) in standing.stages.items()),
        *((f"segment/{name}", "in") for name in standing.segments),
    }
    assert set(totals.values()) <= {0, 1}
    assert moved.person.standing == Standing()
