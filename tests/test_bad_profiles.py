"""What shops send by mistake, through intake and lane: no defect, rows within their limit, and figures a person can believe."""

from __future__ import annotations

import json
import sys
import typing
from types import FrameType
from typing import Any

import msgspec
import pytest

from app.domain import person
from app.domain.event_types import EVENT_TYPES
from app.domain.person_row import Group
from app.domain.profile_view import view
from app.events import iso
from app.policy.pack import compile_artifact
from tests.her import UNGATED
from tests.shop import DAY, MINUTE, MONDAY, Shop, artifact

ROW = 256 * 1024
PACK = compile_artifact(*artifact("merged"))
HUGE = "x" * 10_000
NUMBERS = [
    "0",
    "-0.0",
    "-1",
    "0.1",
    "1e-320",
    "1e16",
    "10000000000000000",
    "1e19",
    str(2**64),
    "1e300",
    "-1e300",
    "1e999",
    "NaN",
    "Infinity",
]
NUMBERS += ["9" * 400, '"12"', '"1e400"', "true", "null", "[]", "{}"]
TEXTS = [
    HUGE,
    "",
    " ",
    "\u0000",
    "\ud83d\ude00" * 200,
    "${escCatTitle}",
    "'; DROP TABLE people; --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
]


class Bad(Shop):
    """A shop that sends anything. All of it is one person's, `ann`."""

    def __init__(self, pack: str = "merged") -> None:
        super().__init__(pack)
        self.at = 0

    def sends_json(self, event_type: str, properties: str, at: str | None = None, more: str = "") -> None:
        """`properties` as JSON text, so that what no JSON library would write can be sent, too."""
        self._count += 1
        self.at += MINUTE
        told = at if at is not None else json.dumps(iso(MONDAY + self.at))
        ids = f'"event_id": "b-{self._count}", "event_type": "{event_type}", "customer_id": "ann"'
        self.raw(f'{{{ids}, "timestamp": {told}, "properties": {properties}{more}}}'.encode("utf-8", "surrogatepass"), self.at)

    def sends_all(self, event_type: str, **properties: Any) -> None:
        self.sends_json(event_type, json.dumps(properties))

    @property
    def her(self) -> Group:
        groups = [group for group in self.simulation.groups() if group.person.profile.customer_id == "ann"]
        assert len(groups) == 1
        return groups[0]

    @property
    def refused(self) -> list[str]:
        return [letter["reason"] for letter in self.records("dead_letters")]

    def seen(self, t: int | None = None) -> dict[str, Any]:
        """Her record as of now (or `t`), which must be JSON, finite, and of rows within their limit."""
        for _, row in person.dump(self.her, None):
            assert len(row) < ROW
        now = self.simulation.now if t is None else MONDAY + t
        record: dict[str, Any] = json.loads(msgspec.json.encode(view(self.her.person, now, PACK.scoring)), parse_constant=pytest.fail)
        assert 0 <= record["engagement"]["score"] <= 1
        assert 0 <= record["intent"]["score"] <= 100
        assert all(0 <= score <= 100 for score in record["interest"]["decayed"].values())
        assert None not in record["interest"]["decayed"] and not any("${" in name for name in record["interest"]["decayed"])
        assert abs(float(record["spent"]["amount"])) <= 10**14
        return record


def is_of(kind: type, told: Any) -> bool:
    """Whether a field's type takes a value of this kind."""
    return told is kind or any(is_of(kind, one) for one in typing.get_args(told))


def test_every_numeric_property_of_every_event_takes_any_number_or_is_refused() -> None:
    shop = Bad()
    shop.sends_all("purchase", order_id="real", total=50, currency="EUR")
    for name, kind in EVENT_TYPES.items():
        if name in ("erase_request", "alias"):
            continue
        numeric = [field.name for field in msgspec.structs.fields(kind.properties) if is_of(float, field.type)]
        for field in numeric:
            for number in NUMBERS:
                whole = {**kind.example, "order_id": f"{name}-{field}-{number[:9]}"} if "order_id" in kind.example else dict(kind.example)
                whole.pop(field, None)
                shop.sends_json(name, json.dumps(whole)[:-1] + f', "{field}": {number}}}')
    seen = shop.seen()
    assert set(shop.refused) == {"contract"}
    assert seen["orders"] > 50 and float(seen["spent"]["amount"]) <= 10**14
    assert seen["bot"] is False


def test_every_text_may_be_ten_kilobytes_nonsense_or_an_unfilled_template() -> None:
    shop = Bad()
    for name, kind in EVENT_TYPES.items():
        if name in ("erase_request", "alias"):
            continue
        for field in msgspec.structs.fields(kind.properties):
            if is_of(str, field.type):
                for text in TEXTS:
                    shop.sends_all(name, **{**kind.example, field.name: text})
        shop.sends_all(name, **{**kind.example, "unheard_of": [HUGE], "of": {"any": {"kind": HUGE}}})
    seen = shop.seen()
    assert max(map(len, seen["interest"]["decayed"])) <= 100
    assert "${escCatTitle}" not in json.dumps(seen)


def test_a_category_that_a_template_left_unfilled_is_none() -> None:
    # interface.md section 6
    shop = Bad()
    for name in ("product_view", "cart_add", "purchase", "review_write"):
        shop.sends_all(name, product_id="p1", category="${escCatTitle}", price=5, order_id="o")
        shop.sends_all(name, product_id="p1", product_category="${x}", category=None)
    shop.sends_all("purchase", order_id="o2", products=[{"product_id": "p", "category": "${y}"}, {"product_id": "q", "category": "hats"}])
    seen = shop.seen()
    assert set(seen["interest"]["decayed"]) == {"hats"} == set(seen["favourite_categories"])


def test_impossible_traits_are_counted_and_not_kept() -> None:
    # A-244
    shop = Bad()
    shop.sends_all("identify", traits={"email": "ada@example.com", "first_name": "Ada", "age": 41, "birthday": "1985-03-01"})
    impossible: dict[str, list[Any]] = {
        "email": ["nobody", "a@b@c", "ada@", HUGE + "@example.com", "a\r\nBcc: x@example.com", "${email}"],
        "age": [-1, 126, 10**16, 1e300],
        "birthday": ["2999-01-01", "1800-01-01"],
        "phone": ["no", "+49", "1" * 50, "++1"],
        "children": [-3],
        "first_name": ["${firstName}"],
    }
    for name, values in impossible.items():
        for value in values:
            shop.sends_all("profile_update", traits={name: value})
    for value in (10**30, HUGE, {"a": {"b": {"c": {"d": 1}}}}, [HUGE], "\u0000", float(10**300)):
        shop.sends_all("identify", traits={"odd": value, "x" * 100: value, "": value})
    for n in range(200):
        shop.sends_all("identify", traits={f"t{n}": HUGE, "email": "ada@example.com", "first_name": "Ada", "age": 41})
    seen = shop.seen()
    assert {name: seen["rejected"][name] for name in impossible} == {name: len(values) for name, values in impossible.items()}
    assert (seen["traits"]["email"], seen["traits"]["first_name"], seen["traits"]["age"]) == ("ada@example.com", "Ada", 41)
    assert len(seen["traits"]) <= 50 and all(len(json.dumps(value)) <= 1_100 for value in seen["traits"].values())
    assert "phone" not in seen["traits"] and "" not in seen["traits"]
    shop.sends_all("profile_update", traits={"email": 5})
    assert shop.refused == ["contract"], "of another type than the contract says"


def test_a_refund_above_the_order_gives_back_what_it_cost() -> None:
    shop = Bad()
    shop.sends_all("purchase", order_id="o1", total=80, currency="EUR")
    shop.sends_all("purchase", order_id="o2", total=20, currency="EUR")
    for amount in (500, 10**16, 1e30):
        shop.sends_all("refund", order_id="o1", amount=amount)
    seen = shop.seen()
    assert (seen["orders"], seen["spent"]) == (2, {"amount": "20.00", "currency": "EUR"})
    assert seen["average_order"]["amount"] == "10.00"


def test_absurd_quantities_and_prices_count_as_not_told() -> None:
    shop = Bad()
    for n, (price, quantity) in enumerate([(3, 10**16), (3, 0), (1e30, 1), (3, 1_000_001), (3, 0.5), (0, 5), (0.001, 1_000)]):
        shop.sends_all("purchase", order_id=f"o{n}", product_id="p", price=price, quantity=quantity, currency="EUR")
    seen = shop.seen()
    assert (seen["orders"], seen["spent"]["amount"]) == (7, "11.50"), "3 + 3 + nothing + 3 + 1.5 + 0 + 1"


def test_of_two_currencies_the_first_is_hers_and_the_other_is_kept_apart() -> None:
    # A pack has no rates: what an order in another currency cost is not added, its number is.
    shop = Bad()
    for n, (currency, total) in enumerate([("EUR", 50), ("USD", 70), ("usd", 30), (None, 5), ("euro", 7), ("${c}", 11), ("EUR", 1)]):
        shop.sends_all("purchase", order_id=f"o{n}", total=total, currency=currency)
    shop.sends_all("refund", order_id="o1", amount=20, currency="USD")
    shop.sends_all("refund", order_id="o0", amount=20, currency="USD")
    seen = shop.seen()
    assert (seen["orders"], seen["spent"]) == (7, {"amount": "74.00", "currency": "EUR"}), "50 + 5 + 7 + 11 + 1: no currency is hers"
    assert seen["clv"]["value"] == seen["spent"]


@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:01Z", "1998-05-01T00:00:00Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_events_stamped_long_ago_or_far_ahead(stamp: str) -> None:
    shop = Bad()
    shop.sends_all("page_view", page_type="home")
    for name, kind in EVENT_TYPES.items():
        if name not in ("erase_request", "alias"):
            shop.sends_json(name, json.dumps(kind.example), json.dumps(stamp))
    shop.sends_all("purchase", order_id="now", total=5, currency="EUR")
    seen = shop.seen()
    assert seen["last_purchase_at"] == iso(MONDAY + shop.at) == seen["last_seen"]
    assert seen["churn"]["days_since_last"] == 0
    shop.until(shop.at + 40 * DAY)
    assert shop.seen()["last_seen"] == iso(MONDAY + shop.at)


@pytest.mark.parametrize(
    "stamp", ['"0001-01-01T00:00:00Z"', '"1969-12-31T23:59:59Z"', '"1970-01-01T00:00:00Z"', '"soon"', '""', "0", "1e12", "[]"]
)
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    shop = Bad()
    shop.sends_all("page_view", page_type="home")
    shop.sends_json("purchase", '{"order_id": "o", "total": 5}', stamp)
    assert shop.refused == ["contract"] and shop.seen()["orders"] == 0


def test_nesting_and_keys_without_end_are_refused_and_what_is_allowed_is_not_kept_whole() -> None:
    shop = Bad()
    shop.sends_all("page_view", page_type="home")
    shop.sends_json("page_view", '{"a":' * 500 + "1" + "}" * 500)
    shop.sends_json("page_view", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")
    shop.sends_all("page_view", **{f"k{n}": 1 for n in range(201)})
    shop.sends_json("page_view", f'{{"a": "{"x" * 300_000}"}}')
    assert shop.refused == ["contract"] * 3 + ["too_large"]
    for kind in ("product_view", "cart_add", "purchase", "search", "survey_answer", "preference_set", "context_update", "made_up"):
        shop.sends_json(
            kind,
            '{"question": "q", "preference": "p", "answer": ' + '{"a":' * 6 + f'"{HUGE}"' + "}" * 6 + "}",
            more=', "context": {"a": {"b": {}}}',
        )
    assert len(shop.refused) == 4
    assert shop.seen()["surveys"] == {}


# --- 8,000 order lines ----------------------------------------------------------------------------------------------------------


class Work:
    """Calls that Python makes, generators' steps among them: the same on every machine."""

    def __enter__(self) -> Work:
        self.calls = 0
        sys.setprofile(self._count)
        return self

    def _count(self, frame: FrameType, event: str, argument: object) -> None:
        self.calls += event in ("call", "c_call")

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def buys(shop: Bad, first: int, lines: int, orders: int) -> None:
    for n in range(first, first + lines):
        line = {"product_id": f"p{n}", "price": 1.25, "quantity": 2, "currency": "EUR", "category": f"c{n % 90}"}
        shop.sends_all("purchase", order_id=f"o{n * orders // 8_000}", **line)


@pytest.mark.parametrize("orders", [1, 160])
def test_eight_thousand_order_lines(orders: int) -> None:
    """A wholesaler, a line a record: money exact to the last, and an event at the end costs no more than one in the middle."""
    shop = Bad(UNGATED)  # under caps every one of her chains stays open for a week, and each costs every order
    spent = []
    for first in range(0, 8_000, 1_000):
        buys(shop, first, 950, orders)
        with Work() as work:
            buys(shop, first + 950, 50, orders)
        spent.append(work.calls / 50)
    seen = shop.seen()
    assert (seen["orders"], seen["spent"]["amount"]) == (orders, "20000.00")
    assert spent[7] < 1.25 * spent[6], spent  # until then chains after orders and what is kept of her interest become as many as may be
    assert all(len(row) < ROW // 2 for _, row in person.dump(shop.her, None)), "open windows may have 96 KiB, lines of orders 70"
