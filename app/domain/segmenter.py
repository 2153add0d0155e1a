"""What becomes of her stages, tiers, segments and flags: judged anew when something about her changed, and when time alone turns a verdict.

Time passes here as it does for timers, by the low-water mark: while a purchase may still wait in the input nobody is lapsed. So a step
judges her as of the mark, and a wake-up at the very instant at which a verdict turned (`Standing.due`), each with its own conclusion.
What she is counted as (`facts`) is told as -old/+new, from what her row says was told before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from app.domain import population, tiers
from app.domain.concluded import ENTERED, LEFT, STAGE, TIER
from app.domain.days import FOREVER
from app.domain.effects import NOTHING, Conclude, Effect, Effects, Tell
from app.domain.facts import Facts
from app.domain.lifecycle import held
from app.domain.ranks import figures_of
from app.domain.standing import NEVER, Standing
from app.events import Conclusion, Counted, Event, JournalRecord, NotRendered, Rendered, derived_id

if TYPE_CHECKING:
    from app.domain.person import Meeting, Person, See

OWN = frozenset((STAGE, TIER, ENTERED, LEFT))
"""Kinds of its conclusions. They change nothing that a predicate may ask of her beyond what was judged when they were drawn."""
ORDERED = "order_placed"
NOBODY: tuple[str, ...] = ()
IN = "in"
"""Where people of a segment are counted."""


def step(part: Standing, record: JournalRecord, see: See) -> tuple[Standing, Effects]:
    """Judges her if the record has changed anything that is known of her."""
    if see.pack is None:
        return part, NOTHING
    kind = type(record)
    if kind is Conclusion and record.kind in OWN:  # type: ignore[union-attr]
        return part, NOTHING
    her, before = see.person, see.judged
    if (
        her.profile is before.profile
        and her.intent is before.intent
        and her.churn is before.churn
        and part.rules == see.pack.verdicts.rules
    ):
        return part, NOTHING
    ordered = kind is Conclusion and record.kind == ORDERED  # type: ignore[union-attr]
    if kind is Event and her.profile.orders != before.profile.orders:
        return part, NOTHING  # `order_placed` follows in this step; only then the churn watcher knows of the order, too
    see.judged = her
    return _Judging(part, see, *_of(record), ordered=ordered).done(see.low_water if see.low_water > 0 else see.now)


def wake(part: Standing, see: See) -> tuple[Standing, Effects]:
    """Each change by now, at its own instant."""
    effects: Effects = ()
    while part.due != NEVER and part.due <= see.low_water:
        if see.pack is None:
            return replace(part, due=NEVER), effects
        instant = part.due
        part, more = _Judging(part, see, instant, None).done(instant)
        effects += more
    return part, effects


def merge(mine: Standing, theirs: Standing, meeting: Meeting, see: See) -> tuple[Standing, Effects]:
    """Both as one: what the other was counted as is taken back, and what either was in already is not entered anew."""
    taken = _told(see.now, theirs, Standing())
    moved = meeting.moved
    if see.pack is None:
        return mine, tuple(taken)
    segments = dict(mine.segments)
    for name, since in theirs.segments.items():
        segments[name] = min(since, segments.get(name, since))
    stages = {**mine.stages}
    for scheme, (stage, since) in theirs.stages.items():
        if scheme in stages and stages[scheme][0] == stage:
            stages[scheme] = (stage, min(since, stages[scheme][1]))
    both = replace(mine, segments=segments, stages=stages, tiers={**theirs.tiers, **mine.tiers}, each={**theirs.each, **mine.each})
    see.judged = see.person
    judging = _Judging(both, see, see.now, None, (moved.source, moved.cause), ordered=True, counted=mine, known=theirs.stages)
    after, effects = judging.done(see.low_water if see.low_water > 0 else see.now)
    return after, (*taken, *effects)


def due(part: Standing) -> int:
    """When a verdict turns by time alone (ms), or NEVER."""
    return part.due


def _of(record: Any) -> tuple[int, str]:
    """(when, by what) of a record that changed something."""
    if isinstance(record, Event):
        return record.ts, record.event_id
    if isinstance(record, Conclusion):
        return record.ts, record.cause
    if isinstance(record, Rendered | NotRendered):
        return record.at, record.send_id
    return record.at, getattr(record, "cause", "")


class _Judging:
    """One judgement. `ts`, `cause`: of the conclusions; no cause: time alone, each gets an id of its own from `about`, else its instant."""

    __slots__ = ("about", "cause", "counted", "effects", "known", "ordered", "pack", "part", "see", "ts", "until")

    def __init__(
        self,
        part: Standing,
        see: See,
        ts: int,
        cause: str | None,
        about: tuple[str, ...] = (),
        *,
        ordered: bool = False,
        counted: Standing | None = None,
        known: dict[str, tuple[str, int]] | None = None,
    ) -> None:
        self.part, self.see, self.pack, self.ts, self.cause, self.about = part, see, see.pack, ts, cause, about
        self.ordered, self.counted, self.known = ordered, part if counted is None else counted, known
        self.effects: list[Effect] = []
        self.until = FOREVER

    def done(self, at: int) -> tuple[Standing, Effects]:
        """Her standing as of `at` (ms), and what is concluded and told of it."""
        part, see, verdicts = self.part, self.see, self.pack.verdicts
        her: Person = see.person
        if her.profile.bot:
            return self._nobody()
        bins = self._bins(her)
        ranks = self._tiers(bins, at)
        if ranks != part.tiers or part is not her.standing:
            her = replace(her, standing=replace(part, tiers=ranks))
        known = self._facts(her, at)
        flags, found = verdicts.ladders(known)
        stages = self._stages(found, at)
        if stages is not part.stages or flags != part.flags:
            self.until = min(self.until, known.until)
            her = replace(her, standing=replace(her.standing, stages=stages, flags=flags))
            known = known.anew(her, at, see.population, None)
            known.until = self.until
        segments, each = self._segments(verdicts.segments(known), known)
        see.known = known  # whatever else is asked of her in this step need not be computed again
        until = min(self.until, known.until)  # a stage that is held may end before what was read of her turns
        due = until if until < FOREVER else NEVER
        same = stages is part.stages and segments is part.segments and ranks == part.tiers and flags == part.flags
        if same and bins == part.counted and due == part.due and verdicts.rules == part.rules and part is self.counted:
            return part, NOTHING
        after = Standing(stages, segments, ranks, bins, due, flags, verdicts.rules, each)
        return after, (*self.effects, *_told(see.now, self.counted, after))

    def _facts(self, her: Person, at: int) -> Facts:
        known = Facts(her, at, self.pack.scoring, self.see.population)
        known.until = self.until
        return known

    def _nobody(self) -> tuple[Standing, Effects]:
        """A bot is in nothing and counted nowhere; nothing is concluded of it."""
        after = Standing(rules=self.pack.verdicts.rules)
        return (self.part, NOTHING) if self.part == after else (after, tuple(_told(self.see.now, self.counted, after)))

    # --- tiers -------------------------------------------------------------------------------------------------------------------

    def _bins(self, her: Person) -> dict[str, int]:
        """Where the population counts her: by her best hour, and people with at least one order by what they are ranked by."""
        counted = self.part.counted
        found = {figure: population.bin_of(figure, value) for figure, value in figures_of(her.profile).items()}
        return counted if found == counted else found

    def _tiers(self, bins: dict[str, int], at: int) -> dict[str, str]:
        """The figures of everybody may change with the day, so customers are looked at again when those of the next are active."""
        if not self.pack.tier_schemes or population.FIGURES[0] not in bins:
            return self.part.tiers if not self.part.tiers else self._concluded({})
        self.until = min(self.until, population.newer_at(at))
        everybody = self.see.population
        if everybody is None:
            return self.part.tiers
        found = {}
        for name, scheme in self.pack.tier_schemes.items():
            tier = tiers.tier(scheme, everybody, bins[scheme.by])
            if tier is not None:
                found[name] = tier
        return self.part.tiers if found == self.part.tiers else self._concluded(found)

    def _concluded(self, found: dict[str, str]) -> dict[str, str]:
        for scheme, tier in found.items():
            before = self.part.tiers.get(scheme)
            if tier != before:
                self._conclude(TIER, f"{scheme}.{tier}", {"scheme": scheme, "tier": tier, "before": before})
        return found

    # --- stages and segments -------------------------------------------------------------------------------------------------------

    def _stages(self, found: tuple[str | None, ...], at: int) -> dict[str, tuple[str, int]]:
        stages = before = self.part.stages
        for (name, scheme), stage in zip(self.pack.stage_schemes.items(), found, strict=True):
            current = before.get(name)
            if (current[0] if current is not None else None) == stage:
                continue
            if until := held(scheme, current, stage, at, self.ordered):
                self.until = min(self.until, until)
                continue
            stages = dict(stages) if stages is before else stages
            theirs = None if self.known is None else self.known.get(name)
            if stage is None:
                del stages[name]
            elif theirs is not None and theirs[0] == stage:
                stages[name] = theirs  # she came there as whom she was before
            else:
                stages[name] = (stage, self._since(at))
                was = current or theirs
                told = {"scheme": name, "stage": stage, "before": None if was is None else was[0]}
                self._conclude(STAGE, f"{name}.{stage}", told)
        for name in [one for one in before if one not in self.pack.stage_schemes]:
            stages = dict(stages) if stages is before else stages
            del stages[name]
        return stages

    def _segments(self, found: tuple[str, ...], known: Facts) -> tuple[dict[str, int], dict[str, str]]:
        before, was = self.part.segments, self.part.each
        each, moved = was, NOBODY
        if self.pack.verdicts.each:
            each = {name: str(known.get(path) or "") for name, path in self.pack.verdicts.each.items() if name in found}
            moved = tuple([name for name in found if name in before and each.get(name) != was.get(name)])
        if not moved and len(found) == len(before) and all([name in before for name in found]):
            return before, was
        now = set(found)
        for name in before:
            if name not in now or name in moved:
                self._conclude(LEFT, name, _segment(name, was))
        for name in found:
            if name not in before or name in moved:
                self._conclude(ENTERED, name, _segment(name, each))
        since = self._since(self.ts)
        return {name: since if name in moved else before.get(name, since) for name in found}, each

    def _since(self, at: int) -> int:
        """When what is true now began: the instant at which time turned it, else the record's own place in time."""
        return self.see.now if self.cause is not None or self.about else at

    def _conclude(self, kind: str, value: str, told: dict[str, Any]) -> None:
        cause = self.cause or derived_id(kind, value, *(self.about or (str(self.ts),)))
        self.effects.append(Conclude(Conclusion(self.see.now, self.see.person_id, kind, value, self.ts, cause, {"event": told})))


def _segment(name: str, each: dict[str, str]) -> dict[str, Any]:
    return {"segment": name, "of": each[name]} if name in each else {"segment": name}


def _told(at: int, before: Standing, after: Standing) -> list[Effect]:
    """-old/+new of everything she is counted as."""
    was, now = _places(before), _places(after)
    if was == now:
        return []
    return [Tell(Counted(at, tuple([(one, was.get(one), now.get(one)) for one in was | now if was.get(one) != now.get(one)])))]


def _places(standing: Standing) -> dict[str, int | str]:
    """Figure → where in it she is counted: a bin, the stage or tier of a scheme, or in a segment."""
    found: dict[str, int | str] = dict(standing.counted)
    for scheme, (stage, _) in standing.stages.items():
        found[f"stage/{scheme}"] = stage
    for scheme, tier in standing.tiers.items():
        found[f"tier/{scheme}"] = tier
    for name in standing.segments:
        found[f"segment/{name}"] = IN
    return found
