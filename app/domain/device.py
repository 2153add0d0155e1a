"""What she uses and where she is: device, zone, locale, country (A-019, A-021)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.domain import countries
from app.domain.countries import MEMBERS

_MOBILE = frozenset(("mobile", "phone", "smartphone", "ios", "iphone", "android"))
_DESKTOP = frozenset(("desktop", "laptop", "pc", "computer", "mac", "windows"))
COUNTRIES = ("country_code", "countryCode", "country", "address.country", "address.country_code")
"""Properties that may say which, also as pipelines flatten an address."""
_LOCALE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|\d{3}))?(?:[.@].*)?")


class Device(Struct, frozen=True, array_like=True):
    """As last told by an event's context or properties, or by traits; None: not told."""

    kind: str | None = None
    """mobile, tablet, desktop"""
    timezone: str | None = None
    """IANA name."""
    locale: str | None = None
    """BCP 47."""
    country: str | None = None
    """ISO 3166, two letters; or `EU`, where no more was told."""
    told: tuple[int, ...] = ()
    """When each of the four was last told, in s."""


def region(device: Device) -> str | None:
    """`EU` for its member states, else the country (A-102). None: not told, or kept from when any two letters were taken for one."""
    if device.country in MEMBERS:
        return "EU"
    return device.country if device.country is not None and countries.place(device.country) else None


def heard(device: Device, properties: dict[str, Any], context: dict[str, Any], ts: int) -> Device:
    """After an event of `ts` (ms): of each of the four the latest word."""
    if not context and TOLD.isdisjoint(properties):
        return device
    values: list[str | None] = [device.kind, device.timezone, device.locale, device.country]
    told = list(device.told or (0, 0, 0, 0))
    changed = False
    for n, read in enumerate(_READ):
        value = read(properties, context)
        if value is None:
            continue
        news, before = (ts // 1000, value), (told[n], values[n] or "")
        if news > before:
            told[n], values[n] = news
            changed = True
    return _device(values, tuple(told)) if changed else device


def union(mine: Device, theirs: Device) -> Device:
    """Of two people as one: of each of the four the latest word."""
    if not mine.told or not theirs.told:
        return mine if mine.told else theirs
    pairs = zip(mine.told, theirs.told, strict=True)
    mines, other = (mine.kind, mine.timezone, mine.locale, mine.country), (theirs.kind, theirs.timezone, theirs.locale, theirs.country)
    newer = [(here, mines[n] or "") >= (there, other[n] or "") for n, (here, there) in enumerate(pairs)]
    values = [mines[n] if mine_newer else other[n] for n, mine_newer in enumerate(newer)]
    return _device(values, tuple(max(here, there) for here, there in zip(mine.told, theirs.told, strict=True)))


def _device(values: list[str | None], told: tuple[int, ...]) -> Device:
    kind, timezone, locale, country = values
    return Device(kind, timezone, locale, country, told)


# --- what an event says ---------------------------------------------------------------------------------------------------------


def kind(properties: dict[str, Any], context: dict[str, Any]) -> str | None:
    """mobile, tablet or desktop, by `device` or else by the user agent; None: it does not say."""
    for told in (properties.get("device"), context.get("device"), properties.get("device_type")):
        word = told.get("type") or told.get("kind") if isinstance(told, dict) else told
        if isinstance(word, str) and (found := _kind(word.strip().lower())) is not None:
            return found
    for told in (properties.get("user_agent"), context.get("userAgent"), context.get("user_agent")):
        if isinstance(told, str):
            return _of_agent(told[:500])
    return None


def _kind(word: str) -> str | None:
    if word in ("tablet", "ipad"):
        return "tablet"
    return "mobile" if word in _MOBILE else "desktop" if word in _DESKTOP else None


@lru_cache(maxsize=4_096)  # few browsers, many events
def _of_agent(agent: str) -> str | None:
    agent = agent.lower()
    if "ipad" in agent or "tablet" in agent or "kindle" in agent or "silk/" in agent or ("android" in agent and "mobi" not in agent):
        return "tablet"
    if "mobi" in agent or "iphone" in agent:
        return "mobile"
    return "desktop" if any(word in agent for word in ("windows nt", "macintosh", "x11;", "cros ")) else None


def timezone(properties: dict[str, Any], context: dict[str, Any]) -> str | None:
    """The zone's IANA name; None: it names none."""
    for told in (properties.get("timezone"), context.get("timezone"), properties.get("time_zone")):
        if isinstance(told, str) and (name := told.strip()) in _zones():
            return name
    return None


def locale(properties: dict[str, Any], context: dict[str, Any]) -> str | None:
    """The language tag, as `de-DE`."""
    for told in (properties.get("locale"), context.get("locale"), properties.get("language")):
        if isinstance(told, str) and (found := _tag(told[:40])) is not None:
            return found
    return None


@lru_cache(maxsize=4_096)
def _tag(told: str) -> str | None:
    match = _LOCALE.fullmatch(told.strip())
    if match is None:
        return None
    language, script, place = match.groups()
    return "-".join(filter(None, (language.lower(), script and script.title(), place and place.upper())))


def country(properties: dict[str, Any], context: dict[str, Any]) -> str | None:
    """The country's code by its code or name, else by the region told; `EU` where no more is told than that."""
    for told in (properties, properties.get("address"), properties.get("location"), context.get("location"), context):
        if isinstance(told, dict):
            for name in COUNTRIES:
                word = told.get(name)
                if isinstance(word, str) and (found := countries.country(word)) is not None:
                    return found
    region = properties.get("region")
    return countries.of_region(region) if isinstance(region, str) else None


@lru_cache(maxsize=1_024)  # there are 597
def zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, or None. Of the package `tzdata`, not of the machine: every worker has the same rules."""
    if name not in _zones():
        return None
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


@cache
def _zones() -> frozenset[str]:
    # Read once: a name is a file, and what people send as one may be a path. Factory is what a clock shows that was never set.
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split()) - {"Factory"}


_READ: tuple[Callable[[dict[str, Any], dict[str, Any]], str | None], ...] = (kind, timezone, locale, country)
TOLD = frozenset(("device", "device_type", "user_agent", "timezone", "time_zone", "locale", "language", *COUNTRIES)) | frozenset(
    ("address", "location", "region")
)
"""Properties that may say one of the four."""
