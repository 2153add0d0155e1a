"""What a profile takes from advertisements, social networks, support and stores (A-023–A-026, A-274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.profile import Handler

HANDLERS: dict[str, Handler] = {}
