"""The stage's work as a program of the engine: a profile of about 300 bytes read, updated and kept, one output of about 225 bytes.

The same rules as in profile_dict.py, which the rivals run; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from app.commands.bench.silent import Silent
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused

POINTS = {"product_view": 1.0, "cart_add": 5.0, "purchase": 10.0, "email_click": 2.0}
MOST = 100
"""Categories of a profile, and points of one."""


class Event(Struct, frozen=True, gc=False):
    """What the work reads of an event; the rest of its JSON is parsed and passed over."""

    event_id: str
    customer_id: str
    event_type: str
    product_id: str
    category: str
    price: float
    ts: int
    session: str


class Profile(Struct, frozen=True):
    """Kept under its fields' names, as the rivals keep theirs; Kairos's own rows are arrays and a third smaller."""

    customer_id: str
    n: int = 0
    views: int = 0
    carts: int = 0
    purchases: int = 0
    clicks: int = 0
    spend: float = 0.0
    last_seen: int = 0
    last_type: str = ""
    last_product: str = ""
    last_session: str = ""
    interest: dict[str, float] = {}


class Seen(Struct, frozen=True, gc=False):
    """The output."""

    customer_id: str
    event_id: str
    event_type: str
    n: int
    views: int
    carts: int
    purchases: int
    clicks: int
    spend: float
    category: str
    interest: float
    ts: int


_event = msgspec.json.Decoder(Event).decode
_profile = msgspec.msgpack.Decoder(Profile).decode
_keep = msgspec.msgpack.Encoder().encode
_tell = msgspec.json.Encoder().encode


class StageProgram(Silent):
    """Reads customer_events, keeps a row per customer, writes message_sends."""

    row_kinds = (b"p",)

    def read(self, incoming: Incoming) -> tuple[bytes | None, Event]:
        try:
            return incoming.key, _event(incoming.value or b"")
        except msgspec.MsgspecError as error:
            raise Refused("contract", [{"path": "", "message": str(error)}]) from error

    def now(self, record: Event, marks: Marks) -> int:
        return record.ts

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Profile:
        body = bodies[0]
        return Profile(key.decode()) if body is None else _profile(body)

    def step(self, group: Profile, record: Event, moment: Moment) -> tuple[Profile, list[Output]]:
        profile, seen = updated(group, record)
        return profile, [Output("message_sends", profile.customer_id.encode(), _tell(seen))]

    def dump(self, group: Profile, loaded: Profile | None) -> list[tuple[bytes, bytes]]:
        return [] if group is loaded else [(b"p", _keep(group))]


def updated(profile: Profile, event: Event) -> tuple[Profile, Seen]:
    """The profile after the event, and what is told of it."""
    kind, interest = event.event_type, dict(profile.interest)
    category = event.category
    if category not in interest and len(interest) >= MOST:
        del interest[min(interest, key=interest.__getitem__)]
    points = min(interest.get(category, 0.0) + POINTS[kind], float(MOST))
    interest[category] = points
    views, carts, purchases, clicks = profile.views, profile.carts, profile.purchases, profile.clicks
    spend = profile.spend
    if kind == "product_view":
        views += 1
    elif kind == "cart_add":
        carts += 1
    elif kind == "purchase":
        purchases += 1
        spend = round(spend + event.price, 2)
    else:
        clicks += 1
    who, n, last = profile.customer_id, profile.n + 1, max(profile.last_seen, event.ts)
    after = Profile(who, n, views, carts, purchases, clicks, spend, last, kind, event.product_id, event.session, interest)
    return after, Seen(who, event.event_id, kind, n, views, carts, purchases, clicks, spend, category, points, event.ts)
