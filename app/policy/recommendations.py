"""What a pack recommends, and how the model is learned: `[recommendations]` and its `use` rows, checked field by field (X-20)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from app.domain.liking import Weights
from app.domain.recommendation import SIMILAR, USES, Recommendations, Use
from app.policy.fields import DAY, MINUTE, NAME, Fields
from app.policy.place import Path

RECOMMENDATIONS = ("why", "n", "collaborative", "content", "k", "refresh", "weights", "use")
USE = ("message", "why", "kind", "n", "exclude_bought", "exclude_viewed")
MOST = 20
"""Products of one message; no mail shows more."""
MOST_NEIGHBOURS = 100
SOONEST, LATEST = 5 * MINUTE, 30 * DAY
MAX_WEIGHT = 1_000
WEIGHTS_SUM = 1e-6


class Recommended:
    """Reads what a pack says about recommendations; what it does not say stays as in `base`, and a use of the same message gives way."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.named: list[tuple[str, Path]] = []
        """Messages that uses name, and where."""

    def read(self, told: dict[str, Any], base: Recommendations) -> Recommendations:
        read, at = self._fields, ("recommendations",)
        read.known(told, at, RECOMMENDATIONS, required=("why",))
        read.text(told, at, "why")
        uses = dict(base.uses)
        rows = read.list(told, at, "use", dict)
        for number, row in enumerate(rows):
            one = self._use(row, (*at, "use", number))
            if one is not None:
                uses[one.message] = one
        names = [row.get("message") for row in rows]
        for number, name in enumerate(names):
            if name is not None and name in names[:number]:
                read.wrong((*at, "use", number, "message"), f"use of {name!r} a second time")
        found = replace(
            base,
            n=read.whole(told, at, "n", 1, MOST, base.n),
            collaborative=read.number(told, at, "collaborative", 0, 1, base.collaborative),
            content=read.number(told, at, "content", 0, 1, base.content),
            k=read.whole(told, at, "k", 1, MOST_NEIGHBOURS, base.k),
            refresh=read.duration(told, at, "refresh", base.refresh),
            weights=self._weights(read.table(told, at, "weights"), (*at, "weights"), base.weights),
            uses=uses,
        )
        if abs(found.collaborative + found.content - 1) > WEIGHTS_SUM:
            sums = found.collaborative + found.content
            read.wrong((*at, "collaborative"), f"collaborative and content are weights: they add to {sums:g}, not to 1")
        if found.refresh and not SOONEST <= found.refresh <= LATEST:
            read.wrong((*at, "refresh"), "refresh: 5min to 30d, or 0s for never")
        return found

    def _weights(self, told: dict[str, Any], at: Path, base: Weights) -> Weights:
        names = [one.name for one in msgspec.structs.fields(Weights)]
        self._fields.known(told, at, names)
        return Weights(*(self._fields.number(told, at, name, 0, MAX_WEIGHT, getattr(base, name)) for name in names))

    def _use(self, told: dict[str, Any], at: Path) -> Use | None:
        read = self._fields
        read.known(told, at, USE, required=("message",))
        message = read.text(told, at, "message", NAME, "a message's name, such as product-details")
        read.text(told, at, "why")
        one = Use(
            message or "",
            read.one_of(told, at, "kind", USES, SIMILAR),
            read.whole(told, at, "n", 1, MOST, 1) if "n" in told else None,
            read.flag(told, at, "exclude_bought", True),
            read.flag(told, at, "exclude_viewed", True),
        )
        if message is None:
            return None
        self.named.append((message, (*at, "message")))
        return one
