"""Times as people type them: ISO 8601, or how long ago."""

from __future__ import annotations

import re
from typing import Any

import click
from msgspec import Struct

from app.edges.events_file import milliseconds
from app.policy.fields import UNITS

_AGO = re.compile(r"(\d{1,6})(s|min|h|d)")


class Instant(click.ParamType):
    """ISO 8601 → ms since 1970."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        at = milliseconds(value)
        if at is None:
            self.fail(f"{value!r} is no ISO 8601 time, such as 2026-03-02T10:15:00Z", param, ctx)
        return at


class Since(Struct, frozen=True):
    """`at` ms, or `ago` ms before now, whatever now is there."""

    at: int | None = None
    ago: int = 0

    def instant(self, now: int) -> int:
        return max(0, now - self.ago if self.at is None else self.at)


class SinceType(click.ParamType):
    """`2026-03-02T10:15:00Z`, `2d`, `12h`, `30min`."""

    name = "TIME|2d"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Since:
        if isinstance(value, str) and (match := _AGO.fullmatch(value)):
            return Since(ago=int(match[1]) * UNITS[match[2]])
        at = milliseconds(value)
        if at is None:
            self.fail(f"{value!r} is neither an ISO 8601 time, such as 2026-03-02T10:15:00Z, nor a span such as 2d or 12h", param, ctx)
        return Since(at)
