"""The points model: so many for each thing she did (A-058), over the last 30 days, so that who falls silent loses them."""

from __future__ import annotations

COUNTED = ("email_open", "email_click", "page_view", "cart_add", "purchase")
"""What is counted over 30 days: mails opened, mails clicked in, pages, cart additions, orders."""
