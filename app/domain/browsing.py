"""What a profile takes from her visits: interest, the products she looked at, the visits themselves (A-009–A-012)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import interest
from app.domain.catalog_change import REVIEWED, Happened
from app.domain.consent import tracked
from app.domain.effects import NOTHING, Effects, Notice
from app.domain.product import product
from app.domain.recent import viewed
from app.events import Event, derived_id

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Changes, Handler, Profile


def behaved(part: Profile, event: Event, see: See, changes: Changes, names: tuple[str, ...], kind: str) -> None:
    """Interest after a behaviour of a type of A-049; `store_purchase` counts as a purchase (interface.md section 3)."""
    if names:
        weight = getattr(see.scoring.interest, kind) * interest.intensity(event.properties)
        before = changes.get("interest", part.interest)
        changes["interest"] = interest.behaved(before, names, weight, event.ts, kind == "product_view")


def on_product_view(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Raises interest, and remembers the product."""
    if tracked(part, see):
        about = see.about(event)
        behaved(part, event, see, changes, about.categories, "product_view")
        changes["recent"] = viewed(part.recent, about)
    return NOTHING


def on_cart_add(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Raises interest."""
    if tracked(part, see):
        behaved(part, event, see, changes, see.about(event).categories, event.event_type)
    return NOTHING


def on_review_write(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Raises interest; says how the product was rated, where the review tells (A-083)."""
    effects = on_cart_add(part, event, see, changes)
    about, rating = product(event.properties), event.properties.get("rating")
    if event.bot or about is None or not about.product_id or isinstance(rating, bool):
        return effects
    if not isinstance(rating, int | float) or not 1 <= rating <= 5:
        return effects
    found = Happened(REVIEWED, derived_id(REVIEWED, event.event_id, about.product_id), float(rating))
    return (*effects, Notice(about.product_id, found, event.at))


HANDLERS: dict[str, Handler] = {
    "product_view": on_product_view,
    "cart_add": on_cart_add,
    "review_write": on_review_write,
}
