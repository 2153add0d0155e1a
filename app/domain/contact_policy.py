"""How often and when a person may be written to at all, whatever the reason: data of a pack (A-198–A-201, X-17)."""

from __future__ import annotations

from msgspec import Struct

STAGE, TIER, ENGAGEMENT, PREFERENCE = "stage", "tier", "engagement", "preference"
DAY, WEEK, MONTH = "day", "week", "month"
MIN = "min"
LATER, DROP = "later", "drop"
MESSAGES, DEPTH = "messages", "depth"
EVERYWHERE = "all"


class Holidays(Struct, frozen=True):
    """Whole local days on which nothing goes out. `region`: `all`, or where she must be: a country's code, or EU."""

    region: str
    days: tuple[str, ...]
    """`12-25`: every year; `2026-04-06`: that one."""


class QuietHours(Struct, frozen=True):
    """Hours of her own day in which nothing goes out; a message that falls into them waits for their end."""

    start: int
    """From when on nothing goes out, by the clock on her wall; kept as a minute of the day."""
    end: int
    """From when on messages go out again; before the beginning it is the next morning's."""
    zone: str | None = None
    """Zone of people whose own is not known; without it theirs is UTC."""
    holidays: tuple[Holidays, ...] = ()


class Level(Struct, frozen=True):
    """Of a cap by engagement: how many messages she gets whose score is above a figure, or at least it."""

    most: int
    least: float
    above: bool = False


class Wish(Struct, frozen=True):
    """Of a cap by preference: how many messages she gets who asks for so many."""

    says: tuple[str, ...]
    """Her words (`preference_set` of `frequency`), whatever their case; a space, a hyphen and an underscore are the same."""
    most: int
    """Messages within `per`; 0: none at all."""
    per: int = 0
    """Sliding, in ms."""


class Cap(Struct, frozen=True):
    """A limit on what goes to one person. It counts messages that went out or are about to; transactional ones neither count nor wait."""

    name: str
    why: str
    most: int | None = None
    """Messages within `per`; of a cap without `by`."""
    per: int = 0
    """Sliding, in ms; 0: `calendar` or `by` tells."""
    calendar: str = ""
    """`day`, `week` (from Monday) or `month` in her own zone."""
    by: str = ""
    """`tier`: the upper number of her tier's treatment; `stage`: one message per interval of her stage's; `engagement`: by `steps`;
    `preference`: by `words`."""
    steps: tuple[Level, ...] = ()
    """By engagement: the first that holds of her score counts."""
    words: tuple[Wish, ...] = ()
    """By preference: what her own words come to; a word that stands nowhere says nothing."""
    triggers: tuple[str, ...] = ()
    """It counts and limits only these; none named: all."""
    channel: str | None = None
    """It counts and limits only this channel; None: all together."""
    counts: str = MESSAGES
    """`messages`: their number; `depth`: the sum of what each shows that she is known (A-261)."""


class Arbitration(Struct, frozen=True):
    """What several caps and several messages that are due together come to (X-17)."""

    combine: str = MIN
    """Which of the caps by stage, tier and engagement count where several say something: `min` all of them, else only the one named."""
    losers: str = LATER
    """Who lost a place to another message: `later` goes out at the first free moment before it expires, `drop` ends `lost_to_trigger`."""


class ContactPolicy(Struct, frozen=True):
    """All of it. Nothing said: nothing is held back."""

    quiet_hours: QuietHours | None = None
    caps: tuple[Cap, ...] = ()
    arbitration: Arbitration = Arbitration()
