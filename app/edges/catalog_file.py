"""A file of products: CSV, JSON Lines, or a product feed (RSS 2.0 or Atom with Google's `g:` names), `.gz` too; row by row.

What a row tells is read in app/domain/catalog_row.py; here are the formats. A reject file, mended, is read as it is. A product is taken
once a file: some 30 bytes of each are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from app.domain import catalog_change, catalog_row
from app.domain.catalog_change import CatalogChange, accept, instant
from app.domain.catalog_row import Columns
from app.domain.catalogue import Item
from app.domain.contract import Broken
from app.edges import product_feed
from app.edges.events_file import NO_TIME, Unreadable, raw_lines
from app.edges.rejects import Refused, json_rows, without_rejected
from app.edges.table_file import cells_of, fingerprint, header_of, is_table
from app.edges.taken import Taken

TABLE, LINES, FEED = "table", "lines", "feed"
WHAT = "products"
AGAIN, TWICE = "told twice in the same words, taken once", "told twice, and not in the same words"
XML = (b"<", b"\xff\xfe<", b"\xfe\xff\0<")
"""In UTF-16, too: an XML file says itself how it is written."""


class Row(Struct, frozen=True):
    """A product that can be published. `value`: the change as its topic takes it; `line`: of the file, of a feed the number of the item."""

    line: int
    product_id: str
    value: bytes
    notes: list[str]
    read: int
    again: bool = False
    """A row before it told the same of the same product."""


def form(path: Path) -> str:
    """What kind of file it is: by what it begins with, else by its name. Raises `Unreadable`."""
    start = next((text for line, _ in raw_lines(path) if (text := line.strip())), b"")
    if start.startswith(XML):
        return FEED
    if not start:
        raise Unreadable(f"{path}: empty")
    return TABLE if is_table(path, WHAT) else LINES


def header(path: Path) -> list[str]:
    """The columns of a table, without those of a reject file. Raises `Unreadable`."""
    return without_rejected(header_of(path, next(cells_of(path), None)))


def rows(path: Path, columns: Columns, now: int) -> Iterator[Row | Refused]:
    """Every product once, or all that speaks against it. Raises `Unreadable`, of a feed that breaks off after all that came before."""
    kind, taken = form(path), Taken()
    if kind != FEED:
        fingerprint(path)  # for its look at the text: what is not UTF-8 is no fault of a row
    if kind != TABLE and columns.chosen:
        _look_for(columns, path, _told(path, kind, columns))
    for number, told, read in _told(path, kind, columns):
        if isinstance(told, str):
            yield Refused(number, (told,), {}, read)
        elif not isinstance(told, dict):
            yield Refused(number, ("not a JSON object",), told, read)
        else:
            row = _checked(number, told, read, columns, now, kind == FEED)
            yield row if isinstance(row, Refused) else _once(row, told, taken, "item" if kind == FEED else "line")


def items(path: Path, now: int = NO_TIME) -> dict[str, Item]:
    """A whole catalogue in memory: product id → product. Raises `Unreadable`, also for a row that cannot be taken."""
    found: dict[str, Item] = {}
    for row in accepted(path, now):
        change = accept(row.value)
        if change.removed is True:
            found.pop(row.product_id, None)
        else:
            found[row.product_id] = catalog_change.merged(found.get(row.product_id), change)
    return found


def accepted(path: Path, now: int) -> Iterator[Row]:
    """Every product of a file of which all have to be right. Raises `Unreadable`."""
    for row in rows(path, Columns(), now):
        if isinstance(row, Refused):
            raise Unreadable(f"{path}:{row.line}: {'; '.join(row.reasons)}")
        if not row.again:
            yield row


def timed(path: Path) -> Iterator[tuple[int, CatalogChange, bytes]]:
    """Changes of JSON Lines with a `timestamp` each, as on `catalog_changes`: when (ms), what, the record. Raises `Unreadable`."""
    for number, (line, _) in enumerate(raw_lines(path), 1):
        text = line.strip()
        if not text:
            continue
        try:
            change = accept(text)
        except Broken as broken:
            raise Unreadable(f"{path}:{number}: {broken}") from None
        if type(change.timestamp) is not str:
            raise Unreadable(f"{path}:{number}: needs a timestamp: when does it come?")
        yield instant(change.timestamp), change, text


def _told(path: Path, kind: str, columns: Columns) -> Iterator[tuple[int, Any, int]]:
    """(line, what it tells by name or what is wrong with it, bytes read)."""
    if kind == TABLE:
        return _table(path, columns)
    return _objects(path) if kind == LINES else product_feed.entries(path)


def _look_for(columns: Columns, path: Path, found: Iterator[tuple[int, Any, int]]) -> None:
    """Columns named by hand, of a file without a header: some row has to have each, and mostly the first one does. Raises `Unreadable`."""
    missing = dict(columns.chosen)
    names: dict[str, Any] = {}
    try:
        for _, told, _ in found:
            if isinstance(told, dict):
                there = columns.fields(told).values()
                missing = {field: name for field, name in missing.items() if field not in there}
                names = names or told
            if not missing:
                return
    except Unreadable:
        if not names:
            raise
    for field, name in missing.items():
        raise Unreadable(f"{path}: no row has {name}, which is to be {field}; the first has {', '.join(names) or 'nothing'}")


def _checked(number: int, told: dict[str, Any], read: int, columns: Columns, now: int, whole: bool) -> Row | Refused:
    found = catalog_row.read(told, columns, now, whole)
    reasons = found.faults
    if not reasons:
        try:
            value = orjson.dumps(found.change, option=orjson.OPT_SORT_KEYS)
            accept(value)
            return Row(number, found.change["product_id"], value, found.notes, read)
        except Broken as broken:
            reasons = [f"{one['path'].lstrip('/')}: {one['message']}".lstrip(": ") for one in broken.violations]
        except (orjson.JSONEncodeError, msgspec.MsgspecError) as error:
            reasons = [str(error)]
    return Refused(number, tuple(dict.fromkeys(reasons)), told, read)


def _once(row: Row, told: dict[str, Any], taken: Taken, what: str) -> Row | Refused:
    """The row, if no other told its product before it: with two prices of one product each import would be news of a fall."""
    before = taken.before(row.product_id, row.value, row.line)
    if before is None:
        return row
    first, alike = before
    if alike:
        return Row(row.line, row.product_id, row.value, [AGAIN], row.read, again=True)
    return Refused(row.line, (f"{TWICE}: {what} {first} has it already",), told, row.read, counted_as=TWICE)


def _table(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | str, int]]:
    cells = cells_of(path)
    names = header_of(path, next(cells, None))
    own = without_rejected(names)
    fields = columns.fields(own)
    if "product_id" not in fields.values():
        raise Unreadable(f"{path}: no column of ids (product_id, id, sku …; --column product_id=NAME says which): it has {', '.join(own)}")
    for field, name in columns.chosen.items():
        if field not in fields.values():
            raise Unreadable(f"{path}: no column {name}, which is to be {field}: it has {', '.join(own)}")
    skip = len(names) - len(own)
    for line, row, read in cells:
        if isinstance(row, str):
            yield line, row, read
        elif len(row) != len(names):
            yield line, f"{len(row)} cells where the header has {len(names)}", read
        else:
            yield line, dict(zip(own, row[skip:], strict=True)), read


def _objects(path: Path) -> Iterator[tuple[int, Any, int]]:
    for number, value, _, read in json_rows(path):
        if isinstance(value, orjson.JSONDecodeError):
            yield number, f"not JSON: {value}", read
        else:
            yield number, [value] if isinstance(value, str) else value, read
