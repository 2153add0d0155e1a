"""The gate told a second time (design.md 2, interface.md section 6): hours, caps, groups, holds and releases, with lists and loops.

Shares nothing with app/: times in ms, a window and a contact are dicts, a local time is looked up minute by minute, a free moment is looked
for by trying one after the other. Slow; meant to be read beside the rules. `Naive` foretells one person's decisions; `breaches` judges a
log of what was sent to her, however it came about.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

S, M, H, D = 1_000, 60_000, 3_600_000, 86_400_000


@lru_cache(maxsize=200_000)
def wall(minute: int, zone: str) -> datetime:
    """The local time of a whole minute since 1970. No zone has had an offset of part of a minute for fifty years."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).astimezone(ZoneInfo(zone))


def quiet(rules: dict[str, Any], at: int, zone: str) -> bool:
    """Whether nothing may go out at `at`. Rules: `quiet` (from, to) in minutes of the day or None, `holidays`: MM-DD or YYYY-MM-DD."""
    if rules["quiet"] is None:
        return False
    there = wall(at // M, zone)
    if there.strftime("%m-%d") in rules["holidays"] or there.strftime("%Y-%m-%d") in rules["holidays"]:
        return True
    begin, end = rules["quiet"]
    now = there.hour * 60 + there.minute
    return begin <= now < end if begin < end else now >= begin or now < end


def period(name: str, at: int, zone: str) -> Any:
    """The calendar day, the Monday of the week, or the month that an instant is in."""
    there = wall(at // M, zone).date()
    return {"day": there, "week": there - timedelta(days=there.weekday()), "month": date(there.year, there.month, 1)}[name]


def weight(cap: dict[str, Any], row: dict[str, Any]) -> int:
    """What a message of a trigger takes of a cap; one that does not concern it, nothing."""
    if cap["triggers"] and row["name"] not in cap["triggers"]:
        return 0
    depth: int = row["depth"]
    return depth if cap["counts"] == "depth" else 1


def taken(cap: dict[str, Any], contacts: list[dict[str, Any]], at: int, zone: str) -> list[dict[str, Any]]:
    """Those of her contacts that a cap counts at `at`. Rules: `most`; `per` in ms or day, week, month; `triggers`; `counts`."""
    if isinstance(cap["per"], int):
        near = [one for one in contacts if at - cap["per"] < one["at"]]
    else:
        near = [one for one in contacts if period(cap["per"], one["at"], zone) == period(cap["per"], at, zone)]
    return [one for one in near if weight(cap, one["row"])]


def full(cap: dict[str, Any], row: dict[str, Any], contacts: list[dict[str, Any]], at: int, zone: str) -> bool:
    """Whether a cap has no place for one more message of a trigger."""
    mine = weight(cap, row)
    return mine > 0 and sum(weight(cap, one["row"]) for one in taken(cap, contacts, at, zone)) + mine > cap["most"]


class Naive:
    """One person. Rows: name, priority, converts, depth, transactional, group, expires, late, scope, halts, steps (wait, after).

    `most`: so many windows may be open.
    """

    def __init__(self, rules: dict[str, Any], rows: dict[str, dict[str, Any]], start: int, most: int = 200) -> None:
        self.rules, self.rows, self.now, self.ticked, self.most = rules, rows, start, 0, most
        self.zone: str = rules["zone"] or "UTC"
        self.consents = False
        self.windows: list[dict[str, Any]] = []
        self.contacts: list[dict[str, Any]] = []
        self.out: list[tuple[Any, ...]] = []
        self.plans: list[dict[str, Any]] = []
        """Planned, the renderer's answer still to come."""

    window_id: Any = None
    """window → id as the engine makes it, only to break ties in the order of fires."""
    verdict: Any = None
    """(cause, step) → what the renderer says at once of a message, as in `answer`; None: nothing yet."""

    # time

    def run_to(self, last: int) -> None:
        while dues := [w["wake"] for w in self.windows]:
            at = max(min(dues), self.now, self.ticked + 1)
            while at % S:
                at += 1
            if at > last:
                break
            self.now = self.ticked = at
            self.fire([w for w in self.windows if w["wake"] <= at])
            self.settle()
        self.ticked = max(self.ticked, last - last % S)
        self.now = max(self.now, self.ticked)

    # what happens

    def event(self, kind: str, at: int, cause: str = "", trigger: str = "", product: str = "", price: int = 0, zone: str = "") -> None:
        self.run_to(at - 1)
        self.now = max(self.now, at)
        if zone:
            self.zone = zone
        if kind in ("consent_give", "consent_withdraw"):
            self.consents = kind == "consent_give"
        elif kind == "halt":
            self.halt(cause)
        elif kind == "go":
            self.open(trigger, cause, product, price)
        self.settle()

    def settle(self) -> None:
        """The renderer's answers that come at once: after all that one record brought about."""
        for one in list(self.plans):
            word = None if one["asked"] else self.verdict(one["cause"], one["step"])
            one["asked"] = True
            if word is not None:
                self.answer(one["send"], word)

    def open(self, trigger: str, cause: str, product: str, price: int) -> None:
        row = self.rows[trigger]
        for w in self.windows:
            if w["row"] is row and not w["closing"] and (row["scope"] == "person" or w["product"] == product):
                w["gathered"][product] = price
                return
        w = {"row": row, "cause": cause, "product": product, "opened": self.now, "gathered": {product: price}}
        w |= {"closing": False, "sent": 0, "step": 0, "due": self.now + row["steps"][0][0]}
        self.waiting(w, max(w["due"], self.now))
        w["id"] = self.window_id(w)
        self.say(w, 0, "opened")
        if not self.finds_room(w):
            return
        self.windows.append(w)
        if not row["steps"][0][0]:
            self.fire([w])

    def finds_room(self, w: dict[str, Any]) -> bool:
        """At the limit the worst end: by priority, by worth, the youngest first; but nothing transactional and nothing planned."""

        def standing(one: dict[str, Any]) -> tuple[int, float]:
            return -one["row"]["priority"], self.worth(one)

        sure = w["row"]["transactional"]
        worse = [one for one in self.windows if not one["send"] and not one["row"]["transactional"]]
        worse = [one for one in worse if sure or standing(one) < standing(w)]
        worse.sort(key=lambda one: (*standing(one), -one["opened"], one["id"]))
        many = max(0, len(self.windows) + 1 - self.most)
        fits = sure or many <= len(worse)
        for loser in worse[:many] if fits else [w]:
            for step in range(loser["step"], len(loser["row"]["steps"])):
                self.say(loser, step, "window_limit")
            self.gone(loser)
        return fits

    def waiting(self, w: dict[str, Any], wake: int) -> None:
        """At the beginning of a step's wait."""
        w |= {"wake": wake, "send": "", "held": "", "first": None, "released": None}

    def halt(self, cause: str) -> None:
        for w in list(self.windows):
            if w["row"]["halts"] and not w["closing"]:
                for step in range(w["step"] + bool(w["send"]), len(w["row"]["steps"])):
                    self.say(w, step, "cancelled_by_event")
                if w["send"]:
                    w["closing"] = True
                else:
                    self.gone(w)

    def say(self, w: dict[str, Any], step: int, what: str, *more: Any) -> None:
        self.out.append((w["row"]["name"], w["cause"], step, what, self.now, *more))

    # the gate

    def fire(self, due: list[dict[str, Any]]) -> None:
        for w in [w for w in due if w["send"]]:
            self.ended(w, "expired", said=True)
        waiting = [w for w in due if not w["send"] and any(w is one for one in self.windows) and w["wake"] <= self.now]
        for w in sorted(waiting, key=lambda w: (w["row"]["priority"], -self.worth(w), w["due"], w["id"])):
            if w["first"] is None and self.now - w["due"] > w["row"]["late"]:
                self.ended(w, "late_event")
            elif not self.consents:
                self.ended(w, "no_consent")
            else:
                self.ask(w)

    def worth(self, w: dict[str, Any]) -> float:
        """Expected value: nobody here has bought, so a window that gathered nothing is worth nothing."""
        worth: float = (w["row"]["converts"] or 0.02) * sum(w["gathered"].values())
        return worth

    def ask(self, w: dict[str, Any]) -> None:
        row = w["row"]
        expiry = max(w["due"], self.now if w["first"] is None else w["first"]) + row["expires"]
        if w["first"] is not None and self.now >= expiry:
            self.ended(w, w["held"])
            return
        reason, wake = ("", 0) if row["transactional"] else self.closed(w, expiry)
        if reason and not wake:
            self.ended(w, reason)
        elif reason == "frequency_cap" and w["held"] == "lost_to_trigger" and self.rules["losers"] == "drop":
            self.ended(w, "lost_to_trigger")
        elif reason:
            w["first"] = self.now if w["first"] is None else w["first"]
            if reason != w["held"]:
                self.say(w, w["step"], f"held {reason}")
            w["held"], w["wake"] = reason, wake
        else:
            w["released"] = w["due"] if w["first"] is None else self.now
            w["send"], w["wake"], w["held"] = f"{w['id']}/{w['step']}", expiry, ""
            self.say(w, w["step"], "planned", w["due"], expiry)
            self.plans.append({"send": w["send"], "cause": w["cause"], "row": row, "step": w["step"], "asked": False})
            if not row["transactional"]:
                self.contacts.append({"at": self.now, "send": w["send"], "row": row, "answered": False})

    def closed(self, w: dict[str, Any], expiry: int) -> tuple[str, int]:
        """Why it may not go now, and until when it waits; 0: for good. Hours move the instant, caps are asked at that."""
        at = self.now
        while quiet(self.rules, at, self.zone) and at < expiry:
            at = min(expiry, at - at % M + M)
        caps = self.rules["caps"]
        if any(full(cap, w["row"], self.contacts, at, self.zone) for cap in caps):
            sure = [one for one in self.contacts if one["answered"]]
            lost = not any(full(cap, w["row"], sure, at, self.zone) for cap in caps)
            return "lost_to_trigger" if lost else "frequency_cap", self.first_free(w, expiry)
        if at > self.now:
            return "quiet_hours", at
        holders = [one for one in self.windows if one is not w and (one["sent"] or one["send"]) and self.speaks_for(one, w)]
        if any(one["sent"] for one in holders):
            return "suppression_group", 0
        return ("suppression_group", min(expiry, *(one["wake"] for one in holders))) if holders else ("", 0)

    def speaks_for(self, one: dict[str, Any], w: dict[str, Any]) -> bool:
        group = w["row"]["group"]
        if not group or one["row"]["group"] != group:
            return False
        return self.rules["groups"][group] == "person" or bool(about(one) & about(w))

    def first_free(self, w: dict[str, Any], expiry: int) -> int:
        """The first moment before its expiry at which hours and caps let it go, if nothing else happens: tries every one there may be."""
        moments = {one["at"] + cap["per"] for one in self.contacts for cap in self.rules["caps"] if isinstance(cap["per"], int)}
        moments |= set(range(self.now - self.now % M, expiry, M)) | {self.now}
        for at in sorted(moments):
            if not self.now <= at < expiry or quiet(self.rules, at, self.zone):
                continue
            if not any(full(cap, w["row"], self.contacts, at, self.zone) for cap in self.rules["caps"]):
                return at
        return expiry

    # what becomes of a step

    def answer(self, send: str, reason: str) -> None:
        """The renderer's word: "" rendered."""
        self.plans = [one for one in self.plans if one["send"] != send]
        place = next((one for one in self.contacts if one["send"] == send), None)
        if place is not None:
            place["answered"] = True
        if reason:
            self.contacts = [one for one in self.contacts if one["send"] != send]
        # A place that is free again may be anybody's who waits for one; one that is taken for good, whoever hoped for it knows.
        waiting = ["suppression_group"] if place is None else ["lost_to_trigger", "frequency_cap", "suppression_group"]
        for w in self.windows:
            if w["held"] in (waiting if reason else ["lost_to_trigger"] if place is not None else []):
                w["wake"] = min(w["wake"], self.now)
        w = next((w for w in self.windows if w["send"] == send), None)
        if w is not None and reason:
            self.ended(w, reason, said=True)
        elif w is not None:
            for other in list(self.windows):
                if other["held"] == "suppression_group" and other is not w and self.speaks_for(w, other):
                    self.ended(other, "suppression_group")
            w["sent"] += 1
            if w["closing"] or w["step"] + 1 == len(w["row"]["steps"]):
                self.gone(w)
            else:
                self.arm(w, w["step"] + 1)

    def ended(self, w: dict[str, Any], reason: str, said: bool = False) -> None:
        if w["closing"]:
            self.gone(w)
            return
        if not said:
            self.say(w, w["step"], reason)
        for step in range(w["step"] + 1, len(w["row"]["steps"])):
            if w["row"]["steps"][step][1] == "any":
                self.arm(w, step)
                return
            self.say(w, step, reason)
        self.gone(w)

    def arm(self, w: dict[str, Any], step: int) -> None:
        over = w["due"] if w["first"] is None else self.now  # a hold that ran out ends now
        begin = over if w["released"] is None else w["released"]
        w["due"] = begin + sum(wait for wait, _ in w["row"]["steps"][w["step"] + 1 : step + 1])
        w["step"] = step
        self.waiting(w, max(w["due"], self.now + 1))

    def gone(self, w: dict[str, Any]) -> None:
        self.windows = [one for one in self.windows if one is not w]


def about(w: dict[str, Any]) -> set[str]:
    return {w["product"]} if w["row"]["scope"] == "product" else set(w["gathered"])


class Audit:
    """Judges what one person got, entry by entry, however it came about. An entry has what, at, and:

    policy: rules; zone: zone; consent: given; met: whose (another audit); planned: send, row, window, step; rendered, refused: send;
    held: window, step, reason; ended: window, step.
    """

    def __init__(self, rules: dict[str, Any]) -> None:
        self.rules, self.zone, self.given = rules, "", False
        self.contacts: list[dict[str, Any]] = []
        self.held: dict[Any, str] = {}
        self.done: set[Any] = set()

    def take(self, one: dict[str, Any]) -> Iterator[str]:
        """What is wrong with it."""
        at, what = one["at"], one["what"]
        step = (one.get("window"), one.get("step"))
        if what == "policy":
            self.rules = one["rules"]
        elif what == "zone":
            self.zone = one["zone"]
        elif what == "consent":
            self.given = one["given"]
        elif what == "met":
            known = {contact["send"] for contact in self.contacts}
            self.contacts += [contact for contact in one["whose"].contacts if contact["send"] not in known]
        elif what == "refused":
            self.contacts = [contact for contact in self.contacts if contact["send"] != one["send"]]
        elif what == "held":
            if self.held.get(step) == one["reason"]:
                yield f"{at}: {step} held twice for {one['reason']}"
            if step in self.done:
                yield f"{at}: {step} held after it had ended"
            self.held[step] = one["reason"]
        elif what in ("planned", "ended"):
            if step in self.done:
                yield f"{at}: {step} ended twice"
            self.done.add(step)
            if what == "planned":
                yield from self.planned(one)

    def planned(self, one: dict[str, Any]) -> Iterator[str]:
        at, row = one["at"], one["row"]
        zone = self.zone or self.rules["zone"] or "UTC"
        if not self.given:
            yield f"{at}: {one['send']} sent without consent"
        if row["transactional"]:
            return
        if quiet(self.rules, at, zone):
            yield f"{at}: {one['send']} sent at {wall(at // M, zone)}"
        for cap in self.rules["caps"]:
            if full(cap, row, self.contacts, at, zone):
                yield f"{at}: {one['send']} sent though {cap} was full: {[(seen['send'], seen['at']) for seen in self.contacts]}"
        self.contacts.append({"at": at, "send": one["send"], "row": row})


def breaches(rules: dict[str, Any], log: list[dict[str, Any]], since: int = 0) -> Iterator[str]:
    """Every rule that a log of one person breaks, from entry `since` on; those before are only what the later ones are judged by."""
    audit = Audit(rules)
    for number, one in enumerate(log):
        found = list(audit.take(one))
        yield from found if number >= since else ()
