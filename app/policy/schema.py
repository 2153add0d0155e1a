"""What a pack's TOML may say, checked field by field: everything wrong is found at once, each with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from app.domain.bounces import MAX_BOUNCES
from app.domain.brand import Brand
from app.domain.contact_policy import ContactPolicy
from app.domain.days import DAY_MS
from app.domain.mailbox import KEPT_MS
from app.domain.offers import Offer, Offering
from app.domain.recommendation import Recommendations
from app.domain.scheduler import MAX_ONCE
from app.domain.scope import PERSON, PRODUCT
from app.domain.scoring import Scoring
from app.domain.sensitive import Sensitive
from app.domain.trigger import ChurnLevel, Experiment, Group, Sender, Trigger, Variant
from app.domain.watching import Watching
from app.policy import brand, contact_policy, offers, sensitive
from app.policy.consents import Consents
from app.policy.contact_policy import Contact
from app.policy.experiments import Experiments
from app.policy.fields import ADDRESS, NAME, SNAKE, Fields
from app.policy.offers import Offers, renewed
from app.policy.place import Path
from app.policy.problem import Problem, meant
from app.policy.recommendations import Recommended
from app.policy.scores import Scores
from app.policy.standing_rows import Rows
from app.policy.standings import TABLES, Standings
from app.policy.tables import Tables
from app.policy.triggers import REACHABLE, Triggers
from app.policy.variants import variants

__all__ = ["REACHABLE", "Source"]

PACK = (
    "name", "why", "extends", "include", "event_types", "sender", "consent", "churn_level", "group", "trigger", "experiment", "holdout",
    "brand", "region_offer", "scores", "variant", "contact_policy", "suppression", "send_time", "catalogue", "sensitive", "recommendations",
    *contact_policy.TABLES,
    *offers.TABLES,
    *TABLES,
)  # fmt: skip
SUPPRESSION = ("why", "soft_bounces", "one_address")
ONE_ADDRESS = DAY_MS
SEND_TIME = ("why", "prior")
CATALOGUE = ("why", "price_drop", "low_stock")
MAX_LOW_STOCK = 10_000
HOUR_PRIOR = 5
SENDER = ("from", "name", "reply_to")
LEVEL = ("name", "why", "threshold", "horizon_days", "falls", "cool_down")
GROUP = ("name", "why", "scope")
NO_BASES: Mapping[str, str] = {}


class Source:
    """A checked pack text. `problems` empty: everything a pack needs is there.

    `bases`: texts of packs that this one may extend, and of files it may include. A pack that extends another has all of it, but for the
    rows of the same name and the tables that it states anew. An included file has rows of people's standing alone.
    """

    def __init__(self, text: str, file: str, bases: Mapping[str, str] = NO_BASES, tables: Tables | None = None) -> None:
        self.file, self.text = file, text
        self.tables = Tables() if tables is None else tables
        self.base: Source | None = None
        self.used: dict[str, str] = {}
        """Texts it is made of beside its own: what it extends and includes, and what those include."""
        self.rows = Rows()
        self.name = ""
        self.sender: Sender | None = None
        self.consent: dict[str, str] = {}
        self.consent_regions: dict[str, dict[str, str]] = {}
        self.soft_bounces, self.one_address = 0, ONE_ADDRESS
        self.hour_prior = HOUR_PRIOR
        self.catalogue = Watching()
        self.sensitive = Sensitive()
        self.churn_levels: tuple[ChurnLevel, ...] = ()
        self.groups: dict[str, Group] = {}
        self.triggers: tuple[Trigger, ...] = ()
        self.experiments: dict[str, tuple[Experiment, bool]] = {}
        """Name → experiment, and whether it is switched on."""
        self.variants: dict[str, Variant] = {}
        self.holdout = 0.0
        self.scoring = Scoring()
        self.contact = ContactPolicy()
        self.recommendations = Recommendations()
        self.brand = Brand()
        self.region_offers: dict[str, str] = {}
        self.offering = Offering()
        self.offers: dict[str, Offer] = {}
        """By the names that triggers know them by."""
        self.sends: list[tuple[str, int]] = []
        """Every message a step or an arm names, with its line."""
        self.read = Fields(text, file)
        self._told: dict[str, Any] = {}
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            at = re.search(r"at line (\d+)", str(error))
            self.problems.append(Problem(file, int(at[1]) if at else 0, str(error)))
            return
        self._told = told
        self._listed(bases)
        self._extend(told, bases)
        self._pack(told, bases)

    @property
    def problems(self) -> list[Problem]:
        return self.read.problems

    def line(self, trigger: str, field: str) -> int:
        """Where a field of a trigger stands in the text; 0 for one of a pack that it extends."""
        rows = [one.get("name") for one in self._told.get("trigger", ()) if isinstance(one, dict)]
        return self.read.places.line(("trigger", rows.index(trigger), field)) if trigger in rows else 0

    @property
    def messages(self) -> list[str]:
        """Every message it needs, those of the pack that it extends included."""
        return [*(self.base.messages if self.base is not None else ()), *(name for name, *_ in (*self.sends, *self.tables.sends))]

    @property
    def own_variants(self) -> list[tuple[Variant, int]]:
        """Variants that stand in the file itself, with the line of their text."""
        rows = [(one, n) for n, one in enumerate(self._told.get("variant", ())) if isinstance(one, dict)]
        keys = [(f"{one.get('message')}/{one.get('factor')}/{one.get('name')}", n) for one, n in rows]
        return [(self.variants[key], self.read.places.line(("variant", n, "text"))) for key, n in keys if key in self.variants]

    @property
    def running(self) -> dict[str, tuple[Experiment, ...]]:
        """Trigger → experiments that are switched on for it."""
        found: dict[str, tuple[Experiment, ...]] = {}
        for one, enabled in self.experiments.values():
            for trigger in one.triggers if enabled else ():
                found[trigger] = (*found.get(trigger, ()), one)
        return found

    def _listed(self, bases: Mapping[str, str]) -> None:
        """What no pack may infer: the list as it comes with Kairos is a part of every pack, so that a version means the same for ever."""
        if (text := bases.get(sensitive.FILE)) is not None:
            self.used[sensitive.FILE] = text
            self.sensitive, problems = sensitive.shipped(text)
            self.problems.extend(problems)

    def _extend(self, told: dict[str, Any], bases: Mapping[str, str]) -> None:
        name = self.read.text(told, (), "extends")
        if name is None:
            return
        if name not in bases:
            self.read.wrong(("extends",), f"extends: no pack {name!r}: {', '.join(sorted(bases)) or 'none can be extended here'}")
            return
        base = self.base = Source(bases[name], name, bases)
        self.used |= {name: bases[name], **base.used}
        if base.problems:
            self.read.wrong(("extends",), f"extends: {name} cannot be used: {base.problems[0]}")
        self.sender, self.consent, self.churn_levels, self.holdout = base.sender, base.consent, base.churn_levels, base.holdout
        self.scoring, self.contact, self.brand, self.region_offers = base.scoring, base.contact, base.brand, dict(base.region_offers)
        self.offering, self.offers = base.offering, dict(base.offers)
        self.consent_regions, self.hour_prior = base.consent_regions, base.hour_prior
        self.soft_bounces, self.one_address = base.soft_bounces, base.one_address
        self.catalogue, self.sensitive, self.recommendations = base.catalogue, base.sensitive, base.recommendations
        self.groups, self.triggers, self.experiments = dict(base.groups), base.triggers, dict(base.experiments)
        self.rows, self.variants = base.rows, dict(base.variants)

    def _included(self, told: dict[str, Any], bases: Mapping[str, str]) -> list[Rows]:
        """Rows of the file that it includes."""
        name = self.read.text(told, (), "include")
        if name is None:
            return []
        if name not in bases:
            self.read.wrong(("include",), f"include: nothing named {name!r} comes with Kairos")
            return []
        self.used[name] = bases[name]
        rows, problems = included(bases[name], name)
        if problems:
            self.read.wrong(("include",), f"include: {name} cannot be used: {problems[0]}")
        return [rows]

    def _standings(self, told: dict[str, Any], bases: Mapping[str, str]) -> None:
        rows = Standings(self.read, self.rows, *self._included(told, bases))
        rows.read(told)
        self.rows = rows.rows

    def _pack(self, told: dict[str, Any], bases: Mapping[str, str] = NO_BASES) -> None:
        read = self.read
        read.known(told, (), PACK, required=("name", "why") if self.base is not None else ("name", "why", "sender", "consent", "trigger"))
        self.name = read.text(told, (), "name", NAME, "lower case, digits and hyphens") or ""
        read.text(told, (), "why")
        own = read.list(told, (), "event_types", str)
        if "sender" in told:
            self.sender = self._sender(read.table(told, (), "sender"))
        if "consent" in told:
            self.consent, self.consent_regions = Consents(read, self.consent, self.consent_regions).read(read.table(told, (), "consent"))
        if "suppression" in told:
            self.soft_bounces, self.one_address = self._suppression(read.table(told, (), "suppression"))
        if "send_time" in told:
            self.hour_prior = self._send_time(read.table(told, (), "send_time"))
        if "catalogue" in told:
            self.catalogue = self._catalogue(read.table(told, (), "catalogue"))
        if "sensitive" in told:
            self.sensitive = sensitive.extended(self.sensitive, read, read.table(told, (), "sensitive"))
        self._brand(told)
        if "holdout" in told:
            self.holdout = self._holdout(read.table(told, (), "holdout"))
        if "scores" in told:
            self.scoring = Scores(read).scoring(read.table(told, (), "scores"), self.scoring)
        levels = [self._level(one, ("churn_level", n)) for n, one in enumerate(read.list(told, (), "churn_level", dict))]
        if levels:
            self.churn_levels = tuple(sorted((one for one in levels if one), key=lambda one: (-one.threshold, one.name)))
        for n, one in enumerate(read.list(told, (), "group", dict)):
            if (group := self._group(one, ("group", n))) is not None:
                self.groups[group.name] = group
        self._standings(told, bases)
        self._offers(told)
        self._triggers(told, frozenset(own))
        self._experiments(told)
        self._contact(told)
        self._variants(told)
        if "recommendations" in told:
            self._recommendations(read.table(told, (), "recommendations"))
        for what in ("trigger", "churn_level", "group", "experiment"):
            read.twice([one.get("name") for one in read.list(told, (), what, dict)], what)
        read.twice([one.get("region") for one in read.list(told, (), "region_offer", dict)], "region_offer")
        if sum(one.once for one in self.triggers) > MAX_ONCE:
            read.wrong((), f"more than {MAX_ONCE} triggers with once")

    def _brand(self, told: dict[str, Any]) -> None:
        if "brand" in told:
            self.brand = brand.brand(self.read, self.read.table(told, (), "brand"), self.brand)
        rows = [
            brand.region_offer(self.read, one, ("region_offer", n)) for n, one in enumerate(self.read.list(told, (), "region_offer", dict))
        ]
        self.region_offers |= {region: text for region, text in filter(None, rows)}

    def _offers(self, told: dict[str, Any]) -> None:
        rows = Offers(self.read, self.offering, self.offers, self.rows)
        rows.read(told)
        self.offering, self.offers = rows.figures, rows.named
        if any(name in told for name in offers.TABLES):
            self.triggers = tuple(renewed(one, self.offers) for one in self.triggers)

    def _triggers(self, told: dict[str, Any], own: frozenset[str]) -> None:
        rows = Triggers(self.read, own, self.consent, self.groups, self.tables, self.offers)
        new = [rows.trigger(one, ("trigger", n)) for n, one in enumerate(self.read.list(told, (), "trigger", dict))]
        named = {one.name: one for one in self.triggers} | {one.name: one for one in new if one}
        self.triggers = tuple(named.values())
        self.sends += rows.sends

    def _contact(self, told: dict[str, Any]) -> None:
        self.contact = Contact(self.read, self.contact).policy(told, "extends" in told)
        depths = {one.name: one.depth for one in self.triggers}
        declared = [one.get("name") for one in self.read.list(told, (), "cap", dict)]
        for name, why in contact_policy.unfounded(self.contact, self.rows.goes_by, self.rows.treatments, depths):
            self.read.wrong(("cap", declared.index(name)) if name in declared else ("extends",), f"cap {name!r}: {why}")

    def _recommendations(self, told: dict[str, Any]) -> None:
        rows = Recommended(self.read)
        self.recommendations = rows.read(told, self.recommendations)
        for message, at in rows.named:
            if message not in self.messages:
                self.read.wrong(at, f"use: nothing here sends {message!r}")

    def _experiments(self, told: dict[str, Any]) -> None:
        rows = Experiments(
            self.read, [str(one.get("name")) for one in self.read.list(told, (), "trigger", dict)] + [one.name for one in self.triggers]
        )
        for n, one in enumerate(self.read.list(told, (), "experiment", dict)):
            if (found := rows.experiment(one, ("experiment", n))) is not None:
                self.experiments[found[0].name] = found
        self.sends += rows.sends

    def _variants(self, told: dict[str, Any]) -> None:
        new = variants(self.read, self.read.list(told, (), "variant", dict))
        known = set(self.messages)
        for n, one in enumerate(self.read.list(told, (), "variant", dict)):
            if (message := one.get("message")) is not None and message not in known:
                hint = meant(str(message), known)
                self.read.wrong(("variant", n, "message"), f"message: no trigger of this pack sends {message!r}{hint}")
        self.variants |= new

    def _sender(self, told: dict[str, Any]) -> Sender | None:
        at: Path = ("sender",)
        self.read.known(told, at, SENDER, required=("from", "name"))
        email = self.read.text(told, at, "from", ADDRESS, "an e-mail address")
        name = self.read.text(told, at, "name")
        reply_to = self.read.text(told, at, "reply_to", ADDRESS, "an e-mail address")
        return Sender(email, name, reply_to) if email and name else None

    def _suppression(self, told: dict[str, Any]) -> tuple[int, int]:
        at: Path = ("suppression",)
        self.read.known(told, at, SUPPRESSION, required=SUPPRESSION[:2])
        self.read.text(told, at, "why")
        bounces = self.read.whole(told, at, "soft_bounces", 0, MAX_BOUNCES, 0, f"mails in a row, 1 to {MAX_BOUNCES}, or 0 for never")
        span = self.read.duration(told, at, "one_address", ONE_ADDRESS)
        if span > KEPT_MS:
            self.read.wrong((*at, "one_address"), f"one_address: at most {KEPT_MS // DAY_MS}d, as long as an address knows what it got")
        return bounces, span

    def _send_time(self, told: dict[str, Any]) -> int:
        at: Path = ("send_time",)
        self.read.known(told, at, SEND_TIME, required=SEND_TIME)
        self.read.text(told, at, "why")
        return self.read.whole(told, at, "prior", 0, 1000, HOUR_PRIOR, "opens and clicks, 0 to 1000")

    def _catalogue(self, told: dict[str, Any]) -> Watching:
        at: Path = ("catalogue",)
        self.read.known(told, at, CATALOGUE, required=("why",))
        self.read.text(told, at, "why")
        usual = Watching()
        drop = self.read.number(told, at, "price_drop", 0.001, 1, usual.price_drop)
        return Watching(drop, self.read.whole(told, at, "low_stock", 1, MAX_LOW_STOCK, usual.low_stock))

    def _holdout(self, told: dict[str, Any]) -> float:
        self.read.known(told, ("holdout",), ("share", "why"), required=("share", "why"))
        self.read.text(told, ("holdout",), "why")
        return self.read.share(told, ("holdout",), "share") or 0.0

    def _group(self, told: dict[str, Any], at: Path) -> Group | None:
        self.read.known(told, at, GROUP, required=GROUP)
        name = self.read.text(told, at, "name", NAME, "lower case, digits and hyphens")
        self.read.text(told, at, "why")
        scope = self.read.one_of(told, at, "scope", (PERSON, PRODUCT), PERSON)
        return Group(name, scope) if name else None

    def _level(self, told: dict[str, Any], at: Path) -> ChurnLevel | None:
        self.read.known(told, at, LEVEL, required=("name", "why", "threshold", "horizon_days"))
        name = self.read.text(told, at, "name", SNAKE, "snake_case")
        self.read.text(told, at, "why")
        threshold = told.get("threshold")
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold < 1:
            self.read.wrong((*at, "threshold"), "threshold: a probability between 0 and 1")
            return None
        days = self.read.whole(told, at, "horizon_days", 1, 365, 30, "whole days, 1 to 365")
        falls, cool_down = self.read.share(told, at, "falls"), self.read.duration(told, at, "cool_down")
        if falls is not None and falls > threshold:
            self.read.wrong((*at, "falls"), f"falls: {falls:g} lies above the threshold, {threshold:g}: she would leave the level at once")
        return ChurnLevel(name, float(threshold), days, falls, cool_down) if name else None


def included(text: str, file: str) -> tuple[Rows, list[Problem]]:
    """A file of rows that packs share, and what is wrong with it."""
    fields = Fields(text, file)
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Rows(), [Problem(file, 0, str(error))]
    fields.known(told, (), ("why", *TABLES), required=("why",))
    rows = Standings(fields)
    rows.read(told)
    return rows.rows, fields.problems
