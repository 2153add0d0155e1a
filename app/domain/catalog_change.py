"""The contract of `catalog_changes`: a product, or a part of it; bytes in, a change or every violation out (A-126, A-155).

A field that is absent stays as it is, null clears it. Whoever keeps a part of a product's facts (a stock system, a review system) writes
that part alone: `{"product_id": "p1", "stock": 3}`. An unknown field is refused: a misspelled `stok` must not be lost in silence; what a
shop wants to say beside this stands in `attributes`. A record without a value takes the product off.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal

import jsonschema_rs
import msgspec
import orjson
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from app.domain.catalogue import Item
from app.domain.contract import MAX_MESSAGE, MAX_VIOLATIONS, Broken
from app.domain.money import LIMIT, UNITS, units
from app.domain.schema import MAX_ID, Schema, closed_schema
from app.events import iso

MAX_BYTES = 64 * 1024
"""Of one change; a product's row stays well below what a row may have."""
MAX_NAME, MAX_WORD, MAX_ADDRESS, MAX_TEXT = 500, 300, 2_000, 5_000
"""Characters of a name; of a category or brand; of a link; of a description."""
MAX_ATTRIBUTES, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTE = 60, 100, 1_000
MAX_STOCK = 10**9
MAX_PRICE = LIMIT // UNITS
TOPIC = "catalog_changes"
BOUGHT: Literal["bought"] = "bought"
REVIEWED: Literal["reviewed"] = "reviewed"

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
_Word = Annotated[str, Meta(max_length=MAX_WORD)]
_Link = Annotated[str, Meta(max_length=MAX_ADDRESS, pattern=r"^https?://[^\s\"'<>\\]+$")]
_Price = Annotated[float, Meta(ge=0, le=MAX_PRICE)] | Annotated[str, Meta(pattern=r"^\d{1,11}(\.\d{1,4})?$")]
_Attribute = Annotated[str, Meta(max_length=MAX_ATTRIBUTE)]
_AttributeName = Annotated[str, Meta(min_length=1, max_length=MAX_ATTRIBUTE_NAME)]


class Happened(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody bought it or rated it; nobody is named. `id`: the same is counted once. `rating`: of a review."""

    kind: Literal["bought", "reviewed"]
    id: _Id
    rating: Annotated[float, Meta(ge=1, le=5)] | None = None


class CatalogChange(Struct, frozen=True, forbid_unknown_fields=True):
    """A product, or what changes of it: absent fields stay as they are, null clears. Key: the product id."""

    product_id: _Id
    name: Annotated[str, Meta(max_length=MAX_NAME)] | UnsetType | None = UNSET
    """Plain text, as all texts here: nothing of it is ever run or shown as markup."""
    item_group_id: Annotated[str, Meta(max_length=MAX_ID)] | UnsetType | None = UNSET
    category: _Word | UnsetType | None = UNSET
    brand: _Word | UnsetType | None = UNSET
    price: _Price | UnsetType | None = UNSET
    """The regular one, in units of `currency`: a number, or decimal text."""
    sale_price: _Price | UnsetType | None = UNSET
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")] | UnsetType | None = UNSET
    stock: Annotated[int, Meta(ge=0, le=MAX_STOCK)] | UnsetType | None = UNSET
    """Pieces; null: not known, which counts as there."""
    available: bool | UnsetType = UNSET
    """Instead of `stock`, of who counts no pieces: false is a stock of 0; true takes a 0 back and leaves any other number as it is."""
    margin: Annotated[float, Meta(ge=0, le=1)] | UnsetType | None = UNSET
    image: _Link | UnsetType | None = UNSET
    url: _Link | UnsetType | None = UNSET
    text: Annotated[str, Meta(max_length=MAX_TEXT)] | UnsetType | None = UNSET
    attributes: Annotated[dict[_AttributeName, _Attribute | None], Meta(max_length=MAX_ATTRIBUTES)] | UnsetType | None = UNSET
    """Named ones are set, those that are null go, others stay; null takes all away."""
    cycle_days: Annotated[float, Meta(gt=0, le=3650)] | UnsetType | None = UNSET
    rating: Annotated[float, Meta(ge=1, le=5)] | UnsetType | None = UNSET
    """The shop's own mean takes the place of what was counted; later reviews are added to it."""
    ratings: Annotated[int, Meta(ge=0, le=MAX_STOCK)] | UnsetType = UNSET
    removed: bool | UnsetType = UNSET
    """True: the shop does not have it any more, and no message is about it."""
    timestamp: str | UnsetType | None = UNSET
    """ISO 8601. The UTC day on which a `bought` counts; in a file for `kairos simulate`, when the change comes. Else not looked at."""
    happened: Happened | UnsetType = UNSET


_decode = msgspec.json.Decoder(CatalogChange).decode
encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
"""A change as its topic takes it."""

EXAMPLE = CatalogChange(
    "0017",
    name="Trail shoe",
    item_group_id="trail",
    category="shoes",
    brand="Alpin",
    price="89.00",
    sale_price=None,
    currency="EUR",
    stock=12,
    margin=0.4,
    image="https://shop.example/i/0017.jpg",
    url="https://shop.example/p/0017",
    text="Light, waterproof, made to be resoled.",
    attributes={"colour": "moss", "key_benefit": "Waterproof and light"},
)
PARTIAL = CatalogChange("0017", stock=3)


def change_schema() -> Schema:
    """JSON Schema of a record of `catalog_changes`."""
    return closed_schema(TOPIC, CatalogChange, [EXAMPLE, PARTIAL])


def accept(value: bytes) -> CatalogChange:
    """The change in `value`. Raises `Broken` with every violation, nothing else."""
    if len(value) > MAX_BYTES:
        raise Broken("too_large", [{"path": "", "message": f"{len(value)} bytes, more than {MAX_BYTES}"}])
    try:
        change = _decode(value)
        if type(change.timestamp) is str:
            instant(change.timestamp)
        return change
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Broken("contract", _violations(value) or [{"path": "", "message": str(error)[:MAX_MESSAGE]}]) from None


def instant(timestamp: str) -> int:
    """ISO 8601 as ms since 1970, UTC where it says no zone. Raises ValueError."""
    try:
        told = datetime.fromisoformat(timestamp)
        told = told.replace(tzinfo=UTC) if told.tzinfo is None else told
        return round(told.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"not an ISO 8601 time: {timestamp[:40]!r}") from None


_validator: list[jsonschema_rs.Draft202012Validator] = []


def _violations(value: bytes) -> list[dict[str, str]]:
    """Everything that is wrong. Asked only of what was refused: reading into the struct is several times quicker, but names one reason."""
    try:
        told = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return [{"path": "", "message": f"not JSON: {error}"[:MAX_MESSAGE]}]
    if not _validator:
        _validator.append(jsonschema_rs.Draft202012Validator(change_schema()))
    found = []
    for one in islice(_validator[0].iter_errors(told), MAX_VIOLATIONS):
        path = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in one.instance_path)
        found.append({"path": path[:MAX_MESSAGE], "message": one.message[:MAX_MESSAGE]})
    if isinstance(told, dict) and isinstance(stamp := told.get("timestamp"), str):
        try:
            instant(stamp)
        except ValueError as error:
            found.append({"path": "/timestamp", "message": str(error)})
    return found


def notice(product_id: str, one: Happened, at: int) -> bytes:
    """The record that tells what happened to a product at `at` (ms)."""
    return encode(CatalogChange(product_id, timestamp=iso(at), happened=one))


TEXTS = ("name", "category", "brand", "currency", "image", "url", "text")
NUMBERS = ("margin", "cycle_days")
MONEY = ("price", "sale_price")


def merged(item: Item | None, change: CatalogChange) -> Item:
    """The product after a change of its facts; the very same object if nothing is new. `changed_at` is the caller's."""
    before = Item(change.product_id) if item is None else item
    told: dict[str, Any] = {}
    for name in TEXTS:
        if (value := getattr(change, name)) is not UNSET:
            told[name] = (value or "").strip()
    if change.item_group_id is not UNSET:
        told["group_id"] = change.item_group_id or ""
    for name in NUMBERS:
        if (value := getattr(change, name)) is not UNSET:
            told[name] = value
    for name in MONEY:
        if (value := getattr(change, name)) is not UNSET:
            told[name] = units(value)
    if change.stock is not UNSET:
        told["stock"] = change.stock
    if change.available is False:
        told["stock"] = 0
    elif change.available is True and told.get("stock", before.stock) == 0:
        told["stock"] = None
    if change.rating is not UNSET:
        told["rating"] = change.rating
        told["ratings"] = 0 if change.rating is None else 1 if change.ratings is UNSET else change.ratings
    if change.attributes is not UNSET:
        told["attributes"] = _attributes(before.attributes, change.attributes)
    news = {name: value for name, value in told.items() if value != getattr(before, name)}
    if not news:
        return before
    return replace(before, **news)


def _attributes(before: dict[str, str], told: dict[str, str | None] | None) -> dict[str, str]:
    if told is None:
        return {}
    kept = {**before, **told}
    # The first ones stay: what is there goes before what a change adds beyond the limit.
    found = {name: value for name, value in kept.items() if value}
    return dict(islice(found.items(), MAX_ATTRIBUTES))
