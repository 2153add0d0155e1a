"""What moved between two states of a person: how near she is to buying, what she likes most, where she stands, what windows wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain import churn, intent, interest
from app.domain.concluded import ENTERED, LEFT, STAGE, TIER
from app.domain.facts import Facts
from app.domain.lifecycle import StageScheme
from app.domain.segmenter import OWN
from app.events import Conclusion

if TYPE_CHECKING:
    from app.domain.person import Person
    from app.domain.trigger import Pack

__all__ = ["ENTERED", "LEFT", "OWN", "STAGE", "TIER", "Behind", "Joined", "Scores", "behind", "joined", "noteworthy", "scores", "spoken"]

NOTEWORTHY = 5.0
"""Points of intent below which a movement within a level is not told."""


class Scores(Struct, frozen=True):
    """A person's scores as of an instant; `interest`: the highest category's, 0–100."""

    level: str = "low"
    intent: float = 0.0
    category: str | None = None
    interest: float = 0.0
    churn_level: str | None = None
    churn: float | None = None


class Joined(Struct, frozen=True):
    """An open window that took something in, or waits for another instant than before. `due_at` ms."""

    window_id: str
    trigger: str
    step: int
    due_at: int
    views: int
    more_views: int
    waited_until: int


def scores(person: Person, now: int) -> Scores:
    """As of `now` (ms)."""
    near = intent.view(person.intent, now)
    liked = interest.decayed(person.profile.interest, now)
    first = interest.primary(liked)
    likely = churn.probability(person.churn, now)
    return Scores(near["level"], near["score"], first, liked[first] if first is not None else 0.0, person.churn.level, likely)


def noteworthy(told: Scores, seen: Scores) -> tuple[bool, bool, bool]:
    """Whether intent, highest category, churn level moved enough to be told."""
    nearer = seen.level != told.level or abs(seen.intent - told.intent) >= NOTEWORTHY
    return nearer, seen.category != told.category, seen.churn_level != told.churn_level


class Behind(Struct, frozen=True):
    """What stands behind a stage, tier or segment: the pack's words for it, and the figures that its condition asks for, by path."""

    why: str = ""
    figures: dict[str, Any] = {}


NOTHING = Behind()


def behind(record: Conclusion, pack: Pack, known: Facts) -> Behind:
    """Of a conclusion about where she stands, as of when it was drawn."""
    told = record.values.get("event")
    if not isinstance(told, dict):
        return NOTHING
    why, paths = "", tuple[str, ...]()
    if record.kind == STAGE and (scheme := pack.stage_schemes.get(told.get("scheme", ""))) is not None:
        why, paths = _stage(scheme, told, known)
    elif record.kind == TIER and (ranked := pack.tier_schemes.get(told.get("scheme", ""))) is not None:
        shares = [f"{one.share:g} % of the customers" for one in ranked.tiers if one.name == told.get("tier")]
        best = ranked.tiers[0].name == told.get("tier")
        why, paths = f"the {'best' if best else 'next'} {shares[0]}" if shares else "", ("profile.clv.value",)
    elif record.kind in (ENTERED, LEFT) and (segment := pack.segments.get(record.value)) is not None:
        why, paths = segment.why, segment.when.paths
    elif record.kind in (ENTERED, LEFT):
        bands = [
            (scheme, one) for scheme in pack.band_schemes.values() for one in scheme.bands if record.value == f"{scheme.name}_{one.name}"
        ]
        for banded, band in bands[:1]:
            why, paths = f"{spoken(banded.by)} {'above' if band.above else 'from'} {band.least:g}", (banded.by,)
    return Behind(why, {path: value for path in paths if isinstance(value := known.peek(path), str | bool | int | float | None)})


def spoken(path: str) -> str:
    """A figure's path for people: `days since order`."""
    return path.removeprefix("profile.").replace(".", " ").replace("_", " ")


def _stage(scheme: StageScheme, told: dict[str, Any], known: Facts) -> tuple[str, tuple[str, ...]]:
    """Why she is in a stage, and what is asked: by that stage, else (it has whoever is left) by the one she was in."""
    mine = [one for one in scheme.stages if one.name == told.get("stage")]
    stage = next((one for one in mine if one.when is None or one.when.holds(known)), mine[0] if mine else None)
    if stage is None:
        return "", ()
    asked = [one.when for one in (stage, *(one for one in scheme.stages if one.name == told.get("before"))) if one.when is not None]
    return stage.why, asked[0].paths if asked else ()


def joined(before: Person, after: Person) -> list[Joined]:
    """Windows that are open in both states and gathered something, or wait anew."""
    known = {one.window_id: one for one in before.windows.open}
    found = []
    for one in after.windows.open:
        old = known.get(one.window_id)
        if old is None or old is one or one.step != old.step or (one.views == old.views and one.due_at == old.due_at):
            continue
        found.append(Joined(one.window_id, one.trigger, one.step, one.due_at, one.views, one.views - old.views, old.due_at))
    return found
