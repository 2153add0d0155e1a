"""The contract of customer_events: what passes, what is refused, and that every violation is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.contract import MAX_BYTES, MAX_VIOLATIONS, Accepted, Broken, accept, place_id
from app.domain.event_types import EVENT_TYPES, is_web_or_shop
from app.events import iso

AT = 1_772_446_500_000
"""2026-03-02T10:15:00Z"""
MINUTE = 60_000


def event(**fields: Any) -> bytes:
    return json.dumps({"event_type": "product_view", "customer_id": "0042", **fields}).encode()


def violations(value: bytes | None) -> list[tuple[str, str]]:
    with pytest.raises(Broken) as broken:
        accept(value, AT, "1/2/3")
    assert broken.value.reason == "contract"
    return [(one["path"], one["message"]) for one in broken.value.violations]


# --- what passes --------------------------------------------------------------------------------------------------------------


def test_native_form() -> None:
    accepted = accept(
        b'{"event_id": "e-1", "event_type": "product_view", "customer_id": "c-9", "anonymous_id": null,'
        b' "timestamp": "2026-03-02T10:15:00Z",'
        b' "properties": {"product_id": "p1", "category": "shoes", "price": 89.0, "dwell_seconds": 42}, "context": {}}',
        AT + 5,
        "p",
    )
    properties = {"product_id": "p1", "category": "shoes", "price": 89.0, "dwell_seconds": 42}
    assert accepted == Accepted("e-1", "product_view", AT, False, "c-9", None, properties, {})


#
@pytest.mark.parametrize("event_type", ["product_view", "cart_add", "purchase", "email_click", "review_write"])
def test_flat_form_of_the_guides(event_type: str) -> None:
    flat = {"customer_id": "c-9", "event_type": event_type, "product_category": "shoes"}
    native = {"customer_id": "c-9", "event_type": event_type, "properties": {"product_category": "shoes"}}
    first, second = (accept(json.dumps(form).encode(), AT, "p") for form in (flat, native))
    assert first == second
    assert (first.customer_id, first.event_type, first.properties) == ("c-9", event_type, {"product_category": "shoes"})
    assert event_type in EVENT_TYPES


def test_three_equal_flat_views_are_three_views() -> None:
    view = b'{"customer_id": "c-9", "event_type": "product_view", "product_category": "shoes"}'
    assert len({accept(view, AT, f"customer_events/0/{offset}").event_id for offset in range(3)}) == 3


def test_with_a_timestamp_equal_bytes_are_one_event() -> None:
    view = event(timestamp="2026-03-02T10:15:00Z")
    assert accept(view, AT, "a").event_id == accept(view, AT + 9, "b").event_id != accept(view + b" ", AT, "a").event_id


def test_a_caller_who_does_not_know_the_place_yet_fills_the_id_in() -> None:
    assert accept(event(), AT, "").event_id == ""
    assert accept(event(), AT, "x").event_id == place_id("x") != place_id("y")
    assert accept(event(event_id="", timestamp=None), AT, "").event_id == ""


def test_properties_win_over_the_same_name_at_the_top() -> None:
    accepted = accept(event(product_id="top", price=1, properties={"product_id": "inner"}), AT, "p")
    assert accepted.properties == {"product_id": "inner", "price": 1}


def test_unknown_types_and_properties_are_kept() -> None:
    accepted = accept(event(event_type="gift_card_redeem", properties={"code": "X", "deep": {"a": [1]}}, received_at="now"), AT, "p")
    assert (accepted.event_type, accepted.properties) == ("gift_card_redeem", {"code": "X", "deep": {"a": [1]}})
    assert accept(event(properties={"hit_number": 12, "brand": None}), AT, "p").properties == {"hit_number": 12, "brand": None}


@pytest.mark.parametrize(
    "properties",
    [
        {"brand": None, "category": None, "price": None, "quantity": None},
        {"category": "${escCatTitle}"},
        {"quantity": 10**16, "price": 0},
        {"order_id": "o", "products": [{"product_id": str(n), "price": 1.5, "quantity": 1} for n in range(542)]},
        None,
    ],
)
def test_what_real_shops_send_is_accepted(properties: Any) -> None:
    accepted = accept(event(event_type="purchase", properties=properties), AT, "p")
    assert accepted.properties == (properties or {})


def test_ids_keep_their_zeros_and_empty_ones_are_not_told() -> None:
    accepted = accept(event(customer_id="0042", anonymous_id=""), AT, "p")
    assert (accepted.customer_id, accepted.anonymous_id) == ("0042", None)
    assert accept(event(customer_id="", anonymous_id="a"), AT, "p").customer_id is None


def test_nul_is_stripped_and_other_text_kept() -> None:
    accepted = accept(event(customer_id="004\x002", properties={"na\x00me": "x\x00😀", "a": ["\x00"]}), AT, "p")
    assert (accepted.customer_id, accepted.properties) == ("0042", {"name": "x😀", "a": [""]})


@pytest.mark.parametrize(
    ("told", "ts"),
    [
        ("2026-03-02T10:15:00Z", AT),
        ("2026-03-02T10:15:00", AT),
        ("2026-03-02T11:15:00+01:00", AT),
        ("2026-03-02t10:15:00z", AT),
        ("2026-03-02T10:15:00.123456789Z", AT + 123),
        ("2016-08-01T07:16:12.317Z", 1_470_035_772_317),
        ("2026-03-02", AT - 615 * MINUTE),
    ],
)
def test_timestamps(told: str, ts: int) -> None:
    assert accept(event(timestamp=told), AT, "p").ts == ts


def test_a_clock_too_far_ahead_is_replaced_and_noted() -> None:
    still, ahead = (accept(event(timestamp=iso(AT + ms)), AT, "p") for ms in (10 * MINUTE, 10 * MINUTE + 1))
    assert (still.ts, still.future) == (AT + 10 * MINUTE, False)
    assert (ahead.ts, ahead.future) == (AT, True)


def test_without_timestamp_the_time_of_arrival_counts() -> None:
    assert accept(event(), AT, "p").ts == accept(event(timestamp=None), AT, "p").ts == AT


# --- what is refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"hello",
        b"[]",
        b"17",
        b"null",
        b'"text"',
        b'{"event_type": "x", "customer_id": "c", "properties": {"price": NaN}}',
        b'{"event_type": "x", "customer_id": "c", "properties": {"price": Infinity}}',
        b'{"event_type": "x", "customer_id": "c", "properties": {"price": 1e999}}',
        b'{"event_type": "x", "customer_id": "\xff\xfe"}',
        b'{"event_type": "x", "customer_id": "\\ud800"}',
        b'\xef\xbb\xbf{"event_type": "x", "customer_id": "c"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"event_type": "x", "customer_id": "c"',
    ],
)
def test_what_is_no_json_object_is_refused_as_a_whole(value: bytes | None) -> None:
    ((path, message),) = violations(value)
    assert path == "" and message


def test_every_violation_is_named_by_its_path() -> None:
    bad = event(
        event_type="purchase",
        customer_id=17,
        timestamp="yesterday",
        coupon=5,
        properties={"order_id": 99, "total": "114", "products": [{"product_id": "p"}, {"product_id": 17, "quantity": -1}, "p3"]},
        context=[],
    )
    assert sorted(path for path, _ in violations(bad)) == [
        "/context",
        "/coupon",
        "/customer_id",
        "/properties/order_id",
        "/properties/products/1/product_id",
        "/properties/products/1/quantity",
        "/properties/products/2",
        "/properties/total",
        "/timestamp",
    ]


@pytest.mark.parametrize(
    "fields", [{"customer_id": None}, {"customer_id": ""}, {"customer_id": "\x00"}, {"customer_id": "", "anonymous_id": ""}]
)
def test_somebody_must_have_done_it(fields: dict[str, Any]) -> None:
    assert violations(event(**fields)) == [("", "one of customer_id, anonymous_id must be there and not empty")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"event_type": None}, "/event_type"),
        ({"event_type": ""}, "/event_type"),
        ({"event_type": "x" * 101}, "/event_type"),
        ({"event_id": 5}, "/event_id"),
        ({"customer_id": "c" * 257}, "/customer_id"),
        ({"anonymous_id": {"a": 1}}, "/anonymous_id"),
        ({"timestamp": 1_772_446_500}, "/timestamp"),
        ({"timestamp": ""}, "/timestamp"),
        ({"timestamp": "20260302"}, "/timestamp"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "/timestamp"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "/timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "/timestamp"),
        ({"properties": "none"}, "/properties"),
        ({"properties": {"price": -0.01}}, "/properties/price"),
        ({"properties": {"price": True}}, "/properties/price"),
        ({"properties": {"dwell_seconds": "42"}}, "/properties/dwell_seconds"),
        ({"price": "89"}, "/price"),
        ({"event_type": "identify", "properties": {"traits": {"email": 5}}}, "/properties/traits/email"),
        ({"event_type": "consent_give", "properties": {"purposes": ["email", 1]}}, "/properties/purposes/1"),
        ({"event_type": "consent_give", "purposes": {"e/m~ail": "yes"}}, "/purposes/e~1m~0ail"),
    ],
)
def test_wrong_types_are_refused(fields: dict[str, Any], path: str) -> None:
    assert [found for found, _ in violations(event(**fields))] == [path]


def test_an_event_over_256_kib_is_too_large() -> None:
    head = event(properties={"text": ""})
    fits = event(properties={"text": "x" * (MAX_BYTES - len(head))})
    assert len(fits) == MAX_BYTES and accept(fits, AT, "p").event_type == "product_view"
    for value in (fits + b" ", b"x" * 5_000_000):
        with pytest.raises(Broken) as broken:
            accept(value, AT, "p")
        assert broken.value.reason == "too_large"


def test_depth_and_keys_are_limited() -> None:
    def nested(depth: int) -> Any:
        return {"a": nested(depth - 1)} if depth else 1

    assert accept(event(properties=nested(9)), AT, "p").properties["a"]
    assert violations(event(properties=nested(10))) == [("/properties" + "/a" * 9, "nested more than 10 deep")]
    assert violations(event(properties={"list": [[[[[[[[[]]]]]]]]]})) == [("/properties/list" + "/0" * 8, "nested more than 10 deep")]
    assert len(accept(event(properties={str(n): n for n in range(200)}), AT, "p").properties) == 200
    assert violations(event(properties={"in": {str(n): n for n in range(201)}}))[0][0] == "/properties/in"
    assert violations(event(**{str(n): n for n in range(201)}))[0][0] == ""


def test_violations_are_limited_in_number_and_length() -> None:
    found = violations(event(event_type="purchase", products=[{"price": "x" * 400} for _ in range(500)]))
    assert len(found) == MAX_VIOLATIONS and all(len(path) + len(message) <= 600 for path, message in found)


# --- properties ---------------------------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_names = st.sampled_from([*EVENT_TYPES, "gift"])
_events = st.fixed_dictionaries(
    {},
    optional={
        "event_type": _names | _json,
        "customer_id": st.text() | _json,
        "anonymous_id": st.text() | _json,
        "event_id": st.text() | _json,
        "timestamp": st.datetimes().map(str) | _json,
        "properties": st.dictionaries(st.sampled_from(["price", "products", "purposes", "traits", "x"]), _json) | _json,
        "context": _json,
        "price": _json,
    },
)


def _outcome(value: bytes) -> None:
    try:
        accepted = accept(value, AT, "p")
    except Broken as broken:
        assert broken.violations and all(one.keys() == {"path", "message"} for one in broken.violations)
    else:
        assert accepted.event_id and accepted.event_type and (accepted.customer_id or accepted.anonymous_id) and accepted.ts > 0


@given(st.binary())
@settings(max_examples=200, deadline=None)
def test_bytes_are_accepted_or_broken(value: bytes) -> None:
    _outcome(value)


@given(_events | _json)
@settings(max_examples=250, deadline=None)
def test_json_is_accepted_or_broken(value: Any) -> None:
    _outcome(json.dumps(value).encode())


@given(
    st.dictionaries(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1), st.integers(0, 9), max_size=5)
)
@settings(max_examples=100, deadline=None)
def test_flat_and_native_form_mean_the_same(properties: dict[str, int]) -> None:
    properties = {f"x_{name}": value for name, value in properties.items()}
    assert accept(event(**properties), AT, "p") == accept(event(properties=properties), AT, "p")


def test_groups() -> None:
    assert is_web_or_shop("page_view") and is_web_or_shop("purchase")
    assert not any(map(is_web_or_shop, ("email_open", "store_purchase", "identify", "context_update", "gift_card_redeem")))
