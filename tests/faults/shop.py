"""The shop in the cluster: the real programs and the merged pack, people who come and go for days, and the naive side of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from unittest.mock import patch

import orjson

from app import events
from app.agents.answers import not_sent
from app.agents.intake_program import IntakeProgram
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.renderer_program import RendererProgram
from app.domain import address, contract, identifier, identity, links, news, person
from app.domain.catalog_change import notice
from app.domain.concluded import NEWS
from app.domain.effects import Address, Conclude, Decide, Notice, PassOn, PlanMessage, PublishProfile, Tell
from app.domain.fingerprint import fingerprint
from app.domain.person import Group, History, Person, See, is_stub
from app.domain.profile import Profile
from app.domain.profile_view import view
from app.domain.window import Window
from app.domain.windows import Windows
from app.engine.counts import Counts
from app.engine.program import Moment
from app.events import Activation, Addressed, Broadcast, Event, Link, MergeOut, Moved
from app.flow import Stage as Derived
from tests.faults.broker import Stored, right_partition
from tests.faults.cluster import Arrival, Cluster
from tests.faults.gated import Watch, compiled, packs
from tests.faults.lane import Faults, Stage
from tests.faults.oracle import Made, Model, origin_of
from tests.faults.visits import HOUR, INTERVAL, START, Visits
from tests.naive_mailbox import NaiveMailbox

SECRET = "fault-simulation"
PARTITIONS = 3


TURNS = (("merged", "s1"), ("busy", "merged"), ("busy", "s1"), ("merged", "busy"))
"""The pack that a run begins with and the one that takes its place half way, by seed."""


@dataclass
class Known:
    """What the naive intake knows of an identifier."""

    ids: list[tuple[int, str]] = field(default_factory=list)
    """(second of arrival, event id) as they came here: a record that was put back came when it was put back."""
    to: str = ""
    linked: list[str] = field(default_factory=list)
    lived: bool = False

    def new(self, event_id: str, second: int) -> bool:
        """Whether no such id came within the last 48 h, nor among the last 512 (design.md 5); then it is one of them."""
        while self.ids and self.ids[0][0] < second - 48 * 3600:
            self.ids.pop(0)
        if any(event_id == one for _, one in self.ids):
            return False
        self.ids = [*self.ids, (second, event_id)][-512:]
        self.lived = True
        return True


class ShopModel:
    """One person after the other, one record after the other."""

    def __init__(self) -> None:
        self._gate = Watch()
        self.tally = self._gate.tally
        self._renderer = RendererProgram(packs().__getitem__, SECRET, "https://shop.example")

    def accept(self, record: Stored, partition: int, seen: dict[Any, Any]) -> list[Made]:
        said = origin_of(record)
        if said is not None and said[0] == Derived.LINK:
            return self._link(events.journal.decode(record.value), partition, record.offset, seen)
        try:
            event = contract.accept(record.value, record.timestamp, "")
        except contract.Broken as broken:
            return [("dead_letters", self.letter("intake", broken.reason, record, partition))]
        right = (event.customer_id or event.anonymous_id or "").encode()
        event_id = event.event_id or contract.place_id(f"customer_events/{partition}/{record.offset}")
        rightly = record.key in (right, b'"%b"' % right) or right_partition(right, PARTITIONS) == partition
        who = f"c:{event.customer_id}" if event.customer_id else f"a:{event.anonymous_id}"
        own = identity.person_id(SECRET, who)
        told = [f"a:{event.anonymous_id}"] if event.customer_id and event.anonymous_id else []
        if event.event_type == "alias":
            told += [f"a:{event.properties['previous_id']}", f"c:{event.properties['previous_id']}"]
        told = [one for n, one in enumerate(told) if one != who and one not in told[:n]]
        at = record.timestamp
        if said is None and not rightly:
            assert record.value is not None
            value = record.value if event.event_id else orjson.dumps({**orjson.loads(record.value), "event_id": event_id})
            quiet = [Link(at, one, own, "", own) for one in told]
            return [("customer_events", value), *(self._sealed(link, partition, record.offset) for link in quiet)]
        mine = seen.setdefault(who, Known())
        if not mine.new(event_id, at // 1000):
            return []
        person_id = mine.to or own
        made: list[Made] = []
        for one in told:
            if one not in mine.linked:
                mine.linked.append(one)
                cause = events.derived_id("link", one, person_id, event_id)
                made.append(("journal", events.encode(Link(at, one, person_id, cause))))
                made.append(self._sealed(Link(at, one, person_id, cause, own), partition, record.offset))
        ids = (person_id, event.customer_id, event.anonymous_id)
        accepted = Event(at, event_id, event.event_type, event.ts, *ids, event.properties, event.context, event.future)
        return [*made, ("journal", events.encode(accepted))]

    def _link(self, link: Link, partition: int, offset: int, seen: dict[Any, Any]) -> list[Made]:
        """The owner of an identifier is told whose it is: the first to say so is right, but who moves on takes it along."""
        mine, own = seen.setdefault(link.identifier, Known()), identity.person_id(SECRET, link.identifier)
        was, into = mine.to, link.person_id
        follows = was not in ("", into) and was == link.before and into != own
        begins = not was and into != own
        told: list[Link] = []
        if begins or follows:
            mine.to = into
            for one in mine.linked:
                cause = events.derived_id("link", one, into, link.identifier, link.cause or str(link.at))
                told.append(Link(link.at, one, into, cause, was or own))
        also = tuple(one.cause for one in told)
        sealed = [self._sealed(one, partition, offset) for one in told]
        lived = mine.lived and (begins or was == into)
        if follows or lived:
            return [("journal", events.encode(MergeOut(link.at, was if follows else own, into, link.cause, also))), *sealed]
        answer = [("journal", events.encode(Moved(link.at, into, "", b"", link.cause, also)))] if link.cause or also else []
        return [*answer, *sealed]

    def _sealed(self, link: Link, partition: int, offset: int) -> Made:
        return "customer_events", events.encode(links.sealed(SECRET, link, partition, offset))

    def fresh(self, person_id: str) -> Group:
        return Group(Person(person_id))

    def step(self, state: Group, record: Any, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Group, list[Made]]:
        self._gate.hear(record, now)
        see = self._see(state, now, low_water, interval, active)
        state, effects = person.step(state, record, see)
        self._gate.judge(effects, state, now, active["policy"])
        return state, _made(effects, state, see)

    def wake(self, state: Group, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Group, list[Made]]:
        see = self._see(state, now, low_water, interval, active)
        state, effects = person.wake(state, see)
        self._gate.judge(effects, state, now, active["policy"])
        return state, _made(effects, state, see)

    def _see(self, state: Group, now: int, low_water: int, interval: int, active: dict[str, str]) -> See:
        return See(state, now, low_water, interval, packs()[active["policy"]], packs().__getitem__, publishes=True, active=active)

    def faulted(self, state: Group, record: Stored) -> Group:
        raise AssertionError("no step of the shop may raise")

    def due(self, state: Group) -> int:
        return person.next_due(state)

    def concerned(self, state: Group, record: Broadcast, active: dict[str, str]) -> bool:
        if record.change not in packs()[active["policy"]].opens:
            return False
        hers = news.tags(state.person)
        return not {hers[at : at + 8] for at in range(0, len(hers), 8)}.isdisjoint(news.asked(record))

    def rows(self, state: Group) -> dict[bytes, bytes]:
        return dict(person.dump(state, None))

    def whole(self, cluster: Cluster, people: dict[str, Group]) -> Iterator[str]:
        """Whoever became whom: every order and every window is some one person's, once, and nobody waits for what does not come."""
        yield from self._gate.wrong
        bought: dict[str, None] = {}
        ended: Counter[tuple[str, int]] = Counter()
        opened: dict[str, tuple[str, str]] = {}
        for number in range(PARTITIONS):
            for record in cluster.broker.log("journal", number).records:
                read = events.journal.decode(record.value)
                if isinstance(read, Event) and read.event_type == "purchase":
                    bought[read.properties["order_id"]] = None
            seen: set[str] = set()
            for record in cluster.broker.log("decisions", number).records:
                one = json.loads(record.value or b"")
                if one["decision_id"] not in seen:
                    seen.add(one["decision_id"])
                    if one["outcome"] == "opened":
                        opened[one["window_id"]] = one["trigger"], f"{one['policy']['name']}@{one['policy']['version']}"
                    ended[one["window_id"], one["step"]] += one["outcome"] in ("sent", "not_sent", "cancelled")
        yield from _twice(cluster, people)
        counted: Counter[int] = Counter()
        still: dict[str, Window] = {}
        for who, group in people.items():
            her, history = group.person, group.history
            if her.merging is not None and (her.merging.awaited or her.merging.early):
                yield f"{who} waits for {her.merging}"
            if is_stub(her) and (her.profile, her.windows, history) != (Profile(), Windows(), History()):
                yield f"{who} became {her.merging} and kept something"
            counted.update((*history.orders.open, *history.orders.closed))
            if her.profile.orders != len(history.orders.open) + len(history.orders.closed) or her.churn.orders != her.profile.orders:
                yield f"{who} counts {her.profile.orders} orders, her rhythm {her.churn.orders}, has {len(history.orders.open)}"
            for window in her.windows.open:
                if window.window_id in still:
                    yield f"window {window.window_id} is two people's"
                still[window.window_id] = window
        if counted != Counter(map(fingerprint, bought)):
            yield f"orders lost or twice: {len(bought)} bought, {counted.total()} counted"
        for window_id, (trigger, ref) in opened.items():
            left = still.get(window_id)
            steps = len(packs()[ref].by_name[trigger].steps)
            until = steps if left is None else left.step
            found = [ended[window_id, step] for step in range(steps)]
            if found[:until] != [1] * until or (left is not None and not left.send_id and any(found[until:])):
                yield f"{trigger} {window_id}: its steps ended {found} times, it {'is gone' if left is None else f'stands at {until}'}"

    def render(self, record: Any) -> list[Made]:
        _, outputs = self._renderer.step(None, record, Moment(0, 0, 0, {}, 0, 0))
        return [(output.topic, output.value) for output in outputs]

    def post(self, key: bytes, record: Any, boxes: dict[bytes, NaiveMailbox]) -> list[Made]:
        why = boxes.setdefault(key, NaiveMailbox()).take(record)
        if not isinstance(record, Addressed):
            return []
        if why is None:
            return [("message_plans", record.plan)]
        self.tally[f"barred {'closed' if 'closed' in why else 'message'}"] += 1
        return [
            (output.topic, output.value) for output in not_sent(events.plans.decode(record.plan), "suppressed", {"address": why}, Counts())
        ]

    def letter(self, stage: str, reason: str, record: Stored, partition: int) -> bytes:
        return json.dumps({"stage": stage, "reason": reason, "partition": partition, "offset": record.offset}).encode()

    def plain(self, made: Made) -> Made:
        if made[0] != "dead_letters":
            return made
        letter = json.loads(made[1])
        return made[0], json.dumps([letter[field] for field in ("stage", "reason", "partition", "offset")]).encode()


def _twice(cluster: Cluster, people: dict[str, Group]) -> Iterator[str]:
    """Within a day no address got one message for two people, whoever they have become since."""
    got: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    seen: set[str] = set()
    for number in range(PARTITIONS):
        for record in cluster.broker.log("message_sends", number).records:
            send = json.loads(record.value or b"")
            if send["send_id"] in seen:
                continue
            seen.add(send["send_id"])
            who = send["person_id"]
            while (merging := people[who].person.merging) is not None and merging.into:
                who = merging.into
            to = str(send["to"].get("email") or send["to"].get("phone") or send["to"].get("token")).lower()
            at = round(datetime.fromisoformat(send["decided_at"]).timestamp() * 1000)
            got.setdefault((send["channel"], to, send["message"]), []).append((at, who))
    for (_, to, message), times in got.items():
        times.sort()
        for n, (at, who) in enumerate(times):
            for later, other in times[n + 1 :]:
                if other != who and later - at < 24 * HOUR:
                    yield f"{to} got {message} for {who} and {(later - at) // 1000} s later for {other}"


def _made(effects: list[Any], group: Group, see: See) -> list[Made]:
    made: list[Made] = []
    now, pack = see.now, see.pack
    for effect in effects:
        if isinstance(effect, PlanMessage):
            made.append(("addressed_plans", events.encode(address.addressed(effect.plan, see))))
        elif isinstance(effect, Address):
            made.append(("addressed_plans", events.encode(effect.record)))
        elif isinstance(effect, Decide):
            made.append(("decisions", events.encode_json(effect.decision)))
        elif isinstance(effect, Conclude):
            made.append(("journal", events.encode(effect.conclusion)))
        elif isinstance(effect, PassOn):
            made.append(("journal", events.encode(effect.record)))
        elif isinstance(effect, Notice):
            made.append(("catalog_changes", notice(effect.product_id, effect.happened, effect.at)))
        elif isinstance(effect, Tell):
            made.append(("facts", events.encode(effect.counted)))
        elif isinstance(effect, PublishProfile):
            gone = is_stub(group.person)
            made.append(("profiles", b"" if gone else events.encode_json(view(group.person, now, pack.scoring, None, pack))))
    return made


class ShopPipeline:
    """`days` of a shop with `people` customers, most of them there only for a while."""

    name = "shop"
    lane: Any = PersonProgram
    cancels = frozenset({"purchase", "cart_add", "cart_remove"})

    def without_dedupe(self) -> Any:
        return patch.object(identifier, "admit", lambda row, event_id, at, limit: (row, "new", False))

    def cluster(self, seed: int, faults: Faults | None = None) -> Cluster:
        arrivals = Visits(Random(seed)).arrivals()
        intake = IntakeProgram(SECRET, 5000, partition_of_key=lambda key: right_partition(key, PARTITIONS))
        lane = PersonProgram(packs().__getitem__, publishes=True)
        stages = (
            Stage("intake", "customer_events", "identifiers", intake),
            Stage("lane", "journal", "people", lane),
            Stage("postmaster", "addressed_plans", "mailboxes", PostmasterProgram()),
            Stage("renderer", "message_plans", "renders", RendererProgram(packs().__getitem__, SECRET, "https://shop.example")),
        )
        begins, follows = TURNS[seed % len(TURNS)]
        first = [events.encode(Activation(START, "policy", compiled(begins).ref))]
        until = arrivals[-1].at + 28 * HOUR
        later = sorted([self._second(arrivals, follows), *self._news(Random(f"news {seed}"), arrivals)])
        return Cluster(seed, stages, arrivals, until, interval=INTERVAL, partitions=PARTITIONS, faults=faults, first=first, later=later)

    def _second(self, arrivals: list[Arrival], pack: str) -> tuple[int, bytes]:
        """Half way another pack becomes active; windows opened before stay with theirs."""
        at = arrivals[len(arrivals) // 2].at
        return at, events.encode(Activation(at, "policy", compiled(pack).ref))

    def _news(self, rng: Random, arrivals: list[Arrival]) -> Iterator[tuple[int, bytes]]:
        """What the catalogue has to say meanwhile of the products that people look at."""
        for _ in range(12):
            at, number = rng.randrange(arrivals[0].at, arrivals[-1].at), rng.randrange(6)
            told = {"product_name": f"Shoe {number}", "category": "shoes", "price": 60.0, "old_price": 80.0 + number, "drop": 0.25}
            yield at, events.encode(Broadcast(at, f"p{number}", rng.choice(NEWS), {**told, "currency": "EUR", "stock": 3}))

    def model(self) -> Model:
        return ShopModel()
