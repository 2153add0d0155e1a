"""The figures of all scores: weights, what is full, priors. A pack may say each of them anew (`[scores]`); these are the guides' own.

A part of engagement is Σ weight × min(1, x / full_at) over its components (interface.md section 8).
"""

from __future__ import annotations

from msgspec import Struct

OPENS = ("all", "human", "ignore")
"""Which opens a score counts; `ignore`: none, and clicks in their place."""


class Parts(Struct, frozen=True):
    """Weights of the three parts of engagement (A-053). They add to 1."""

    email: float = 0.40
    """Weight of what she does with mails."""
    website: float = 0.35
    """Weight of what she does in the shop."""
    purchase: float = 0.25
    """Weight of what she buys."""


class EmailPart(Struct, frozen=True):
    """The e-mail part (A-054). Its weights add to 1; both rates are full at 1."""

    open_rate: float = 0.25
    """Weight of the share of her mails that she opened, in 30 days."""
    click_rate: float = 0.35
    """Weight of the share of her mails that she clicked in, in 30 days."""
    bought: float = 0.40
    """Weight of her orders after a click, both in the last 90 days."""
    bought_full_at: float = 2.0
    """Orders after a click that count in full."""


class WebsitePart(Struct, frozen=True):
    """The website part (A-055), over 30 days. Its weights add to 1."""

    visits: float = 0.30
    """Weight of session frequency."""
    minutes: float = 0.25
    """Weight of time on site."""
    pages: float = 0.20
    """Weight of page depth."""
    adds: float = 0.25
    """Weight of cart additions."""
    visits_full_at: float = 8.0
    """Visits that count in full."""
    minutes_full_at: float = 30.0
    """Minutes on the site that count in full."""
    pages_full_at: float = 5.0
    """Pages a visit that count in full."""
    adds_full_at: float = 4.0
    """Cart additions that count in full."""


class PurchasePart(Struct, frozen=True):
    """The purchase part (A-056). Its weights add to 1."""

    recency: float = 0.40
    """Weight of how lately she bought."""
    frequency: float = 0.30
    """Weight of her orders in 365 days."""
    average: float = 0.30
    """Weight of what an order of hers comes to."""
    recency_days: int = 180
    """Whole days since the last order after which nothing is left of recency."""
    frequency_full_at: float = 6.0
    """Orders that count in full."""
    average_full_at: float = 100.0
    """An average order, in the pack's currency, that counts in full."""


class PriceSensitivity(Struct, frozen=True):
    """How the share of orders with a coupon or a sale price is shrunk while there are few (A-066, X-16)."""

    prior: float = 0.5
    """What is taken to be so of somebody who has not ordered."""
    weight: float = 2.0
    """Orders that the prior counts for."""


class Scoring(Struct, frozen=True):
    """What a pack says about scores."""

    opens: str = "human"
    """Which opens and clicks scores count: those that a person made, all, or no opens at all but clicks for them (X-26)."""
    bands: int = 10
    """Bands of engagement: floor(bands × score), from 0 (A-057)."""
    mandatory: tuple[str, ...] = ("email", "first_name")
    """Traits without which a profile is flagged as incomplete (A-245)."""
    elements: tuple[tuple[str, float], ...] = (("recommendations", 1.0), ("products", 1.0), ("offer", 1.0))
    """Parts of mails whose content is chosen for her, and the weight of a click in one (A-067)."""
    points: tuple[tuple[str, float], ...] = (("email_open", 2.0), ("cart_add", 5.0))
    """Points for each of what she did in the last 30 days (A-058)."""
    engagement: Parts = Parts()
    email: EmailPart = EmailPart()
    website: WebsitePart = WebsitePart()
    purchase: PurchasePart = PurchasePart()
    price_sensitivity: PriceSensitivity = PriceSensitivity()


DEFAULT = Scoring()
"""What counts before a pack is active."""
