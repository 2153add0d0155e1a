"""The gate against a naive one (tests/naive_gate.py), under whatever order of openings, answers, zones, consents and crashes comes up.

`KAIROS_T1_EXAMPLES` and `KAIROS_T1_STEPS` make it longer. A policy is drawn by number, so that a failing one can be read: `python -m
tests.test_gate_machine NUMBER` prints it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.domain import person, room
from app.domain.effects import Effect, PassOn, PlanMessage
from app.domain.person import Group, Person
from app.domain.trigger import Pack
from app.events import Link, MergeOut, Moved, NotRendered, Plan, Rendered, derived_id
from app.policy.pack import build, compile_artifact
from tests.her import DAY, HOUR, MINUTE, MONDAY, SECOND, Her
from tests.naive_gate import Naive, breaches

POLICIES = 60
SPANS = {"90min": 90 * MINUTE, "16h": 16 * HOUR, "24h": DAY, "3d": 3 * DAY, "7d": 7 * DAY}
WAITS = {"0s": 0, "30min": 30 * MINUTE, "2h": 2 * HOUR, "1d": DAY}
LASTS = {"1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "3d": 3 * DAY}
LATE = {"1h": HOUR, "6h": 6 * HOUR}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Kiritimati")
"""Summer time begins or ends at 2, at 1, and at midnight; and offsets of quarters of an hour and of more than half a day."""
STARTS = (0, 5 * DAY + 20 * HOUR, 26 * DAY + 15 * HOUR, 33 * DAY + 18 * HOUR, 52 * DAY + 12 * HOUR)
"""A Monday; and the eves of 8 March (New York), 29 March (Berlin), 5 April (Santiago) and 24 April 2026 (Cairo)."""
PRODUCTS = {"p1": 10, "p2": 25, "p3": 40}
NAMES = ("go_a", "go_b", "go_c", "go_d")


@cache
def policy(number: int) -> tuple[dict[str, Any], dict[str, dict[str, Any]], Pack]:
    """(rules, rows) as the naive gate reads them, and the same as a pack."""
    rng = Random(f"policy {number}")
    hours = rng.choice((None, (21 * 60, 8 * 60), (21 * 60, 8 * 60), (0, 150), (23 * 60, 30), (120, 180), (8 * 60, 20 * 60 + 30)))
    days = rng.choice(([], [], ["03-08", "2026-03-03"], ["03-29", "03-30", "04-05"], ["2025-03-02"]))
    rules: dict[str, Any] = {
        "quiet": hours,
        "holidays": days if hours else [],
        "zone": rng.choice((None, *ZONES)) if hours else None,
        "caps": [_cap(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))],
        "losers": rng.choice(("later", "later", "drop")),
        "groups": {"hers": "person", "about": "product"},
    }
    rows = {name: _row(rng, name) for name in NAMES}
    text = _toml(rules, rows)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gate.toml"
        file.write_text(text, "utf-8")
        return rules, rows, compile_artifact(*build(str(file)))


def _cap(rng: Random) -> dict[str, Any]:
    span = rng.choice((*SPANS, "day", "week", "month"))
    some = rng.sample(NAMES, 2) if rng.random() < 0.3 else []
    counts = "depth" if rng.random() < 0.2 else "messages"
    most = rng.choice((1, 1, 2, 3)) + (counts == "depth")  # no message shows more than 2
    return {"most": most, "per": SPANS.get(span, span), "span": span, "triggers": some, "counts": counts}


def _row(rng: Random, name: str) -> dict[str, Any]:
    told = [(rng.choice(list(WAITS)), "sent")]
    told += [(rng.choice(("30min", "2h", "1d")), rng.choice(("sent", "sent", "any"))) for _ in range(rng.choice((0, 1, 1, 2)))]
    lasts, late = rng.choice(list(LASTS)), rng.choice(list(LATE))
    transactional = rng.random() < 0.1
    return {
        "name": name,
        "told": told,
        "steps": [(WAITS[wait], after) for wait, after in told],
        "priority": rng.choice((10, 20, 20)),
        "converts": rng.choice((0, 0.02, 0.1)),
        "depth": rng.choice((0, 1, 1, 2)),
        "transactional": transactional,
        "group": None if transactional else rng.choice((None, None, "hers", "about")),
        "lasts": lasts,
        "expires": LASTS[lasts],
        "until": late,
        "late": LATE[late],
        "scope": rng.choice(("person", "product")),
        "halts": rng.random() < 0.6,
    }


def _toml(rules: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    lines = ['name = "gate"', 'why = "drawn"', f"event_types = {[*NAMES, 'halt']}".replace("'", '"')]
    lines += ["[sender]", 'from = "shop@example.com"', 'name = "The Shop"', "[consent]", 'track = "opt_out"', 'email = "opt_in"']
    if rules["quiet"]:
        lines += [
            "[quiet_hours]",
            *(f'{name} = "{at // 60:02d}:{at % 60:02d}"' for name, at in zip(("from", "to"), rules["quiet"], strict=True)),
        ]
        lines += [f'zone = "{rules["zone"]}"'] if rules["zone"] else []
        lines += [f"holidays = {rules['holidays']}".replace("'", '"')] if rules["holidays"] else []
    for number, cap in enumerate(rules["caps"]):
        lines += ["[[cap]]", f'name = "cap{number}"', 'why = "drawn"', f"most = {cap['most']}", f'per = "{cap["span"]}"']
        lines += [f"triggers = {cap['triggers']}".replace("'", '"')] if cap["triggers"] else []
        lines += ['counts = "depth"'] if cap["counts"] == "depth" else []
    lines += ["[arbitration]", f'losers = "{rules["losers"]}"']
    for name, scope in rules["groups"].items():
        lines += ["[[group]]", f'name = "{name}"', 'why = "drawn"', f'scope = "{scope}"']
    for name, row in rows.items():
        lines += ["[[trigger]]", f'name = "{name}"', 'why = "drawn"', f'open = {{ on = "{name}", scope = "{row["scope"]}" }}']
        lines += ['cancel = [{ on = "halt" }]'] if row["halts"] else []
        lines += [f'wait = "{row["told"][0][0]}"', 'send = "product-details"', 'needs = ["email"]', f"priority = {row['priority']}"]
        later = [f'{{ wait = "{wait}", send = "product-details", after = "{after}" }}' for wait, after in row["told"][1:]]
        lines += [f"follow_up = [{', '.join(later)}]"] if later else []
        lines += [f'expires = "{row["lasts"]}"', f'late = "{row["until"]}"', f"depth = {row['depth']}"]
        lines += [f"converts = {row['converts']}"] if row["converts"] else []
        lines += [f'group = "{row["group"]}"'] if row["group"] else []
        lines += ["transactional = true"] if row["transactional"] else []
    return "\n".join(lines) + "\n"


class Slow(Her):
    """Her, with a renderer that says yes, no or nothing by what the message is; and a log of all that concerns the gate."""

    def __init__(self, number: int, temper: int, person_id: str = "p" * 32) -> None:
        rules, self.rows, pack = policy(number)
        super().__init__(pack, assume=frozenset({"address"}))
        self.group = Group(Person(person_id))
        self.rules, self.temper = rules, temper
        self.open: list[Plan] = []
        """Planned, the renderer's answer still to come."""
        self.log: list[dict[str, Any]] = []

    def answer(self, plan: Plan, reason: str) -> None:
        """The renderer's word: "" rendered."""
        self.open = [one for one in self.open if one is not plan]
        self.log.append({"what": "refused" if reason else "rendered", "at": self.now, "send": plan.send_id})
        told = (self.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step)
        self.record(NotRendered(*told, reason) if reason else Rendered(*told, plan.message))

    def _take(self, effects: list[Effect]) -> None:
        self.answers = ""  # this renderer's are its own
        super()._take(effects)
        for effect in effects:
            if isinstance(effect, PlanMessage):
                plan = effect.plan
                told = {
                    "send": plan.send_id,
                    "row": self.rows[plan.trigger],
                    "window": plan.window_id,
                    "step": plan.step,
                    "due": plan.due_at,
                }
                self.log.append({"what": "planned", "at": plan.at, **told})
                self.open.append(plan)
            elif hasattr(effect, "decision") and effect.decision.outcome in ("held", "not_sent", "cancelled"):
                one = effect.decision
                what = "held" if one.outcome == "held" else "ended"
                self.log.append({"what": what, "at": ms(one.at), "window": one.window_id, "step": one.step, "reason": one.reason})
        for effect in effects:
            if isinstance(effect, PlanMessage) and (word := verdict(self.temper, effect.plan.cause[0], effect.plan.step)) is not None:
                self.answer(effect.plan, word)

    def happens(self, kind: str, t: int, event_id: str, **told: Any) -> None:
        """An event of the world, logged where it concerns the gate."""
        self._ticks(MONDAY + t - 1)
        if zone := told.get("timezone"):
            self.log.append({"what": "zone", "at": MONDAY + t, "zone": zone})
        if kind in ("consent_give", "consent_withdraw"):
            self.log.append({"what": "consent", "at": MONDAY + t, "given": kind == "consent_give"})
            told["purposes"] = ["email"]
        self.event(kind, t, event_id=event_id, **told)


def ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def verdict(temper: int, cause: str, step: int) -> str | None:
    """What the renderer says at once of a message: "" rendered, a reason, or None: nothing yet. The same for engine and model."""
    rng = Random(f"{temper} {cause} {step}")
    return rng.choices(("", "missing_content", None), ((1, 0, 0), (5, 2, 3), (1, 1, 6))[temper])[0]


pauses = st.sampled_from((0, 1, SECOND, 10 * MINUTE, HOUR, 2 * HOUR, 7 * HOUR, DAY))
products = st.sampled_from(tuple(PRODUCTS))


BEGINS = {
    "number": st.integers(0, POLICIES - 1),
    "temper": st.integers(0, 2),
    "start": st.sampled_from(STARTS),
    "most": st.sampled_from((room.MAX_OPEN, room.MAX_OPEN, 2)),
}


class Machine(RuleBasedStateMachine):
    """One person; engine and model must say the same of every step, to the millisecond."""

    @initialize(**BEGINS)
    def begin(self, number: int, temper: int, start: int, most: int) -> None:
        self.her = Slow(number, temper)
        rules, rows, pack = policy(number)
        self.naive = Naive(rules, rows, self.her.now, most)
        self.most, room.MAX_OPEN = room.MAX_OPEN, most
        self.naive.window_id = lambda w: derived_id(
            pack.name, w["row"]["name"], w["product"] if w["row"]["scope"] == "product" else "", w["cause"], self.her.group.person.person_id
        )
        self.naive.verdict = lambda cause, step: verdict(temper, cause, step)
        self.t, self.count = start, 0
        self.both("consent_give", 0)

    def both(self, kind: str, pause: int, **told: Any) -> None:
        self.t += pause
        self.count += 1
        cause = f"e{self.count}"
        trigger = kind if kind in NAMES else ""
        self.her.happens(kind, self.t, cause, **told)
        self.naive.event(
            "go" if trigger else kind,
            MONDAY + self.t,
            cause,
            trigger,
            told.get("product_id", ""),
            told.get("price", 0),
            told.get("timezone", ""),
        )

    @rule(trigger=st.sampled_from(NAMES), product=products, pause=pauses)
    def go(self, trigger: str, product: str, pause: int) -> None:
        self.both(trigger, pause, product_id=product, price=PRODUCTS[product])

    @rule(triggers=st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True), product=products, pause=pauses)
    def compete(self, triggers: list[str], product: str, pause: int) -> None:
        """Several open at one moment, so that some are due together."""
        for n, trigger in enumerate(triggers):
            self.both(trigger, 0 if n else pause, product_id=product, price=PRODUCTS[product])

    @rule(pause=pauses)
    def halt(self, pause: int) -> None:
        self.both("halt", pause)

    @rule(zone=st.sampled_from(ZONES), pause=pauses)
    def travels(self, zone: str, pause: int) -> None:
        self.both("page_view", pause + SECOND, timezone=zone)  # of two places in one second nobody knows the later

    @rule(gives=st.sampled_from((True, True, False)), pause=pauses)
    def consent(self, gives: bool, pause: int) -> None:
        self.both("consent_give" if gives else "consent_withdraw", pause + 1)  # of two in one millisecond no is believed

    @precondition(lambda self: hasattr(self, "her") and self.her.open)
    @rule(which=st.integers(0, 9), reason=st.sampled_from(("", "", "missing_content", "out_of_stock")), pause=pauses)
    def answer(self, which: int, reason: str, pause: int) -> None:
        """The renderer's word on one of the messages it has said nothing about, however late."""
        self.wait(pause)
        if self.her.open:
            plan = self.her.open[which % len(self.her.open)]
            self.her.now = self.naive.now = max(self.her.now, MONDAY + self.t)
            self.her.answer(plan, reason)
            self.naive.answer(
                next(one["send"] for one in self.naive.plans if (one["cause"], one["step"]) == (plan.cause[0], plan.step)), reason
            )

    @rule(pause=st.sampled_from((SECOND, HOUR, 9 * HOUR, DAY, 3 * DAY, 8 * DAY)))
    def wait(self, pause: int) -> None:
        self.t += pause
        self.her.until(self.t)
        self.naive.run_to(MONDAY + self.t)

    @rule()
    def crash(self) -> None:
        if hasattr(self, "her"):
            self.her.store_and_load()

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "her"):
            self.check()

    def check(self) -> None:
        found: list[tuple[Any, ...]] = []
        for one in self.her.decided:
            if one.outcome != "scheduled":
                what = f"held {one.reason}" if one.outcome == "held" else one.reason or one.outcome
                found.append((one.trigger, one.cause[0], one.step, what, ms(one.at)))
        for plan in self.her.plans:
            found.append((plan.trigger, plan.cause[0], plan.step, "planned", plan.at, plan.due_at, plan.expires_at))
        missing = [one for one in self.naive.out if one not in found]
        extra = [one for one in found if one not in self.naive.out]
        assert not missing and not extra, f"the rules say {missing}, the engine {extra}"
        assert len(found) == len(self.naive.out)
        assert len({one.decision_id for one in self.her.decided}) == len(self.her.decided)
        assert len({plan.send_id for plan in self.her.plans}) == len(self.her.plans)
        assert list(breaches(self.her.rules, self.her.log)) == []

    def teardown(self) -> None:
        """Run on until nothing waits: whatever was held went out or ended, and every step of every window has ended exactly once."""
        if not hasattr(self, "her"):
            return
        try:
            self.wait(30 * DAY)
            self.check()
        finally:
            room.MAX_OPEN = self.most
        assert self.her.group.person.windows.open == ()
        ended = [(one["window"], one["step"]) for one in self.her.log if one["what"] in ("planned", "ended")]
        assert len(ended) == sum(len(self.her.rows[one.trigger]["steps"]) for one in self.her.decided if one.outcome == "opened")


LONG = "KAIROS_T1_EXAMPLES" in os.environ
Machine.TestCase.settings = settings(
    max_examples=int(os.environ.get("KAIROS_T1_EXAMPLES", "80")),
    stateful_step_count=int(os.environ.get("KAIROS_T1_STEPS", "30")),
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow],
)
TestGate = Machine.TestCase


class Meeting(RuleBasedStateMachine):
    """Two people become one: what either got counts from then on, and nothing that was held, reserved or planned is lost or doubled."""

    @initialize(**BEGINS)
    def begin(self, number: int, temper: int, start: int, most: int) -> None:
        self.most, room.MAX_OPEN = room.MAX_OPEN, most
        self.two = [Slow(number, temper, "c" * 32), Slow(number, temper, "a" * 32)]
        self.t, self.count, self.met = start, 0, -1
        for one in self.two:
            self.does(one, "consent_give", 0)

    def does(self, one: Slow, kind: str, pause: int, **told: Any) -> None:
        self.t += pause
        self.count += 1
        for each in self.two:
            each.until(self.t - 1)
        one.happens(kind, self.t, f"e{self.count}", **told)

    @rule(which=st.integers(0, 1), trigger=st.sampled_from(NAMES), product=products, pause=pauses)
    def go(self, which: int, trigger: str, product: str, pause: int) -> None:
        self.does(self.two[which % len(self.two)], trigger, pause, product_id=product, price=PRODUCTS[product])

    @rule(which=st.integers(0, 1), pause=pauses)
    def halt(self, which: int, pause: int) -> None:
        self.does(self.two[which % len(self.two)], "halt", pause)

    @rule(which=st.integers(0, 1), zone=st.sampled_from(ZONES), pause=pauses)
    def travels(self, which: int, zone: str, pause: int) -> None:
        self.does(self.two[which % len(self.two)], "page_view", pause + SECOND, timezone=zone)

    @rule(which=st.integers(0, 9), reason=st.sampled_from(("", "", "missing_content")), pause=pauses)
    def answer(self, which: int, reason: str, pause: int) -> None:
        self.wait(pause)
        plans = [(one, plan) for one in self.two for plan in one.open] if hasattr(self, "two") else []
        if plans:
            one, plan = plans[which % len(plans)]
            one.now = max(one.now, MONDAY + self.t)
            one.answer(plan, reason)

    @rule(pause=st.sampled_from((SECOND, HOUR, 9 * HOUR, DAY, 8 * DAY)))
    def wait(self, pause: int) -> None:
        self.t += pause
        for one in self.two:
            one.until(self.t)

    @precondition(lambda self: hasattr(self, "two") and self.met < 0)
    @rule(pause=pauses, delay=st.sampled_from((0, SECOND, 9 * HOUR)))
    def meet(self, pause: int, delay: int) -> None:
        """A link makes her wait; some time later the other arrives with all that is hers."""
        self.wait(pause)
        her, other = self.two
        her.now = max(her.now, MONDAY + self.t)
        her.record(Link(MONDAY + self.t, "a:device", her.group.person.person_id, "cause"))
        self.wait(delay)
        her.now = other.now = MONDAY + self.t
        out = MergeOut(MONDAY + self.t, other.group.person.person_id, her.group.person.person_id, "cause")
        other.group, effects = person.step(other.group, out, other._see())
        (moved,) = [effect.record for effect in effects if isinstance(effect, PassOn)]
        assert isinstance(moved, Moved)
        her.record(moved)
        zones = her.group.person.profile.device.timezone
        before = [one for one in (*her.log, *other.log) if one["what"] not in ("zone", "consent")]
        before.sort(key=lambda one: one["at"])
        told = [{"what": "zone", "at": 0, "zone": zones}] if zones else []
        her.log = [*told, {"what": "consent", "at": 0, "given": True}, *before]
        self.met = len(her.log)
        her.open += other.open
        her.plans += other.plans
        her.decided += other.decided
        self.two = [her]

    @precondition(lambda self: hasattr(self, "two") and self.met < 0)
    @rule(first=st.sampled_from(NAMES), then=st.sampled_from(NAMES), pause=st.sampled_from((HOUR, 3 * HOUR)))
    def meet_after_messages(self, first: str, then: str, pause: int) -> None:
        """Either may have got something by then, and one of them is about to get more."""
        for which, product in enumerate(PRODUCTS):
            if which < 2:
                self.does(self.two[which], first, SECOND, product_id=product, price=PRODUCTS[product])
        self.wait(pause)
        self.meet(SECOND, 0)
        self.does(self.two[0], then, SECOND, product_id="p3", price=PRODUCTS["p3"])
        self.wait(pause)

    @invariant()
    def keep_the_rules(self) -> None:
        if not hasattr(self, "two"):
            return
        for one in self.two:
            assert list(breaches(one.rules, one.log, self.met if self.met > 0 else 0)) == []

    def teardown(self) -> None:
        if not hasattr(self, "two"):
            return
        try:
            self.wait(30 * DAY)
            self.keep_the_rules()
        finally:
            room.MAX_OPEN = self.most
        for one in self.two:
            assert one.group.person.windows.open == ()
            ended = {(told["window"], told["step"]) for told in one.log if told["what"] in ("planned", "ended")}
            assert len(ended) == sum(len(one.rows[told.trigger]["steps"]) for told in one.decided if told.outcome == "opened")


Meeting.TestCase.settings = settings(Machine.TestCase.settings, max_examples=int(os.environ.get("KAIROS_T1_EXAMPLES", "60")))
TestMeeting = Meeting.TestCase


if __name__ == "__main__":
    print(_toml(*policy(int(sys.argv[1]))[:2]))
