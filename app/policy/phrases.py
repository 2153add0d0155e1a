"""How each field of a pack is told when it changes, and how its values read. Data: a field without a phrase here is told by its name,
and a test names it, so that no new field is forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from app.domain import money
from app.domain.contact_policy import Cap, Level, QuietHours, Wish
from app.domain.lifecycle import Stage, StageScheme
from app.domain.message import MessageSource
from app.domain.offers import Offer
from app.domain.recommendation import Recommendations, Use
from app.domain.scope import PURCHASED
from app.domain.segments import Band, BandScheme, Predicate, Segment
from app.domain.sensitive import Inference, Sensitive
from app.domain.tiers import Tier, TierScheme
from app.domain.treatments import By, Treatment
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
from app.domain.watching import Watching
from app.policy import brand_phrases, contact_phrases, offer_phrases, recommendation_phrases
from app.policy.fields import UNITS
from app.policy.phrase import WHY, Phrase, flag, named, optional

PHRASES: dict[tuple[type[Struct], str], Phrase] = {
    (Pack, "name"): Phrase("the pack is now named {new} instead of {old}"),
    (Pack, "triggers"): Phrase("", "adds trigger {new}", "removes trigger {old}"),
    (Pack, "sender"): Phrase(""),
    (Pack, "consent"): Phrase(
        "consent to {key} is now {new} instead of {old}",
        "consent to {key} is now asked: {new}",
        "consent to {key} is no longer asked ({old})",
    ),
    (Pack, "consent_regions"): Phrase(
        "in region {key} consent is now {new} instead of {old}",
        "in region {key} consent is now {new}",
        "region {key} has no consent rules of its own any more ({old})",
    ),
    (Pack, "brand"): Phrase(""),
    (Pack, "region_offers"): Phrase(
        "people in {key} are now told {new} instead of {old}",
        "people in {key} are now told {new}",
        "people in {key} are no longer told {old}",
    ),
    (Pack, "soft_bounces"): Phrase(
        "{new} soft bounces in a row instead of {old} now suppress an address",
        "{new} soft bounces in a row now suppress an address",
        "soft bounces ({old} in a row) no longer suppress an address",
    ),
    (Pack, "one_address"): Phrase("an address shared by several now gets one message once in {new} instead of once in {old}"),
    (Pack, "hour_prior"): Phrase("everybody's best hours now count for {new} opens and clicks of her own instead of {old}"),
    (Pack, "catalogue"): Phrase(""),
    (Watching, "price_drop"): Phrase("a price has dropped now from {new} on instead of {old}"),
    (Watching, "low_stock"): Phrase("{new} pieces instead of {old} are now few"),
    (Pack, "sensitive"): Phrase(""),
    (Sensitive, "inferences"): Phrase("", "no longer lets anybody infer: {new}", "lets everybody infer again: {old}"),
    (Inference, "name"): Phrase("what must not be inferred as {old} is now named {new}"),
    (Inference, "why"): WHY,
    (Inference, "names"): Phrase("{who} is now told by the names {new} instead of {old}"),
    (Inference, "words"): Phrase("{who} is now told by the words {new} instead of {old}"),
    (Inference, "harmless"): Phrase("{who} is now not told by {new} instead of {old}"),
    (Pack, "messages"): Phrase("", "adds message {key}: {new}", "removes message {key}"),
    (Pack, "churn_levels"): Phrase("", "adds churn level {new}", "removes churn level {old}"),
    (Pack, "groups"): Phrase("", "adds suppression group {new}", "removes suppression group {old}"),
    (Pack, "experiments"): Phrase("", "switches on experiment {new}", "switches off experiment {old}"),
    (Pack, "scoring"): Phrase(""),
    (Pack, "offers"): Phrase(""),
    (Pack, "variants"): Phrase("", "adds variant {key}", "removes variant {key}"),
    (Variant, "name"): Phrase("variant {old} is now named {new}"),
    (Variant, "message"): Phrase("{who} is now of {new} instead of {old}"),
    (Variant, "factor"): Phrase("{who} is now a {new} instead of a {old}"),
    (Variant, "text"): Phrase("{who} now says “{new}” instead of “{old}”"),
    (Variant, "when"): Phrase(
        "{who} is now for whom {new} instead of {old}", "{who} is now only for whom {new}", "{who} no longer asks whether {old}"
    ),
    (Pack, "recommendations"): Phrase(""),
    (Pack, "holdout"): Phrase("{new} of all people instead of {old} are held out and get no message"),
    (Pack, "stage_schemes"): named("stage scheme"),
    (Pack, "tier_schemes"): named("tier scheme"),
    (Pack, "band_schemes"): named("band scheme"),
    (Pack, "segments"): named("segment"),
    (Pack, "flags"): Phrase("flag {key} now holds if {new} instead of if {old}", "adds flag {key}: {new}", "removes flag {key} ({old})"),
    (Pack, "treatments"): named("the treatment of"),
    (Pack, "goes_by"): Phrase(""),
    (Pack, "contact"): Phrase(""),
    (StageScheme, "name"): Phrase("stage scheme {old} is now named {new}"),
    (StageScheme, "why"): WHY,
    (StageScheme, "stages"): Phrase("", "{who} gets stage {new}", "{who} loses stage {old}"),
    (StageScheme, "hold"): Phrase(
        "{who} now keeps people in a stage for {new} instead of {old}",
        "{who} now keeps people in a stage for {new}",
        "{who} no longer keeps people in a stage ({old})",
    ),
    (Stage, "name"): Phrase("stage {old} is now named {new}"),
    (Stage, "why"): WHY,
    (Stage, "when"): Phrase(
        "{who} now has people if {new} instead of if {old}", "{who} now has people only if {new}", "{who} now has everybody who is left"
    ),
    (TierScheme, "name"): Phrase("tier scheme {old} is now named {new}"),
    (TierScheme, "why"): WHY,
    (TierScheme, "tiers"): Phrase("", "{who} gets tier {new}", "{who} loses tier {old}"),
    (TierScheme, "by"): Phrase("{who} now ranks people by {new} instead of {old}"),
    (Tier, "name"): Phrase("tier {old} is now named {new}"),
    (Tier, "share"): Phrase("{who} now has {new} of the customers instead of {old}"),
    (BandScheme, "name"): Phrase("band scheme {old} is now named {new}"),
    (BandScheme, "why"): WHY,
    (BandScheme, "by"): Phrase("{who} now looks at {new} instead of {old}"),
    (BandScheme, "bands"): Phrase("", "{who} gets band {new}", "{who} loses band {old}"),
    (BandScheme, "when"): Phrase("{who} now has people if {new} instead of if {old}"),
    (Band, "name"): Phrase("band {old} is now named {new}"),
    (Band, "least"): Phrase("{who} now begins at {new} instead of {old}"),
    (Band, "above"): flag("{who} now begins above that score", "{who} now begins at that score"),
    (Segment, "name"): Phrase("segment {old} is now named {new}"),
    (Segment, "why"): WHY,
    (Segment, "when"): Phrase("{who} now has people if {new} instead of if {old}"),
    (Segment, "each"): Phrase(
        "{who} is now entered for each {new} instead of each {old}",
        "{who} is now entered for each {new}",
        "{who} is no longer entered for each {old}",
    ),
    (Treatment, "name"): Phrase("the treatment of {old} is now that of {new}"),
    (Treatment, "why"): WHY,
    (Treatment, "of"): Phrase("{who} is now of a {new} instead of a {old}"),
    (Treatment, "scheme"): Phrase("{who} is now of scheme {new} instead of {old}"),
    (Treatment, "group"): Phrase("{who} is now of {new} instead of {old}"),
    (Treatment, "mails_low"): optional("at least so many mails a week:"),
    (Treatment, "mails_high"): optional("at most so many mails a week:"),
    (Treatment, "every"): optional("a message each"),
    (Treatment, "focus"): optional("the focus"),
    (Treatment, "content"): optional("the content"),
    (Treatment, "tone"): optional("the tone"),
    (Treatment, "discount"): optional("discounts that are"),
    (By, "stage"): Phrase("the pack now goes by the stages of {new} instead of {old}"),
    (By, "tier"): Phrase("the pack now goes by the tiers of {new} instead of {old}"),
    (Sender, "email"): Phrase("mails now come from {new} instead of {old}"),
    (Sender, "name"): Phrase("mails now come in the name of {new} instead of {old}"),
    (Sender, "reply_to"): Phrase(
        "answers to mails now go to {new} instead of {old}", "answers to mails now go to {new}", "answers to mails no longer go to {old}"
    ),
    (ChurnLevel, "name"): Phrase("churn level {old} is now named {new}"),
    (ChurnLevel, "threshold"): Phrase("{who} is now reached above {new} instead of {old}"),
    (ChurnLevel, "horizon_days"): Phrase("{who} is now told with {new} days instead of {old}"),
    (ChurnLevel, "falls"): Phrase(
        "{who} is now left at {new} instead of at {old}",
        "{who} is now left at {new} only",
        "{who} is now left at its threshold instead of at {old}",
    ),
    (ChurnLevel, "cool_down"): Phrase(
        "{who} is now reached again after {new} at the earliest instead of {old}",
        "{who} is now reached again after {new} at the earliest",
        "{who} may now be reached again at once, no longer after {old}",
    ),
    (Group, "name"): Phrase("suppression group {old} is now named {new}"),
    (Group, "scope"): Phrase("{who} now protects each {new} instead of each {old}"),
    (Trigger, "name"): Phrase("trigger {old} is now named {new}"),
    (Trigger, "why"): WHY,
    (Trigger, "opening"): Phrase(""),
    (Trigger, "cancels"): Phrase("", "{who} now cancels on {new}", "{who} no longer cancels on {old}"),
    (Trigger, "steps"): Phrase("", "{who} now goes on with {new}", "{who} no longer goes on with {old}"),
    (Trigger, "needs"): Phrase("{who} now needs consent to {new} instead of {old}"),
    (Trigger, "priority"): Phrase("{who} now has priority {new} instead of {old} (the lower goes first)"),
    (Trigger, "restart"): flag("{who} now waits anew at each repeated opening", "{who} no longer waits anew at a repeated opening"),
    (Trigger, "once"): flag("{who} now opens once per person, ever", "{who} no longer opens only once per person"),
    (Trigger, "again"): Phrase(
        "{who} now rests {new} after its last message instead of {old}",
        "{who} now rests {new} after its last message",
        "{who} no longer rests after its last message ({old})",
    ),
    (Trigger, "late"): Phrase("{who} now gives a message up that is {new} late instead of {old}"),
    (Trigger, "expires"): Phrase("messages of {who} now expire after {new} instead of {old}"),
    (Trigger, "idle"): flag("{who} now waits until she has fallen silent", "{who} no longer waits until she has fallen silent"),
    (Trigger, "group"): Phrase(
        "{who} is now in suppression group {new} instead of {old}",
        "{who} is now in suppression group {new}",
        "{who} is no longer in suppression group {old}",
    ),
    (Trigger, "goal"): Phrase("", "{who} now has a goal: {new}", "{who} no longer has a goal ({old})"),
    (Trigger, "programme"): Phrase("", "{who} now repeats its last message: {new}", "{who} no longer repeats its last message ({old})"),
    (Trigger, "delivery"): flag("{who} now counts from the delivery", "{who} no longer counts from the delivery"),
    (Trigger, "transactional"): flag("{who} is now transactional: it waits for nothing", "{who} is no longer transactional: it waits"),
    (Trigger, "converts"): Phrase("{who} is now expected to end in an order in {new} instead of {old} of its messages"),
    (Trigger, "stock"): flag("{who} now goes out only of what is in stock", "{who} now goes out whether or not the product is in stock"),
    (Trigger, "depth"): Phrase("{who} now shows {new} instead of {old} of how much is known"),
    (Trigger, "best_hour"): Phrase(
        "{who} may now wait {new} instead of {old} for the best hour",
        "{who} may now wait {new} for the best hour",
        "{who} no longer waits for the best hour ({old})",
    ),
    (Trigger, "channels"): Phrase("{who} now goes out by {new} instead of {old}"),
    (Trigger, "opens"): Phrase("{who} now counts {new} opens and clicks instead of {old}"),
    (Trigger, "until"): Phrase(
        "{who} now waits until {new} instead of until {old}", "{who} now waits until {new}", "{who} no longer waits until {old}"
    ),
    (Trigger, "before"): Phrase(
        "{who} now speaks {new} before that instead of {old}",
        "{who} now speaks {new} before that",
        "{who} no longer speaks {old} before that",
    ),
    (Trigger, "group_when"): Phrase(
        "{who} is now in its group only if {new} instead of if {old}",
        "{who} is now in its group only if {new}",
        "{who} is now always in its group, no longer only if {old}",
    ),
    (Trigger, "takes_over"): Phrase(
        "{who} now takes its group over from {new} instead of from {old}",
        "{who} now takes its group over from {new}",
        "{who} no longer takes its group over from {old}",
    ),
    (Trigger, "treated_wait"): flag(
        "{who} now waits as long as her stage's treatment says", "{who} no longer waits as long as her stage's treatment says"
    ),
    (Opening, "on"): Phrase("{who} now opens on {new} instead of {old}"),
    (Opening, "scope"): Phrase("{who} now opens per {new} instead of per {old}"),
    (Opening, "when"): Phrase(
        "{who} now opens only if {new} instead of if {old}", "{who} now opens only if {new}", "{who} no longer asks whether {old} to open"
    ),
    (Opening, "needs_dwell"): flag(
        "{who} now opens once the time on the page is known", "{who} no longer waits until the time on the page is known"
    ),
    (Opening, "joins"): Phrase("windows of {who} are now joined by {new} instead of {old}"),
    (Opening, "count"): Phrase("{who} now opens at number {new} of such events instead of number {old}"),
    (Opening, "within"): Phrase(
        "{who} now counts events within {new} instead of {old}",
        "{who} now counts events within {new} only",
        "{who} now counts events of any time, no longer within {old}",
    ),
    (Opening, "days"): Phrase("{who} now asks for events on {new} different days instead of {old}"),
    (Cancel, "on"): Phrase("{who} now cancels on {new} instead of {old}"),
    (Cancel, "scope"): Phrase("{who} now cancels per {new} instead of per {old}"),
    (Cancel, "when"): Phrase("{who} only if {new} instead of if {old}", "{who} only if {new}", "{who} without asking whether {old}"),
    (Cancel, "before"): flag("{who} even if it happened before the opening", "{who} only if it happened after the opening"),
    (Step, "wait"): Phrase("{who} now waits {new} instead of {old}"),
    (Step, "message"): Phrase("{who} now sends {new} instead of {old}"),
    (Step, "when"): Phrase(
        "{who} is now sent only if {new} instead of if {old}",
        "{who} is now sent only if {new}",
        "{who} no longer asks whether {old} before it sends",
    ),
    (Step, "after"): Phrase("{who} now goes out after the one before if that was {new} instead of {old}"),
    (Step, "choices"): Phrase("", "{who} now chooses {new}", "{who} no longer chooses {old}"),
    (Step, "offer"): optional("the offer"),
    (Choice, "offer"): optional("the offer"),
    (Choice, "when"): Phrase("{who} is now made if {new} instead of if {old}"),
    (Choice, "message"): Phrase("{who} now chooses {new} instead of {old}"),
    (Goal, "on"): Phrase("the goal of {who} is now {new} instead of {old}"),
    (Goal, "within"): Phrase("{who} now reaches its goal within {new} instead of {old}"),
    (Programme, "every"): Phrase("{who} now repeats its last message each {new} instead of each {old}"),
    (Programme, "times"): Phrase(
        "{who} now repeats its last message {new} times instead of {old}",
        "{who} now repeats its last message {new} times, no longer without end",
        "{who} now repeats its last message without end, no longer {old} times",
    ),
    (Experiment, "name"): Phrase("experiment {old} is now named {new}"),
    (Experiment, "triggers"): Phrase("{who} is now on for {new} instead of {old}"),
    (Experiment, "arms"): Phrase("", "{who} gets arm {new}", "{who} loses arm {old}"),
    (Arm, "name"): Phrase("arm {old} is now named {new}"),
    (Arm, "weight"): Phrase("{who} now gets {new} of the people instead of {old}"),
    (Arm, "control"): flag("{who} now gets no message", "{who} now gets messages"),
    (Arm, "wait"): Phrase("{who} now waits {new} instead of {old}", "{who} now waits {new}", "{who} no longer waits {old}"),
    (Arm, "message"): Phrase("{who} now gets {new} instead of {old}", "{who} now gets {new}", "{who} no longer gets {old}"),
    (Arm, "when"): Phrase(
        "{who} now gets messages only if {new} instead of if {old}",
        "{who} now gets messages only if {new}",
        "{who} no longer asks whether {old}",
    ),
    (Arm, "factors"): Phrase("{who} now has {key} {new} instead of {old}", "{who} now has {key} {new}", "{who} no longer has {key} {old}"),
    (MessageSource, "name"): Phrase("message {old} is now named {new}"),
    (MessageSource, "subject"): Phrase("{who}: subject changes from “{old}” to “{new}”"),
    (MessageSource, "preheader"): Phrase("{who}: preheader changes from “{old}” to “{new}”"),
    (MessageSource, "html"): Phrase("{who}: its HTML changes ({lines})"),
    (MessageSource, "text"): Phrase("{who}: its plain text changes ({lines})"),
    (MessageSource, "sms"): Phrase(
        "{who}: its text message changes ({lines})", "{who} can now go out as a text message", "{who} is no longer a text message"
    ),
    (MessageSource, "push"): Phrase("{who}: its push changes ({lines})", "{who} can now go out as a push", "{who} is no longer a push"),
    (MessageSource, "approved"): Phrase(
        "{who}: approved is now {new}", "{who} can now be sent", "{who} is not sent any more: nobody has approved it as it is"
    ),
    (MessageSource, "approval"): Phrase(
        "{who}: its approval is now `{new}` instead of `{old}`",
        "{who} says of its approval: `{new}`",
        "{who} needs no approval any more (it said `{old}`)",
    ),
    (MessageSource, "drafted"): Phrase(
        "{who} was drafted {new}, not {old}", "{who} was drafted {new}", "{who} no longer says that it was drafted {old}"
    ),
    (MessageSource, "push_title"): Phrase("{who}: the title of its push changes from “{old}” to “{new}”"),
    **brand_phrases.PHRASES,
    **contact_phrases.PHRASES,
    **recommendation_phrases.PHRASES,
    **offer_phrases.PHRASES,
}

DURATIONS = {
    (Pack, "one_address"),
    (Trigger, "again"),
    (Trigger, "late"),
    (Trigger, "expires"),
    (Trigger, "before"),
    (ChurnLevel, "cool_down"),
    (Trigger, "best_hour"),
    (Opening, "within"),
    (Step, "wait"),
    (Goal, "within"),
    (Programme, "every"),
    (Arm, "wait"),
    (StageScheme, "hold"),
    (Treatment, "every"),
    (Cap, "per"),
    (Wish, "per"),
    (Recommendations, "refresh"),
    *offer_phrases.DURATIONS,
}
"""Fields in ms."""
SHARES = {
    (Arm, "weight"),
    (Pack, "holdout"),
    (Trigger, "converts"),
    (Watching, "price_drop"),
    (Recommendations, "collaborative"),
    (Recommendations, "content"),
    *offer_phrases.SHARES,
}
TIMES = {(QuietHours, "start"), (QuietHours, "end")}
"""Minutes of a day."""
PERCENT = {(Tier, "share")}
"""Shares that are told in per cent already."""
NUMBERS = {
    *brand_phrases.NUMBERS,
    (Band, "least"),
    (Trigger, "priority"),
    (Pack, "soft_bounces"),
    (Pack, "hour_prior"),
    (Watching, "low_stock"),
    (Opening, "count"),
    (Opening, "days"),
    (Programme, "times"),
    (ChurnLevel, "horizon_days"),
    (Trigger, "depth"),
    (Cap, "most"),
    (Level, "most"),
    (Wish, "most"),
    (Level, "least"),
    (Recommendations, "n"),
    (Recommendations, "k"),
    (Use, "n"),
    *recommendation_phrases.WEIGHTS,
    *offer_phrases.NUMBERS,
}
"""Fields that are plain numbers; a test asks of every number which of these it is."""


EVENTS = {(Opening, "on"), (Opening, "joins"), (Cancel, "on"), (Goal, "on")}
"""Fields that name events."""


def events(kinds: Iterable[str]) -> str:
    """As a pack writes them: what the lane hears of an order are its conclusions, a pack says `purchase`."""
    return " or ".join(dict.fromkeys("purchase" if kind in PURCHASED else kind for kind in kinds)) or "nothing"


def duration(ms: int) -> str:
    """As a pack writes it: 30min, 2h, 3d."""
    unit = next(unit for unit in ("d", "h", "min", "s") if ms % UNITS[unit] == 0 or unit == "s")
    return f"{ms / UNITS[unit]:g}{unit}" if ms else "0s"


def clock(minute: int) -> str:
    """A time of day as a pack writes it: 21:00."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def value(kind: type[Struct], field: str, told: Any) -> str:
    """A field's value in words."""
    if (kind, field) in PERCENT and isinstance(told, int | float):
        return f"{told:g} %"
    if isinstance(told, Condition | Predicate):
        return told.text
    if isinstance(told, bool):
        return "yes" if told else "no"
    if (kind, field) == (Programme, "every") and not told:
        return "interval that her stage's treatment says"
    if isinstance(told, Offer):
        return offer_phrases.offer(told)
    if (kind, field) in offer_phrases.MONEY and isinstance(told, int):
        return money.text(told)
    if (kind, field) in TIMES and isinstance(told, int):
        return clock(told)
    if (kind, field) in DURATIONS and isinstance(told, int):
        return duration(told)
    if (kind, field) in SHARES and isinstance(told, int | float):
        return f"{told:.4g}" if told > 1 else f"{100 * told:.4g} %"
    if (kind, field) in EVENTS:
        return events(told)
    if isinstance(told, float):
        return f"{told:g}"
    if isinstance(told, dict):
        return ", ".join(f"{name}: {one}" for name, one in told.items()) or "nothing"
    if isinstance(told, tuple | list):
        return " and ".join(map(str, told)) or "nothing"
    return "nothing" if told is None or told == "" else str(told)
