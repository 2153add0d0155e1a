"""Which traits can be true: addresses that can be written to, numbers that can be called, births that have been (A-244)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, is_possible_number, parse

from app.domain.traits import sane_address

PHONES = frozenset(("phone", "phone_number", "phoneNumber", "mobile", "mobile_phone", "telephone"))
BIRTHS = frozenset(("birthday", "birth_date", "birthdate", "birthDate", "date_of_birth", "dateOfBirth", "dob"))
EARLIEST_BIRTH = date(1900, 1, 1)
"""Nobody born before it is alive; a database's way of saying nothing often is."""
MAX_AGE = 125
"""Jeanne Calment reached 122."""
SIGNED = frozenset(("lat", "latitude", "lng", "lon", "longitude", "balance", "temperature", "score", "utc_offset", "timezone_offset"))
"""Numbers that may be negative; any other of a person counts or measures something."""
MAX_PHONE = 40


def sorted_out(news: dict[str, Any], at: int, country: str | None) -> tuple[dict[str, Any], list[str]]:
    """The traits that can be true, as told at `at` (ms), telephone numbers in E.164; and the names of the others.

    `country`: where a number without a country code is called from. Without one such a number is kept as told: nothing speaks against it.
    """
    kept: dict[str, Any] = {}
    impossible: list[str] = []
    for name, value in news.items():
        if name in PHONES and isinstance(value, str | int) and not isinstance(value, bool):
            value = found = phone(str(value), country)
            possible = found is not None
        else:
            possible = value is None or _possible(name, value, at)
        if possible:
            kept[name] = value
        else:
            impossible.append(name)
    return kept, impossible


def _possible(name: str, value: Any, at: int) -> bool:
    if isinstance(value, str) and "${" in value:  # a template left unfilled: nobody wants a mail to begin with "Dear ${firstName}"
        return False
    if name == "email":
        return sane_address(value) is not None
    if name in BIRTHS:
        born = _date(value)
        return born is None or EARLIEST_BIRTH <= born <= datetime.fromtimestamp(at / 1000, UTC).date()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return 0 <= value <= MAX_AGE if name == "age" else value >= 0 or name in SIGNED


def _date(value: Any) -> date | None:
    """The date of an ISO 8601 word; None: written in another way, about which nothing is known."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


@lru_cache(maxsize=4_096)
def phone(told: str, country: str | None) -> str | None:
    """A telephone number in E.164, or as told where its country is not known; None: nobody has such a number."""
    told = told.strip()
    if not told or len(told) > MAX_PHONE:
        return None
    try:
        number = parse(told, country)
    except NumberParseException as error:
        unknown = error.error_type == NumberParseException.INVALID_COUNTRY_CODE and not told.startswith("+")
        return told if unknown and any(letter.isdigit() for letter in told) else None
    return format_number(number, PhoneNumberFormat.E164) if is_possible_number(number) else None
