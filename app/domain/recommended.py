"""The recommended products of one planned message, as its template reads them: from the model that its plan names and the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from app.domain import sensitive
from app.domain.catalogue import Items, view
from app.domain.message import MessageSource, recommends, recommends_primary
from app.domain.neighbours import Model
from app.domain.recommendation import About, in_primary_category, picked
from app.domain.trigger import Pack
from app.events import Plan

RECOMMENDATIONS = "recommendations"
"""The kind of artifact, and its key in `Plan.models` and in a send's versions."""
MAX_ABOUT = 50
"""Products of a cart or an order that candidates may come from."""


class Unusable(Struct, frozen=True):
    """In the place of a model that this worker will not use: why."""

    why: str


class Shown(Struct, frozen=True):
    """`view`: what is added to the plan's; `ref`: the model it came from, None where nothing was chosen."""

    view: dict[str, Any]
    ref: str | None = None


NOTHING = Shown({"recommendations": []})


def recommended(plan: Plan, source: MessageSource, pack: Pack, artifacts: Callable[[str], Any], items: Items) -> Shown:
    """Nothing where the template asks for none, or no model is active, usable and still there: the message goes on without."""
    ref = plan.models.get(RECOMMENDATIONS)
    if ref is None or not recommends(source):
        return NOTHING
    try:
        model = artifacts(ref)
    except KeyError:
        return NOTHING  # superseded and taken off the topic since this was planned
    if not isinstance(model, Model):
        return NOTHING
    said = pack.recommendations
    use = said.use(plan.message)
    about = About(_about(plan))

    def private(text: str) -> bool:
        return bool(text) and sensitive.tells(pack.sensitive, text) is not None

    chosen = picked(plan.taste, about, model, items, said, use, private)
    told: dict[str, Any] = {"recommendations": [view(one, plan.at) for one in chosen]}
    if recommends_primary(source):
        told["primary_category"] = [view(one, plan.at) for one in in_primary_category(plan.taste, about, model, items, said, use, private)]
    return Shown(told, ref)


def _about(plan: Plan) -> tuple[str, ...]:
    """Product ids of the opening event and of everything that the window has gathered."""
    lines = [plan.view.get("event"), *_lines(plan.view.get("window")), *_lines(plan.view.get("order"))]
    ids = [str(one["product_id"]) for one in lines if isinstance(one, dict) and one.get("product_id")]
    return tuple(dict.fromkeys(ids))[:MAX_ABOUT]


def _lines(holder: Any) -> list[Any]:
    found = holder.get("products") if isinstance(holder, dict) else None
    return found if isinstance(found, list) else []
