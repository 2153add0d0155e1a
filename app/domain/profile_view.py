"""A person as outsiders, conditions and templates see her: the `profiles` record (interface.md section 4), as of an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain import churn, intent, interest
from app.domain.money import UNITS, text
from app.events import iso

if TYPE_CHECKING:
    from app.domain.mail import Mail
    from app.domain.person import Person

CENT = UNITS // 100


def view(person: Person, now: int) -> dict[str, Any]:
    """The record as of `now` (ms), keys in a fixed order. Scores have decayed and levels expired as far as `now` says."""
    part = person.profile
    decayed = interest.decayed(part.interest, now)
    return {
        "person_id": person.person_id,
        "customer_id": part.customer_id,
        "anonymous_ids": list(part.anonymous_ids),
        "traits": dict(sorted(part.traits.items())),
        "consent": dict(sorted(part.consent.items())),
        "first_seen": _instant(part.first_seen),
        "last_seen": _instant(part.last_seen),
        "orders": part.orders,
        "spent": _money(part.spent, part.currency),
        "average_order": _money(round(part.spent / part.orders / CENT) * CENT, part.currency) if part.orders else None,
        "last_purchase_at": _instant(part.last_order_at),
        "interest": {
            "decayed": {name: round(score, 4) for name, score in decayed.items()},
            "increment": interest.increments(part.interest, part.last_event, now),
        },
        "primary_interest": interest.primary(decayed),
        "intent": intent.view(person.intent, now),
        "churn": churn.view(person.churn, now),
        "email": _mail(part.mail, part.unsubscribed, part.suppressed),
        "bot": part.bot,
    }


def _mail(mail: Mail, unsubscribed: bool, suppressed: str | None) -> dict[str, Any]:
    return {
        "sent": mail.sent,
        "opened": mail.opened,
        "clicked": mail.clicked,
        "last_sent_at": _instant(mail.last_sent_at),
        "last_opened_at": _instant(mail.last_opened_at),
        "last_clicked_at": _instant(mail.last_clicked_at),
        "unsubscribed": unsubscribed,
        "suppressed": suppressed,
    }


def _instant(ms: int) -> str | None:
    return iso(ms) if ms else None


def _money(amount: int, currency: str | None) -> dict[str, str | None]:
    return {"amount": text(amount), "currency": currency}
