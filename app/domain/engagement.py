"""Engagement: what she does with mails, in the shop and with her money, 0–1 (A-053–A-057)."""

from __future__ import annotations

from math import floor

from app.domain.scoring import EmailPart, Parts, PurchasePart, WebsitePart

MINUTE_MS = 60_000
ROUNDED = 9
"""Decimal places within which a score counts as being at the edge of a band: weights such as 0.35 are no binary numbers."""


def part(amount: float, full_at: float) -> float:
    """A component: min(1, x / full_at), not below 0."""
    return 0.0 if amount <= 0 else 1.0 if amount >= full_at else amount / full_at


def email(open_rate: float, click_rate: float, bought: int, by: EmailPart) -> float:
    """A-054. Rates of 30 d; `bought`: orders after a click in 90 d."""
    return by.open_rate * open_rate + by.click_rate * click_rate + by.bought * part(bought, by.bought_full_at)


def website(visits: int, ms: int, pages: int, adds: int, by: WebsitePart) -> float:
    """A-055. Sums of 30 d."""
    return (
        by.visits * part(visits, by.visits_full_at)
        + by.minutes * part(ms / MINUTE_MS, by.minutes_full_at)
        + by.pages * part(pages / visits if visits else 0.0, by.pages_full_at)
        + (by.adds * part(adds, by.adds_full_at) if adds else 0.0)
    )


def purchase(days: int | None, orders: int, average: float, by: PurchasePart) -> float:
    """A-056. `days`: whole ones since the last order, None without one; `orders` of 365 d; `average` in currency units."""
    recency = 0.0 if days is None else max(0.0, 1 - days / by.recency_days)
    return by.recency * recency + by.frequency * part(orders, by.frequency_full_at) + by.average * part(average, by.average_full_at)


def score(email_part: float, website_part: float, purchase_part: float, by: Parts) -> float:
    """A-053: the composite of the three parts."""
    return by.email * email_part + by.website * website_part + by.purchase * purchase_part


def band(engagement: float, bands: int) -> int:
    """A-057: floor(bands × score), 0 to bands − 1."""
    return min(bands - 1, floor(round(bands * engagement, ROUNDED)))


def shift(now: float, before: float) -> float | None:
    """A-041: how much it has changed, relative to what it was: −0.5 is half. None where there was nothing before."""
    return (now - before) / before if before > 0 else None
