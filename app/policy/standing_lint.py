"""What a pack's stages, bands and segments still get wrong: stages nobody can reach, segments nobody is in, or that nothing asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from app.domain import news
from app.domain.churn import NO_LEVEL
from app.domain.concluded import CHURN_LEVEL, NEWS, REORDER
from app.domain.trigger import Condition, Pack, Trigger
from app.policy.expression import Node, parsed
from app.policy.fact import Fact, known
from app.policy.place import Path
from app.policy.predicate import named
from app.policy.standing_rows import Rows, band_segments
from app.policy.standings import TREATED
from app.policy.triggers import STANDING
from app.policy.truth import always, never

Odd = tuple[Path, str, bool]
"""Where, what, and whether it is only a warning."""
NOBODY = ("",)
"""Where the pack says a thing of nobody: no condition on it holds."""
_NAMED = re.compile(r"'([a-z0-9_]+)'|\"([a-z0-9_]+)\"")


def of_standing(pack: Pack, path: str, on: Iterable[str] = ()) -> Fact | None:
    """What the pack itself says of a path: which stages, tiers, segments and flags there are."""
    root, _, name = path.partition(".")
    kinds = set(on)
    if root == "event" and kinds and kinds <= set(STANDING):
        return _told(pack, name, kinds)
    group, _, scheme = path.rpartition(".")
    if group == "profile.lifecycle" and scheme in pack.stage_schemes:
        return Fact("text", values=_once(one.name for one in pack.stage_schemes[scheme].stages))
    if group == "profile.clv.tier" and scheme in pack.tier_schemes:
        return Fact("text", values=tuple(one.name for one in pack.tier_schemes[scheme].tiers))
    if group.startswith(TREATED):
        return _treated(pack, group.removeprefix(f"{TREATED}.").partition(".")[0], path.removeprefix(f"{TREATED}.").partition(".")[2])
    return Fact("flag", always=True) if group == "profile.flags" and scheme in pack.flags else None


def _treated(pack: Pack, of: str, name: str) -> Fact:
    """Of how people of a stage or tier are written to: what the pack says of any of the scheme it goes by."""
    scheme = getattr(pack.goes_by, of, None)
    rows = [one for one in pack.treatments.values() if (one.of, one.scheme) == (of, scheme)]
    if name in ("focus", "tone", "discount", "name"):
        return Fact("text", values=_once(sorted(told for one in rows if (told := getattr(one, name)) is not None)) or NOBODY)
    return Fact("number", 0) if name in ("every_days", "mails_per_week.low", "mails_per_week.high") else Fact()


def _told(pack: Pack, name: str, kinds: set[str]) -> Fact | None:
    """Of a property of the conclusions about her standing."""
    if not any(name in STANDING[kind] for kind in kinds):
        return None
    if kinds & set(NEWS):
        return _NEWS.get(name, Fact()) if kinds <= set(NEWS) else Fact()
    if kinds & {CHURN_LEVEL, REORDER} or name == "of":
        return _of_level(pack, name) if kinds == {CHURN_LEVEL} else Fact()
    stages = (one.name for scheme in pack.stage_schemes.values() for one in scheme.stages)
    tiers = (one.name for scheme in pack.tier_schemes.values() for one in scheme.tiers)
    schemes = (*(pack.stage_schemes if "stage" in kinds else ()), *(pack.tier_schemes if "tier" in kinds else ()))
    groups = (*(stages if "stage" in kinds else ()), *(tiers if "tier" in kinds else ()))
    values = {"segment": segments_of(pack), "scheme": _once(schemes)}.get(name, _once(groups))
    return Fact("text", values=values, always=len(kinds) == 1 and name != "before")


_NEWS = {
    "interest": Fact("text", values=(news.CART, news.WISHLIST, news.VIEW), always=True),
    "drop": Fact("number", 0, 1),
    "price": Fact("number", 0),
    "old_price": Fact("number", 0),
    "stock": Fact("whole", 0),
}
"""What news of a product tell of it."""


def _of_level(pack: Pack, name: str) -> Fact:
    """Of a property of the conclusions about her churn."""
    levels = tuple(one.name for one in pack.churn_levels)
    told = {"level": Fact("text", values=(*levels, NO_LEVEL), always=True), "before": Fact("text", values=levels)}
    return told.get(name, Fact("flag", always=True) if name == "risen" else Fact("number", 0, 1))


def segments_of(pack: Pack) -> tuple[str, ...]:
    """All segments, those that bands make included."""
    return (*band_segments(Rows(band_schemes=pack.band_schemes, flags=pack.flags)), *pack.segments)


def standings(pack: Pack, declared: Callable[[str], list[object]]) -> Iterator[Odd]:
    """Of the rows that stand in the file itself; what it includes has been looked at where it stands."""

    def facts(path: str) -> Fact:
        return of_standing(pack, path) or known(path)

    rows = declared("stage_scheme")
    for scheme in pack.stage_schemes.values():
        if scheme.name not in rows:
            continue
        earlier: list[Node] = []
        for n, stage in enumerate(scheme.stages):
            at: Path = ("stage_scheme", rows.index(scheme.name), "stage", n)
            node = None if stage.when is None else parsed(stage.when.text)
            if node is not None and never(facts, [node]):
                yield (*at, "when"), f"always false, so nobody is in stage {stage.name!r}", False
            elif never(facts, [] if node is None else [node], earlier):
                yield at, f"unreachable: an earlier stage of {scheme.name!r} always has whoever could be in {stage.name!r}", False
            earlier += [] if node is None else [node]
    rows = declared("segment")
    asked = set(_asked(pack))
    for name, segment in pack.segments.items():
        if name not in rows:
            continue
        at, node = ("segment", rows.index(name)), parsed(segment.when.text)
        if never(facts, [node]):
            yield (*at, "when"), f"always false, so nobody is in segment {name!r}", False
        elif always(facts, node):
            yield (*at, "when"), f"always true, so everybody is in segment {name!r}", True
        elif name not in asked:
            yield at, f"segment {name!r}: nothing in this pack asks for it; it only stands in profiles", True
    for of in ("stage", "tier"):
        schemes = pack.stage_schemes if of == "stage" else pack.tier_schemes
        treated = declared("treatment") and any(one.of == of for one in pack.treatments.values())
        if schemes and treated and getattr(pack.goes_by, of) is None:
            yield ("treatment", 0), f"[goes_by] names no {of} scheme, so no treatment of a {of} is ever used", True


def _asked(pack: Pack) -> Iterator[str]:
    """Segments that other segments, conditions or messages name."""
    for segment in pack.segments.values():
        yield from named(parsed(segment.when.text))
    texts = [one.text for row in pack.triggers for one in _conditions(row)]
    texts += [
        source for message in pack.messages.values() for source in (message.subject, message.html, message.text) if "segments" in source
    ]
    for text in texts:
        yield from (one or other for one, other in _NAMED.findall(text))


def _conditions(row: Trigger) -> Iterator[Condition]:
    yield from (one for one in (row.opening.when, *(step.when for step in row.steps)) if one is not None)
    yield from (choice.when for step in row.steps for choice in step.choices)
    yield from (rule.when for rule in row.cancels if rule.when is not None)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
