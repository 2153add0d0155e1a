"""What happens in the shop: the properties that matter of web and shop events, one struct each (interface.md section 3).

All are optional: null is how real shops say "not told". Properties that no struct names are kept as they came. Numbers that count or
measure are at least 0; absurd ones (a quantity of 10^16) pass here and are ignored by whoever adds them up. Ids are strings: customer
and product numbers have leading zeros. Names of an enumeration (`page_type`, `kind`, `status`) are open: another value counts as other.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Text = str | None
Number = Annotated[float, Meta(ge=0)] | None


class Behaviour(Struct, frozen=True):
    """What any event may say: its session, the category it is about, and how strongly it counts (`intensity`, else 1)."""

    session_id: Text = None
    intensity: Number = None
    category: Text = None
    product_category: Text = None


class Line(Struct, frozen=True):
    """A product inside an event's `products[]`."""

    product_id: Text = None
    item_group_id: Text = None
    product_name: Text = None
    name: Text = None
    category: Text = None
    product_category: Text = None
    price: Number = None
    currency: Text = None
    quantity: Number = None
    image: Text = None
    url: Text = None


class AboutProduct(Behaviour, frozen=True):
    """An event about one product. `item_group_id` or the name make sizes and colours one family; `name` counts as `product_name`."""

    product_id: Text = None
    item_group_id: Text = None
    product_name: Text = None
    name: Text = None
    price: Number = None
    currency: Text = None
    quantity: Number = None
    image: Text = None
    url: Text = None


class Order(AboutProduct, frozen=True):
    """A whole order (`products[]`, `total`) or one line of it (flat); without `order_id` the event itself is the order."""

    order_id: Text = None
    total: Number = None
    products: list[Line] | None = None
    coupon: Text = None


# --- web ----------------------------------------------------------------------------------------------------------------------


class PageView(Behaviour, frozen=True):
    """`page_type`: home, category, product, pricing, shipping, returns, size_guide, faq, blog, checkout, other. `seconds` on the page."""

    page_type: Text = None
    url: Text = None
    seconds: Number = None


class ProductView(AboutProduct, frozen=True):
    """`dwell_seconds`: how long she looked, if the shop knows by now."""

    dwell_seconds: Number = None


class PageLeave(AboutProduct, frozen=True):
    """`dwell_seconds`: how long she had looked at the product."""

    dwell_seconds: Number = None


class CategoryView(Behaviour, frozen=True):
    """Of `category`."""


class Search(Behaviour, frozen=True):
    """`results`: how many were found."""

    query: Text = None
    results: Number = None


class SearchClick(AboutProduct, frozen=True):
    """The result she took."""

    query: Text = None


class FilterUse(Behaviour, frozen=True):
    """A filter of a list: its name and value."""

    filter: Text = None
    value: Any = None


class ProductCompare(Behaviour, frozen=True):
    """The products held side by side."""

    product_ids: list[str] | None = None
    products: list[Line] | None = None


class ContentView(Behaviour, frozen=True):
    """An article, a guide, a video; `content_type` says which."""

    content_id: Text = None
    content_type: Text = None
    url: Text = None


class ContentDownload(ContentView, frozen=True):
    """A file taken home."""


# --- shop ---------------------------------------------------------------------------------------------------------------------


class CartAdd(AboutProduct, frozen=True):
    """`quantity` added, else 1."""


class CartRemove(AboutProduct, frozen=True):
    """`quantity` taken out, else all of it."""


class CartView(Behaviour, frozen=True):
    """The cart as the shop shows it."""

    products: list[Line] | None = None
    total: Number = None
    currency: Text = None


class CheckoutStart(CartView, frozen=True):
    """The cart she goes to the till with."""

    order_id: Text = None


class Purchase(Order, frozen=True):
    """An order, or one line of it."""


class OrderShipped(Behaviour, frozen=True):
    """Left the warehouse."""

    order_id: Text = None


class OrderDelivered(Behaviour, frozen=True):
    """Arrived."""

    order_id: Text = None


class Refund(Behaviour, frozen=True):
    """`amount` paid back, at least 0."""

    order_id: Text = None
    amount: Number = None
    currency: Text = None
    products: list[Line] | None = None


class WishlistAdd(AboutProduct, frozen=True):
    """Put on the wish list."""


class WishlistRemove(AboutProduct, frozen=True):
    """Taken off the wish list."""


class ReviewWrite(AboutProduct, frozen=True):
    """`rating` on the shop's own scale."""

    rating: Number = None
