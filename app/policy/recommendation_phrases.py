"""How changes of what a pack recommends are told."""

from __future__ import annotations

from msgspec import Struct, structs

from app.domain.liking import Weights
from app.domain.recommendation import Recommendations, Use
from app.policy.phrase import Phrase, flag

PHRASES: dict[tuple[type[Struct], str], Phrase] = {
    (Recommendations, "n"): Phrase("messages now recommend {new} products instead of {old}"),
    (Recommendations, "collaborative"): Phrase("who liked this liked that now weighs {new} instead of {old} in recommendations"),
    (Recommendations, "content"): Phrase("what is like it now weighs {new} instead of {old} in recommendations"),
    (Recommendations, "k"): Phrase("a model of recommendations now keeps {new} neighbours of a product instead of {old}"),
    (Recommendations, "refresh"): Phrase("recommendations are now learned anew every {new} instead of every {old}"),
    (Recommendations, "uses"): Phrase("", "{key} now recommends {new}", "{key} recommends as other messages do again, not {old}"),
    (Use, "message"): Phrase("the recommendations of {old} are now those of {new}"),
    (Use, "kind"): Phrase("{who} now recommends {new} instead of {old}"),
    (Use, "n"): Phrase(
        "{who} now recommends {new} products instead of {old}",
        "{who} now recommends {new} products",
        "{who} now recommends as many products as other messages, not {old}",
    ),
    (Use, "exclude_bought"): flag("{who} now leaves out what was bought", "{who} may now recommend what was bought"),
    (Use, "exclude_viewed"): flag("{who} now leaves out what was just looked at", "{who} may now recommend what was just looked at"),
    (Recommendations, "weights"): Phrase(""),
    **{
        (Weights, name): Phrase(f"in recommendations {what} now weighs {{new}} instead of {{old}}")
        for name, what in (
            ("view", "a view"),
            ("wishlist", "a wishlist"),
            ("cart", "a cart"),
            ("review", "a review"),
            ("purchase", "a purchase"),
            ("about", "what the message is about"),
        )
    },
}


WEIGHTS = {(Weights, field.name) for field in structs.fields(Weights)}
"""Fields that are plain numbers."""


def use(one: Use) -> str:
    """`4 complements`, as a sentence has room for it."""
    return one.kind if one.n is None else f"{one.n} {one.kind}"
