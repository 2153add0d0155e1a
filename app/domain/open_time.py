"""What a picture in a mail shows when the mail is opened, not when it was sent: today's price and stock, and the time left (A-180).

Its address carries what was true when the mail was written, signed: whatever the catalogue no longer tells is shown as it was then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from msgspec import Struct

from app.domain import money
from app.domain.catalogue import Item, price_now
from app.domain.message import MessageSource, texts
from app.domain.signing import sign, verify

PURPOSE = "picture"
MAX_NAME = 60
"""Characters of a product's name in an address."""
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000


class Offered(Struct, frozen=True):
    """A product as it is offered at an instant. Prices in units of `currency`; `ends_at` in ms, 0: no end."""

    product_id: str
    name: str = ""
    price: int | None = None
    regular_price: int | None = None
    """Where it is higher than the price."""
    currency: str = ""
    stock: int | None = None
    ends_at: int = 0


@lru_cache(maxsize=1_000)
def wanted(source: MessageSource) -> bool:
    """Whether a message's templates name `picture_url`."""
    return any("picture_url" in text for text in texts(source))


def told(
    source: MessageSource, view: Mapping[str, Any], product: Callable[[str], Mapping[str, Any] | None], secret: str, base: str
) -> dict[str, str]:
    """`picture_url` for the product a message is about; nothing where no template names it or there is no product. `base`: our address."""
    if not wanted(source):
        return {}
    event = view.get("event") or {}
    product_id = event.get("product_id")
    if not product_id:
        return {}
    known = {**(product(str(product_id)) or {}), **{name: value for name, value in event.items() if value is not None}}
    return {"picture_url": f"{base}/r/{token(secret, _offered(str(product_id), known, view.get('offer') or {}))}.png"}


def _offered(product_id: str, known: Mapping[str, Any], offer: Mapping[str, Any]) -> Offered:
    price, regular = money.units(known.get("price")), money.units(known.get("regular_price"))
    stock, ends = known.get("stock"), offer.get("expires_at")
    return Offered(
        product_id,
        str(known.get("product_name") or known.get("name") or "")[:MAX_NAME],
        price,
        regular if regular is not None and price is not None and regular > price else None,
        str(known.get("currency") or ""),
        stock if isinstance(stock, int) and not isinstance(stock, bool) and stock >= 0 else None,
        round(datetime.fromisoformat(ends).timestamp() * 1000) if isinstance(ends, str) else 0,
    )


def token(secret: str, offered: Offered) -> str:
    """Signed like the way out, for this one purpose."""
    fields = (offered.product_id, offered.name, offered.price, offered.regular_price, offered.currency, offered.stock, offered.ends_at)
    return sign(secret, PURPOSE, ["" if field is None else str(field) for field in fields])


def read(secrets: Iterable[str], text: str) -> Offered | None:
    """What a token carries; None: none of our secrets signed it."""
    fields = verify(secrets, PURPOSE, text)
    if fields is None or len(fields) != 7:
        return None
    product_id, name, price, regular, currency, stock, ends = fields
    return Offered(product_id, name, _whole(price), _whole(regular), currency, _whole(stock), _whole(ends) or 0)


def _whole(text: str) -> int | None:
    return int(text) if text else None


def now_offered(sent: Offered, item: Item | None) -> Offered:
    """As the catalogue has it now; what that does not tell is as it was sent. The end stays: it was promised."""
    if item is None:
        return sent
    price = price_now(item)
    if price is None:
        price, regular, currency = sent.price, sent.regular_price, sent.currency
    else:
        regular, currency = (item.price if item.price is not None and item.price > price else None), item.currency or sent.currency
    return Offered(
        sent.product_id, item.name or sent.name, price, regular, currency, sent.stock if item.stock is None else item.stock, sent.ends_at
    )


def time_left(ends_at: int, now: int) -> str:
    """`2 d 4 h left`, `4 h 5 min left`, `1 min left`; after the end `ended`; without one nothing."""
    if not ends_at:
        return ""
    left = ends_at - now
    if left <= 0:
        return "ended"
    days, hours, minutes = left // _DAY, left % _DAY // _HOUR, max(1, left % _HOUR // _MINUTE)
    if days:
        return f"{days} d {hours} h left"
    return f"{hours} h {minutes} min left" if hours else f"{minutes} min left"


def stock_left(stock: int | None) -> str:
    """`sold out`, `3 left`, `in stock`; of what nobody counts nothing."""
    if stock is None:
        return ""
    return "sold out" if stock <= 0 else f"{stock} left" if stock <= 5 else "in stock"
