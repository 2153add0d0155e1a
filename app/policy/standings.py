"""Stages, tiers, bands, segments, flags and treatments of a pack's TOML, checked field by field and compiled as one (A-070–A-107)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from app.domain.lifecycle import Stage, StageScheme
from app.domain.segments import Band, BandScheme, Predicate, Segment
from app.domain.tiers import Tier, TierScheme
from app.domain.treatments import STAGE, TIER, By, Treatment
from app.policy import predicate
from app.policy.conditions import BadCondition
from app.policy.expression import Node, paths
from app.policy.fields import HOUR, SNAKE, Fields
from app.policy.place import Path
from app.policy.predicate import FLAGS, OPEN, SEGMENTS, STILL
from app.policy.standing_rows import Rows, band_segments, banded, kind_of

STAGE_SCHEME = ("name", "why", "hold", "stage")
STAGE_ROW = ("name", "why", "when")
TIER_SCHEME = ("name", "why", "by", "tier")
TIER_ROW = ("name", "share")
BAND_SCHEME = ("name", "why", "by", "when", "band")
BAND_ROW = ("name", "least", "above")
SEGMENT = ("name", "why", "when", "each")
TREATMENT = ("why", "stage", "tier", "mails", "every", "focus", "content", "tone", "discount")
GOES_BY = ("stage", "tier")
TREATED = "profile.treatment"
TABLES = ("stage_scheme", "tier_scheme", "band_scheme", "segment", "flags", "treatment", "goes_by")
"""Keys of a pack that are read here."""
RANKED = ("clv", "monetary")
DISCOUNTS = ("none", "minimal", "moderate", "category", "strong")
MAX_ROWS = 200
"""Segments of a pack, bands among them."""
MAX_MAILS = 100


class Standings:
    """Reads a pack's rows on top of those it has already. `bases`: rows of what it extends and includes, in this order."""

    def __init__(self, fields: Fields, *bases: Rows) -> None:
        self._fields = fields
        self.rows = rows = Rows()
        for base in bases:
            for name in ("stage_schemes", "tier_schemes", "band_schemes", "segments", "flags", "treatments"):
                getattr(rows, name).update(getattr(base, name))
            if base.goes_by != By():
                rows.goes_by = base.goes_by
        self._unread: frozenset[str] = frozenset()

    def read(self, told: dict[str, Any]) -> None:
        """All tables, each checked by itself and against those that stand before it."""
        fields, rows = self._fields, self.rows
        self._flags(fields.table(told, (), "flags"))
        for n, one in enumerate(fields.list(told, (), "tier_scheme", dict)):
            if (tiers := self._tier_scheme(one, ("tier_scheme", n))) is not None:
                rows.tier_schemes[tiers.name] = tiers
        for n, one in enumerate(fields.list(told, (), "stage_scheme", dict)):
            if (stages := self._stage_scheme(one, ("stage_scheme", n))) is not None:
                rows.stage_schemes[stages.name] = stages
        for n, one in enumerate(fields.list(told, (), "band_scheme", dict)):
            if (bands := self._band_scheme(one, ("band_scheme", n))) is not None:
                rows.band_schemes[bands.name] = bands
        declared = [one.get("name") for one in fields.list(told, (), "segment", dict)]
        for n, one in enumerate(fields.list(told, (), "segment", dict)):
            if (segment := self._segment(one, ("segment", n), declared[n + 1 :])) is not None:
                rows.segments[segment.name] = segment
        for n, one in enumerate(fields.list(told, (), "treatment", dict)):
            if (treatment := self._treatment(one, ("treatment", n))) is not None:
                if treatment.name in [self._treated(other)[0] for other in told["treatment"][:n]]:
                    fields.wrong(("treatment", n), f"a second treatment of {treatment.name}")
                rows.treatments[treatment.name] = treatment
        self._goes_by(told)
        for what in ("stage_scheme", "tier_scheme", "band_scheme", "segment"):
            fields.twice([one.get("name") for one in fields.list(told, (), what, dict)], what)
        if len(rows.segments) + len(band_segments(rows)) > MAX_ROWS:
            fields.wrong((), f"more than {MAX_ROWS} segments, bands among them")
        for name in set(band_segments(rows)) & set(rows.segments):
            place = ("segment", declared.index(name)) if name in declared else ()
            fields.wrong(place, f"segment {name!r} is a band of a scheme already")

    # --- predicates -------------------------------------------------------------------------------------------------------------

    def _predicate(self, told: dict[str, Any], at: Path, field: str, *never: str) -> Predicate | None:
        """`never`: beginnings of paths that are not known yet where it is judged."""
        text = self._fields.text(told, at, field)
        if text is None:
            return None
        try:
            node = predicate.checked(text, self._kind)
            for path in paths(node):
                if any(path == one or path.startswith(f"{one}.") for one in (*never, TREATED)):
                    order = "flags and tiers come first, then stages, then segments, and treatments follow from them"
                    raise BadCondition(f"{path} is not known where this is asked: {order}")
            return predicate.predicate(text, self._kind)
        except BadCondition as error:
            self._fields.wrong((*at, field), f"{field}: {error}")
            return None

    def _kind(self, path: str) -> str | None:
        if path.startswith(FLAGS) and path.removeprefix(FLAGS) in self.rows.flags:
            return STILL
        return kind_of(path)

    def _flags(self, told: dict[str, Any]) -> None:
        for name in told:
            if not SNAKE.fullmatch(name):
                self._fields.wrong(("flags", name), f"flag {name!r}: snake_case")
                continue
            later = [f"{FLAGS}{other}" for other in list(told)[list(told).index(name) :]]
            found = self._predicate(told, ("flags",), name, "profile.lifecycle", "profile.days_in_stage", SEGMENTS, *later)
            if found is not None:
                self.rows.flags[name] = found

    # --- stages and tiers -------------------------------------------------------------------------------------------------------

    def _stage_scheme(self, told: dict[str, Any], at: Path) -> StageScheme | None:
        read = self._fields
        before = len(read.problems)
        read.known(told, at, STAGE_SCHEME, required=("name", "why", "stage"))
        name, why = read.text(told, at, "name", SNAKE, "snake_case"), read.text(told, at, "why")
        hold = read.duration(told, at, "hold")
        listed = read.list(told, at, "stage", dict)
        stages = [self._stage(one, (*at, "stage", n), n == len(listed) - 1) for n, one in enumerate(listed)]
        if len(listed) < 2:
            read.wrong(at, "a scheme of fewer than two stages tells nobody from anybody")
        if len(read.problems) > before or not (name and why):
            return None
        return StageScheme(name, why, tuple(one for one in stages if one is not None), hold)

    def _stage(self, told: dict[str, Any], at: Path, last: bool) -> Stage | None:
        self._fields.known(told, at, STAGE_ROW, required=("name", "why") if last else STAGE_ROW)
        name, why = self._fields.text(told, at, "name", SNAKE, "snake_case"), self._fields.text(told, at, "why")
        when = self._predicate(told, at, "when", "profile.lifecycle", "profile.days_in_stage", SEGMENTS)
        return Stage(name, why, when) if name and why else None

    def _tier_scheme(self, told: dict[str, Any], at: Path) -> TierScheme | None:
        read = self._fields
        before = len(read.problems)
        read.known(told, at, TIER_SCHEME, required=("name", "why", "tier"))
        name, why = read.text(told, at, "name", SNAKE, "snake_case"), read.text(told, at, "why")
        by = read.one_of(told, at, "by", RANKED, RANKED[0])
        listed = read.list(told, at, "tier", dict)
        tiers = [self._tier(one, (*at, "tier", n)) for n, one in enumerate(listed)]
        self._names(listed, (*at, "tier"), "tier")
        kept = tuple(one for one in tiers if one is not None)
        if len(kept) == len(listed) and abs(sum(one.share for one in kept) - 100) > 1e-9:
            read.wrong((*at, "tier"), f"tier: the shares add to {sum(one.share for one in kept):g}, not to 100")
        return TierScheme(name, why, kept, by) if name and why and len(read.problems) == before else None

    def _tier(self, told: dict[str, Any], at: Path) -> Tier | None:
        self._fields.known(told, at, TIER_ROW, required=TIER_ROW)
        name = self._fields.text(told, at, "name", SNAKE, "snake_case")
        share = self._number(told, at, "share", 0, 100, "of the customers, in per cent")
        if share == 0:
            self._fields.wrong((*at, "share"), "share: nobody is in a tier of 0 %")
        return Tier(name, share) if name and share else None

    # --- segments ---------------------------------------------------------------------------------------------------------------

    def _band_scheme(self, told: dict[str, Any], at: Path) -> BandScheme | None:
        read = self._fields
        before = len(read.problems)
        read.known(told, at, BAND_SCHEME, required=("name", "why", "by", "band"))
        name, why = read.text(told, at, "name", SNAKE, "snake_case"), read.text(told, at, "why")
        by = read.text(told, at, "by")
        if by is not None and (kind_of(by) is None or by.startswith(TREATED)):
            read.wrong((*at, "by"), f"by: nothing is known as {by!r}")
        when = self._predicate(told, at, "when", SEGMENTS)
        listed = read.list(told, at, "band", dict)
        bands = [self._band(one, (*at, "band", n)) for n, one in enumerate(listed)]
        self._names(listed, (*at, "band"), "band")
        kept = tuple(one for one in bands if one is not None)
        for n, (higher, lower) in enumerate(pairwise(kept)):
            if (higher.least, higher.above) <= (lower.least, lower.above):
                read.wrong((*at, "band", n + 1), f"band {lower.name!r}: from the highest down, each begins below the one before")
        if len(read.problems) > before or not (name and why and by and kept):
            return None
        scheme = BandScheme(name, why, by, kept, when.text if when is not None else "true")
        for one in banded(scheme, self._kind):  # a score that cannot be compared is refused here
            if isinstance(one, BadCondition):
                read.wrong((*at, "by"), f"by: {one}")
                return None
        return scheme

    def _band(self, told: dict[str, Any], at: Path) -> Band | None:
        self._fields.known(told, at, BAND_ROW, required=("name",))
        name = self._fields.text(told, at, "name", SNAKE, "snake_case")
        least, above = (self._number(told, at, field, -1e12, 1e12, "the score it begins at") for field in ("least", "above"))
        if ("least" in told) == ("above" in told):
            self._fields.wrong(at, "a band begins at a score (least), or above one (above)")
        begins = least if above is None else above
        return Band(name, begins, above is not None) if name and begins is not None else None

    def _segment(self, told: dict[str, Any], at: Path, below: list[object]) -> Segment | None:
        read = self._fields
        read.known(told, at, SEGMENT, required=("name", "why", "when"))
        name, why = read.text(told, at, "name", SNAKE, "snake_case"), read.text(told, at, "why")
        when = self._predicate(told, at, "when")
        if when is None or not name or not why:
            return None
        node = predicate.checked(when.text, self._kind)
        asked = predicate.named(node)
        if list(paths(node)).count(SEGMENTS) > _times_named(node):
            read.wrong((*at, "when"), f"when: {SEGMENTS} is asked for one name at a time: 'lapsed' in {SEGMENTS}")
        there = {*self.rows.segments, *band_segments(self.rows)}
        for other in sorted(asked - (there - {name})):
            stands = (
                "itself" if other == name else "stands below: a segment may name those above it" if other in below else "does not exist"
            )
            read.wrong((*at, "when"), f"when: segment {other!r} {stands}")
        each = read.text(told, at, "each")
        if each is not None and kind_of(each) not in (STILL, OPEN):
            read.wrong((*at, "each"), f"each: a figure that changes at instants, such as profile.primary_interest, not {each!r}")
        return Segment(name, why, when, each)

    # --- treatments -------------------------------------------------------------------------------------------------------------

    def _treatment(self, told: dict[str, Any], at: Path) -> Treatment | None:
        read = self._fields
        before = len(read.problems)
        read.known(told, at, TREATMENT, required=("why",))
        why = read.text(told, at, "why")
        for of in (STAGE, TIER):
            read.text(told, at, of)
        name, of, scheme, group = self._treated(told)
        if not name:
            read.wrong(at, "a treatment is of one stage or of one tier, such as tier = 's1.high'")
        elif group not in self._groups(of, scheme):
            read.wrong((*at, of), f"{of}: there is no {scheme}.{group}: {', '.join(self._places(of)) or 'none is declared'}")
        low, high = self._mails(told, at)
        every = read.duration(told, at, "every")
        if "every" in told and every < HOUR:
            read.wrong((*at, "every"), "every: at least 1h")
        focus, tone = read.text(told, at, "focus"), read.text(told, at, "tone")
        content = tuple(read.list(told, at, "content", str))
        discount = read.one_of(told, at, "discount", DISCOUNTS, DISCOUNTS[0]) if "discount" in told else None
        if len(read.problems) > before or why is None:
            return None
        return Treatment(name, why, of, scheme, group, low, high, every or None, focus, content, tone, discount)

    def _treated(self, told: dict[str, Any]) -> tuple[str, str, str, str]:
        """(name, stage or tier, scheme, group); empty where it does not say."""
        said = [(of, told[of]) for of in (STAGE, TIER) if isinstance(told.get(of), str)]
        if len(said) != 1 or said[0][1].count(".") != 1:
            return "", STAGE, "", ""
        of, place = said[0]
        scheme, _, group = place.partition(".")
        return f"{of} {place}", of, scheme, group

    def _groups(self, of: str, scheme: str) -> list[str]:
        if of == STAGE:
            stages = self.rows.stage_schemes.get(scheme)
            return [one.name for one in stages.stages] if stages is not None else []
        tiers = self.rows.tier_schemes.get(scheme)
        return [one.name for one in tiers.tiers] if tiers is not None else []

    def _places(self, of: str) -> list[str]:
        schemes = self.rows.stage_schemes if of == STAGE else self.rows.tier_schemes
        return [f"{scheme}.{group}" for scheme in schemes for group in self._groups(of, scheme)]

    def _mails(self, told: dict[str, Any], at: Path) -> tuple[float | None, float | None]:
        """Mails a week, as [low, high]."""
        value = told.get("mails")
        if value is None:
            return None, None
        numbers = value if isinstance(value, list) else [value]
        plain = all(isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= MAX_MAILS for one in numbers)
        if len(numbers) != 2 or not plain or numbers[0] > numbers[1]:
            self._fields.wrong((*at, "mails"), f"mails: two numbers a week, the lower first, such as [5, 7], not {value!r}")
            return None, None
        return float(numbers[0]), float(numbers[1])

    def _goes_by(self, told: dict[str, Any]) -> None:
        read, at = self._fields, ("goes_by",)
        given = read.table(told, (), "goes_by")
        read.known(given, at, GOES_BY)
        found = {}
        for of, schemes in ((STAGE, self.rows.stage_schemes), (TIER, self.rows.tier_schemes)):
            name = read.text(given, at, of)
            if name is not None and name not in schemes:
                read.wrong((*at, of), f"{of}: there is no {of} scheme {name!r}: {', '.join(schemes) or 'none is declared'}")
            found[of] = name or getattr(self.rows.goes_by, of)
        self.rows.goes_by = By(**found)

    # --- what several read --------------------------------------------------------------------------------------------------------

    def _names(self, listed: list[Any], at: Path, what: str) -> None:
        """Each name once."""
        seen: set[object] = set()
        for n, one in enumerate(listed):
            if (name := one.get("name")) in seen and name is not None:
                self._fields.wrong((*at, n, "name"), f"{what} {name!r} a second time")
            seen.add(name)

    def _number(self, told: dict[str, Any], at: Path, field: str, least: float, most: float, what: str) -> float | None:
        value = told.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self._fields.wrong((*at, field), f"{field}: a number, {what}, not {value!r}")
            return None
        return float(value)


def _times_named(node: Node) -> int:
    return (predicate.segment_named(node) is not None) + sum(map(_times_named, node.of))
