"""What a person allowed, per purpose, who spoke last, and what she was shown when she did (A-257)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from app.domain.device import region
from app.events import iso

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Profile

MAX_PURPOSES = 20
MAX_NAME = 40
MAX_WORD = 60
"""Characters of a source or version that are kept."""
OPT_IN, OPT_OUT = "opt_in", "opt_out"


class Word(NamedTuple):
    """The record of the last word on a purpose: when (ms), whether a no, where it was given, and to which version of the text.

    In this order, so that of two the greater counts: the later, and at one instant the no.
    """

    at: int
    no: bool
    source: str = ""
    version: str = ""


Words = dict[str, Word]
"""By purpose; only those that told a source or a version."""


class Regimes(Protocol):
    """The part of a pack that says what silence means."""

    @property
    def consent(self) -> dict[str, str]: ...
    @property
    def consent_regions(self) -> dict[str, dict[str, str]]: ...


def regime(pack: Regimes, purpose: str, where: str | None, default: str = OPT_IN) -> str:
    """What silence on `purpose` means to somebody in region `where`: the region's own rule, else the pack's.

    None: nobody told where. Of all the rules that may hold there the strictest does, for she may be where it is the law.
    """
    general = pack.consent.get(purpose, default)
    if not pack.consent_regions:
        return general
    if where is None:
        return OPT_IN if any(rules.get(purpose) == OPT_IN for rules in pack.consent_regions.values()) else general
    return pack.consent_regions.get(where, {}).get(purpose, general)


def allows(consent: dict[str, bool], purpose: str, regime: str, assumed: bool) -> bool:
    """Whether `purpose` is allowed. What she said counts; silence means yes under `opt_out` or where a simulation assumes consent."""
    said = consent.get(purpose)
    return said if said is not None else assumed or regime == OPT_OUT


def permits(part: Profile, purpose: str, see: See, default: str = OPT_IN) -> bool:
    """Whether she allows `purpose` by the rules of the pack now active, where she is."""
    said = part.consent.get(purpose)
    if said is not None:
        return said
    rule = default if see.pack is None else regime(see.pack, purpose, region(part.device), default)
    return rule == OPT_OUT or "consent" in see.assume


def tracked(part: Profile, see: See) -> bool:
    """Whether her behaviour may be kept: purpose `track`."""
    return permits(part, "track", see, OPT_OUT)


TRACK = "track"


def on_track(event_type: str, properties: dict[str, Any]) -> bool | None:
    """What an event says of `track`, for who keeps behaviour outside the lane; None: nothing."""
    news = given(properties) if event_type == "consent_give" else withdrawn(properties) if event_type == "consent_withdraw" else {}
    return news.get(TRACK)


def silence_tracks(pack: Regimes) -> bool:
    """Whether who has said nothing of `track` may be kept, wherever she is: outside the lane nobody knows where."""
    rules = [pack.consent.get(TRACK, OPT_OUT), *(one[TRACK] for one in pack.consent_regions.values() if TRACK in one)]
    return all(rule == OPT_OUT for rule in rules)


def given(properties: dict[str, Any]) -> dict[str, bool]:
    """What a `consent_give` says: a list of purposes, or purpose → yes/no."""
    return _purposes(properties, True)


def withdrawn(properties: dict[str, Any]) -> dict[str, bool]:
    """What a `consent_withdraw` says: every purpose it names, listed or mapped, is a no."""
    return dict.fromkeys(_purposes(properties, False), False)


def _purposes(properties: dict[str, Any], listed: bool) -> dict[str, bool]:
    purposes = properties.get("purposes")
    if isinstance(purposes, dict):
        said = {name: value for name, value in purposes.items() if isinstance(value, bool)}
    elif isinstance(purposes, list):
        said = {name: listed for name in purposes if isinstance(name, str)}
    else:
        return {}
    return {name: value for name, value in said.items() if 0 < len(name) <= MAX_NAME}


def said(consent: dict[str, bool], instants: dict[str, int], news: dict[str, bool], at: int) -> tuple[dict[str, bool], dict[str, int]]:
    """Consent and its instants after `news` of `at` (ms). A late record does not undo a later word; at one instant a no wins.

    Both maps hold at most MAX_PURPOSES; further purposes push out the one whose last word is oldest.
    """
    consent, instants = dict(consent), dict(instants)
    for purpose, value in news.items():
        before = instants.get(purpose)
        if before is not None and (at < before or (at == before and value)):
            continue
        consent[purpose], instants[purpose] = value, at
        if len(consent) > MAX_PURPOSES:
            oldest = min(instants, key=lambda name: (instants[name], name))
            del consent[oldest], instants[oldest]
    return consent, instants


# --- the record of it -------------------------------------------------------------------------------------------------------------


def words(properties: dict[str, Any], news: dict[str, bool], at: int) -> Words:
    """What a consent event says of where and to what the consent was given or withdrawn; empty if it says nothing of it."""
    source, version = _word(properties.get("source")), _word(properties.get("version"))
    return {purpose: Word(at, not value, source, version) for purpose, value in news.items()} if source or version else {}


def _word(told: object) -> str:
    text = str(told) if isinstance(told, int | float) and not isinstance(told, bool) else told if isinstance(told, str) else ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:MAX_WORD]


def recorded(before: Words, news: Words, consent: dict[str, bool]) -> Words:
    """The words kept after news: of each purpose that has a consent the greater, in whatever order they arrive."""
    if not news:
        return before
    kept = {name: word for name, word in before.items() if name in consent}
    for purpose, word in news.items():
        if purpose in consent:
            kept[purpose] = max(word, kept.get(purpose, word))
    return kept


def evidence(part: Profile, purposes: Iterable[str]) -> dict[str, dict[str, str]]:
    """Of each of these purposes on which she has spoken: when, and if told, where and to which version of the text."""
    found: dict[str, dict[str, str]] = {}
    for purpose in purposes:
        at = part.consent_at.get(purpose)
        if at is None:
            continue
        word = part.consent_words.get(purpose)
        told = found[purpose] = {"at": iso(at)}
        if word is not None and (word.at, word.no) == (at, not part.consent[purpose]):  # else a later word without a record
            told |= {name: text for name, text in (("source", word.source), ("version", word.version)) if text}
    return found
