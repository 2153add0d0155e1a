"""Percentiles of times in ms."""

from __future__ import annotations

from collections.abc import Iterable

from app.commands.outcome import Outage


def percentiles(times: Iterable[float]) -> dict[str, float]:
    """The smallest value that is not exceeded by half, by 99 % of them; the largest; how many there are. Raises `Outage` without any."""
    ordered = sorted(times)
    if not ordered:
        raise Outage("nothing came back to be measured")
    found = {f"p{part}_ms": ordered[max(0, -(-len(ordered) * part // 100) - 1)] for part in (50, 99)}
    return {**{name: round(value, 1) for name, value in found.items()}, "max_ms": round(ordered[-1], 1), "n": len(ordered)}
