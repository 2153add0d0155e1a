"""The profile: who she is, what she allows, how she can be reached; right the moment after each event."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import consent, mail, profile, profile_view, recent, traits
from app.domain.facts import Facts
from app.domain.profile import Profile
from app.events import Event, Rendered
from tests.person_story import DAY, HOUR, START, Her

P1 = {"product_id": "p1", "product_name": "Trail shoe", "category": "shoes", "price": 89.0, "currency": "EUR"}


def test_the_guides_flat_form_moves_her_from_browsing_to_purchaser_at_once() -> None:
    # e.g. purchase moves user from "Browsing" to "Purchaser"
    her = Her()
    her.does("product_view", 0, product_category="shoes")
    assert (her.seen(0)["orders"], her.seen(0)["last_purchase_at"]) == (0, None)
    her.does("purchase", 1, product_category="shoes", total=45.45, currency="EUR")
    seen = her.seen(1)
    assert (seen["orders"], seen["spent"]) == (1, {"amount": "45.45", "currency": "EUR"})
    assert seen["last_purchase_at"] == "2026-03-02T00:00:00.001Z"


def test_one_profile_per_customer_id() -> None:
    # customer_profile:{customer_id}
    her = Her()
    her.does("page_view", 0, customer_id=None)
    her.does("page_view", 1, customer_id="0017")
    seen = her.seen(2)
    assert (seen["customer_id"], seen["anonymous_ids"]) == ("0017", ["a-1"])


def test_first_and_last_seen_are_hers_and_in_any_order_of_arrival() -> None:
    her = Her()
    her.does("page_view", 2 * HOUR)
    her.does("moon_phase", HOUR)
    her.does("email_sent", 5 * HOUR, send_id="s-1")
    seen = her.seen(DAY)
    assert (seen["first_seen"], seen["last_seen"]) == ("2026-03-02T01:00:00.000Z", "2026-03-02T02:00:00.000Z")
    assert her.person.profile.events == 3
    assert her.person.profile.last_event == START + 5 * HOUR


def test_traits_are_told_replaced_and_taken_away() -> None:
    her = Her()
    her.does("identify", 0, traits={"email": " Ann.O'Hara@Shop.EXAMPLE ", "first_name": "Ann", "size": 38})
    her.does("profile_update", 1, traits={"size": 39, "first_name": None, "n": 2**80, "big": "x" * 999, "deep": {"a": ["b" * 2_000]}})
    her.does("profile_update", 2, traits=None)
    assert her.seen(2)["traits"] == {"big": "x" * 500, "email": " Ann.O'Hara@Shop.EXAMPLE ", "size": 39}
    assert her.person.profile.email == "Ann.O'Hara@shop.example"
    for n in range(60):
        her.does("identify", 3, traits={f"t{n}": n})
    assert len(her.seen(3)["traits"]) == traits.MAX_TRAITS
    assert "t59" in her.seen(3)["traits"] and "size" not in her.seen(3)["traits"]
    her.does("identify", 4, traits={"email": "not an address"})
    assert her.person.profile.email == "Ann.O'Hara@shop.example"
    her.does("identify", 5, traits={"email": None})
    assert her.person.profile.email is None


@pytest.mark.parametrize("good", ["a@b.example", "x+y.z@mail.b-c.example", "üñ@bücher.example", "0@1.example"])
def test_addresses_that_can_be_written_to(good: str) -> None:
    assert traits.sane_address(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        *("", "a", "a@b", "@b.example", "a@", "a b@c.example", "a@b..example", ".a@b.example", "a.@b.example", "a@-b.example"),
        *("a@b.example\r\nBcc: x@y.example", "a@b.example\n", "a\0@b.example", "a@b.example,c@d.example", "<a@b.example>", '"a"@b.example'),
        *("a@b.example.", "a@b@c.example", "a\u2028@b.example", "a@[127.0.0.1]", "a@127.0.0.1", "a" * 65 + "@b.example"),
        *("a@" + "b." * 130 + "example", None, 5),
    ],
)
def test_addresses_that_cannot(bad: object) -> None:
    assert traits.sane_address(bad) is None


@given(st.text(max_size=80))
def test_no_address_and_no_name_ever_ends_a_header(text: str) -> None:
    for one in (traits.sane_address(text), traits.sane_address(f"a{text}@b.example"), traits.full_name({"name": text})):
        assert one is None or not any(ord(letter) < 32 or letter in "\x7f\x85\u2028\u2029" for letter in one)


def test_reachable_is_concluded_once_when_address_and_consent_are_first_both_there() -> None:
    her = Her()
    her.does("identify", 0, traits={"email": "ann@shop.example"})
    assert her.conclusions == []
    event_id = her.does("consent_give", 1, purposes=["email"])
    (found,) = her.concluded("reachable")
    assert (found.value, found.cause, found.ts) == ("email", event_id, START + 1)
    her.does("consent_withdraw", 2, purposes=["email"])
    her.does("consent_give", 3, purposes={"email": True})
    assert len(her.concluded("reachable")) == 1


def test_reachable_the_other_way_round_and_never_while_suppressed() -> None:
    her = Her()
    her.does("consent_give", 0, purposes=["email"])
    her.does("email_complaint", 1)
    her.does("identify", 2, traits={"email": "ann@shop.example"})
    assert her.concluded("reachable") == []
    other = Her()
    other.does("consent_give", 0, purposes=["email"])
    other.does("identify", 2, traits={"email": "ann@shop.example"})
    assert len(other.concluded("reachable")) == 1


def test_a_simulation_may_assume_consent_and_address() -> None:
    her = Her("consent", "address")
    her.does("page_view", 0)
    assert len(her.concluded("reachable")) == 1
    assert profile.address(her.person.profile, her.person, her.assume) == ("c-9@example.invalid", None)
    her.does("identify", 1, traits={"email": "ann@shop.example", "firstName": "Ann", "last_name": "O\r\nHara"})
    assert profile.address(her.person.profile, her.person, her.assume) == ("ann@shop.example", "Ann O Hara")
    half = Her("address")
    half.does("page_view", 0)
    assert half.concluded("reachable") == []
    refused = Her("consent", "address")
    refused.does("consent_withdraw", 0, purposes=["email"])
    assert refused.concluded("reachable") == []
    odd = Her("consent", "address", person_id="f00")
    odd.does("page_view", 0, customer_id="two words")
    assert profile.address(odd.person.profile, odd.person, odd.assume) == ("f00@example.invalid", None)


def test_silence_means_what_the_regime_says() -> None:
    assert not consent.allows({}, "email", "opt_in", False)
    assert consent.allows({}, "track", "opt_out", False)
    assert consent.allows({}, "email", "opt_in", True)
    for regime in ("opt_in", "opt_out"):
        assert consent.allows({"email": True}, "email", regime, False)
        assert not consent.allows({"email": False}, "email", regime, True)


def test_the_later_word_counts_however_late_the_earlier_arrives() -> None:
    her = Her()
    her.does("consent_withdraw", 2, purposes=["email", "sms"])
    her.does("consent_give", 1, purposes=["email"])
    her.does("consent_give", 2, purposes=["sms"])
    assert her.seen(3)["consent"] == {"email": False, "sms": False}
    her.does("consent_give", 3, purposes={"email": True, "push": False})
    her.does("consent_withdraw", 4, purposes={"track": True})
    assert her.seen(4)["consent"] == {"email": True, "push": False, "sms": False, "track": False}
    her.does("consent_give", 5, purposes="email")
    for n in range(30):
        her.does("consent_give", 6 + n, purposes=[f"p{n}", 7, "x" * 99])
    assert len(her.person.profile.consent) == len(her.person.profile.consent_at) == consent.MAX_PURPOSES


def test_unsubscribed_until_she_says_yes_again_later() -> None:
    her = Her()
    her.does("email_unsubscribe", 2)
    her.does("consent_give", 1, purposes=["email"])
    assert her.person.profile.unsubscribed
    her.does("consent_give", 3, purposes=["email"])
    assert not her.person.profile.unsubscribed
    her.does("email_unsubscribe", 2)
    assert not her.person.profile.unsubscribed
    her.does("email_unsubscribe", 3)
    assert her.person.profile.unsubscribed


def test_a_hard_bounce_ends_with_a_new_address_a_complaint_never() -> None:
    her = Her()
    her.does("identify", 0, traits={"email": "ann@shop.example"})
    her.does("email_bounce", 1, kind="soft")
    assert her.person.profile.suppressed is None
    her.does("email_bounce", 1, kind="hard")
    her.does("identify", 2, traits={"email": "ann@shop.example"})
    assert her.person.profile.suppressed == "hard_bounce"
    her.does("identify", 3, traits={"email": "ann@new.example"})
    assert her.person.profile.suppressed is None
    her.does("email_complaint", 4)
    her.does("email_bounce", 5, kind="hard")
    her.does("identify", 6, traits={"email": "ann@newer.example"})
    assert her.person.profile.suppressed == "complaint"


def test_mails_are_counted_once_per_send() -> None:
    her = Her()
    her.record(Rendered(START, "her", "s-1", "w-1", "welcome", 0))
    her.does("email_sent", 1, send_id="s-1")
    her.does("email_sent", 2, send_id="theirs")
    for n in range(3):
        her.does("email_open", 3 + n, send_id="s-1")
        her.does("email_click", 3 + n, send_id="s-1")
    seen = her.seen(DAY)["email"]
    assert (seen["sent"], seen["opened"], seen["clicked"]) == (2, 1, 1)
    assert (seen["last_sent_at"], seen["last_opened_at"]) == ("2026-03-02T00:00:00.002Z", "2026-03-02T00:00:00.005Z")
    for n in range(300):
        her.does("email_sent", 10, send_id=f"n-{n}")
    assert her.seen(DAY)["email"]["sent"] == 302
    assert len(mail.sends(her.person.profile.mail)) == mail.MAX_SENDS


def test_once_track_is_withdrawn_browsing_is_counted_not_kept() -> None:
    her = Her()
    her.does("consent_withdraw", 0, purposes=["track"])
    her.does("product_view", 1, **P1)
    her.does("cart_add", 2, **P1)
    her.does("purchase", 3, order_id="o-1", **P1)
    her.does("email_click", 4, send_id="s-1", category="shoes")
    seen = her.seen(5)
    assert seen["interest"] == {"decayed": {}, "increment": {}, "points": 0.0}
    assert her.person.profile.recent == ()
    assert (seen["orders"], seen["email"]["clicked"], her.person.profile.events) == (1, 1, 5)


def test_recent_products_are_one_per_family_newest_first() -> None:
    her = Her()
    her.does("product_view", 0, **P1, image="https://shop.example/p1.jpg", item_group_id="g1")
    her.does("product_view", 1, product_id="p2", price=-1, image="javascript:alert(1)")
    her.does("product_view", 2, product_id="p1-42", item_group_id="g1", price=79)
    her.does("product_view", 3, category="shoes")
    kept = her.person.profile.recent
    assert [(one.product.product_id, recent.told(one).price, recent.told(one).image) for one in kept] == [
        ("p1-42", 790_000, "https://shop.example/p1.jpg"),
        ("p2", None, ""),
    ]
    her.does("product_view", 1, product_id="late")
    assert [one.product.product_id for one in her.person.profile.recent] == ["p1-42", "p2", "late"]
    for n in range(40):
        her.does("product_view", 10 + n, product_id=f"n{n}")
    assert len(her.person.profile.recent) == recent.MAX_RECENT
    assert her.person.profile.recent[0].product.product_id == "n39"


def test_once_a_bot_always_a_bot() -> None:
    her = Her()
    for bot in (False, True, False):
        her.record(Event(START, f"e-{bot}", "page_view", START, "her", "c-9", bot=bot))
    assert her.seen(0)["bot"] is True


def test_the_view_is_the_same_bytes_whenever_it_is_made() -> None:
    her = Her()
    her.does("identify", 0, traits={"z": 1, "a": 2})
    her.does("consent_give", 0, purposes=["sms", "email"])
    her.does("product_view", 0, **P1)
    assert msgspec.json.encode(profile.view(her.person, START)) == msgspec.json.encode(profile.view(her.person, START))
    assert list(her.seen(0)["traits"]) == ["a", "z"]


def test_an_empty_profile_is_small() -> None:
    assert len(msgspec.msgpack.encode(Profile())) < 80


#
def test_of_the_products_she_looked_at_the_share_that_was_on_sale() -> None:
    her = Her()
    assert her.seen(0)["sale_share"] is None
    for n in range(8):
        her.does("product_view", n, product_id=f"p{n}", price=20, sale_price=15 if n % 4 == 0 else None)
    assert her.seen(9)["sale_share"] == 0.25
    her.does("product_view", 10, product_id="p0", price=20)  # full price again
    assert her.seen(11)["sale_share"] == 0.125


def test_who_never_bought_and_got_no_mail_has_the_figures_that_anybody_would() -> None:
    # What the record does not compute for them is what the figures themselves say.
    her = Her()
    assert her.seen(0)["upsell"] is None
    for n in range(3):
        her.does("product_view", n * HOUR, product_id=f"p{n}", category="shoes", price=20)
        her.does("cart_add", n * HOUR + 1, product_id=f"p{n}", category="shoes", price=20)
    facts = Facts(her.person, START + DAY)
    straight = profile_view.record(facts)
    for built in (profile_view._buying(facts), profile_view._response(facts)):
        assert {name: straight[name] for name in built} == built
