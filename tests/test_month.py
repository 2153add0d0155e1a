"""A small month of made-up people, and that what is checked of it can fail."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from msgspec.structs import replace

from app.domain.contact_policy import Cap, ContactPolicy, QuietHours
from tests import month_people
from tests.her import pack
from tests.month import Lived, live
from tests.month_checks import breaches, exceeded
from tests.month_ledger import Ledger, Went, again_within, local_hour
from tests.month_people import DAYS, START_MS, day_of, one

PEOPLE = 60
HOUR, DAY = 3_600_000, 86_400_000
NOON = START_MS + 12 * HOUR


@cache
def month() -> Lived:
    return live(PEOPLE)


# caps, gaps and quiet hours of `merged`; A-232: consent; and every step's one end
def test_a_month_keeps_every_promise() -> None:
    assert not month().wrong
    mails = [one for them in month().ledger.went.values() for one in them]
    assert len(mails) > PEOPLE and len({one.trigger for one in mails}) > 5 and len({one.zone for one in mails}) > 5


# interface.md sections 6 and 7, in their own figures, whatever the pack's caps are called
def test_a_month_of_merged_keeps_what_the_interface_promises() -> None:
    programme = ("lifecycle_programme",)
    promised = (Cap("week", "", 4, 7 * DAY), Cap("gap", "", 1, 16 * HOUR), Cap("programme", "", 2, 7 * DAY, triggers=programme))
    for who, mails in month().ledger.went.items():
        assert not [told for cap in promised for told in exceeded(cap, mails, month().ledger.pack)], who
        assert all(8 <= local_hour(one, "UTC") < 21 for one in mails), who


def test_its_report_tells_what_was_sent_and_what_was_not() -> None:
    text = month().text
    for title in ("Messages per person and week", "By trigger", "By the hour on her own wall", "Not sent", "Held", "again within 7 days"):
        assert title in text
    sent = sum(one.at >= START_MS for them in month().ledger.went.values() for one in them)
    assert f"By trigger ({sent:,} messages)" in text


def test_the_same_seed_is_the_same_month() -> None:
    who = one(1, 5)
    assert who == one(1, 5) != one(2, 5)
    assert [list(day_of(1, who, day)) for day in range(DAYS)] == [list(day_of(1, who, day)) for day in range(DAYS)]


def test_there_are_people_of_all_sorts() -> None:
    everybody = [one(1, number) for number in range(500)]
    assert {who.kind for who in everybody} == {kind for kind, _ in month_people.KINDS}
    assert {who.consent for who in everybody} == {given for given, _ in month_people.CONSENTS}
    assert any(who.zone is None for who in everybody) and any(who.moved for who in everybody) and any(who.dead for who in everybody)
    assert any(who.ticket for who in everybody) and any(who.city for who in everybody) and any(who.withdraws for who in everybody)
    regular = next(who for who in everybody if who.kind == "regular")
    assert all(later - earlier > 0 for earlier, later in pairwise(regular.orders)) and len(regular.orders) >= 5


# --- the checks can fail ------------------------------------------------------------------------------------------------------------

CONTACT = ContactPolicy(QuietHours(21 * 60, 8 * 60, "Europe/Berlin"), (Cap("week", "", 2, 7 * DAY), Cap("gap", "", 1, 16 * HOUR)))


def went(at: int, **fields: object) -> Went:
    told = Went(at, at, "cart_abandonment", 0, "cart-reminder", "email", "Europe/Berlin", "loyal", "low", "")
    return replace(told, **fields)


def ledger(*mails: Went, contact: ContactPolicy = CONTACT) -> Ledger:
    found = Ledger(replace(pack("merged"), contact=contact), START_MS)
    found.went["c-1"] = list(mails)
    return found


def broken(*mails: Went) -> list[str]:
    return [one.partition(":")[0] for one in breaches(ledger(*mails), {})]


def test_what_is_allowed_is_no_breach() -> None:
    assert broken(went(NOON), went(NOON + 3 * DAY), went(NOON + 7 * DAY)) == []


@pytest.mark.parametrize(
    ("mails", "wrong"),
    [
        ([went(NOON), went(NOON + 2 * DAY), went(NOON + 7 * DAY - 1)], ["caps"]),
        ([went(NOON), went(NOON + 6 * HOUR)], ["caps"]),
        ([went(NOON + 9 * HOUR)], ["quiet hours"]),
        ([went(NOON - 4 * HOUR - 60_000, zone=None)], []),
        ([went(NOON - 6 * HOUR, zone=None)], ["quiet hours"]),
        ([went(NOON, zone="Asia/Tokyo")], ["quiet hours"]),
        ([went(NOON, refused="email")], ["consent"]),
    ],
)
def test_what_is_not_allowed_is_told(mails: list[Went], wrong: list[str]) -> None:
    assert broken(*mails) == wrong


def test_a_cap_counts_what_it_names() -> None:
    high = Cap("tier", "", None, 7 * DAY, by="tier")
    mails = [went(NOON + n * DAY) for n in range(3)]
    assert len(list(exceeded(high, mails, pack("merged")))) == 1  # low, two at most
    assert not list(exceeded(high, [replace(one, tier="none") for one in mails], pack("merged")))
    assert not list(exceeded(Cap("p", "", 1, 7 * DAY, triggers=("welcome",)), mails, pack("merged")))
    assert not list(exceeded(Cap("p", "", 1, 7 * DAY, channel="sms"), mails, pack("merged")))
    deep = replace(pack("merged"), by_name={"cart_abandonment": replace(pack("merged").by_name["cart_abandonment"], depth=2)})
    assert len(list(exceeded(Cap("d", "", 5, 7 * DAY, counts="depth"), mails, deep))) == 1
    # Monday to Wednesday are one week and one month, Sunday night in Berlin is still Sunday's in New York
    assert [len(list(exceeded(Cap("c", "", 2, calendar=span), mails, pack("merged")))) for span in ("day", "week", "month")] == [0, 1, 1]
    sunday = [went(START_MS - HOUR // 2, zone=zone) for zone in ("Europe/Berlin", "Europe/Berlin")] + [went(START_MS)]
    assert len(list(exceeded(Cap("c", "", 1, calendar="week"), sunday, pack("merged")))) == 2
    assert len(list(exceeded(Cap("c", "", 1, calendar="week"), [replace(one, zone="UTC") for one in sunday], pack("merged")))) == 1


def test_a_step_has_one_end() -> None:
    found = ledger()
    found.windows, found.trigger_of = {"w": 0b01}, {"w": "cart_abandonment"}
    assert breaches(found, {"w": 1}) == []
    assert breaches(found, {}) == ["windows: window w of cart_abandonment: closed, 1 of 2 steps have ended"]
    assert breaches(found, {"w": 0}) == ["windows: window w of cart_abandonment: open at step 0, 1 steps have ended"]
    found.windows = {"w": 0b10}
    assert "a step before step 1 has no end" in breaches(found, {})[0]
    assert breaches(ledger(), {"w": 0}) == ["windows: window w: open, and no decision says so"]


def test_the_clock_on_her_wall() -> None:
    assert local_hour(went(NOON, zone="Asia/Kathmandu"), "UTC") == 17.75
    assert local_hour(went(NOON, zone=None), "America/New_York") == 7.0


def test_the_same_mail_again() -> None:
    mails = [went(NOON), went(NOON + DAY, message="other"), went(NOON + 6 * DAY), went(NOON + 14 * DAY)]
    assert again_within(mails, 7) == {"cart-reminder": 1}
    turns = [went(NOON + step * DAY, message="programme-winback", step=step) for step in (0, 1, 4)]
    assert again_within(turns, 7) == {"programme-winback (0)": 1}
