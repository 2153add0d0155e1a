"""What the reference of a pack is made of beside the parser: the tables in their order, and the meaning of what TOML spells its own way."""

from __future__ import annotations

from msgspec import Struct

from app.domain import (
    brand,
    contact_policy,
    lifecycle,
    liking,
    offers,
    recommendation,
    scoring,
    segments,
    sensitive,
    tiers,
    treatments,
    trigger,
    watching,
)
from app.domain.brand import Brand
from app.domain.contact_policy import Arbitration, Cap, Level, QuietHours, Wish
from app.domain.lifecycle import Stage, StageScheme
from app.domain.liking import Weights
from app.domain.offers import DiscountPersona, Offer, Offering, Strategy
from app.domain.points import COUNTED
from app.domain.recommendation import Recommendations, Use
from app.domain.scope import PERSON
from app.domain.scoring import Behaviours, EmailPart, Parts, PriceSensitivity, PurchasePart, Scoring, WebsitePart
from app.domain.segments import Band, BandScheme, Segment
from app.domain.sensitive import Inference
from app.domain.tiers import Tier, TierScheme
from app.domain.treatments import By, Treatment
from app.domain.trigger import (
    Arm,
    Cancel,
    Choice,
    ChurnLevel,
    Experiment,
    Goal,
    Group,
    Opening,
    Pack,
    Sender,
    Step,
    Trigger,
    Variant,
)
from app.domain.watching import Watching
from app.policy.contact_policy import CHANNELS, MAX_MOST
from app.policy.phrases import duration
from app.policy.triggers import LATE, LATE_SLOW, NEEDS

Table = tuple[str, ...]
"""Where a table stands: `("trigger", "open")`."""


HEADS: dict[Table, tuple[str, type[Struct]]] = {
    (): ("The pack", Pack),
    ("sender",): ("[sender]", Sender),
    ("brand",): ("[brand]", Brand),
    ("region_offer",): ("[[region_offer]]", Pack),
    ("holdout",): ("[holdout]", Pack),
    ("suppression",): ("[suppression]", Pack),
    ("send_time",): ("[send_time]", Pack),
    ("catalogue",): ("[catalogue]", Watching),
    ("sensitive",): ("[sensitive]", Inference),
    ("churn_level",): ("[[churn_level]]", ChurnLevel),
    ("group",): ("[[group]]", Group),
    ("quiet_hours",): ("[quiet_hours]", QuietHours),
    ("cap",): ("[[cap]]", Cap),
    ("cap", "steps"): ("steps = [ { … } ]", Level),
    ("cap", "words"): ("words = [ { … } ]", Wish),
    ("arbitration",): ("[arbitration]", Arbitration),
    ("trigger",): ("[[trigger]]", Trigger),
    ("trigger", "open"): ("open = { … }", Opening),
    ("trigger", "cancel"): ("cancel = [ { … } ]", Cancel),
    ("trigger", "choose"): ("choose = [ { … } ]", Choice),
    ("trigger", "offer"): ("offer = { … }", Offer),
    ("trigger", "follow_up"): ("follow_up = [ { … } ]", Step),
    ("trigger", "goal"): ("goal = { … }", Goal),
    ("experiment",): ("[[experiment]]", Experiment),
    ("offers",): ("[offers]", Offering),
    ("offer",): ("[[offer]]", Offer),
    ("offer_tier",): ("[[offer_tier]]", Strategy),
    ("offer_persona",): ("[[offer_persona]]", DiscountPersona),
    ("experiment", "arm"): ("arm = [ { … } ]", Arm),
    ("variant",): ("[[variant]]", Variant),
    ("goes_by",): ("[goes_by]", By),
    ("stage_scheme",): ("[[stage_scheme]]", StageScheme),
    ("stage_scheme", "stage"): ("[[stage_scheme.stage]]", Stage),
    ("tier_scheme",): ("[[tier_scheme]]", TierScheme),
    ("tier_scheme", "tier"): ("tier = [ { … } ]", Tier),
    ("band_scheme",): ("[[band_scheme]]", BandScheme),
    ("band_scheme", "band"): ("band = [ { … } ]", Band),
    ("segment",): ("[[segment]]", Segment),
    ("treatment",): ("[[treatment]]", Treatment),
    ("scores",): ("[scores]", Scoring),
    ("scores", "interest"): ("[scores.interest]", Behaviours),
    ("scores", "engagement"): ("[scores.engagement]", Parts),
    ("scores", "email"): ("[scores.email]", EmailPart),
    ("scores", "website"): ("[scores.website]", WebsitePart),
    ("scores", "purchase"): ("[scores.purchase]", PurchasePart),
    ("scores", "price_sensitivity"): ("[scores.price_sensitivity]", PriceSensitivity),
    ("recommendations",): ("[recommendations]", Recommendations),
    ("recommendations", "weights"): ("[recommendations.weights]", Weights),
    ("recommendations", "use"): ("[[recommendations.use]]", Use),
}
"""Every table of a pack, in the order of the reference, and the type it becomes."""
AS_ABOVE = {
    ("trigger", "follow_up", "choose"): ("trigger", "choose"),
    ("trigger", "follow_up", "choose", "offer"): ("trigger", "offer"),
    ("trigger", "follow_up", "offer"): ("trigger", "offer"),
    ("trigger", "choose", "offer"): ("trigger", "offer"),
}
"""Tables that are the same in another place."""

MEANS: dict[tuple[Table, str], str | tuple[type[Struct], str]] = {
    ((), "name"): "Of the pack; with the hash of its bytes it is the version, `name@hash`.",
    ((), "extends"): "A shipped pack that this one has all of, but for the rows of the same name and the tables that it states anew.",
    ((), "event_types"): "The shop's own event types, which triggers may then name.",
    ((), "sender"): "Whom mails come from.",
    ((), "brand"): (Brand, ""),
    ((), "region_offer"): (Pack, "region_offers"),
    (("region_offer",), "region"): "A country's code, `EU`, or `all` for whoever is in none of the others.",
    (("region_offer",), "text"): "What people there are told, in a sentence or less.",
    ((), "churn_level"): (Pack, "churn_levels"),
    ((), "group"): "Suppression groups.",
    (
        (),
        "contact_policy",
    ): "Of a pack that extends another: whether it has that one's quiet hours, caps and arbitration, or none but its own.",
    ((), "quiet_hours"): (QuietHours, ""),
    ((), "cap"): (Cap, ""),
    ((), "arbitration"): (Arbitration, ""),
    (("quiet_hours",), "from"): (QuietHours, "start"),
    (("quiet_hours",), "to"): (QuietHours, "end"),
    (("quiet_hours",), "holidays"): "Whole local days on which nothing goes out: `12-25` every year, `2026-04-06` once. A table by region: "
    "`all`, `EU`, or a country's code. A year without a free day is refused.",
    (("cap",), "name"): "Of the cap; decisions name it, and a pack that extends this one states it anew under it.",
    (("cap",), "per"): "Sliding, such as `7d`; or `day`, `week` (from Monday) or `month` in the person's own zone.",
    (("cap", "steps"), "most"): "How many she gets of whom it is the first step that holds.",
    (("cap", "steps"), "above"): "Of whose `profile.engagement.score` is above it; or",
    (("cap", "steps"), "least"): "of whose score is at least it.",
    (("cap", "words"), "per"): "Sliding, such as `7d`; where `most` is 0 it is left out.",
    ((), "offers"): (Pack, "offers"),
    ((), "offer"): "Offers that triggers name.",
    ((), "offer_tier"): (Offering, "strategies"),
    ((), "offer_persona"): "How people take discounts; of several the first whose condition holds.",
    (("offer_tier",), "tier"): (Strategy, "name"),
    (("offer_persona",), "name"): "Of the persona, in snake_case.",
    ((), "trigger"): "One row for each reason to write.",
    ((), "experiment"): "Experiments, switched on or not.",
    ((), "variant"): (Pack, "variants"),
    ((), "scores"): (Pack, "scoring"),
    (
        (),
        "include",
    ): "A shipped file of rows about people's standing, such as `guides`; rows of the same name take the place of its own.",
    ((), "stage_scheme"): (Pack, "stage_schemes"),
    ((), "tier_scheme"): (Pack, "tier_schemes"),
    ((), "band_scheme"): (Pack, "band_schemes"),
    ((), "segment"): (Pack, "segments"),
    ((), "treatment"): (Pack, "treatments"),
    (("goes_by",), "stage"): (By, "stage"),
    (("goes_by",), "tier"): (By, "tier"),
    (("stage_scheme",), "name"): "Of the scheme, in snake_case; people's stage stands in `profile.lifecycle` under it.",
    (("stage_scheme",), "stage"): (StageScheme, "stages"),
    (("stage_scheme",), "hold"): "A stage is left only after so long in it, except by an order.",
    (("stage_scheme", "stage"), "name"): "Of the stage, in snake_case; a scheme may come back to one.",
    (("tier_scheme",), "name"): "Of the scheme, in snake_case; customers' tier stands in `profile.clv.tier` under it.",
    (("tier_scheme",), "tier"): (TierScheme, "tiers"),
    (("tier_scheme", "tier"), "name"): "Of the tier, in snake_case.",
    (("band_scheme",), "name"): "Of the scheme, in snake_case; the names of its segments begin with it.",
    (("band_scheme",), "band"): (BandScheme, "bands"),
    (("band_scheme", "band"), "name"): "Of the band, in snake_case.",
    (("segment",), "name"): "Of the segment, in snake_case; `profile.segments` lists it, and `segment_entered` and `segment_left` say it.",
    (("treatment",), "stage"): "The stage it is of, such as `merged.loyal`; or",
    (("treatment",), "tier"): "the tier it is of, such as `s1.high`.",
    (("treatment",), "mails"): "Mails a week as a range, `[5, 7]`; the upper number is the cap.",
    (("treatment",), "every"): "How long between two messages of a programme.",
    ((), "suppression"): "What closes an address for a while, and what it gets where several people share it.",
    ((), "send_time"): "How the best hour is found.",
    ((), "catalogue"): (Pack, "catalogue"),
    (("suppression",), "soft_bounces"): (Pack, "soft_bounces"),
    (("suppression",), "one_address"): (Pack, "one_address"),
    (("send_time",), "prior"): (Pack, "hour_prior"),
    (("sensitive",), "names"): (Inference, "names"),
    (("sensitive",), "words"): (Inference, "words"),
    (("sender",), "from"): "The From address.",
    (("sender",), "name"): "Its display name.",
    (("sender",), "reply_to"): "Where answers go, if not to the sender.",
    (("holdout",), "share"): (Pack, "holdout"),
    (("churn_level",), "name"): "Of the level, in snake_case.",
    (("churn_level",), "threshold"): "The probability above which it is reached.",
    (("group",), "name"): "What triggers name as their `group`.",
    (("group",), "scope"): "What it protects: all of the person, or the person and each product.",
    (("trigger",), "name"): "Of the trigger, in snake_case; decisions and reports call it so.",
    (("trigger",), "open"): "What opens a window.",
    (("trigger",), "cancel"): "What ends it before its messages are sent.",
    (("trigger",), "wait"): (
        "Of the first message, from the opening's own time; `treatment`: the interval of whoever is in the stage that opened it."
    ),
    (("trigger",), "after"): (
        "Of a programme: `any`: it goes on however the one before ended, short of a cancel, its `when`, and whoever cannot be written to."
    ),
    (("trigger",), "offer"): (Step, "offer"),
    (("trigger", "choose"), "offer"): (Choice, "offer"),
    (("trigger", "follow_up"), "offer"): (Step, "offer"),
    (("trigger",), "send"): "The first message; where none of `choose` holds.",
    (("trigger",), "choose"): (Step, "choices"),
    (("trigger",), "when"): "Asked when the first message is due; if it does not hold, that ends not_sent `condition_false`.",
    (("trigger",), "follow_up"): "Further messages, one after the other.",
    (("trigger",), "every"): (
        "Makes the last message a programme: again and again, so long after the one before, while its `when` holds; `treatment`: as `wait`."
    ),
    (("trigger",), "times"): "Of a programme: messages in all; without it there is no end.",
    (("trigger",), "goal"): "What the messages are for, so that it can be counted: the first such event after one of them.",
    (("trigger", "open"), "on"): (
        "The event type; or what has become true: `reachable` (an address and consent to e-mail for the first time), `stage`, `tier`, "
        "`segment_entered`, `segment_left`, `churn_level`, `reorder` (when she will need a consumable again)."
    ),
    (("trigger", "open"), "scope"): "One open window per person, per product, per order or per mail.",
    (("trigger", "open"), "within"): "All of them within so long; without it no limit but what is remembered.",
    (("trigger", "open"), "when"): "Asked of the event: over `event`, `profile`, `intent`, `churn`.",
    (("trigger", "cancel"), "on"): (
        "As above. `segment_left`, `stage`, `tier`, `churn_level`, where a conclusion opened the window: only by leaving that very one."
    ),
    (("trigger", "cancel"), "scope"): "Any of the person's (`person`), or one that concerns the window, by the opening's own scope.",
    (("trigger", "cancel"), "when"): "Over its own `event`, and over `window` as it stands after that.",
    (("trigger", "choose"), "when"): "Over `event`, `window`, `profile`, `intent`, `churn`.",
    (("trigger", "choose"), "send"): "The message where it holds.",
    (("trigger", "follow_up"), "wait"): "From when the message before was due.",
    (("trigger", "follow_up"), "send"): "The message; where none of `choose` holds.",
    (("trigger", "follow_up"), "choose"): (Step, "choices"),
    (("trigger", "follow_up"), "when"): "Asked when it is due: over `event`, `window`, `profile`, `intent`, `churn`.",
    (("trigger", "goal"), "on"): "The event type that reaches it.",
    (("trigger", "goal"), "within"): "How long after a message it still counts.",
    (("experiment",), "name"): "Of the experiment, in snake_case.",
    (("experiment",), "enabled"): "Whether it is switched on; unless it is, it runs nothing.",
    (("experiment",), "triggers"): "The triggers it runs on.",
    (("experiment",), "arm"): "Its arms; their shares add to 1.",
    (("experiment",), "factors"): "Instead of arms: factor → its levels; every combination is an arm, with equal shares.",
    (("variant",), "name"): "Of the variant, in snake_case.",
    (("variant",), "message"): "The message it is of.",
    (("variant",), "factor"): "What of the message it is another of.",
    (("experiment", "arm"), "name"): "Of the arm, in snake_case.",
    (("experiment", "arm"), "share"): "Of the people, from 0 to 1.",
    (("experiment", "arm"), "wait"): "Of the first message, instead of the trigger's.",
    (("experiment", "arm"), "send"): "The first message, instead of the trigger's.",
    ((), "recommendations"): (Pack, "recommendations"),
    (("recommendations",), "use"): (Recommendations, "uses"),
    (("scores",), "interest"): (Behaviours, ""),
    (("scores",), "engagement"): (Parts, ""),
    (("scores",), "email"): (EmailPart, ""),
    (("scores",), "website"): (WebsitePart, ""),
    (("scores",), "purchase"): (PurchasePart, ""),
    (("scores",), "price_sensitivity"): (PriceSensitivity, ""),
}
"""Meanings of what TOML spells in its own way: words, or the attribute (without a name: the type) whose docstring says it."""
SOURCES = (
    trigger,
    brand,
    offers,
    watching,
    scoring,
    recommendation,
    liking,
    lifecycle,
    segments,
    sensitive,
    tiers,
    treatments,
    contact_policy,
)
"""Modules of the types."""
WHY = "In words: what it is there for, and by whose wish."
SCOPES = "`person`, `product`, `order_id` or `send_id`"
KINDS = {
    ((), "consent"): "table: purpose → opt_in or opt_out; regions.EU: a table for a region",
    (("experiment",), "factors"): "table: factor → texts",
    ((), "flags"): "table: flag → condition",
    (("quiet_hours",), "holidays"): "list of days, or a table: region → list of days",
    (("cap",), "per"): "duration, `day`, `week` or `month`",
    (("cap",), "most"): f"whole number, 1 to {MAX_MOST}",
    (("cap", "steps"), "most"): f"whole number, 1 to {MAX_MOST}",
    (("cap", "words"), "most"): f"whole number, 0 to {MAX_MOST}",
    (("tier_scheme", "tier"), "share"): "number, above 0 to 100",
    (("band_scheme", "band"), "least"): "number",
    (("band_scheme", "band"), "above"): "number",
    (("treatment",), "mails"): "list of two numbers",
    (("scores",), "points"): f"table: {', '.join(COUNTED)} → points",
    (("scores",), "elements"): "table: part of a mail → weight",
    (("trigger",), "offer"): "an offer's name, or a table",
    (("trigger", "choose"), "offer"): "an offer's name, or a table",
    (("trigger", "follow_up"), "offer"): "an offer's name, or a table",
    (("trigger",), "choose"): "list of tables, or a CSV file's name",
    (("trigger", "follow_up"), "choose"): "list of tables, or a CSV file's name",
    (("trigger", "open"), "scope"): SCOPES,
    (("trigger", "cancel"), "scope"): SCOPES,
}
"""Kinds of what the parser takes apart itself; `DEFAULTS`: likewise."""
DEFAULTS = {
    (("offer",), "by"): "",
    (("trigger",), "needs"): f"{', '.join(NEEDS)}; {NEEDS[0]} alone where `transactional`",
    (("trigger",), "channels"): CHANNELS[0],
    (("trigger",), "late"): f"{duration(LATE)}, {duration(LATE_SLOW)} from a wait of 1d on",
    (("trigger", "open"), "scope"): PERSON,
    (("trigger", "cancel"), "scope"): PERSON,
    (("recommendations", "use"), "n"): "as above",
    (("scores",), "mandatory"): ", ".join(Scoring().mandatory),
    (("scores",), "points"): ", ".join(f"{kind} = {worth:g}" for kind, worth in Scoring().points),
    (("scores",), "elements"): ", ".join(f"{part} = {worth:g}" for part, worth in Scoring().elements),
}
