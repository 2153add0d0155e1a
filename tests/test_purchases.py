"""Her newest orders in short: the same whatever order their records arrive in, and however many people she was."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import purchases
from app.domain.days import FOREVER
from app.domain.fingerprint import fingerprint
from app.domain.person import Group
from app.domain.purchases import Bought, Sum
from tests.her import Her as Person
from tests.person_story import DAY, HOUR, MINUTE, START, Her
from tests.test_merging import become_one, two

EURO = 10_000
SPAN = 90 * DAY


def newest(her: Her) -> list[Bought]:
    return list(her.person.profile.purchases.newest.values())


def amounts(her: Her) -> list[float]:
    return [one.amount / EURO for one in newest(her)]


def test_an_order_is_what_all_its_records_say() -> None:
    # recency, frequency, average order are computed from these
    her = Her()
    her.does("purchase", HOUR, order_id="o-1", product_id="p1", price=20, quantity=2, currency="EUR", category="shoes")
    her.does("purchase", 0, order_id="o-1", product_id="p2", price=45, currency="EUR", category="hats")
    her.does("purchase", 2 * HOUR, order_id="o-1", product_id="p1", price=20, coupon="SPRING")
    her.does("refund", 3 * HOUR, order_id="o-1", amount=5)
    assert newest(her) == [Bought(START, 80 * EURO, True, "EUR", fingerprint("hats"), 45 * EURO, True)]
    assert her.person.profile.purchases.first_at == START


@pytest.mark.parametrize(
    ("told", "is_deal"),
    [
        # price-sensitivity indicators
        ({"coupon": "SPRING"}, True),
        ({"discount_codes": [{"code": "A"}]}, True),
        ({"discount": 2.5}, True),
        ({"total_discounts": "-3.00"}, True),
        ({"price": 10, "sale_price": 8}, True),
        ({"sale_price": 8}, True),
        ({"price": 8, "compare_at_price": 10}, True),
        ({"products": [{"product_id": "p"}, {"product_id": "q", "price": 8, "compare_at_price": "10"}]}, True),
        ({"products": [{"product_id": "p", "coupon": "SPRING"}]}, True),
        ({"on_sale": True}, True),
        ({}, False),
        ({"coupon": None, "discount": None}, False),
        ({"coupon": "${escCoupon}"}, False),
        ({"coupon": "  none "}, False),
        ({"discount": 0}, False),
        ({"discount": "much"}, False),
        ({"price": 8, "sale_price": 8, "compare_at_price": 8}, False),
        ({"compare_at_price": 8}, False),
        ({"products": ["p", None]}, False),
    ],
)
def test_what_is_a_deal(told: dict[str, Any], is_deal: bool) -> None:
    assert purchases.deal(told) is is_deal


def test_sums_over_a_span_leave_it_exactly() -> None:
    her = Her()
    for n, coupon in enumerate((None, "SPRING", None)):
        her.does("purchase", n * 10 * DAY, order_id=f"o-{n}", total=10 + n, currency="EUR", coupon=coupon)
    kept = her.person.profile.purchases
    assert purchases.within(kept, SPAN, START + 20 * DAY) == (Sum(3, 33 * EURO, 1), START + SPAN)
    assert purchases.within(kept, SPAN, START + SPAN - 1)[0] == Sum(3, 33 * EURO, 1)
    assert purchases.within(kept, SPAN, START + SPAN) == (Sum(2, 23 * EURO, 1), START + SPAN + 10 * DAY)
    assert purchases.within(kept, SPAN, START + SPAN + 20 * DAY) == (Sum(), FOREVER)
    # purchase from e-mail 90 d, of which these are the purchases
    assert purchases.instants_within(kept, SPAN, START + SPAN) == ((START + 10 * DAY, START + 20 * DAY), START + SPAN + 10 * DAY)
    assert purchases.instants_within(kept, SPAN, START + 2 * SPAN) == ((), FOREVER)


def test_two_currencies_are_kept_apart() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", total=50, currency="EUR")
    her.does("purchase", HOUR, order_id="o-2", total=70, currency="USD")
    her.does("purchase", 2 * HOUR, order_id="o-3", total=5)
    assert amounts(her) == [50, 70, 5]
    assert purchases.within(her.person.profile.purchases, SPAN, START + DAY)[0] == Sum(3, 55 * EURO, 0)
    assert her.person.profile.spent == 55 * EURO
    her.does("refund", DAY, order_id="o-2", amount=10, currency="USD")
    her.does("refund", DAY, order_id="o-1", amount=10, currency="USD")
    assert amounts(her) == [50, 60, 5] and her.person.profile.spent == 55 * EURO


def test_a_refund_above_the_order_gives_back_what_it_cost() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", product_id="p1", price=50, currency="EUR")
    her.does("purchase", 0, order_id="o-2", total=30, currency="EUR")
    her.does("refund", HOUR, order_id="o-1", amount=80)
    assert amounts(her) == [0, 30] and her.person.profile.spent == 30 * EURO
    her.does("purchase", 2 * HOUR, order_id="o-1", product_id="p2", price=40)
    assert amounts(her) == [10, 30] and her.person.profile.spent == 40 * EURO, "80 of 90"
    her.does("refund", HOUR, order_id="o-1")
    her.does("refund", HOUR, order_id="o-1", amount=1e30)
    assert amounts(her) == [0, 30] and her.person.profile.spent == 30 * EURO


def test_a_refund_that_came_first_finds_its_order() -> None:
    her = Her()
    her.does("refund", 0, order_id="o-1", amount=20, currency="USD")
    her.does("refund", 0, order_id="of-long-ago", amount=7, currency="EUR")
    assert her.person.profile.spent == -27 * EURO, "it counts all the same: what it pays back may be older than Kairos"
    her.does("purchase", HOUR, order_id="o-2", total=30, currency="EUR")
    assert her.person.profile.spent == 23 * EURO, "dollars are not hers"
    her.does("refund", HOUR, order_id="o-3", amount=90)
    her.does("purchase", 2 * HOUR, order_id="o-3", total=50)
    her.does("purchase", 3 * HOUR, order_id="o-1", total=60, currency="USD")
    assert amounts(her) == [30, 0, 40] and her.person.profile.spent == 23 * EURO
    assert set(her.group.history.orders.early) == {fingerprint("of-long-ago")}
    for n in range(100):
        her.does("refund", DAY, order_id=f"r-{n}", amount=1)
    assert len(her.group.history.orders.early) == 50


def test_absurd_figures() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", product_id="p1", price=3, quantity=10**16)
    her.does("purchase", 0, order_id="o-1", product_id="p2", price=1e30, sale_price="-1", discount=float(10**300))
    her.does("purchase", 0, order_id="o-1", products=[None, 5, {"product_id": "p3", "price": "x", "category": ["a"]}])
    assert newest(her) == [Bought(START, 3 * EURO, False, None, 0, 3 * EURO)]


def test_eight_thousand_order_lines() -> None:
    """A wholesaler's: one line a record, in 160 orders of 50, then four orders of 900, then a refund of one of the newest."""
    her, spent = Person(), 0
    for n in range(160):
        for line in range(50):
            her.event("purchase", n * HOUR, order_id=f"o{n}", product_id=f"p{line}", price=line + 0.25, quantity=2, currency="EUR")
            spent += (4 * line + 1) * EURO // 2
    for n in range(4):
        lines = [{"product_id": f"q{line}", "price": 1, "quantity": 3, "category": f"c{line}"} for line in range(900)]
        her.event("purchase", (160 + n) * HOUR, order_id=f"b{n}", products=lines, currency="EUR")
        spent += 2_700 * EURO
    her.event("refund", 165 * HOUR, order_id="b3", amount=700)
    her.event("refund", 165 * HOUR, order_id="b0", amount=700)
    part = her.group.person.profile
    assert (part.orders, part.spent) == (164, spent - 1_400 * EURO)
    kept = list(part.purchases.newest.values())
    assert len(kept) == purchases.MAX_NEWEST
    assert [one.amount // EURO for one in kept[-5:]] == [2_475, 2_000, 2_700, 2_700, 2_000]
    assert part.purchases.first_at == her.now - 165 * HOUR
    assert len(part.rhythm.cycles) == 8, "of one order the first eight categories"
    assert len(msgspec.msgpack.encode(part.purchases)) < 2_600


def test_a_typical_person_costs_little() -> None:
    her = Her()
    for n in range(3):
        her.does("purchase", n * DAY, order_id=f"o-{n}", product_id="p", price=89.5, currency="EUR", category="shoes", coupon="A")
    assert len(msgspec.msgpack.encode(her.person.profile.purchases)) < 170


def test_beyond_sixty_the_oldest_go() -> None:
    her = Her()
    order = list(range(80))
    random.Random(1).shuffle(order)
    for n in order:
        her.does("purchase", n * DAY, order_id=f"o-{n}", total=n + 1, currency="EUR")
    kept = her.person.profile.purchases
    assert amounts(her) == list(range(21, 81)) and kept.first_at == START
    her.does("purchase", DAY, order_id="o-1", product_id="more", price=1, coupon="A")
    assert her.person.profile.purchases == kept


def test_cross_and_upsell_receptivity() -> None:
    # cross-sell / upsell receptivity
    her = Her()
    assert purchases.receptivity(her.person.profile.purchases) is None
    for n, lines in enumerate([[(20, "shoes")], [(30, "shoes"), (5, "socks")], [(25, "shoes")], [(24, "hats")], [(99, "shoes")]]):
        products = [{"product_id": f"p{price}", "price": price, "category": name} for price, name in lines]
        her.does("purchase", n * DAY, order_id=f"o-{n}", products=products, currency="EUR")
        if n == 0:
            assert purchases.receptivity(her.person.profile.purchases) == (0.0, None)
    # 30 > 20; 25 = the median of 20 and 30; 24 < 25; 99 > 24.5
    assert purchases.receptivity(her.person.profile.purchases) == (1 / 5, 2 / 4)
    her.does("purchase", 9 * DAY, order_id="o-9", product_id="p", price=9_999, currency="USD")
    assert purchases.receptivity(her.person.profile.purchases) == (1 / 6, 2 / 4)


def test_without_track_what_she_likes_is_not_kept() -> None:
    her = Her()
    her.does("consent_withdraw", 0, purposes=["track"])
    her.does("purchase", 1, order_id="o", products=[{"product_id": "p", "price": 5, "category": "shoes"}], total=5)
    assert newest(her) == [Bought(START + 1, 5 * EURO, dearest=5 * EURO)]
    assert her.person.profile.rhythm.cycles == {}


Record = tuple[str, int, dict[str, Any]]
PRICES = {"p1": 20.0, "p2": 33.33, "p3": 8.5}
CATEGORIES = {"p1": "shoes", "p2": "hats", "p3": "shoes"}


@st.composite
def shop(draw: st.DrawFn) -> list[Record]:
    """Orders line by line or whole, with repeats that tell less, coupons, and refunds up to above what they cost."""
    records: list[Record] = []
    for n in range(draw(st.integers(0, 7))):
        at, order = draw(st.integers(0, 900)) * DAY, f"o{n}"
        if draw(st.booleans()):
            lines = [{"product_id": name, "price": PRICES[name], "category": CATEGORIES[name]} for name in draw(st.sets(PRODUCTS))]
            whole = {"order_id": order, "total": draw(st.integers(0, 200)), "products": lines, "currency": "EUR"}
            records += [("purchase", at, whole)] * draw(st.integers(1, 2))
        else:
            for name in draw(st.sets(PRODUCTS, min_size=1)):
                line = {"order_id": order, "product_id": name, "price": PRICES[name], "category": CATEGORIES[name], "currency": "EUR"}
                records.append(("purchase", at, {**line, "coupon": draw(st.sampled_from([None, "SPRING"]))}))
                if draw(st.booleans()):
                    records.append(("store_purchase", at, {**line, "price": None}))
        for _ in range(draw(st.integers(0, 2))):
            records.append(("refund", at + DAY, {"order_id": order, "amount": draw(st.integers(1, 150))}))
    return records


PRODUCTS = st.sampled_from(sorted(PRICES))


def recount(records: list[Record]) -> dict[str, tuple[int, int, bool]]:
    """Order id → (instant, net amount, deal), from the raw records."""
    found: dict[str, tuple[int, int, bool]] = {}
    for order in {told["order_id"] for kind, _, told in records if kind != "refund"}:
        mine = [(kind, at, told) for kind, at, told in records if told["order_id"] == order]
        bought = [(at, told) for kind, at, told in mine if kind != "refund"]
        total = next((told["total"] for _, told in bought if "total" in told), None)
        if total is None:
            total = sum(PRICES[name] for name in {told["product_id"] for _, told in bought if told["price"] is not None})
        back = sum(told["amount"] for kind, _, told in mine if kind == "refund")
        found[order] = min(at for at, _ in bought), max(0, round((total - back) * EURO)), any(told.get("coupon") for _, told in bought)
    return found


@given(shop(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_orders_in_short_equal_a_recount_in_any_order_of_arrival(records: list[Record], chance: random.Random) -> None:
    exact = recount(records)
    before = None
    for _ in range(2):
        her = Her()
        for kind, at, told in records:
            her.does(kind, at, **told)
        part = her.person.profile
        seen = {key: (one.at - START, one.amount, one.deal) for key, one in part.purchases.newest.items()}
        assert seen == {fingerprint(order): one for order, one in exact.items()}
        assert part.spent == sum(amount for _, amount, _ in exact.values())
        assert before is None or before == (part.purchases, part.rhythm)
        before = part.purchases, part.rhythm
        chance.shuffle(records)


@given(st.data(), shop(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_two_people_as_one_are_all_records_interleaved(data: st.DataObject, records: list[Record], chance: random.Random) -> None:
    chance.shuffle(records)
    her, device = two()
    one = Person()
    for person in (her, device, one):
        person.pack, person.packs = NO_PACK, {}
    for n, (kind, at, told) in enumerate(records):
        for person in (one, device if data.draw(st.booleans()) else her):
            person.event(kind, at, n * MINUTE + 1_000 * DAY, event_id=f"e{n}", **told)
    become_one(her, device, 2_000 * DAY)
    mine, exact = her.group.person.profile, one.group.person.profile
    assert (mine.orders, mine.spent, mine.last_order_at) == (exact.orders, exact.spent, exact.last_order_at)
    assert mine.purchases == exact.purchases
    assert mine.rhythm == exact.rhythm
    assert mine.visits == exact.visits
    assert her.group.history.orders.early == one.group.history.orders.early


NO_PACK: Any = None


def test_a_refund_that_both_heard_of_is_one() -> None:
    for knows in (0, 1):
        both = two()
        both[knows].event("purchase", 0, order_id="o", total=50, currency="EUR")
        for one in both:
            one.event("refund", HOUR, event_id="r", order_id="o", amount=20)
        become_one(*both, 2 * HOUR)
        part = both[0].group.person.profile
        assert (part.orders, part.spent) == (1, 30 * EURO)
        assert [one.amount for one in part.purchases.newest.values()] == [30 * EURO]


def test_an_order_that_both_have_counts_once_though_its_lines_are_gone() -> None:
    her, device = two()
    for one in (her, device):
        one.event("purchase", 0, order_id="old", total=50, currency="EUR", category="shoes")
    history = device.group.history
    closed = msgspec.structs.replace(history.orders, open={}, closed=(fingerprint("old"),))
    device.group = Group(device.group.person, None, msgspec.structs.replace(history, orders=closed))
    become_one(her, device, HOUR)
    part = her.group.person.profile
    assert (part.orders, part.spent, len(part.purchases.newest)) == (1, 50 * EURO, 1)
    assert part.rhythm.cycles["shoes"].orders == 1 and sum(part.rhythm.months) == 1
