"""What she uses and where she is, by events' context and properties and by traits (A-019, A-021, A-102)."""

from __future__ import annotations

import shutil
import zoneinfo
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import tzdata
from babel import Locale  # comes with python-liquid
from babel.languages import get_official_languages

from app.domain import device
from app.domain.countries import CODES, MEMBERS
from app.domain.device import Device, heard, region, union
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
    for odd in (
        "Mars/Olympus",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe",
        "",
        "GMT+25",
        "localtime",
        "Factory",
        "posix/Europe/Berlin",
        "right/UTC",
        7,
        None,
    ):
        assert device.timezone({"timezone": odd}, {}) is None
    assert device.zone("Europe") is None and device.zone("localtime") is None


def test_a_zone_has_the_same_rules_on_every_machine(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    shutil.copy(Path(tzdata.__file__).parent / "zoneinfo/Asia/Tokyo", tmp_path / "Europe/Lisbon")
    device.zone.cache_clear()
    device._zones.cache_clear()
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        lisbon = device.zone("Europe/Lisbon")
        assert datetime(2026, 7, 1, 12, tzinfo=lisbon).utcoffset() == timedelta(hours=1)
        assert device.zone("America/Argentina/Buenos_Aires") is not None and device.zone("UTC") is not None
    finally:
        zoneinfo.reset_tzpath(before)
        device.zone.cache_clear()


def test_a_locale_is_a_language_tag() -> None:
    for told, tag in (("de_DE", "de-DE"), ("en-us", "en-US"), ("zh-hant-tw", "zh-Hant-TW"), ("pt_BR.UTF-8", "pt-BR"), ("es-419", "es-419")):
        assert device.locale({}, {"locale": told}) == tag
    for odd in ("<script>", "german", "", 5):
        assert device.locale({"locale": odd}, {}) is None


def test_the_region_is_eu_for_its_members() -> None:
    # A-102: region = EU
    assert len(MEMBERS) == 27 and MEMBERS <= CODES
    for told, where in (("Germany", "EU"), ("de", "EU"), ("FR", "EU"), ("UK", "GB"), ("United States", "US"), ("CH", "CH"), ("EL", "EU")):
        assert region(heard(Device(), {}, {"location": {"country": told, "region": "CA"}}, START)) == where
    assert region(heard(Device(), {"country_code": "at"}, {}, START)) == "EU"
    assert region(heard(Device(), {"address": {"country": "Italy"}}, {}, START)) == "EU"
    assert region(heard(Device(), {"region": "EU"}, {}, START)) == "EU"
    for odd in ("Atlantis", "D", "XX", "QQ", "QQQ", "", "x" * 10_000, 49, None, {"country": {}}):
        assert region(heard(Device(), {"country": odd}, {}, START)) is None
    assert region(Device(country="XX")) is None, "kept from before such a code was refused"
    assert heard(heard(Device(), {"country": "DE"}, {}, START), {"country": "XX"}, {}, START + 1_000).country == "DE"


@pytest.mark.parametrize(
    ("told", "country"),
    [
        *(({"country": name}, "DE") for name in ("Deutschland", "DEUTSCHLAND", " deu ", "Germany", "Bundesrepublik Deutschland", "de")),
        *(({"country": name}, "AT") for name in ("Österreich", "Osterreich", "AUT", "o\u0308sterreich")),
        *(({"country": name}, "ES") for name in ("España", "espana", "Espanya", "ESP")),
        *(({"country": name}, "NL") for name in ("Nederland", "The Netherlands", "Holland")),
        *(({"country": name}, "GR") for name in ("Ελλάδα", "ΕΛΛΑΔΑ", "EL")),
        *(({"country": name}, "US") for name in ("USA", "U.S.A.", "United States of America")),
        *(({"country": name}, "GB") for name in ("UK", "GBR", "United Kingdom", "the United Kingdom", "Scotland")),
        *(({"country": name}, "CH") for name in ("Schweiz", "Suisse", "Svizzera", "CHE")),
        ({"country": "Česká republika"}, "CZ"),
        ({"address": {"country": "Deutschland"}}, "DE"),
        ({"address.country": "DEU"}, "DE"),
        ({"region": "DE"}, "DE"),
        ({"region": "eu"}, "EU"),
        ({"region": "GB"}, "GB"),
        ({"region": "CA"}, None),  # California as likely as Canada
        ({"region": "Bavaria"}, None),
        ({"region": "CA", "country": "Canada"}, "CA"),
    ],
)
def test_a_country_is_known_by_its_codes_and_names(told: dict[str, Any], country: str | None) -> None:
    #
    assert heard(Device(), told, {}, START).country == country
    if "country" in told:
        assert heard(Device(), {}, {"location": told}, START).country == country


def test_every_country_is_known_in_english_and_in_its_own_languages() -> None:
    assert len(CODES) == 250
    for code in sorted(MEMBERS | {"NO", "IS", "LI", "GB", "CH", "US", "CA", "AU"}):
        for language in ("en", *get_official_languages(code)):
            name = Locale(language).territories[code]
            assert device.country({"country": name}, {}) == code, (code, language, name)


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
