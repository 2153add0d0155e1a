"""Where the guides' classes and what they use and never define live in Kairos (A.23): the README's appendix is printed from this.

`python -m tests.guide_classes` prints it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple


class Place(NamedTuple):
    """`lives`: `module:name` each, below `app`."""

    name: str
    lives: tuple[str, ...]
    words: str


CLASSES = (
    Place("BehavioralTriggerEngine", ("domain.scheduler:Scheduler", "domain.interest:behaved"), "interest rises, a window opens"),
    Place("PredictiveChurnTrigger", ("domain.churn:step",), "the level, with hysteresis and cool-down"),
    Place("LifecyclePersonalization", ("domain.lifecycle:StageScheme", "domain.treatments:Treatment"), "stages, and how they are treated"),
    Place("RevenueOptimizationEngine", ("domain.offers:optimised", "domain.offers:strategy"), "targets by tier, offer, timing"),
    Place("PersonalizedOfferEngine", ("domain.offering:choose", "domain.offers:optimal_discount"), "the rate and its kind"),
    Place("HybridRecommendationEngine", ("domain.recommendation:picked",), "0.6 and 0.4, twice as many candidates, stock last"),
    Place("RealTimePersonalizationProcessor", ("agents.person_program:PersonProgram", "engine.turn:Turn"), "each event, once, in order"),
    Place("PersonalizationTestFramework", ("domain.experiments:draw", "domain.creative:chosen"), "arms by keyed hash; bandits of variants"),
)
HELPERS = (
    Place("get_customer_behaviors", ("domain.person_row:load",), "her row, as it stands at this record"),
    Place("select_template", ("domain.gate:choose",), "the first choice of a step that holds"),
    Place("generate_content", ("domain.rendering:render",), "subject, preheader, HTML and text, whole or refused"),
    Place("send_email", ("agents.renderer_program:RendererProgram",), "a complete record on `message_sends`; a deliverer sends it"),
    Place("engineer_features", ("domain.facts:of",), "figures of her, each with the instant until which it holds"),
    Place("get_customer_profile", ("domain.profile_view:record",), "the profile as outsiders and templates see it"),
    Place("launch_campaign", ("domain.scheduler:Scheduler.open",), "a window of a trigger opens"),
    Place("get_content_strategy", ("domain.treatments:Treatment",), "focus, content, tone and discount of her stage and tier"),
    Place("create_personalized_campaign", ("domain.plan:plan",), "everything the renderer needs for one message"),
    Place("calculate_optimal_personalization", ("domain.offers:personalisation_depth",), "from target and investment (A-147)"),
    Place("calculate_optimal_timing", ("domain.send_time:best",), "her best hours, on everybody's where she has shown few"),
    Place(
        "load_price_sensitivity_model",
        ("domain.price:sensitivity",),
        "her orders at a reduced price, shrunk to 0.5",
    ),
    Place("load_elasticity_data", ("domain.offers:Offering",), "by persona in the pack: `[[offer_persona]]`"),
    Place("get_product_data", ("domain.catalogue:Item",), "the product as the catalogue has it when the message is written"),
    Place("determine_offer_type", ("domain.offering:choose",), "what the row says, else her tier, else the formula (X-13)"),
    Place(
        "predict_conversion",
        ("domain.offers:expected_conversion",),
        "the trigger's `converts`, else `[offers] conversion`, raised by the discount as her persona's elasticity says (A-150)",
    ),
    Place("build_content_model", ("agents.similarity:content",), "TF-IDF of text and attributes"),
    Place("get_collaborative_recommendations", ("domain.recommendation:picked",), "what people who liked hers liked, too"),
    Place("get_content_recommendations", ("domain.recommendation:picked",), "what is like what she liked"),
    Place("combine_recommendations", ("domain.recommendation:picked",), "by weight, each model's best counting 1 before it"),
    Place("should_trigger_email", ("domain.gate:ask",), "every gate in order; the first that closes tells why"),
    Place("get_customers_in_segment", ("domain.segments:Segment",), "each person knows hers and tells of changes"),
    Place("calculate_segment_metrics", ("domain.population:Population",), "sizes, tiers and migrations, counted by −old/+new"),
    Place(
        "calculate_statistical_significance",
        ("domain.tolerance:wilson",),
        "the digest's shares of messages, whose 95 % intervals meet or do not; between arms of an experiment nothing tests: "
        "their goals are counted, the difference is for the reader to judge",
    ),
)
UNDEFINED = (
    Place("self.product_categories", ("domain.interest:Interest",), "the categories that she has met, no list of all"),
    Place("self.n_users", ("agents.table:Table",), "rows of the table of likings: its people, counted anew at each training"),
    Place("self.n_items", ("agents.table:Table",), "its columns: families of products"),
    Place(
        "trigger_personalized_email(customer_id, event_type)",
        ("domain.scheduler:Scheduler.open",),
        "defined with one argument and called with two: a window opens for the event, which holds person and type",
    ),
)
"""Attributes that no code of the guide sets, and a call that does not fit its definition."""


def resolved(path: str) -> Any:
    """What a place names. Raises ImportError or AttributeError if it is not there."""
    module, _, name = path.partition(":")
    found: Any = import_module(f"app.{module}")
    for part in name.split("."):
        found = getattr(found, part)
    return found


def markdown() -> str:
    """The appendix."""
    lines = []
    for title, places in (
        ("class of guide S0", CLASSES),
        ("helper it calls and never defines", HELPERS),
        ("what else it leaves undefined", UNDEFINED),
    ):
        lines += [f"| {title} | lives in | what it does here |", "|---|---|---|"]
        lines += [f"| `{one.name}` | {', '.join(f'`{path}`' for path in one.lives)} | {one.words} |" for one in places]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
