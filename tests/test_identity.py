"""One person across devices: random link graphs in any order of arrival, and the cases that have a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.commands.people import parted
from app.domain import cancels, links, merging, person
from app.domain.fingerprint import fingerprint
from app.domain.identity import person_id
from app.domain.links import MAX_KNOWN, sealed
from app.domain.profile import MAX_ANONYMOUS
from app.domain.scope import PERSON
from app.domain.window import HELD
from app.engine.origin import pack_origin
from app.engine.partition import partition_of
from app.events import Link, Moved, encode
from app.flow import Stage
from tests.shop import DAY, HOUR, MINUTE, MONDAY
from tests.world import SECRET, Place, World

CUSTOMERS, DEVICES = 4, 5
SHOES = [{"product_id": f"p{n}", "product_name": f"Shoe {n}", "category": "shoes", "price": 80 + n} for n in range(3)]


@dataclass
class Act:
    """One event: whose (a customer, a device, both), what, how long after the one before, and how much else happens first."""

    customer: int | None
    device: int | None
    what: str
    product: int
    gap: int
    steps: int
    key: str | None = ""


ACTS = ("view", "cart", "buy", "remove", "look")
plain = st.builds(
    Act,
    customer=st.none() | st.integers(0, CUSTOMERS - 1),
    device=st.integers(0, DEVICES - 1),
    what=st.sampled_from(ACTS),
    product=st.integers(0, 2),
    gap=st.sampled_from((0, 1_000, MINUTE, HOUR, 2 * HOUR)),
    steps=st.integers(0, 12),
    key=st.sampled_from(("", "", "", None, "somebody")),
)


def told(owned: bool) -> st.SearchStrategy[list[Act]]:
    """Acts. `owned`: every device has one customer only, so that it is certain who is one person in the end."""

    def mine(act: Act) -> Act:
        if owned and act.customer is not None and act.device is not None:
            act.customer = act.device % CUSTOMERS
        return act

    return st.lists(plain.map(mine), min_size=3, max_size=25)


def alias_pairs() -> st.SearchStrategy[dict[int, int]]:
    """Customer → the one she says she was before: one each, chains and circles among them."""
    return st.dictionaries(st.integers(0, CUSTOMERS - 1), st.integers(0, CUSTOMERS - 1), max_size=CUSTOMERS)


def play(rng: Random, acts: list[Act], before: dict[int, int], partitions: int = 3) -> World:
    """Everything, interleaved as `rng` has it; then to rest. The aliases come somewhere in between."""
    world = World(rng, partitions)
    aliases = list(before.items())
    for number, act in enumerate(acts):
        world.pass_time(act.gap)
        who = None if act.customer is None else f"c{act.customer}"
        device = f"d{act.device}"
        if act.what == "buy":
            world.event(f"e{number}", "purchase", who, device, act.key, order_id=f"o{number}", total=50, products=[SHOES[act.product]])
        elif act.what == "view":
            world.event(f"e{number}", "product_view", who, device, act.key, **SHOES[act.product], dwell_seconds=60)
        elif act.what == "look":
            world.event(f"e{number}", "page_view", who, device, act.key, page_type="home")
        else:
            world.event(f"e{number}", f"cart_{'add' if act.what == 'cart' else 'remove'}", who, device, act.key, **SHOES[act.product])
        while aliases and rng.random() < 0.3:
            new, old = aliases.pop()
            world.event(f"alias{new}", "alias", f"c{new}", None, previous_id=f"c{old}")
        world.some(act.steps)
    for new, old in aliases:
        world.event(f"alias{new}", "alias", f"c{new}", None, previous_id=f"c{old}")
    world.some(50)
    world.tick()
    world.rest()
    return world


def whole(world: World, acts: list[Act]) -> None:
    """Nothing of anybody is lost or there twice."""
    people = world.people()
    bought = {fingerprint(f"o{number}") for number, act in enumerate(acts) if act.what == "buy"}
    counted = Counter(key for group in people for key in group.history.orders.open)
    assert set(counted) == bought and set(counted.values()) <= {1}
    for group in people:
        assert group.person.merging is None
        assert group.person.profile.orders == group.person.churn.orders == len(group.history.orders.open)
        assert group.person.profile.spent == 500_000 * group.person.profile.orders
        assert all(one.wake_at != HELD for one in group.person.windows.open)
    open_now = Counter(one.window_id for group in people for one in group.person.windows.open)
    assert set(open_now.values()) <= {1}
    planned = Counter(plan.send_id for plan, _ in world.plans)
    assert set(planned.values()) <= {1}, "two sends of one step"
    ended = Counter((one["window_id"], one["step"]) for one in world.decisions if one["outcome"] in ("cancelled", "not_sent"))
    ended.update((plan.window_id, plan.step) for plan, _ in world.plans)
    for one in world.decisions:
        if one["outcome"] == "opened":
            steps = len(world.pack.by_name[one["trigger"]].steps)
            here = next((w for g in people for w in g.person.windows.open if w.window_id == one["window_id"]), None)
            until = steps if here is None else here.step
            assert [ended[one["window_id"], step] for step in range(until)] == [1] * until, (one, here)


def no_mark_forgotten(world: World) -> None:
    """Of every message that went out, the person whose it is now knows not to send the like again."""
    for plan, _ in world.plans:
        row = world.pack.by_name[plan.trigger]
        live = next(group for group in world.people() if group.person.person_id == _live(world, plan.person_id))
        if row.again and plan.at + row.again > world.now:
            about = plan.view["event"].get("product_id")
            marks = [mark for mark in live.person.windows.sent if mark.trigger == plan.trigger]
            assert any(row.opening.scope == PERSON or mark.product.product_id == about for mark in marks), plan
        if row.once:
            assert plan.trigger in live.person.windows.once


def _live(world: World, who: str) -> str:
    while (merging := world.group(who).person.merging) is not None and merging.into:
        who = merging.into
    return who


def components(acts: list[Act], before: dict[int, int]) -> list[set[str]]:
    """Who is one person, by everything that was said."""
    of: dict[str, set[str]] = {}

    def join(one: str, other: str) -> None:
        both = of.setdefault(one, {one}) | of.setdefault(other, {other})
        for name in both:
            of[name] = both

    for act in acts:
        names = ([f"c:c{act.customer}"] if act.customer is not None else []) + [f"a:d{act.device}"]
        join(names[0], names[-1])
    for new, old in before.items():
        join(f"c:c{new}", f"c:c{old}")
    return [set(one) for one in {frozenset(one) for one in of.values()}]


CALM = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@given(st.integers(0, 2**32), told(owned=True), alias_pairs())
@CALM
def test_all_devices_end_at_one_person_and_nothing_is_lost_or_twice(seed: int, acts: list[Act], before: dict[int, int]) -> None:
    #
    world = play(Random(seed), acts, before)
    whole(world, acts)
    no_mark_forgotten(world)
    olds = Counter(old for new, old in before.items() if old != new)
    if max(olds.values(), default=0) <= 1:  # who is said to be two people stays the first one's
        found = [{world.who(name) for name in one} for one in components(acts, before)]
        assert [len(one) for one in found] == [1] * len(found)
        assert len(set.union(*found)) == len(found), "two people in one"
    _sent_after_no_cancel(world, acts, components(acts, {}))
    world.run_to(world.now + 20 * DAY, 6 * HOUR)
    whole(world, acts)


@given(st.integers(0, 2**32), told(owned=False), alias_pairs())
@CALM
def test_shared_devices_lose_nothing_either(seed: int, acts: list[Act], before: dict[int, int]) -> None:
    world = play(Random(seed), acts, before)
    whole(world, acts)
    no_mark_forgotten(world)
    for number in range(CUSTOMERS):
        assert world.row(f"c:c{number}").count == 0 or world.who(f"c:c{number}")


def _sent_after_no_cancel(world: World, acts: list[Act], one_person: list[set[str]]) -> None:
    """No cart reminder after a purchase that was known, of whichever device, once that device was known to be hers."""
    at, arrived = MONDAY, list[int]()
    since: dict[int, int] = {}
    for act in acts:
        at += act.gap
        arrived.append(at)
        if act.customer is not None:
            since.setdefault(act.device, at)
    home = {name[2:]: n for n, names in enumerate(one_person) for name in names}

    def known(number: int) -> int:
        """When it was known whose this act was."""
        act = acts[number]
        return arrived[number] if act.customer is not None else max(arrived[number], since.get(act.device, 10**18))

    for plan, low_water in world.plans:
        if plan.trigger == "cart_abandonment":
            cart = int(plan.cause[0][1:])
            for number, act in enumerate(acts):
                if act.what == "buy" and home[f"d{act.device}"] == home[f"d{acts[cart].device}"] and arrived[number] > arrived[cart]:
                    assert max(known(number), known(cart)) >= low_water, f"e{cart} was sent at {low_water}, e{number} bought"


# --- cases with a name --------------------------------------------------------------------------------------------------------


def outcomes(world: World, trigger: str) -> list[tuple[str, str | None]]:
    return [(one["outcome"], one["reason"]) for one in world.decisions if one["trigger"] == trigger and one["outcome"] != "scheduled"]


def lane_of(world: World, name: str) -> Place:
    """The lane of an identifier's own person."""
    return "journal", partition_of(own(name).encode(), world.partitions)


def own(name: str) -> str:
    return person_id(SECRET, name)


def on_another_partition(world: World, than: str) -> str:
    """A device whose person is another lane's."""
    return next(device for n in range(99) if lane_of(world, f"a:{(device := f'd{n}')}") != lane_of(world, than))


def test_a_guest_buys_and_logs_in_a_minute_later_while_her_other_partitions_worker_is_down() -> None:
    #
    world = World(Random(1))
    device = on_another_partition(world, "c:ann")
    world.event("cart", "cart_add", "ann", None, **SHOES[0])
    world.pass_time(HOUR)
    world.event("guest", "purchase", None, device, order_id="o-1", total=80, products=[SHOES[0]])
    world.pass_time(MINUTE)
    down = lane_of(world, f"a:{device}")
    world.event("login", "identify", "ann", device)
    for _ in range(6):
        world.rest(without=down)
        world.pass_time(HOUR)
        world.rest(without=down)
        assert world.tick(), "the clock does not know that a lane is behind"
    world.rest(without=down)
    assert "cart_abandonment" not in [plan.trigger for plan, _ in world.plans]
    assert outcomes(world, "cart_abandonment") == [("opened", None), ("held", "merging")]
    world.rest()
    assert outcomes(world, "cart_abandonment")[2:] == [("cancelled", "cancelled_by_event")] * 2
    (ann,) = world.people()
    assert (ann.person.person_id, ann.person.profile.orders, ann.person.profile.anonymous_ids) == (own("c:ann"), 1, (device,))
    assert sorted(one.trigger for one in ann.person.windows.open) == ["lifecycle_programme", "post_purchase", "welcome"]


def test_what_was_held_goes_out_at_the_next_tick_once_nothing_is_on_its_way() -> None:
    world = World(Random(2))
    device = on_another_partition(world, "c:ann")
    down = lane_of(world, f"a:{device}")
    world.event("look", "page_view", None, device, page_type="home")
    world.rest()
    world.event("cart", "cart_add", "ann", device, **SHOES[0])
    world.rest(without=down)
    world.pass_time(3 * HOUR)
    world.tick()
    world.rest(without=down)
    assert outcomes(world, "cart_abandonment") == [("opened", None), ("held", "merging")]
    world.rest()
    assert "cart_abandonment" not in [plan.trigger for plan, _ in world.plans]
    world.pass_time(1_000)
    world.tick()
    world.rest()
    assert ("cart_abandonment", 0) in [(plan.trigger, plan.step) for plan, _ in world.plans]


def test_who_is_linked_on_takes_her_devices_along() -> None:
    world = World(Random(3))
    for number in range(3):
        world.event(f"v{number}", "page_view", "c1", f"d{number}", page_type="home")
    world.rest()
    world.event("a1", "alias", "c2", None, previous_id="c1")
    world.rest()
    world.event("a2", "alias", "c3", None, previous_id="c2")
    world.rest()
    for name in ("c:c1", "c:c2", "a:d0", "a:d1", "a:d2"):
        known = world.row(name).links
        assert known is not None and known.to == own("c:c3"), f"{name} goes straight to who she is now"
    (her,) = world.people()
    assert her.person.profile.events == 5 and set(her.person.profile.anonymous_ids) == {"d0", "d1", "d2"}


def test_two_customers_on_one_device() -> None:
    world = World(Random(4))
    for event_id, customer in (("past", None), ("ann", "ann"), ("between", None), ("bob", "bob"), ("after", None)):
        world.event(event_id, "product_view", customer, "kiosk", **SHOES[0])
        world.rest()
    ann, bob = (world.group(own(f"c:{name}")).person.profile for name in ("ann", "bob"))
    assert (ann.events, bob.events) == (4, 1), "the first takes what nobody's was; the later one what says that it is hers"
    assert world.lanes["customer_events", partition_of(b"kiosk", 3)].program.counted["link_refused"] == 1


def test_one_identifier_with_very_many_links_costs_a_bounded_row() -> None:
    world = World(Random(5), partitions=1)
    for number in range(MAX_KNOWN + 50):
        world.event(f"e{number}", "page_view", "kiosk-account", f"d{number}", page_type="home")
        world.event(f"f{number}", "page_view", f"c{number}", "one-device", page_type="home")
        world.rest()
    known = world.row("c:kiosk-account").links
    assert known is not None and len(known.known) == MAX_KNOWN and known.known[-1] == f"a:d{MAX_KNOWN + 49}"
    counted = world.lanes["customer_events", 0].program.counted
    assert counted["link_forgotten"] == 50 and counted["link_refused"] == MAX_KNOWN + 49
    assert max(len(value) for value in world.lanes["customer_events", 0].store.rows.values()) < 12_000
    assert len(world.group(own("c:kiosk-account")).person.profile.anonymous_ids) == MAX_ANONYMOUS
    assert world.group(own("c:kiosk-account")).person.merging is None


def test_a_bot_links_nobody() -> None:
    world = World(Random(6), partitions=1)
    world.lanes["customer_events", 0].program._bot_limit = 3
    for number in range(6):
        world.event(f"e{number}", "page_view", "bot", f"d{number}", page_type="home")
    world.rest()
    known = world.row("c:bot").links
    assert known is not None and known.known == ("a:d0", "a:d1", "a:d2")


def test_nobody_outside_can_merge_people() -> None:
    world = World(Random(7), partitions=1)
    world.event("v", "page_view", None, "victim", page_type="home")
    world.event("m", "page_view", "mallory", None, page_type="home")
    world.rest()
    link = Link(world.now, "a:victim", own("c:mallory"), "")
    right = sealed(SECRET, link, 0, 7)
    forged = [(link, 0, 7), (right, 0, 8), (replace(right, person_id=own("c:eve")), 0, 7), (sealed("guess", link, 0, 7), 0, 7)]
    for one, partition, offset in forged:
        world.record(b"victim", encode(one), pack_origin(Stage.LINK, partition, offset, 0))
    world.rest()
    assert world.row("a:victim").links is None and world.who("a:victim") == own("a:victim")
    assert world.letters == ["contract"] * 4, "what is no event and not ours is a dead letter"
    world.record(b"victim", encode(right), pack_origin(Stage.LINK, 0, 7, 0))
    world.rest()
    assert world.who("a:victim") == own("c:mallory")


def test_an_operator_parts_what_was_linked_and_history_stays() -> None:
    world = World(Random(8))
    world.event("buy", "purchase", None, "d0", order_id="o-1", total=80, products=[SHOES[0]])
    world.event("login", "identify", "ann", "d0")
    world.rest()
    unlink = [parted(SECRET, name, world.now + 1) for name in ("a:d0", "c:d0")]
    for output in (*unlink, *unlink):
        assert output.key is not None
        world.record(output.key, output.value, output.headers)
    world.rest()
    world.event("later", "product_view", None, "d0", **SHOES[1])
    world.event("again", "identify", "ann", "d0")
    world.rest()
    ann, other = world.group(own("c:ann")).person.profile, world.group(own("a:d0")).person.profile
    assert (ann.orders, ann.events) == (1, 3)
    assert (other.orders, other.events) == (0, 1), "from then on it is somebody else, also when the same customer uses it again"
    world.event("other", "identify", "bob", "d0")
    world.rest()
    assert world.who("a:d0") == own("c:bob") and world.group(own("c:bob")).person.profile.events == 2
    for output in unlink:
        assert output.key is not None
        world.record(output.key, output.value, output.headers)
    world.rest()
    assert world.who("a:d0") == own("c:bob"), "an operator's word counts once, whoever repeats it"


def test_answers_and_retries_for_whom_she_was_reach_her() -> None:
    world = World(Random(9), partitions=1)
    world.event("cart", "cart_add", None, "d0", **SHOES[0])
    world.rest()
    world.pass_time(3 * HOUR)
    world.hold_answers = True
    world.tick()
    world.rest()
    (plan,) = [plan for plan, _ in world.plans if plan.trigger == "cart_abandonment"]
    world.event("login", "identify", "ann", "d0")
    world.rest()
    world.hold_answers = False
    world.answer(plan)
    world.rest()
    (one,) = [one for one in world.group(own("c:ann")).person.windows.open if one.trigger == "cart_abandonment"]
    assert (one.window_id, one.step, one.send_id) == (plan.window_id, 1, "")


def test_a_circle_of_aliases_told_at_once_is_one_person() -> None:
    for seed in range(20):
        world = World(Random(seed))
        for number in range(3):
            world.event(f"buy{number}", "purchase", f"c{number}", None, order_id=f"o{number}", total=80, products=[SHOES[0]])
        world.rest()
        for number in range(3):
            world.event(f"alias{number}", "alias", f"c{number}", None, previous_id=f"c{(number + 1) % 3}")
        world.rest()
        her, *others = world.people()
        assert not others, "two people go round each other"
        assert her.person.profile.orders == 3 and {world.who(f"c:c{number}") for number in range(3)} == {her.person.person_id}


@pytest.mark.parametrize(
    ("place", "name", "bug", "story"),
    [
        (merging, "waits", lambda now: False, test_a_guest_buys_and_logs_in_a_minute_later_while_her_other_partitions_worker_is_down),
        (cancels, "elsewhere", lambda *_: [], test_a_guest_buys_and_logs_in_a_minute_later_while_her_other_partitions_worker_is_down),
        (links, "following", lambda *_: [], test_who_is_linked_on_takes_her_devices_along),
        (links, "_seal", lambda *_: "", test_nobody_outside_can_merge_people),
        (merging, "keeps", lambda *_: True, test_a_circle_of_aliases_told_at_once_is_one_person),
        (person, "FORWARDED", (Moved,), test_answers_and_retries_for_whom_she_was_reach_her),
    ],
)
def test_a_rule_left_out_is_noticed(place: Any, name: str, bug: Any, story: Callable[[], None]) -> None:
    with patch.object(place, name, bug), pytest.raises(AssertionError):
        story()


@given(st.integers(0, 2**32), st.integers(0, 2**32), told(owned=True))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_neither_partitions_nor_the_order_in_which_they_get_on_change_who_she_is(seed: int, other: int, acts: list[Act]) -> None:
    def found(world: World) -> list[object]:
        people = [(group.person.person_id, group.person.profile) for group in world.people()]
        return sorted((who, p.events, p.orders, p.spent, p.first_seen, p.last_seen, sorted(p.anonymous_ids)) for who, p in people)

    one, two = (play(Random(chance), acts, {}, partitions) for chance, partitions in ((seed, 1), (other, 5)))
    assert found(one) == found(two)
