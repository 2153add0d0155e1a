"""What she uses and where she is, by events' context and properties and by traits (A-019, A-021, A-102)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain import device
from app.domain.device import EU, MEMBERS, Device, heard, region, union
from tests.person_story import HOUR, START, Her

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari/604.1"
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Mobile Safari/537.36"
TAB = "Mozilla/5.0 (Linux; Android 14; SM-X900) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


@pytest.mark.parametrize(
    ("properties", "context", "kind"),
    [
        ({"device": "Mobile"}, {}, "mobile"),
        ({"device": {"type": "tablet"}}, {}, "tablet"),
        ({}, {"device": {"type": "ios"}}, "mobile"),
        ({}, {"device": {"type": "android", "model": "Pixel"}}, "mobile"),
        ({"device": "fridge"}, {"userAgent": MAC}, "desktop"),
        *(({}, {"userAgent": agent}, kind) for agent, kind in ((IPHONE, "mobile"), (IPAD, "tablet"), (ANDROID, "mobile"), (TAB, "tablet"))),
        *(({}, {"userAgent": agent}, "desktop") for agent in (WINDOWS, MAC, LINUX)),
        ({"user_agent": IPHONE}, {"userAgent": WINDOWS}, "mobile"),
        ({}, {"userAgent": "analytics-python/2.3"}, None),
        ({}, {"userAgent": 5, "device": 7}, None),
        ({}, {}, None),
    ],
)
def test_mobile_tablet_desktop(properties: dict[str, Any], context: dict[str, Any], kind: str | None) -> None:
    assert device.kind(properties, context) == kind


def test_a_zone_is_an_iana_name() -> None:
    assert device.timezone({}, {"timezone": "Europe/Berlin"}) == "Europe/Berlin"
    assert device.timezone({"timezone": " America/New_York "}, {"timezone": "Europe/Berlin"}) == "America/New_York"
    for odd in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "", "GMT+25", 7, None):
        assert device.timezone({"timezone": odd}, {}) is None
    assert device.zone("Europe") is None


def test_a_locale_is_a_language_tag() -> None:
    for told, tag in (("de_DE", "de-DE"), ("en-us", "en-US"), ("zh-hant-tw", "zh-Hant-TW"), ("pt_BR.UTF-8", "pt-BR"), ("es-419", "es-419")):
        assert device.locale({}, {"locale": told}) == tag
    for odd in ("<script>", "german", "", 5):
        assert device.locale({"locale": odd}, {}) is None


def test_the_region_is_eu_for_its_members() -> None:
    # A-102: region = EU
    assert len(MEMBERS) == 27 and set(EU.values()) == MEMBERS
    for told, where in (("Germany", "EU"), ("de", "EU"), ("FR", "EU"), ("UK", "GB"), ("United States", "US"), ("CH", "CH"), ("EL", "EU")):
        assert region(heard(Device(), {}, {"location": {"country": told, "region": "CA"}}, START)) == where
    assert region(heard(Device(), {"country_code": "at"}, {}, START)) == "EU"
    assert region(heard(Device(), {"address": {"country": "Italy"}}, {}, START)) == "EU"
    assert region(heard(Device(), {"region": "EU"}, {}, START)) == "EU"
    for odd in ("Atlantis", "D", 49, None, {"country": {}}):
        assert region(heard(Device(), {"country": odd}, {}, START)) is None


def test_each_is_the_latest_word() -> None:
    first = heard(Device(), {}, {"locale": "de-DE", "timezone": "Europe/Berlin"}, START + HOUR)
    late = heard(first, {}, {"locale": "en-GB", "userAgent": IPHONE}, START)
    assert (late.locale, late.timezone, late.kind) == ("de-DE", "Europe/Berlin", "mobile")
    assert heard(late, {"product_id": "p"}, {}, START + 2 * HOUR) is late
    assert heard(late, {}, {"locale": "de-DE"}, START) is late
    other = heard(Device(), {"country": "US", "locale": "en-US"}, {}, START + 2 * HOUR)
    both = union(first, other)
    assert both == union(other, first)
    assert (both.locale, both.timezone, both.country) == ("en-US", "Europe/Berlin", "US")
    assert union(Device(), first) == union(first, Device()) == first


def test_traits_and_events_of_hers_tell_it_a_servers_and_a_mails_do_not() -> None:
    her = Her()
    her.does("identify", 0, traits={"timezone": "Europe/Paris", "country": "France", "locale": "fr-FR"})
    her.does("page_view", 1_000, device="desktop")
    her.does("email_open", 2_000, device="mobile", country="US", send_id="s")
    her.does("order_shipped", 2_000, country="PL")
    her.does("email_sent", 2_000, device="mobile")
    found = her.person.profile.device
    assert (found.kind, found.timezone, found.locale, found.country) == ("desktop", "Europe/Paris", "fr-FR", "FR")
