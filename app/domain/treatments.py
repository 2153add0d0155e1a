"""How people of a stage or tier are written to: data for gate, content and templates (A-070, A-072, A-085, A-087, A-089–A-092)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

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


def hers(standing: Standing, treatments: Iterable[Treatment], by: By) -> dict[str, Treatment]:
    """`stage` and `tier` → how she is treated for it, as far as the pack says anything."""
    stage = standing.stages.get(by.stage or "", ("", 0))[0]
    places = {STAGE: (by.stage, stage), TIER: (by.tier, standing.tiers.get(by.tier or ""))}
    return {one.of: one for one in treatments if (one.scheme, one.group) == places[one.of]}


def view(standing: Standing, treatments: Iterable[Treatment], by: By) -> dict[str, Any]:
    """As templates read it: `profile.treatment.tier.tone`."""
    return {of: _plain(one) for of, one in sorted(hers(standing, treatments, by).items())}


def _plain(one: Treatment) -> dict[str, Any]:
    told = {
        "name": one.name,
        "mails_per_week": None if one.mails_high is None else {"low": one.mails_low or 0, "high": one.mails_high},
        "focus": one.focus,
        "content": list(one.content) or None,
        "tone": one.tone,
        "discount": one.discount,
    }
    return {name: value for name, value in told.items() if value is not None}
