"""What a pack's offers still get wrong: promises that no mail prints, rates that the cap always cuts, strategies nobody is offered."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from app.domain import offers
from app.domain.message import MessageSource
from app.domain.offers import TIER, Offer
from app.domain.trigger import Pack, Trigger
from app.policy.place import Path
from app.policy.standing_lint import Odd

PRINTED = ("offer.discount", "offer.code", "offer.benefits")
"""What a message reads that tells of its offer."""


def offering(pack: Pack, text: str) -> Iterator[Odd]:
    """Of the rows that stand in this text."""
    raw = tomllib.loads(text)
    rows = [one.get("name") for one in raw.get("trigger", ()) if isinstance(one, dict)]
    named: set[str] = set()
    for row in pack.triggers:
        for n, message, offer in _offered(row):
            named.add(offer.name)
            if row.name in rows:
                at: Path = ("trigger", rows.index(row.name), *(("follow_up", n - 1) if n else ()))
                yield from _of_message(pack, at, message, offer)
    for n, one in enumerate(raw.get("offer", ())):
        at = ("offer", n)
        if one.get("name") not in named:
            yield at, f"offer {one.get('name')!r} is made by no trigger", True
        yield from _cut(pack, at, one.get("discount"))
        if one.get("by") == TIER and not any(told.name.startswith(f"{pack.goes_by.tier}.") for told in pack.offers.strategies):
            yield at, f"by = 'tier': no [[offer_tier]] of scheme {pack.goes_by.tier!r}: everybody is offered what the formula says", True
    for n, one in enumerate(raw.get("offer_tier", ())):
        yield from _cut(pack, ("offer_tier", n), one.get("discount"))
    shadowed = False
    for n, one in enumerate(raw.get("offer_persona", ())):
        if shadowed:
            yield ("offer_persona", n), f"unreachable: an earlier offer persona has everybody, so nobody is {one.get('name')!r}", False
        shadowed = shadowed or "when" not in one


def _offered(row: Trigger) -> Iterator[tuple[int, str, Offer]]:
    for n, step in enumerate(row.steps):
        for message, offer in ((step.message, step.offer), *((one.message, one.offer) for one in step.choices)):
            if offer is not None:
                yield n, message, offer


def _of_message(pack: Pack, at: Path, name: str, offer: Offer) -> Iterator[Odd]:
    message = pack.messages.get(name)
    if message is not None and not _prints(message):
        yield (*at, "offer"), f"message {name!r} never prints its offer: nobody would hear of {offer.kind}", False
    if not offer.name:
        yield from _cut(pack, (*at, "offer"), offer.discount)


def _prints(message: MessageSource) -> bool:
    texts = (message.html, message.text, message.sms, message.push, message.subject)
    return any(path in text for text in texts for path in PRINTED)


def _cut(pack: Pack, at: Path, discount: object) -> Iterator[Odd]:
    cap = offers.most(pack.offers, pack.offers.default_margin)
    if isinstance(discount, int | float) and discount > cap:
        yield at, f"{100 * discount:g} % is always cut: no offer takes more than {100 * offers.capped(1.0, cap):g} % off", True
