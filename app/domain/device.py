"""What she uses and where she is: device, zone, locale, region (A-019, A-021)."""

from __future__ import annotations

from msgspec import Struct


class Device(Struct, frozen=True, array_like=True):
    """As last told by an event's context or properties, or by traits; None: not told."""

    kind: str | None = None
    """mobile, tablet, desktop"""
    timezone: str | None = None
    locale: str | None = None
    region: str | None = None
