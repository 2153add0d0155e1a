"""Two profiles as one: orders by their ids, what either allowed last, and of everything else the later or the sum (design.md 1.6).

`mine` is the person who stays, `theirs` what she was under another identifier. Where both say something and no time tells which is newer,
hers counts: she is the customer, the other nearly always the device before she said who she is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import (
    answers,
    bounces,
    channels,
    closed,
    device,
    interest,
    mail,
    merged_orders,
    purchases,
    recent,
    rhythm,
    signals,
    supplies,
    telling,
    traits,
    visits,
)
from app.domain.buying import needed, within_limit
from app.domain.concluded import REORDER
from app.domain.consent import recorded, said
from app.domain.effects import Effect, Effects, Keep
from app.domain.interest import EXPIRY_MS, Interest
from app.domain.merged_orders import Union
from app.domain.orders import key_of
from app.domain.profile import MAX_ANONYMOUS, Profile, reached
from app.events import derived_id

if TYPE_CHECKING:
    from app.domain.person import Meeting, See


def merge(mine: Profile, theirs: Profile, meeting: Meeting, see: See) -> tuple[Profile, Effects]:
    """The profile of both, with their orders; she may have become reachable by what the other brought."""
    currency = mine.currency or theirs.currency
    told = merged_orders.union(meeting.mine.orders, meeting.theirs.orders)
    consent, consent_at = mine.consent, mine.consent_at
    for purpose, value in theirs.consent.items():
        consent, consent_at = said(consent, consent_at, {purpose: value}, theirs.consent_at.get(purpose, 0))
    last_event = max(mine.last_event, theirs.last_event)
    words, words_at = traits.union(mine.traits, mine.traits_at, theirs.traits, theirs.traits_at)
    email, shut = _email(mine, theirs), closed.union(_shut(mine), _shut(theirs))
    part = Profile(
        customer_id=mine.customer_id or theirs.customer_id,
        anonymous_ids=tuple(dict.fromkeys((*theirs.anonymous_ids, *mine.anonymous_ids)))[-MAX_ANONYMOUS:],
        events=mine.events + theirs.events,
        last_event=last_event,
        first_seen=_first(mine.first_seen, theirs.first_seen),
        last_seen=max(mine.last_seen, theirs.last_seen),
        bot=mine.bot or theirs.bot,
        traits=words,
        email=email,
        consent=consent,
        consent_at=consent_at,
        unsubscribed=mine.unsubscribed or theirs.unsubscribed,
        unsubscribed_at=max(mine.unsubscribed_at, theirs.unsubscribed_at),
        suppressed=_suppressed(mine, theirs, shut),
        closed=shut,
        reachable=mine.reachable or theirs.reachable,
        orders=mine.orders + theirs.orders - told.twice,
        spent=within_limit(_in(mine, currency) + _in(theirs, currency) - told.spent_twice(currency)),
        currency=currency,
        last_order_at=max(mine.last_order_at, theirs.last_order_at),
        mail=mail.union(_left(mine, email), _left(theirs, email)),
        interest=_liked(mine, theirs, last_event, told, see),
        recent=recent.union(mine.recent, theirs.recent),
        visits=visits.union(mine.visits, theirs.visits),
        purchases=purchases.union(mine.purchases, theirs.purchases, told),
        rhythm=rhythm.union(mine.rhythm, theirs.rhythm, told),
        signals=signals.union(mine.signals, theirs.signals),
        device=device.union(mine.device, theirs.device),
        contacts=channels.union(mine.contacts, theirs.contacts),
        answers=answers.union(mine.answers, theirs.answers),
        rejected=telling.rejected(mine.rejected, theirs.rejected),
        traits_at=words_at,
        supplies=supplies.union(mine.supplies, theirs.supplies, told.orders),
        consent_words=recorded(mine.consent_words, theirs.consent_words, consent),
        bounces=_bounces(mine, theirs),
    )
    effects: tuple[Effect, ...] = (Keep("orders", told.orders),) if told.orders is not meeting.mine.orders else ()
    moved = meeting.moved
    for one in supplies.met(mine.supplies, theirs.supplies, part.supplies):
        cause = derived_id(REORDER, moved.source, moved.cause, key_of(one.product))
        effects = (*effects, needed(one, see.person_id, moved.at, see.now, cause))
    return reached(part, moved.at, see.now, moved.cause or moved.source, see, effects)


def _first(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


def _email(mine: Profile, theirs: Profile) -> str | None:
    """The address told last; where no time tells which that is, hers."""
    newer = theirs if theirs.traits_at.get("email", 0) > mine.traits_at.get("email", 0) else mine
    return newer.email if "email" in newer.traits_at else mine.email or theirs.email


def _bounces(mine: Profile, theirs: Profile) -> bounces.Bounces:
    """Of the address that stays."""
    if mine.email == theirs.email or (mine.email and theirs.email and closed.mailbox(mine.email) == closed.mailbox(theirs.email)):
        return bounces.union(mine.bounces, theirs.bounces)
    return mine.bounces if _email(mine, theirs) == mine.email else theirs.bounces


def _suppressed(mine: Profile, theirs: Profile, shut: closed.Closed) -> str | None:
    """A complaint is said of all mail, a bounce of one address: of the one that stays it counts."""
    told, email = (mine.suppressed, theirs.suppressed), _email(mine, theirs)
    if closed.COMPLAINT in told:
        return closed.COMPLAINT
    if email is None:
        return mine.suppressed or theirs.suppressed
    return closed.HARD_BOUNCE if closed.why(shut, email) is not None else None


def _shut(part: Profile) -> closed.Closed:
    """Her closed addresses; the present one may have been suppressed before addresses were kept."""
    if part.suppressed is None or part.email is None or closed.why(part.closed, part.email) is not None:
        return part.closed
    return closed.closing(part.closed, part.last_event, closed.mailbox(part.email), part.suppressed)


def _left(part: Profile, email: str | None) -> mail.Mail:
    """Her mails; those to an address that is not the one that stays remember it."""
    if part.email is None or (email is not None and closed.mailbox(part.email) == closed.mailbox(email)):
        return part.mail
    return mail.moved(part.mail, closed.mailbox(part.email))


def _in(part: Profile, currency: str | None) -> int:
    """What she spent, if it is told in this currency; sums of different ones cannot be added, as orders' cannot."""
    return part.spent if part.currency in (None, currency) else 0


def _liked(mine: Profile, theirs: Profile, last_event: int, told: Union, see: See) -> Interest:
    """An order that was told to both has raised interest in its categories twice."""
    both = interest.union(_kept(mine, last_event), _kept(theirs, last_event))
    for hers, other, _ in told.overlap:
        if hers is not None and other is not None:
            alike = set(hers.categories) & set(other.categories)
            both = interest.without(both, alike, max(hers.at, other.at), see.scoring.interest.purchase)
    return both


def _kept(part: Profile, last_event: int) -> Interest:
    """A-037: after 30 days of silence nothing is left of the increments."""
    return Interest(part.interest.decayed) if last_event - part.last_event >= EXPIRY_MS else part.interest
