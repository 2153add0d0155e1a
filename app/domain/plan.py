"""The plan of a due message: everything the renderer needs, and everything a template may read (design.md 2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from app.domain import aliases, facts, line, money, recent, sensitive, taste, window
from app.domain.creative import Chosen
from app.domain.effects import PlanMessage
from app.domain.fingerprint import fingerprint
from app.domain.gate import Answer, expires_at
from app.domain.message import profile_keys, recommends
from app.domain.product import Product
from app.domain.profile_view import some
from app.domain.reach import EMAIL
from app.domain.recent import RecentProduct
from app.domain.scope import ORDER, PURCHASED
from app.domain.trigger import Trigger
from app.domain.window import Window
from app.events import Plan, begun, id_of_three

if TYPE_CHECKING:
    from app.domain.person import See

_SEND = begun()


def send_id(open_window: Window) -> str:
    """Id of the message of the window's present step (interface.md section 4)."""
    return id_of_three(_SEND, open_window.window_id, str(open_window.step), open_window.ref.partition("@")[2])


def plan(open_window: Window, trigger: Trigger, message: str, answer: Answer, see: See, sent_as: str, choice: Chosen = ()) -> PlanMessage:
    """The plan of the window's present step and the message chosen for it; `answer` let it pass and so carries an address.

    `sent_as`: its send id. `choice`: which variant of each factor the message gets.
    """
    address, name = answer.address or ("", None)
    return PlanMessage(
        Plan(
            at=see.now,
            send_id=sent_as,
            window_id=open_window.window_id,
            person_id=see.person_id,
            customer_id=see.person.profile.customer_id,
            channel=answer.channel,
            trigger=trigger.name,
            step=open_window.step,
            message=message,
            policy=open_window.ref,
            opened_at=open_window.opened_at,
            due_at=open_window.due_at,
            expires_at=expires_at(open_window, trigger, see.now),
            to_address=address,
            to_name=name,
            cause=[open_window.opening],
            values=answer.values,
            view={
                **view(open_window, address if answer.channel == EMAIL else None, see, message),
                "offer": answer.values.get("offer") or {},
            },
            arms=list(open_window.arms),
            models=dict(see.active),
            creative=dict(choice),
            taste=taste.hers(see) if recommends(see.packs(open_window.ref).messages[message]) else [],
        )
    )


def view(open_window: Window, email: str | None, see: See, message: str) -> dict[str, Any]:
    """What a template may read: customer, profile, event, window, recent, order, trigger, step, arms.

    Of the profile what the message's templates read: most read nothing of it, and all of it is a third of the plan.
    """
    her = see.person.profile
    pack = see.packs(open_window.ref)
    source = pack.messages[message]
    reads = profile_keys(source)
    orders = see.orders if open_window.scope == ORDER else None
    gathered = window.facts(open_window, orders)
    lines = gathered["products"]
    traits = {name: told for name, told in her.traits.items() if isinstance(told, str | int | float)}
    return {
        "customer": {
            **aliases.told(aliases.named(source), see, pack.region_offers),
            **traits,
            "id": her.customer_id,
            "first_name": traits.get("first_name") or traits.get("firstName"),
            "last_name": traits.get("last_name") or traits.get("lastName"),
            "email": email if email is not None else see.person.profile.email,
        },
        "profile": {} if reads is not None and not reads else some(facts.of(see), reads),
        "event": _event(open_window, lines),
        "window": {
            "views": open_window.views,
            "seconds": open_window.seconds,
            "products": lines,
            "value": money.text(round(gathered["value"] * money.UNITS)),
        },
        "recent": [_recent(one, about) for one, about in _others(her.recent, open_window, see)],
        "order": {"order_id": open_window.key, "products": lines} if open_window.scope == ORDER else {},
        "trigger": open_window.trigger,
        "step": open_window.step,
        "arms": dict(open_window.arms),
    }


def _event(open_window: Window, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The opening event's plain properties, and those of its product under their fixed names, as far as it has one."""
    told = window.properties(open_window)
    about = lines[0] if lines else line.view(line.line(told, 0))
    return {**told, **{name: about[name] for name in about if name != "quantity"}, "event_type": open_window.kind}


def _others(views: Iterable[RecentProduct], open_window: Window, see: See) -> list[tuple[RecentProduct, recent.Told]]:
    """Her recent views, with what is known of each, without what the message is about anyway, and without what she bought."""
    shown = [open_window.product, *(one.product for one in window.lines(open_window))]
    sold: set[int] = set()
    if see.person.profile.orders:
        # Orders keep fingerprints alone; a family (size in the order, parent in the view) shows where windows or look-back keep names.
        sold = {sku for order in see.orders.open.values() for sku in order.lines}
        shown += [one.product for other in see.person.windows.open if other.scope == ORDER for one in window.lines(other)]
        shown += [one for entry in see.lookback.entries if entry.kind in PURCHASED for one in entry.products]

    # As `Product.same` has it, but asked of all of them at once.
    ids, families, names = {one.product_id for one in shown}, {one.group_id for one in shown}, {one.name for one in shown}
    for told in ids, families, names:
        told.discard("")

    def spoken_for(one: Product) -> bool:
        if one.product_id in ids or one.group_id in families or one.name in names:
            return True
        return bool(sold) and any([name and fingerprint(name) in sold for name in (one.product_id, one.group_id, one.name)])

    listed = see.pack.sensitive  # what she looked at in private stays there
    found = [(one, recent.told(one)) for one in views if not spoken_for(one.product)]
    return [(one, about) for one, about in found if sensitive.among(listed, (about.category or "", one.product.name)) is None]


def _recent(one: RecentProduct, told: recent.Told) -> dict[str, Any]:
    return {
        "product_id": one.product.product_id or None,
        "product_name": one.product.name or None,
        "price": None if told.price is None else money.text(told.price),
        "currency": told.currency,
        "image": told.image or None,
        "url": told.url or None,
        "category": told.category,
    }
