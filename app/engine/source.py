"""What an agent's queue carries: stretches of a partition, and the topic objects that hand them out."""

from __future__ import annotations

from typing import Any

import faust
from msgspec import Struct


class Stretch(Struct):
    """Offsets `base`..`last` of a partition as fetched: control batches and aborted records are covered but hold no `records`."""

    base: int
    last: int
    records: list[Any]
    weight: int
    epoch: int
    """Of the flow it was fetched in. A static member rejoins with its old generation number, so that alone does not tell flows apart."""


class Untouched(faust.Schema):
    """Keys and values of stretches pass through undecoded; lanes decode records."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


def source(app: Any, topic: str) -> Any:
    """A topic of the map as an agent reads it. Each agent needs its own, or the conductor would deliver to one queue only."""
    return app.topic(app.kairos.settings.topic(topic), schema=Untouched())
