"""What changes from one pack to another, in sentences: walked over the types' own fields, so that a new one is told by itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from app.domain.contact_policy import Cap, Holidays, Level, QuietHours, Wish
from app.domain.lifecycle import Stage, StageScheme
from app.domain.liking import Weights
from app.domain.message import MessageSource
from app.domain.offers import DiscountPersona, Offer, Strategy
from app.domain.recommendation import Recommendations, Use
from app.domain.scoring import Behaviours, EmailPart, Parts, PriceSensitivity, PurchasePart, Scoring, WebsitePart
from app.domain.segments import Band, BandScheme, Predicate, Segment
from app.domain.sensitive import Inference, Sensitive
from app.domain.tiers import Tier, TierScheme
from app.domain.treatments import Treatment
from app.domain.trigger import (
    Arm,
    Cancel,
    Choice,
    ChurnLevel,
    Condition,
    Experiment,
    Goal,
    Group,
    Opening,
    Pack,
    Programme,
    Sender,
    Step,
    Trigger,
    Variant,
)
from app.policy import contact_phrases, offer_phrases, recommendation_phrases
from app.policy.phrase import Phrase
from app.policy.phrases import PHRASES, duration, events, value

DERIVED = frozenset(
    (
        "version",
        "ref",
        "by_name",
        "variants_of",
        "opens",
        "cancels",
        "blunt",
        "dwells",
        "idles",
        "delivers",
        "answers",
        "goals",
        "verdicts",
        "remembers",
        "heard",
        "looks",
    )
)
"""Fields of a pack that follow from its others."""


ORDERED = (Choice, Stage, Tier, DiscountPersona)
"""Rows whose order is a rule."""


KINDS: dict[type[Struct], str] = {
    StageScheme: "stage scheme",
    TierScheme: "tier scheme",
    BandScheme: "band scheme",
    Segment: "segment",
    Treatment: "the treatment of",
    Stage: "stage",
    Tier: "tier",
    Band: "band",
}


class Change(Struct, frozen=True):
    """One difference. `path`: where, such as `triggers.cart_abandonment.steps.0.wait`; `old`, `new`: in words, None: not there."""

    path: str
    old: str | None
    new: str | None
    text: str


def difference(old: Pack, new: Pack) -> list[Change]:
    """From `old` to `new`, in the order of the fields; names stand for what they name, wherever it stands in the file."""
    found = _Difference()
    found.fields(old, new, "", "the pack")
    return found.changes


class _Difference:
    def __init__(self) -> None:
        self.changes: list[Change] = []

    def fields(self, old: Struct, new: Struct, path: str, who: str) -> None:
        kind = type(new)
        for field in msgspec.structs.fields(kind):
            before, after = getattr(old, field.name), getattr(new, field.name)
            if (isinstance(new, Pack) and field.name in DERIVED) or same(before, after):
                continue
            here = f"{path}.{field.name}" if path else field.name
            if field.name == "experiments":
                before, after = _experiments(before), _experiments(after)
            if _pairs(before) or _pairs(after):
                before, after = dict(before), dict(after)
            if isinstance(before, Mapping) or isinstance(after, Mapping):
                self.named(kind, field.name, before or {}, after or {}, here, who)
            elif _structs(before) or _structs(after):
                self.named(kind, field.name, _keyed(before), _keyed(after), here, who)
                self.order(before, after, here, who)
            elif _nested(before) and _nested(after):
                self.fields(before, after, here, _who(after, here, who))
            else:
                self.one(kind, field.name, before, after, here, who)

    def named(self, kind: type[Struct], field: str, old: Mapping[str, Any], new: Mapping[str, Any], path: str, who: str) -> None:
        """What has names of its own, or numbers: compared one by one."""
        for key in dict.fromkeys((*new, *old)):
            before, after = old.get(key), new.get(key)
            if same(before, after):
                continue
            here = f"{path}.{key}"
            if isinstance(before, Struct) and isinstance(after, Struct) and _nested(after):
                self.fields(before, after, here, _who(after, key, who))
            else:
                self.one(kind, field, before, after, here, who, key)

    def one(self, kind: type[Struct], field: str, old: Any, new: Any, path: str, who: str, key: str = "") -> None:
        before, after = _words(kind, field, old), _words(kind, field, new)
        phrase = PHRASES.get((kind, field), Phrase(f"{{who}}: {field}{' {key}' if key else ''} is now {{new}} instead of {{old}}"))
        chosen = phrase.changed
        if _absent(new) and phrase.taken:
            chosen = phrase.taken
        elif _absent(old) and phrase.given:
            chosen = phrase.given
        told = {"who": who, "old": before, "new": after, "key": key, "lines": _lines(old, new) if "{lines}" in chosen else ""}
        self.changes.append(Change(path, None if old is None else before, None if new is None else after, chosen.format(**told)))

    def order(self, old: Iterable[Any], new: Iterable[Any], path: str, who: str) -> None:
        """Of choices and stages the first that holds is taken, of tiers the first that has room: their order is a rule, too."""
        before = [key for key, one in _keyed(old).items() if isinstance(one, ORDERED)]
        after = [key for key, one in _keyed(new).items() if isinstance(one, ORDERED)]
        was = [key for key in before if key in after]
        now = [key for key in after if key in before]
        if was != now:
            moved = " before ".join(now)
            what = path.rpartition(".")[2]
            self.changes.append(Change(path, " before ".join(was), moved, f"{who} now asks its {what} in another order: {moved}"))


def same(old: Any, new: Any) -> bool:
    """Equality that takes conditions by their text; what they are compiled to is another object each time."""
    if isinstance(old, Condition | Predicate) and isinstance(new, Condition | Predicate):
        return old.text == new.text
    if isinstance(old, Struct) and type(old) is type(new):
        return all(same(getattr(old, field.name), getattr(new, field.name)) for field in msgspec.structs.fields(type(old)))
    if isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(map(same, old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(same(old[key], new[key]) for key in old)
    return bool(old == new)


def _nested(told: Any) -> bool:
    return isinstance(told, Struct) and not isinstance(told, Condition | Predicate)


def _structs(told: Any) -> bool:
    return isinstance(told, tuple) and any(_nested(one) for one in told)


def _pairs(told: Any) -> bool:
    """Whether it is a table in a struct that must be hashable."""
    return isinstance(told, tuple) and bool(told) and all(isinstance(one, tuple) and len(one) == 2 for one in told)


def _experiments(told: Mapping[str, tuple[Experiment, ...]]) -> dict[str, Experiment]:
    return {one.name: one for several in told.values() for one in several}


def _keyed(told: Iterable[Any] | None) -> dict[str, Any]:
    """By name, by what it asks, else by number."""
    found: dict[str, Any] = {}
    for number, one in enumerate(told or ()):
        if isinstance(one, Cancel):
            key = f"{events(one.on)} per {one.scope}"
        else:
            key = one.when.text if isinstance(one, Choice) else getattr(one, "name", getattr(one, "region", str(number)))
        found[key if key not in found else f"{key} ({number})"] = one
    return found


def _who(one: Struct, key: str, who: str) -> str:
    match one:
        case Trigger():
            return one.name
        case Step():
            return who if key == "0" else f"message {int(key) + 1} of {who}"
        case Cancel():
            return f"{who} now cancels on {events(one.on)}"
        case Choice():
            return f"{who}, if {one.when.text},"
        case Arm():
            return f"arm {one.name} of {who}"
        case Group():
            return f"suppression group {one.name}"
        case Cap():
            return f"cap {one.name}"
        case Level():
            return f"step {int(key) + 1} of {who}"
        case Wish():
            return f"word {int(key) + 1} of {who}"
        case Holidays():
            return key
        case ChurnLevel():
            return f"churn level {one.name}"
        case Experiment():
            return f"experiment {one.name}"
        case Variant():
            return f"variant {key}"
        case MessageSource():
            return f"message {one.name}"
        case Sensitive():
            return "the list of what must not be inferred"
        case Inference():
            return f"what must not be inferred as {one.name}"
        case Scoring() | Behaviours() | Parts() | EmailPart() | WebsitePart() | PurchasePart() | PriceSensitivity():
            return key.replace("scoring", "scores", 1)
        case Use():
            return one.message
        case Recommendations() | Weights():
            return "recommendations"
        case StageScheme() | TierScheme() | BandScheme() | Segment() | Treatment():
            return f"{KINDS[type(one)]} {one.name}"
        case Strategy():
            return f"the offer of tier {one.name}"
        case DiscountPersona():
            return f"offer persona {one.name}"
        case Stage() | Tier() | Band():
            return f"{KINDS[type(one)]} {key} of {who}"
    return who


def _words(kind: type[Struct], field: str, told: Any) -> str:
    """A value in words; of a struct what matters of it."""
    match told:
        case Trigger():
            return f"{told.name}: {told.why}"
        case Opening():
            return f"{events(told.on)} per {told.scope}"
        case Cancel():
            asked = f" if {told.when.text}" if told.when is not None else ""
            return f"{events(told.on)}{f' of the {told.scope}' if told.scope != 'person' else ''}{asked}"
        case Step():
            asked = f", if {told.when.text}" if told.when is not None else ""
            return f"{told.message} {duration(told.wait)} after the one before{asked}{_offering(told.offer)}"
        case Choice():
            return f"{told.message} if {told.when.text}{_offering(told.offer)}"
        case Offer():
            return offer_phrases.offer(told)
        case Strategy():
            return offer_phrases.strategy(told)
        case DiscountPersona():
            return f"{told.name}: {told.why}"
        case Goal():
            return f"{events(told.on)} within {duration(told.within)}"
        case Programme():
            return f"each {value(Programme, 'every', told.every)}, {f'{told.times} times in all' if told.times else 'without end'}"
        case QuietHours():
            return contact_phrases.quiet(told)
        case Cap():
            return f"{told.name}: {contact_phrases.cap(told)}"
        case Level():
            return contact_phrases.level(told)
        case Wish():
            return contact_phrases.wish(told)
        case Holidays():
            return f"{told.region}: {', '.join(told.days)}"
        case Group():
            return f"{told.name}, which protects each {told.scope}"
        case ChurnLevel():
            return f"{told.name}, above {told.threshold:g}, told with {told.horizon_days} days"
        case Arm():
            return f"{told.name} with {value(Arm, 'weight', told.weight)} of the people"
        case Experiment():
            return f"{told.name} for {_words(Experiment, 'triggers', told.triggers)}"
        case StageScheme() | TierScheme() | BandScheme() | Segment() | Treatment():
            return f"{told.name}: {told.why}"
        case Stage():
            return f"{told.name}, {f'if {told.when.text}' if told.when is not None else 'everybody who is left'}"
        case Tier():
            return f"{told.name} with {value(Tier, 'share', told.share)} of the customers"
        case Band():
            return f"{told.name}, {'above' if told.above else 'from'} {told.least:g}"
        case Inference():
            return f"{told.name} ({', '.join((*told.names, *told.words))})"
        case Use():
            return recommendation_phrases.use(told)
        case Sender():
            return told.email
        case MessageSource():
            return told.subject
    return value(kind, field, told)


def _offering(told: Offer | None) -> str:
    return f", with {offer_phrases.offer(told)}" if told is not None else ""


def _absent(told: Any) -> bool:
    return told is None or told is False or told in ((), "") or (told == 0 and not isinstance(told, float))


def _lines(old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    changed = [one for one in difflib.ndiff(before, after) if one[0] in "+-"] if len(before) + len(after) < 2_000 else []
    return f"{sum(one[0] == '+' for one in changed)} lines in, {sum(one[0] == '-' for one in changed)} out" if changed else "a lot"
