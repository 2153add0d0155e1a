"""How a pack sorts people, drawn: the ladder of a stage scheme, the shares of a tier scheme, segments and bands, and what opens on each."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.domain.concluded import CHURN_LEVEL, ENTERED, LEFT
from app.domain.lifecycle import Stage, StageScheme
from app.domain.segments import Segment
from app.domain.tiers import TierScheme
from app.domain.treatments import STAGE, TIER, Treatment
from app.domain.trigger import Pack, Trigger
from app.policy.drawing import END, EVENT, GROUP, QUESTION, TRIGGER, Drawing, Graph, Spine, cut
from app.policy.expression import Node, parsed
from app.policy.fact import Fact, known
from app.policy.phrases import duration
from app.policy.predicate import named
from app.policy.standing_lint import of_standing
from app.policy.standing_rows import Rows, band_segments
from app.policy.truth import never

CONCLUDED = (STAGE, TIER, ENTERED, LEFT, CHURN_LEVEL)
"""Openings by what has become true of her."""
_PARTS = re.compile(r" (?=&&|\|\|)")


# --- which triggers open on which group -------------------------------------------------------------------------------------------


def opened_by(pack: Pack, trigger: Trigger) -> list[str]:
    """Stages (`s1.churned`), tiers and segments that a trigger opens on; none if it opens on what she does, or on any of them."""
    kinds = [kind for kind in trigger.opening.on if kind in CONCLUDED]
    if not kinds or trigger.opening.when is None:
        return []
    return list(dict.fromkeys(name for kind in kinds for name, told in _groups(pack, kind) if _opens(pack, trigger, kind, told)))


def _groups(pack: Pack, kind: str) -> list[tuple[str, list[Node]]]:
    """Every group that a conclusion may name, and what it then says."""
    if kind == STAGE:
        places = [(scheme.name, one.name) for scheme in pack.stage_schemes.values() for one in scheme.stages]
        return [(f"{scheme}.{group}", _said(scheme=scheme, stage=group)) for scheme, group in dict.fromkeys(places)]
    if kind == TIER:
        places = [(scheme.name, one.name) for scheme in pack.tier_schemes.values() for one in scheme.tiers]
        return [(f"{scheme}.{group}", _said(scheme=scheme, tier=group)) for scheme, group in places]
    if kind == CHURN_LEVEL:
        return [(one.name, _said(level=one.name)) for one in pack.churn_levels]
    return [(name, _said(segment=name)) for name in _segments(pack)]


def _said(**told: str) -> list[Node]:
    return [parsed(f"event.{name} == '{value}'") for name, value in told.items()]


def _opens(pack: Pack, trigger: Trigger, kind: str, told: list[Node]) -> bool:
    """Whether a conclusion that says this may open the trigger, as far as it can be told from the condition."""
    if kind not in trigger.opening.on:
        return False

    def facts(path: str) -> Fact:
        return of_standing(pack, path, (kind,)) or known(path, (kind,))

    when = trigger.opening.when
    return when is None or not never(facts, [parsed(when.text), *told])


def _openers(pack: Pack, kind: str, told: list[Node]) -> list[str]:
    return [one.name for one in pack.triggers if _opens(pack, one, kind, told)]


def _segments(pack: Pack) -> dict[str, Segment]:
    """All there are, those that bands make included."""
    return {**band_segments(Rows(band_schemes=pack.band_schemes, flags=pack.flags)), **pack.segments}


# --- ladders ----------------------------------------------------------------------------------------------------------------------


def stages_graph(pack: Pack, scheme: StageScheme) -> Graph:
    """The questions of a ladder in the order in which they are asked; who answers yes is in that stage."""
    spine = Spine()
    held = f"left only after {duration(scheme.hold)} in it, except by an order" if scheme.hold else ""
    spine.down(EVENT, [f"stages {scheme.name}", "what she does, or time passing", held])
    for stage in scheme.stages:
        _stage(pack, scheme, stage, spine)
    if scheme.stages[-1].when is not None:
        spine.down(END, ["in no stage"])
    return spine.draw.graph(f"stages {scheme.name}", scheme.why, down=True)


def _stage(pack: Pack, scheme: StageScheme, stage: Stage, spine: Spine) -> None:
    treated = pack.treatment(STAGE, scheme.name, stage.name) if pack.goes_by.stage == scheme.name else None
    lines = [stage.name, stage.why, *_treated(treated)]
    if stage.when is None:
        key = spine.down(GROUP, lines)
    else:
        asked = spine.down(QUESTION, _asked(stage.when.text))
        key = spine.beside(asked, GROUP, lines, "yes")
        spine.ways = [(asked, "no", False)]
    _triggers(spine, key, _openers(pack, STAGE, _said(scheme=scheme.name, stage=stage.name)))


def tiers_graph(pack: Pack, scheme: TierScheme) -> Graph:
    """Customers from the best down, cut by shares."""
    spine = Spine()
    spine.down(EVENT, [f"tiers {scheme.name}", f"customers by {scheme.by}, the best first", "told once a day"])
    reached = 0.0
    for tier in scheme.tiers:
        treated = pack.treatment(TIER, scheme.name, tier.name) if pack.goes_by.tier == scheme.name else None
        lines = [tier.name, f"{'the next ' if reached else 'the best '}{tier.share:g} %", *_treated(treated)]
        reached += tier.share
        if tier is scheme.tiers[-1]:
            key = spine.down(GROUP, lines)
        else:
            asked = spine.down(QUESTION, [f"among the best {reached:g} %"])
            key = spine.beside(asked, GROUP, lines, "yes")
            spine.ways = [(asked, "no", False)]
        _triggers(spine, key, _openers(pack, TIER, _said(scheme=scheme.name, tier=tier.name)))
    return spine.draw.graph(f"tiers {scheme.name}", scheme.why, down=True)


def _triggers(spine: Spine, key: str, names: Iterable[str]) -> None:
    if lines := list(names):
        spine.beside(key, TRIGGER, cut(lines), "opens", column=2)


def _treated(one: Treatment | None) -> list[str]:
    if one is None:
        return []
    mails = f"{one.mails_low or 0:g} to {one.mails_high:g} mails a week" if one.mails_high is not None else ""
    every = f"a message each {duration(one.every)}" if one.every else ""
    told = (one.focus, one.tone, mails, every, f"discounts: {one.discount}" if one.discount else "")
    return ["treated: " + ", ".join(text.replace("_", " ") for text in told if text)]


# --- segments -----------------------------------------------------------------------------------------------------------------------


def segments_graph(pack: Pack) -> Graph:
    """A row each: who is in it, and which triggers open as she enters or leaves; dashed, which segments another one asks for."""
    draw = Drawing()
    groups: dict[str, str] = {}
    rows = _segments(pack)
    for row, (name, one) in enumerate(rows.items()):
        asked = draw.node(QUESTION, _asked(one.when.text), row)
        for other in dict.fromkeys(named(parsed(one.when.text))):
            draw.edge(groups[other], asked, dashed=True)
        key = groups[name] = draw.node(GROUP, [name, one.why], row, 1)
        draw.edge(asked, key, "yes")
        entering, leaving = (cut(_openers(pack, kind, _said(segment=name))) for kind in (ENTERED, LEFT))
        lines = [f"entered: {trigger}" for trigger in entering] + [f"left: {trigger}" for trigger in leaving]
        if lines:
            draw.edge(key, draw.node(TRIGGER, lines, row, 2), "opens")
    if not rows:
        draw.node(END, ["this pack has no segments"], 0)
    return draw.graph(f"segments of {pack.name}", f"{len(rows)} segments, bands of a score among them", down=False)


def _asked(text: str) -> list[str]:
    """A condition, each of its parts on a line, however its pack breaks it."""
    return _PARTS.split(" ".join(text.split()))
