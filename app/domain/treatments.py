"""How people of a stage or tier are written to: data for gate, content and templates (A-070, A-072, A-085, A-087, A-089–A-092)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from app.domain.days import DAY_MS
from app.domain.standing import Standing

STAGE, TIER = "stage", "tier"


class Treatment(Struct, frozen=True):
    """Of everybody in one stage or tier of a scheme. What is not said is left to the others."""

    name: str
    why: str
    of: str
    """`stage` or `tier`."""
    scheme: str
    """The scheme that has it."""
    group: str
    """The stage or tier itself."""
    mails_low: float | None = None
    """Mails a week, the lower number of the range."""
    mails_high: float | None = None
    """Mails a week, the upper number of the range: the cap."""
    every: int | None = None
    """How many ms lie between two messages of a programme."""
    focus: str | None = None
    """What its mails are about."""
    content: tuple[str, ...] = ()
    """Kinds of content it gets, the most fitting first."""
    tone: str | None = None
    """How it is spoken to."""
    discount: str | None = None
    """What discounts it gets: `none`, `minimal`, `moderate`, `category` or `strong`."""


class By(Struct, frozen=True):
    """Which of the schemes this policy goes by (X-02, X-03)."""

    stage: str | None = None
    """The stage scheme by which people are treated."""
    tier: str | None = None
    """The tier scheme by which people are treated."""


class Treating(Protocol):
    """Who says how people are treated: a pack."""

    @property
    def goes_by(self) -> By: ...

    def treatment(self, of: str, scheme: str, group: str) -> Treatment | None: ...


def hers(standing: Standing, pack: Treating, of: str) -> Treatment | None:
    """How she is treated for her stage or tier (`of`) in the scheme that the pack goes by, as far as it says anything."""
    scheme = getattr(pack.goes_by, of)
    group = standing.stages.get(scheme, NOWHERE)[0] if of == STAGE else standing.tiers.get(scheme)
    return None if scheme is None or group is None else pack.treatment(of, scheme, group)


NOWHERE = (None, 0)


def view(standing: Standing, pack: Treating | None, of: str) -> dict[str, Any]:
    """As conditions and templates read it (`profile.treatment.tier.tone`): what the pack says, and nothing else; not to be changed."""
    one = None if pack is None else hers(standing, pack, of)
    return _SILENCE if one is None else _plain(one)


_SILENCE: dict[str, Any] = {}


@lru_cache(maxsize=1_024)  # a pack has few, and the record of everybody has two
def _plain(one: Treatment) -> dict[str, Any]:
    told = {
        "name": one.name,
        "mails_per_week": None if one.mails_high is None else {"low": one.mails_low or 0.0, "high": one.mails_high},
        "every_days": None if one.every is None else one.every / DAY_MS,
        "focus": one.focus,
        "content": list(one.content) or None,
        "tone": one.tone,
        "discount": one.discount,
    }
    return {name: value for name, value in told.items() if value is not None}
