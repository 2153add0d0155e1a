"""Every event type of the contract: its name, its group, the struct of its properties, why it is there, and an example.

An event type is spelled the same everywhere: `product_view` here and in `schemas/`, struct `ProductView`, handlers `on_product_view`.
A type that does not stand here is accepted too: it lives in the timeline and packs may use it.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app.domain import person_events as told
from app.domain import shop_events as done


class EventType(Struct, frozen=True):
    """One row of the contract. `example` is a set of properties that a real event of the type could carry."""

    name: str
    group: str
    """web, shop, mail, channels, person, context"""
    properties: type[Struct]
    why: str
    example: dict[str, Any]


_Row = tuple[str, type[Struct], str, dict[str, Any]]

_SHOE = {"product_id": "0017", "item_group_id": "17", "product_name": "Trail shoe", "category": "shoes", "price": 89.0, "currency": "EUR"}
_LINES = [{**_SHOE, "quantity": 1}, {"product_id": "0030", "name": "Wool socks", "category": "socks", "price": 12.5, "quantity": 2}]
_ORDER = {"order_id": "o-1001", "total": 114.0, "currency": "EUR", "products": _LINES, "coupon": None}
_MAIL = {"send_id": "5a0e7f"}
_AD = {"network": "meta", "campaign": "spring"}
_TRAITS = {"email": "ada@example.invalid", "first_name": "Ada", "last_name": "Byron", "newsletter": True}

_WEB: tuple[_Row, ...] = (
    (
        "page_view",
        done.PageView,
        "Time on site; pricing, shipping, returns and size pages tell intent.",
        {"page_type": "pricing", "seconds": 40},
    ),
    ("product_view", done.ProductView, "Interest in a product, and what she may have left behind.", {**_SHOE, "dwell_seconds": 42}),
    ("page_leave", done.PageLeave, "Tells the dwell time that the view could not know.", {"product_id": "0017", "dwell_seconds": 42}),
    ("category_view", done.CategoryView, "Interest in a category.", {"category": "shoes"}),
    ("search", done.Search, "What she looks for in her own words.", {"query": "trail shoes", "results": 12}),
    ("search_click", done.SearchClick, "The search was answered.", {"query": "trail shoes", "product_id": "0017"}),
    (
        "filter_use",
        done.FilterUse,
        "Narrowing down: interest in the list's category.",
        {"filter": "size", "value": "42", "category": "shoes"},
    ),
    ("product_compare", done.ProductCompare, "Choosing between products tells intent.", {"product_ids": ["0017", "0018"]}),
    (
        "content_view",
        done.ContentView,
        "Reading before buying.",
        {"content_id": "care-guide", "content_type": "video", "url": "https://shop.example/care"},
    ),
    ("content_download", done.ContentDownload, "A lead worth nurturing.", {"content_id": "size-chart", "content_type": "pdf"}),
)
_SHOP: tuple[_Row, ...] = (
    ("cart_add", done.CartAdd, "Opens the cart's window and ends those of the product's page.", {**_SHOE, "quantity": 1}),
    ("cart_remove", done.CartRemove, "Removing all of it ends the cart's window.", {"product_id": "0017", "category": None, "quantity": 1}),
    ("cart_view", done.CartView, "Thinking it over.", {"products": _LINES, "total": 114.0, "currency": "EUR"}),
    ("checkout_start", done.CheckoutStart, "A step from buying.", {"products": _LINES, "total": 114.0, "currency": "EUR"}),
    (
        "purchase",
        done.Purchase,
        "An order: ends what reminds of it, opens what follows it. A line may say `consumable`, and in `cycle_days` how long it lasts.",
        _ORDER,
    ),
    ("order_shipped", done.OrderShipped, "An order on its way.", {"order_id": "o-1001"}),
    ("order_delivered", done.OrderDelivered, "From here on she can use it.", {"order_id": "o-1001"}),
    ("refund", done.Refund, "Money that was not earned after all.", {"order_id": "o-1001", "amount": 12.5, "currency": "EUR"}),
    ("wishlist_add", done.WishlistAdd, "Wanted, not now.", _SHOE),
    ("wishlist_remove", done.WishlistRemove, "Wanted no longer.", {"product_id": "0017"}),
    ("review_write", done.ReviewWrite, "Cares enough to write.", {"product_id": "0017", "rating": 5}),
)
_BOUNCE = (
    "A hard one ends mail to the address, soft ones in a row do as the pack says. `kind`, in any letter case: hard, permanent; or soft, "
    "transient, temporary; any other word, or none, counts as soft. `email`: the address that it went to; without it that of the send, "
    "else her present one."
)
_MAILS: tuple[_Row, ...] = (
    ("email_sent", told.EmailSent, "The base of every mail rate.", {**_MAIL, "content_type": "images", "category": "shoes"}),
    ("email_delivered", told.EmailDelivered, "It arrived.", _MAIL),
    ("email_open", told.EmailOpen, "It was seen.", {**_MAIL, "machine": False, "device": "mobile"}),
    ("email_click", told.EmailClick, "It worked.", {**_MAIL, "link": "https://shop.example/p/0017", "element": "recommendations"}),
    ("email_bounce", told.EmailBounce, _BOUNCE, {**_MAIL, "kind": "hard", "email": "ann@shop.example"}),
    ("email_complaint", told.EmailComplaint, "Ends mail to the person. `email`: the address that it went to.", _MAIL),
    ("email_unsubscribe", told.EmailUnsubscribe, "Ends mail to the person.", _MAIL),
    ("email_forward", told.EmailForward, "It was worth passing on.", _MAIL),
)
_CHANNELS: tuple[_Row, ...] = (
    ("social_engagement", told.SocialEngagement, "Interest shown elsewhere.", {"network": "instagram", "action": "story"}),
    ("ad_view", told.AdView, "What she was shown.", _AD),
    ("ad_click", told.AdClick, "What brought her.", _AD),
    ("ad_conversion", told.AdConversion, "What it was worth.", _AD),
    ("ad_video_complete", told.AdVideoComplete, "Watched to the end.", _AD),
    ("support_ticket", told.SupportTicket, "No offers while something is wrong.", {"ticket_id": "t-7", "status": "closed"}),
    ("support_chat", told.SupportChat, "How help was received.", {"quality": 4}),
    ("support_call", told.SupportCall, "How often she had to ask.", {"seconds": 310}),
    ("store_visit", told.StoreVisit, "She exists outside the site too.", {"store_id": "berlin-1"}),
    ("store_purchase", told.StorePurchase, "A purchase like any other.", {**_ORDER, "store_id": "berlin-1"}),
    ("referral", told.Referral, "The strongest sign of loyalty.", {"referred_id": "c-77", "network": "whatsapp"}),
    ("sms_sent", told.SmsSent, "The base of every SMS rate.", _MAIL),
    ("sms_click", told.SmsClick, "It worked.", {**_MAIL, "link": "https://shop.example/p/0017"}),
    ("push_open", told.PushOpen, "It was seen.", _MAIL),
)
_PERSON: tuple[_Row, ...] = (
    ("identify", told.Identify, "Who she is and how to reach her.", {"traits": _TRAITS}),
    ("alias", told.Alias, "Two identifiers, one person.", {"previous_id": "a-55"}),
    ("profile_update", told.ProfileUpdate, "What changed about her.", {"traits": {"city": "Berlin"}}),
    ("consent_give", told.ConsentGive, "What she allows.", {"purposes": ["email", "personalise"]}),
    ("consent_withdraw", told.ConsentWithdraw, "What she no longer allows.", {"purposes": ["personalise"]}),
    ("preference_set", told.PreferenceSet, "What she asks for herself.", {"preference": "frequency", "value": "weekly"}),
    ("survey_answer", told.SurveyAnswer, "What she says when asked.", {"survey_id": "s-1", "question": "size", "answer": 42}),
    ("erase_request", told.EraseRequest, "Her right to be forgotten.", {}),
)
_CONTEXT: tuple[_Row, ...] = (
    ("context_update", told.ContextUpdate, "Weather and place around her.", {"weather": "rain", "location": {"city": "Berlin"}}),
)

EVENT_TYPES: dict[str, EventType] = {
    name: EventType(name, group, properties, why, example)
    for group, rows in (
        ("web", _WEB),
        ("shop", _SHOP),
        ("mail", _MAILS),
        ("channels", _CHANNELS),
        ("person", _PERSON),
        ("context", _CONTEXT),
    )
    for name, properties, why, example in rows
}
"""By name, in the order of interface.md section 3."""

_WEB_OR_SHOP = frozenset(name for name, kind in EVENT_TYPES.items() if kind.group in ("web", "shop"))


def is_web_or_shop(event_type: str) -> bool:
    """Whether an event of this type belongs to a visit of the shop: it ends a dwell gap and counts as activity. Unknown types do not."""
    return event_type in _WEB_OR_SHOP
