"""Quiet hours by the clock on her wall: over every zone, summer time and holiday, held against a walk minute by minute (A-198)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import quiet_hours, wall_clock
from app.domain.contact_policy import Holidays, QuietHours
from app.domain.device import Device
from tests.gated import QUIET, gated, held
from tests.her import DAY, HOUR, MINUTE, Her

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # its clock changes at midnight
    "Asia/Beirut",
    "Asia/Kathmandu",  # 5:45
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # a day left out in 2011
    "Africa/Casablanca",  # changes with Ramadan
    "America/St_Johns",
)
CHANGES = (
    "2026-03-29T00:00:00",  # Berlin forward
    "2026-10-25T00:00:00",  # and back
    "2026-03-08T00:00:00",  # New York forward, Havana forward
    "2026-11-01T00:00:00",
    "2026-04-04T12:00:00",  # Lord Howe back
    "2026-10-03T12:00:00",
    "2011-12-30T06:00:00",  # Apia jumps
    "2026-02-14T12:00:00",  # Casablanca
    "2026-07-01T00:00:00",
)


def ms(text: str, zone: str = "UTC", fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def local(at: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC).astimezone(ZoneInfo(zone))


def is_quiet(start: int, end: int, zone: str, days: set[str], at: int) -> bool:
    """Told a second time, by the calendar alone."""
    shown = local(at, zone)
    if shown.date().isoformat() in days or shown.strftime("%m-%d") in days:
        return True
    minute = shown.hour * 60 + shown.minute
    return start <= minute < end if start < end else minute >= start or minute < end


@given(
    st.sampled_from(ZONES),
    st.sampled_from(CHANGES),
    st.integers(-2 * 24 * 60, 2 * 24 * 60),
    st.integers(0, 59_999),
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_the_first_free_moment_is_free_and_nothing_before_it_is(
    zone: str, change: str, minutes: int, rest: int, start: int, length: int, holiday: bool
) -> None:
    end = (start + length) % 1440
    at = ms(change) + minutes * MINUTE + rest
    days = {local(at + 6 * HOUR, zone).date().isoformat()} if holiday else set()
    quiet = QuietHours(start, end, zone, (Holidays("all", tuple(days)),) if days else ())
    free = quiet_hours.free(quiet, Device(), at, at + 10 * DAY)
    assert not is_quiet(start, end, zone, days, free)
    assert quiet_hours.closed(quiet, Device(), at) is is_quiet(start, end, zone, days, at)
    if free == at:
        return
    assert is_quiet(start, end, zone, days, free - 1), "the last instant before is still quiet"
    step = at
    while step < free:
        assert is_quiet(start, end, zone, days, step)
        step += 7 * MINUTE


@given(st.sampled_from(ZONES), st.sampled_from(CHANGES), st.integers(-3 * DAY, 3 * DAY))
@settings(max_examples=300, deadline=None)
def test_the_wall_shows_what_the_calendar_says(zone: str, change: str, away: int) -> None:
    at = ms(change) + away
    shown = datetime(1970, 1, 1) + timedelta(milliseconds=wall_clock.wall(zone, at))
    assert shown.replace(microsecond=0) == local(at, zone).replace(tzinfo=None)


NIGHT = QuietHours(21 * 60, 8 * 60)


@pytest.mark.parametrize(
    ("quiet", "zone", "at", "free"),
    [
        # The night in which the clock is put forward is an hour shorter, the one in which it is put back an hour longer.
        (NIGHT, "Europe/Berlin", ms("2026-03-28T21:00:00", "Europe/Berlin"), ms("2026-03-29T08:00:00", "Europe/Berlin")),
        (NIGHT, "Europe/Berlin", ms("2026-10-24T21:00:00", "Europe/Berlin"), ms("2026-10-25T08:00:00", "Europe/Berlin")),
        # A morning that begins in the hour that is left out begins when the clock jumps over it: 2:30 is never shown, 3:00 is.
        (QuietHours(1260, 150), "Europe/Berlin", ms("2026-03-29T01:00:00", "Europe/Berlin"), ms("2026-03-29T01:00:00Z")),
        # An evening that begins in the hour that is shown twice begins twice: what comes between is free.
        (QuietHours(150, 180), "Europe/Berlin", ms("2026-10-25T00:45:00Z"), ms("2026-10-25T01:00:00Z")),
        (QuietHours(150, 180), "Europe/Berlin", ms("2026-10-25T01:45:00Z"), ms("2026-10-25T02:00:00Z")),
        (NIGHT, "Asia/Kathmandu", ms("2026-03-02T15:15:00Z"), ms("2026-03-03T02:15:00Z")),
        (QuietHours(0, 480), "UTC", ms("2026-03-02T07:59:59.999"), ms("2026-03-02T08:00:00")),
        (QuietHours(0, 480), "UTC", ms("2026-03-02T08:00:00"), ms("2026-03-02T08:00:00")),
    ],
)
def test_nights_that_are_not_like_others(quiet: QuietHours, zone: str, at: int, free: int) -> None:
    assert quiet_hours.free(quiet, Device(timezone=zone), at, at + 2 * DAY) == free


def test_holidays_are_of_her_region_and_of_her_own_day() -> None:
    quiet = QuietHours(
        1260, 480, "Europe/Berlin", (Holidays("all", ("12-25",)), Holidays("DE", ("2026-10-03",)), Holidays("EU", ("05-09",)))
    )
    noon = ms("2026-10-03T12:00:00", "Europe/Berlin")
    assert quiet_hours.free(quiet, Device(country="DE"), noon, noon + 9 * DAY) == ms("2026-10-04T08:00:00", "Europe/Berlin")
    assert quiet_hours.free(quiet, Device(country="FR"), noon, noon + 9 * DAY) == noon
    assert quiet_hours.free(quiet, Device(), noon, noon + 9 * DAY) == noon
    may = ms("2027-05-09T12:00:00", "Europe/Berlin")
    assert quiet_hours.free(quiet, Device(country="FR"), may, may + 9 * DAY) == ms("2027-05-10T08:00:00", "Europe/Berlin")
    # In Auckland the 25th is over when it begins in Berlin.
    eve = ms("2026-12-24T20:30:00", "Europe/Berlin")
    assert quiet_hours.free(quiet, Device(timezone="Pacific/Auckland"), eve, eve + 9 * DAY) == ms("2026-12-26T08:00:00", "Pacific/Auckland")


def test_where_no_moment_is_free_it_ends_when_it_expires() -> None:
    quiet = QuietHours(1260, 480, None, (Holidays("all", ("03-02", "03-03")),))
    assert quiet_hours.free(quiet, Device(), ms("2026-03-02T12:00:00"), ms("2026-03-03T12:00:00")) == ms("2026-03-03T12:00:00")


@pytest.mark.parametrize(
    ("told", "pack", "zone"), [("Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"), (None, "Europe/Berlin", "Europe/Berlin"), (None, None, "UTC")]
)
def test_she_lives_by_her_own_clock_else_by_the_packs(told: str | None, pack: str | None, zone: str) -> None:
    assert quiet_hours.zone_of(Device(timezone=told), QuietHours(0, 1, pack)) == zone


# --- stories ----------------------------------------------------------------------------------------------------------------------


def test_what_falls_due_at_night_goes_out_in_the_morning_and_its_follow_up_waits_from_there() -> None:
    her = Her(gated(QUIET))
    her.event("cart_add", 20 * HOUR, product_id="p")
    her.until(3 * DAY)
    assert her.sends() == [("cart-reminder", "1 08:00:00"), ("cart-last-call", "2 08:00:00")]
    assert held(her) == [("cart", "quiet_hours", "03-03 08:00:00")]
    assert her.plans[0].due_at == ms("2026-03-02T22:00:00")
    assert her.plans[0].expires_at == ms("2026-03-03T22:00:00"), "from the first moment at which it could have gone out"


def test_it_is_night_where_she_is() -> None:
    her = Her(gated(QUIET))
    her.event("page_view", 0, timezone="America/New_York")
    her.event("cart_add", 9 * HOUR, product_id="p")  # due 11:00 in London, 6:00 in New York
    her.until(DAY)
    assert her.sends() == [("cart-reminder", "0 13:00:00")]


def test_another_thing_put_into_the_cart_at_night_lets_it_wait_anew() -> None:
    her = Her(gated(QUIET))
    her.event("cart_add", 20 * HOUR, product_id="p")
    her.event("cart_add", DAY + 7 * HOUR, product_id="q")
    her.until(2 * DAY)
    assert her.sends() == [("cart-reminder", "1 09:00:00")]


def test_what_expires_before_the_morning_ends_with_the_reason_of_its_hold() -> None:
    her = Her(gated('[quiet_hours]\nfrom = "21:00"\nto = "08:00"\nholidays = ["03-03"]\n'))
    her.event("cart_add", 20 * HOUR, product_id="p")
    her.until(4 * DAY)
    assert her.plans == []
    assert her.decisions("held", "not_sent") == [
        ("cart", 0, "held", "quiet_hours"),
        ("cart", 0, "not_sent", "quiet_hours"),
        ("cart", 1, "not_sent", "quiet_hours"),
    ]
    assert her.decided[-1].at == "2026-03-03T22:00:00.000Z"


def test_a_night_is_not_lateness() -> None:
    # Held for eleven hours, and late after six.
    her = Her(gated(QUIET))
    her.event("product_view", 19 * HOUR + 1, product_id="p")
    her.until(2 * DAY)
    assert her.sends() == [("product-details", "1 08:00:00")]


def test_what_she_takes_back_while_it_is_held_counts() -> None:
    her = Her(gated(QUIET))
    her.event("cart_add", 20 * HOUR, product_id="p")
    her.event("consent_withdraw", 23 * HOUR, purposes=["email"])
    her.until(2 * DAY)
    assert {reason for *_, reason in her.decisions("not_sent")} == {"no_consent"}


def test_a_hold_outlives_a_crash() -> None:
    her = Her(gated(QUIET))
    her.event("cart_add", 20 * HOUR, product_id="p")
    her.until(23 * HOUR)
    her.store_and_load()
    her.until(2 * DAY)
    assert her.sends()[0] == ("cart-reminder", "1 08:00:00")
    assert len(held(her)) == 1
