"""A product feed, RSS 2.0 or Atom with the names of Google Merchant Center, item by item: the memory it takes is that of one item.

Read with lxml, since it is well kept and parses in C at the speed that a million items need (defusedxml, its alternative, wraps the
standard library and has had no release since 2021). Entities are not resolved, nothing is fetched, and a feed with a document type, where
entities would be declared, is refused: no feed needs one.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from app.edges.events_file import Unreadable

CHUNK = 64 * 1024
MAX_ITEM = 2 * 1024 * 1024
"""Bytes of one item; a feed whose item never ends must not fill the memory."""
GOOGLE = "http://base.google.com/ns/1.0"
ENTRIES = ("{*}item", "{*}entry")
NOT_A_FACT = frozenset(("guid", "pubDate", "published", "updated", "author", "shipping", "tax", "installment", "subscription_cost"))
WITH_PARTS = frozenset(("title", "description", "summary", "content"))
"""Of Atom they may be XHTML."""
DETAIL = ("section_name", "attribute_name", "attribute_value")


def entries(path: Path) -> Iterator[tuple[int, dict[str, Any], int]]:
    """(number of the item from 1, name → text, bytes read). Raises `Unreadable`; what is broken in the middle, after all before it."""
    parser = etree.XMLPullParser(
        events=("end",), tag=ENTRIES, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    number = since = 0
    try:
        with path.open("rb") as raw:
            file = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            while True:
                chunk = file.read(CHUNK)
                broken = _fed(parser, chunk)
                since += len(chunk)
                for _, element in parser.read_events():
                    _no_document_type(path, element)
                    number, since = number + 1, 0
                    yield number, _told(element), raw.tell()
                    _forgotten(element)
                if broken is not None:
                    raise Unreadable(_where(path, broken, number))
                if since > MAX_ITEM:
                    raise Unreadable(f"{path}: an item of more than {MAX_ITEM // 1024:,} KB behind item {number:,}, or no feed of products")
                if not chunk:
                    break
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not number:
        raise Unreadable(f"{path}: neither <item> nor <entry> in it: no feed of products")


def _fed(parser: Any, chunk: bytes) -> Exception | None:
    """What is wrong with the XML, if it is: what was whole before it can still be read."""
    try:
        if chunk:
            parser.feed(chunk)
        else:
            parser.close()
    except etree.XMLSyntaxError as error:
        return error  # type: ignore[no-any-return]
    return None


def _where(path: Path, error: Exception, number: int) -> str:
    line = getattr(error, "lineno", None)
    place = f"{path}:{line}" if line else str(path)
    return f"{place}: broken XML behind item {number:,}: {str(error).split(', line ')[0]}"


def _no_document_type(path: Path, element: Any) -> None:
    if element.getroottree().docinfo.doctype:
        raise Unreadable(f"{path}: it has a document type (<!DOCTYPE …>), which no feed needs and no feed may have")


def _told(element: Any) -> dict[str, Any]:
    """Texts by name. A `g:` name goes before a plain one, and of several of one name the first."""
    told: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for child in element:
        tag = child.tag
        if type(tag) is not str:
            continue  # an entity that was not resolved
        google, name = _named(tag)
        if not name:
            continue
        into = told if google else plain
        text = child.text
        if (text is None or name in WITH_PARTS) and len(child):
            if name == "product_detail":
                _, attribute, value = (child.findtext(f"{{*}}{one}") for one in DETAIL)
                if attribute and value:
                    into.setdefault(attribute, value)
            elif name in WITH_PARTS:
                into.setdefault(name, " ".join(child.itertext()))  # XHTML of Atom
            continue
        if name == "link" and not text:
            if child.get("rel") not in (None, "alternate"):
                continue
            text = child.get("href")
        if name not in into:
            into[name] = text or ""
    for name, text in plain.items():
        told.setdefault(name, text)
    return told


@lru_cache(maxsize=1_000)
def _named(tag: str) -> tuple[bool, str]:
    """Whether a name is one of Google's, and the name; empty for what says nothing of the product."""
    space, _, name = tag.rpartition("}")
    return space[1:] == GOOGLE, "" if name in NOT_A_FACT else name


def _forgotten(element: Any) -> None:
    """Frees the item and what stands before it: the tree never holds more than one."""
    parent = element.getparent()
    element.clear(keep_tail=False)
    if parent is not None:
        while (before := element.getprevious()) is not None:
            parent.remove(before)
