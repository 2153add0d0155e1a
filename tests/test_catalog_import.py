"""`kairos catalog import`: tables, JSON Lines and product feeds become changes on `catalog_changes`; nothing of a row goes in silence."""

from __future__ import annotations

import asyncio
import csv
import http.server
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalog_change import MAX_TEXT, CatalogChange, accept, encode, merged
from app.domain.catalog_row import Columns
from app.domain.catalogue import Item, price_now
from app.domain.contract import Broken
from app.domain.plain_text import plain
from app.domain.price_text import parse
from app.edges.catalog_file import Row, items, rows, timed
from app.edges.catalog_import import BATCH, Ids, Imported, import_catalogue
from app.edges.events_file import Unreadable
from app.edges.rejects import Refused
from app.edges.taken import Taken
from app.edges.topic_scan import scanner
from app.engine.program import Output
from app.settings import Settings

Call = Callable[..., tuple[int, str, str]]
NOW = 1_772_452_800_000  # 2026-03-02T12:00:00Z
G = 'xmlns:g="http://base.google.com/ns/1.0"'
RSS = f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" {G}><channel><title>Shop</title>{{items}}</channel></rss>'
MUG = (
    "<item><title>plain</title><g:id>m1</g:id><g:title>Enamel &lt;b&gt;Mug&lt;/b&gt;</g:title><link>https://shop.example/m1</link>"
    "<g:image_link>https://shop.example/m1.jpg</g:image_link><g:price>12.50 EUR</g:price><g:sale_price>9.90 EUR</g:sale_price>"
    "<g:availability>in_stock</g:availability><g:product_type>Home &gt; Kitchen &gt; Mugs</g:product_type><g:brand>Alpin</g:brand>"
    "<g:item_group_id>m</g:item_group_id><g:cost_of_goods_sold>6 EUR</g:cost_of_goods_sold><g:color>red</g:color>"
    "<g:product_highlight>Never breaks</g:product_highlight><g:product_highlight>Light</g:product_highlight>"
    "<g:shipping><g:country>DE</g:country><g:price>4 EUR</g:price></g:shipping>"
    "<g:product_detail><g:attribute_name>Volume</g:attribute_name><g:attribute_value>0.3 l</g:attribute_value></g:product_detail></item>"
)


def written(folder: Path, text: str | bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, now: int = NOW, **columns: str) -> list[Row | Refused]:
    return list(rows(path, Columns(columns), now))


def changes(path: Path, now: int = NOW, **columns: str) -> list[dict[str, Any]]:
    """What would be published; every row has to be right."""
    found = read(path, now, **columns)
    assert not [one for one in found if isinstance(one, Refused)]
    return [orjson.loads(one.value) for one in found if isinstance(one, Row)]


def reasons(path: Path) -> dict[int, str]:
    return {one.line: "; ".join(one.reasons) for one in read(path) if isinstance(one, Refused)}


# --- formats ----------------------------------------------------------------------------------------------------------------------


def test_a_table_of_any_shop_says_what_it_says(tmp_path: Path) -> None:
    # price, sale price, stock, margin, category, attributes, image, text, item_group_id
    table = "SKU;Title;Regular Price;Sale price;Availability;Qty;Product type;Image Link;link;vendor;Colour;Description;cost\n"
    table += 'a1;"<b>Trail</b> shoe &amp; sock";1.299,00 €;999,00 €;in stock;7;Home > Shoes;'
    table += 'https://s.example/a.jpg;https://s.example/a;Alpin;moss;"Light.\nDry.";499,50 €\n'
    [told] = changes(written(tmp_path, table, "products.csv"))
    assert told == {
        "product_id": "a1",
        "name": "Trail shoe & sock",
        "price": "1299.00",
        "sale_price": "999.00",
        "currency": "EUR",
        "stock": 7,
        "category": "Shoes",
        "image": "https://s.example/a.jpg",
        "url": "https://s.example/a",
        "brand": "Alpin",
        "text": "Light. Dry.",
        "margin": 0.5,  # of what it is sold for now
        "attributes": {"colour": "moss"},
    }


def test_a_google_feed_is_read_as_merchant_center_reads_it(tmp_path: Path) -> None:
    [told] = changes(written(tmp_path, RSS.format(items=MUG), "feed.xml"))
    assert told == {
        "product_id": "m1",
        "name": "Enamel Mug",
        "item_group_id": "m",
        "price": "12.50",
        "sale_price": "9.90",
        "currency": "EUR",
        "available": True,
        "category": "Mugs",
        "brand": "Alpin",
        "image": "https://shop.example/m1.jpg",
        "url": "https://shop.example/m1",
        "margin": 0.3939,
        "attributes": {"color": "red", "key_benefit": "Never breaks", "volume": "0.3 l"},
    }
    atom = (
        f'<feed xmlns="http://www.w3.org/2005/Atom" {G}><entry><id>urn:1</id><g:id>m1</g:id><title>Mug</title><updated>2026</updated>'
        '<link rel="self" href="https://no.example"/><link href="https://shop.example/m1"/><summary>Good</summary></entry></feed>'
    )
    [told] = changes(written(tmp_path, atom, "feed.atom"))
    assert told == {"product_id": "m1", "name": "Mug", "url": "https://shop.example/m1", "text": "Good"}


def test_a_sale_that_is_over_ends_and_one_that_has_not_begun_is_none(tmp_path: Path) -> None:
    over = MUG.replace("<g:sale_price>9.90 EUR</g:sale_price>", "")
    assert changes(written(tmp_path, RSS.format(items=over), "feed.xml"))[0]["sale_price"] is None
    dated = MUG.replace(
        "<g:color>", "<g:sale_price_effective_date>2026-03-01T00:00Z/2026-03-03T00:00Z</g:sale_price_effective_date><g:color>"
    )
    path = written(tmp_path, RSS.format(items=dated), "feed.xml")
    assert [changes(path, NOW + day * 86_400_000)[0]["sale_price"] for day in (-2, 0, 1)] == [None, "9.90", None]


def test_json_lines_change_what_they_name(tmp_path: Path) -> None:
    lines = b'{"product_id":"p1","stock":3}\n\n{"id":7,"price":45.9,"sale_price":null,"attributes":{"size":42,"old":null},"x":true}\n'
    assert changes(written(tmp_path, lines, "stock.jsonl")) == [
        {"product_id": "p1", "stock": 3},
        {"product_id": "7", "price": "45.9", "sale_price": None, "attributes": {"x": "true", "size": "42", "old": None}},
    ]


def test_a_column_may_be_named_by_hand(tmp_path: Path) -> None:
    path = written(tmp_path, "Nr,vk_brutto,price\n1,5,99\n", "p.csv")
    assert changes(path, product_id="Nr", price="VK Brutto")[0] == {"product_id": "1", "price": "5", "attributes": {"price": "99"}}
    with pytest.raises(Unreadable, match="no column nowhere, which is to be brand"):
        read(path, product_id="Nr", brand="nowhere")


def test_a_column_named_by_hand_that_no_row_has_is_refused_whatever_the_format(tmp_path: Path, call: Call) -> None:
    # A misspelled one was passed over in silence: prices stayed as they had been.
    lines = '{"id": "p1", "vk": 5}\n{"id": "p2"}\n{"id": "p3", "brutto": 7}\n'
    feed = RSS.format(items=MUG + MUG.replace("m1", "m2").replace("g:color>", "g:vk>"))
    for name, text in {"p.jsonl": lines, "p.xml": feed, "p.csv": "id,vk\np1,5\n"}.items():
        written(tmp_path, text, name)
        code, out, err = call("catalog", "import", name, "--column", "price=typo", "--dry-run")
        assert (code, out) == (2, "") and "typo, which is to be price" in err and err.count("\n") == 1
        assert not list(tmp_path.glob("*.rejects.*"))
    assert [one.get("price") for one in changes(tmp_path / "p.jsonl", price="brutto")] == [None, None, "7"]  # that some row has it will do
    assert [one["text"] for one in changes(tmp_path / "p.xml", text="vk") if "text" in one] == ["red"]
    broken = written(tmp_path, RSS.format(items=MUG + "<item>"), "broken.xml")
    with pytest.raises(Unreadable, match="no row has typo, which is to be price; the first has id, title, image_link"):
        read(broken, price="typo")


STOCKS = {
    "in_stock,4": {"stock": 4},
    "out of stock,4": {"stock": 4, "available": False},
    "in stock,": {"available": True},
    "https://schema.org/OutOfStock,": {"available": False},
    ",0": {"stock": 0},
    ",-3": {"stock": 0},
    ",": {"stock": None},
}


@pytest.mark.parametrize("cells", STOCKS)
def test_availability_and_pieces_together(tmp_path: Path, cells: str) -> None:
    #
    [told] = changes(written(tmp_path, f"id,availability,quantity\np,{cells}\n", "p.csv"))
    assert {name: told[name] for name in ("stock", "available") if name in told} == STOCKS[cells]


@pytest.mark.parametrize(("before", "there", "after"), [(0, True, None), (7, True, 7), (None, True, None), (7, False, 0), (None, False, 0)])
def test_who_counts_no_pieces_takes_none_from_who_does(before: int | None, there: bool, after: int | None) -> None:
    assert merged(Item("p", stock=before), CatalogChange("p", available=there)).stock == after


# --- what is refused --------------------------------------------------------------------------------------------------------------

BAD: dict[str, str] = {
    "-5 EUR": "is no price",
    "NaN": "is no price",
    "1e12": "is no price",
    "999999999999": "is no price",
    "free": "is no price",
    "5 EUR USD": "is no price",
    "5 USD": "USD and EUR in one row",
}


def test_absurd_prices_are_refused_with_the_reason_and_the_line(tmp_path: Path) -> None:
    table = "id,price,currency\n" + "".join(f"p,{price},EUR\n" for price in BAD) + "good,5,eur\n"
    found = reasons(written(tmp_path, table, "p.csv"))
    assert list(found) == list(range(2, 2 + len(BAD)))
    for reason, told in zip(BAD.values(), found.values(), strict=True):
        assert reason in told


ROWS: dict[bytes, str] = {
    b"nonsense": "not JSON",
    b"[1]": "not a JSON object",
    b'"text"': "not a JSON object",
    b'{"name": "x"}': "product_id: missing",
    b'{"id": true}': "is no id",
    b'{"id": ""}': "product_id: missing",
    b'{"id": "p", "stock": 1.5}': "stock: '1.5' is no whole number",
    b'{"id": "p", "stock": true}': "stock: 'True' is no number",
    b'{"id": "p", "price": 1e300}': "is no price",
    b'{"id": "p", "price": [1]}': "is no price",
    b'{"id": "p", "margin": 35}': "neither a share",
    b'{"id": "p", "image": "javascript:alert(1)"}': "image: 'javascript:alert(1)' is no http address",
    b'{"id": "p", "url": "https://x.example/\\" onclick=x"}': "url: ",
    b'{"id": "p", "availability": "perhaps"}': "neither in stock nor out of stock",
    b'{"id": "p", "rating": 9}': "rating: 9.0 is greater than the maximum of 5",
    b'{"id": "p", "cycle_days": 0}': "cycle_days: ",
    b'{"id": "p", "attributes": 5}': "an object of texts",
    orjson.dumps({"id": "p" * 300}): "product_id: ",
    orjson.dumps({"id": "p", "name": "x" * 501}): "name: 501 characters, more than 500",
    orjson.dumps({"id": "p", "attributes": {"x" * 101: "1"}}): "attributes: ",
    orjson.dumps({"id": "p", "text": "x" * 3_000, **{f"a{n}": "ü" * 1_500 for n in range(99)}}): "more than 65536",
}


@pytest.mark.parametrize("line", ROWS, ids=lambda line: ROWS[line])
def test_a_line_is_refused_with_its_reason_and_the_next_is_taken(tmp_path: Path, line: bytes) -> None:
    found = read(written(tmp_path, line + b'\n{"id": "p2"}\n', "p.jsonl"))
    assert isinstance(found[1], Row) and isinstance(found[0], Refused)
    assert ROWS[line] in "; ".join(found[0].reasons)


def test_all_that_is_wrong_with_a_row_is_said_at_once(tmp_path: Path) -> None:
    [told] = reasons(written(tmp_path, "id,price,stock,link\n,x,y,z\n", "p.csv")).values()
    assert all(field in told for field in ("product_id", "price", "stock", "url"))


def test_what_a_shop_should_know_of_rows_that_are_taken(tmp_path: Path) -> None:
    path = written(tmp_path, f"id,price,image,text,quantity\np1,,,{'long ' * 2_000},-1\np2,5,https://x.example/i.jpg,x,1\n", "p.csv")
    first, second = (one for one in read(path) if isinstance(one, Row))
    assert set(first.notes) == {"without a price", "without an image", "with a text cut", "with a stock below 0, which counts as 0"}
    assert second.notes == [] and len(orjson.loads(first.value)["text"]) <= MAX_TEXT


ABSURD = {
    "5,7": ["with a sale price above the price, which does not count"],
    "0,": ["with a price of 0"],
    "5,0.00 EUR": ["with a price of 0"],
    "0,3": ["with a price of 0", "with a sale price above the price, which does not count"],
    "5,5": [],
    "5,4": [],
    ",4": ["without a price"],
}


def test_prices_that_nobody_can_mean_are_taken_and_said(tmp_path: Path, call: Call) -> None:
    table = "id,price,sale_price\n" + "".join(f"p{n},{cells}\n" for n, cells in enumerate(ABSURD))
    path = written(tmp_path, table, "p.csv")
    assert [one.notes for one in read(path) if isinstance(one, Row)] == list(ABSURD.values())
    assert price_now(items(path)["p0"]) == 50_000
    code, out, _ = call("catalog", "import", "p.csv", "--dry-run")
    assert code == 0 and out.splitlines() == [
        "7 rows: 7 products would be published",
        "  3 with a price of 0",
        "  2 with a sale price above the price, which does not count",
        "  1 without a price",
    ]


HTML = {
    "<b>Shoe</b> &amp; sock": "Shoe & sock",
    "&lt;p&gt;Twice &amp;amp; over&lt;/p&gt;": "Twice & over",
    "<script>alert(1)</script>Mug<style>p{}</style>": "Mug",
    "<img src=x onerror=alert(1)>Cup": "Cup",
    "a < b & c": "a < b & c",
    "<!-- never closed": "",
    "{{ customer.email }} {% for %}": "{{ customer.email }} {% for %}",  # only text: templates put it in, nothing runs it
}


@pytest.mark.parametrize("text", HTML)
def test_html_becomes_plain_text(text: str) -> None:
    assert plain(text) == HTML[text]


@given(st.text(alphabet="<>!-/ascriptyle&;=\"' ", max_size=200))
def test_no_tag_survives_whatever_it_is_made_of(text: str) -> None:
    assert "<script" not in plain(text).lower() and "<!--" not in plain(plain(text))


@given(st.decimals(min_value=0, max_value=10**9, places=2), st.sampled_from(["{} EUR", "EUR {}", "{} €", "€{}"]))
def test_a_price_is_what_it_was(amount: Any, pattern: str) -> None:
    german = f"{amount:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
    for text in (f"{amount:.2f}", f"{amount:,.2f}", german):
        assert parse(pattern.format(text)) == (f"{amount:.2f}", "EUR")


# --- feeds that are broken or mean harm ---------------------------------------------------------------------------------------------


def test_a_feed_that_breaks_off_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = RSS.format(items="".join(MUG.replace("m1", f"m{n}") for n in range(500)))
    path = written(tmp_path, whole[: len(whole) * 2 // 3], "feed.xml")
    published: list[Output] = []

    async def publish(outputs: list[Output]) -> None:
        published.extend(outputs)

    last: list[Imported] = []
    with pytest.raises(Unreadable, match=r"feed\.xml:2: broken XML behind item 33\d"):
        asyncio.run(import_catalogue(path, Columns(), tmp_path / "r", NOW, publish, lambda read, done: last.append(done)))
    assert 330 <= len(published) == last[-1].products < 340


HARM = {
    "bomb": '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    + RSS.format(items="<item><g:id>&b;</g:id></item>")[39:],
    "outside": '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + RSS.format(items="<item><g:id>&x;</g:id></item>")[39:],
    "doctype": "<!DOCTYPE rss>" + RSS.format(items=MUG)[39:],
}


@pytest.mark.parametrize("harm", HARM)
def test_a_feed_with_a_document_type_is_refused(tmp_path: Path, harm: str) -> None:
    with pytest.raises(Unreadable, match="document type"):
        read(written(tmp_path, HARM[harm], "feed.xml"))


def test_an_item_that_never_ends_does_not_fill_the_memory(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="an item of more than"):
        read(written(tmp_path, RSS.format(items="<item>" + "<a>x</a>" * 500_000 + "</item>"), "feed.xml"))


UNREADABLE: dict[str, tuple[str, bytes]] = {
    "neither <item> nor <entry>": ("f.xml", b"<html><body>404</body></html>"),
    "empty": ("p.csv", b""),
    "a JSON array": ("p.json", b'[{"id": 1}]'),
    "no column of ids": ("p.csv", b"name,price\nx,1\n"),
    "not UTF-8 (byte 0xfc)": ("p.csv", "id,name\n1,Mütze\n".encode("latin-1")),
    "Not a gzipped file": ("p.csv.gz", b"id\n1\n"),
    "two columns of the name id": ("p.csv", b"id,id\n1,2\n"),
}


@pytest.mark.parametrize("message", UNREADABLE)
def test_an_unreadable_file_is_one_line_and_exit_2(tmp_path: Path, call: Call, message: str) -> None:
    name, content = UNREADABLE[message]
    written(tmp_path, content, name)
    code, out, err = call("catalog", "import", name, "--dry-run")
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int, name: str) -> int:
        mugs = "".join(MUG.replace("m1", f"m{n}") for n in range(count))
        text = RSS.format(items=mugs) if name.endswith("xml") else "id,title\n" + "".join(f"m{n},Mug\n" for n in range(count))
        path = written(tmp_path, text, name)
        tracemalloc.start()
        for _ in rows(path, Columns(), NOW):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    for name in ("p.csv", "p.xml"):
        remembered = 64 * 4_000  # a product is taken once: 24 to 28 bytes of each, more while their index grows
        assert peak(6_000, name) < 1.2 * peak(2_000, name) + 100_000 + remembered


def test_what_was_taken_is_known_by_some_bytes_each() -> None:
    tracemalloc.start()
    taken = Taken()
    assert not any(taken.before(f"p{n}", b"%d" % n, n + 2) for n in range(100_000))
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size < 50 * 100_000
    assert all(taken.before(f"p{n}", b"%d" % n, 9) == (n + 2, True) for n in range(0, 100_000, 7))
    assert taken.before("p5", b"6", 9) == (7, False)


# --- a product twice in one file ----------------------------------------------------------------------------------------------------


def test_a_product_told_in_two_ways_is_taken_once_so_that_the_next_import_changes_nothing(tmp_path: Path, call: Call) -> None:
    # Two colours under one id: each import would bring the price from 100 down to 80 again, and everybody a mail of it.
    written(tmp_path, "id,title,price,stock\np1,Trail shoe red,100 EUR,3\np1,Trail shoe blue,80 EUR,3\np2,Mug,5,1\n", "p.csv")
    assert [orjson.loads(one.value)["price"] for one in read(tmp_path / "p.csv") if isinstance(one, Row)] == ["100", "5"]
    code, out, _ = call("catalog", "import", "p.csv", "--dry-run")
    assert code == 0
    assert out.splitlines() == [
        "3 rows: 2 products would be published",
        "1 row was refused, see p.csv.rejects.csv",
        "  1 × told twice, and not in the same words",
    ]
    with (tmp_path / "p.csv.rejects.csv").open(newline="") as file:
        [refused] = csv.DictReader(file)
    assert (refused["line"], refused["title"]) == ("3", "Trail shoe blue")
    assert refused["reasons"] == "told twice, and not in the same words: line 2 has it already"


def test_a_product_told_twice_in_the_same_words_is_one(tmp_path: Path, call: Call) -> None:
    lines = '{"id": "7", "price": 5, "attributes": {"a": 1, "b": 2}}\n{"attributes": {"b": 2, "a": 1}, "price": 5, "id": 7}\n{"id": 8}\n'
    path = written(tmp_path, lines, "p.jsonl")
    code, out, _ = call("catalog", "import", "p.jsonl", "--dry-run", "--json")
    told = orjson.loads(out)
    assert (code, told["rows"], told["products"], told["rejected"]) == (0, 3, 2, 0)
    assert told["notes"] == {"told twice in the same words, taken once": 1}
    assert set(items(path)) == {"7", "8"}


def test_a_row_that_cannot_be_taken_leaves_its_product_to_the_next(tmp_path: Path) -> None:
    first, second = read(written(tmp_path, "id,price\np1,oops\np1,5\n", "p.csv"))
    assert isinstance(first, Refused) and isinstance(second, Row)


def test_of_a_feed_the_item_is_named_and_a_simulation_says_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, RSS.format(items=MUG + MUG.replace("12.50", "11")), "feed.xml")
    assert reasons(path) == {2: "told twice, and not in the same words: item 1 has it already"}
    with pytest.raises(Unreadable, match=r"feed\.xml:2: told twice"):
        items(path)


# --- the command --------------------------------------------------------------------------------------------------------------------


def test_what_was_refused_can_be_mended_and_imported(tmp_path: Path, call: Call) -> None:
    written(tmp_path, "id,price\np1,oops\np2,5\n", "p.csv")
    code, out, _ = call("catalog", "import", "p.csv", "--dry-run", "--json")
    told = orjson.loads(out)
    assert (code, told["rows"], told["products"], told["rejected"]) == (0, 2, 1, 1) and told["rejects_file"] == "p.csv.rejects.csv"
    rejects = tmp_path / "p.csv.rejects.csv"
    with rejects.open(newline="") as file:
        assert [(one["line"], one["price"]) for one in csv.DictReader(file)] == [("2", "oops")]
    written(tmp_path, rejects.read_text().replace("p1,oops", "p1,7"), "mended.csv")
    assert [(one["product_id"], one["price"]) for one in changes(tmp_path / "mended.csv")] == [("p1", "7")]
    call("catalog", "import", str(written(tmp_path, '{"id":"p1","price":"x"}\n', "p.jsonl")), "--dry-run")
    written(tmp_path, (tmp_path / "p.jsonl.rejects.jsonl").read_text().replace('"x"', "5"), "again.jsonl")
    assert changes(tmp_path / "again.jsonl") == [{"price": "5", "product_id": "p1"}]


SOURCES = {
    "p.csv": "id,price\np1,oops\np2,5\n",
    "p.jsonl": '{"id": "p1", "price": "oops"}\n{"id": "p2"}\n',
    "p.csv.rejects.csv": "line,reasons,id,price\n2,price: 'oops' is no price,p1,oops\n3,x,p2,5\n",
}


@pytest.mark.parametrize("name", SOURCES)
def test_refused_rows_never_take_the_place_of_the_file_they_come_from(tmp_path: Path, call: Call, name: str) -> None:
    path = written(tmp_path, SOURCES[name], name)
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "hard").hardlink_to(path)
    for rejects in (name, f"./{name}", str(path), "link", "hard"):
        code, out, err = call("catalog", "import", name, "--rejects", rejects, "--dry-run")
        assert (code, out) == (2, "") and "is the file that is read" in err and err.count("\n") == 1
    assert path.read_text() == SOURCES[name]


def test_nor_of_another_file_that_holds_none(tmp_path: Path, call: Call) -> None:
    written(tmp_path, SOURCES["p.csv"], "p.csv")
    for name, text in {"other.csv": "id,price\np9,5\n", "other.jsonl": '{"id": "p9"}\n', "p.csv.rejects.csv": "notes of mine\n"}.items():
        path = written(tmp_path, text, name)
        code, out, err = call("catalog", "import", "p.csv", "--rejects", name, "--dry-run")
        assert (code, out) == (2, "") and "is not overwritten" in err and path.read_text() == text
    assert call("catalog", "import", "p.csv", "--dry-run")[0] == 2  # the place that goes without saying, too


@pytest.mark.parametrize(
    "before", ["", "line,reasons,id\n2,old,p0\n", '\ufeff"line";"reasons";"id"\n', '{"line":1,"reasons":[],"row":{}}\n']
)
def test_an_older_reject_file_is_written_anew(tmp_path: Path, call: Call, before: str) -> None:
    written(tmp_path, SOURCES["p.csv"], "p.csv")
    path = written(tmp_path, before, "r.csv")
    assert call("catalog", "import", "p.csv", "--rejects", "r.csv", "--dry-run")[0] == 0
    assert "oops" in path.read_text() and "old" not in path.read_text()
    assert call("catalog", "import", "p.csv", "--rejects", "/dev/null", "--dry-run")[0] == 0


def test_exit_codes(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")
    written(tmp_path, "id,price\np1,oops\n", "bad.csv")
    written(tmp_path, "id,price\np1,5\n", "good.csv")
    assert call("catalog", "import", "good.csv", "--dry-run")[:2] == (0, "1 row: 1 product would be published\n")
    code, _, err = call("catalog", "import", "bad.csv", "--dry-run")
    assert code == 1 and "not one of its 1 row" in err
    assert call("catalog", "import", "nowhere.csv")[0] == 2
    assert call("catalog", "import", "good.csv", "--column", "colour=x")[0] == 2
    assert call("catalog", "import", "good.csv", "--anyway")[0] == 2
    code, _, err = call("catalog", "import", "good.csv")
    assert code == 3 and err.count("\n") == 1


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server on `tmp_path/web`."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *told: Any) -> None:
            super().__init__(*told, directory=str(folder))

        def log_message(self, *told: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_feed_is_fetched_from_the_web(tmp_path: Path, call: Call, web: str) -> None:
    written(tmp_path / "web", RSS.format(items=MUG + MUG.replace("12.50", "x").replace("m1", "m2")), "feed.xml")
    code, out, _ = call("catalog", "import", f"{web}/feed.xml?key=1", "--dry-run", "--json")
    told = orjson.loads(out)
    assert (code, told["products"], told["rejects_file"]) == (0, 1, "catalog.rejects.jsonl")
    code, _, err = call("catalog", "import", f"{web}/gone.xml", "--dry-run")
    assert code == 2 and "404" in err
    code, _, err = call("catalog", "import", "http://127.0.0.1:9/feed.xml", "--dry-run")
    assert code == 2 and err.count("\n") == 1


NO_ADDRESS = {
    "http://": "it names no host",
    "https://:443/feed.xml": "it names no host",
    "https://[bad": "Invalid IPv6 URL",
    "http://shop.example:99999/feed.xml": "Port out of range 0-65535",
    "http://müsli..example/feed.xml": "not an http address",
}


@pytest.mark.parametrize("address", NO_ADDRESS)
def test_what_is_no_address_is_said_to_be_none(call: Call, address: str) -> None:
    code, out, err = call("catalog", "import", address, "--dry-run")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith(f"kairos: {address}: not an http address") and NO_ADDRESS[address] in err


def test_ids_are_known_by_eight_bytes_each() -> None:
    ids = Ids()
    for n in range(10_000):
        ids.add(f"p{n}")
    assert all(f"p{n}" in ids for n in range(0, 10_000, 7)) and not any(f"q{n}" in ids for n in range(1_000))


@pytest.mark.embedded
def test_products_arrive_under_their_keys(tmp_path: Path, call: Call, embedded_cluster: Settings) -> None:
    written(tmp_path, "id,price\n" + "".join(f"p{n},{n}.50\n" for n in range(BATCH + 700)) + "bad,oops\n", "p.csv")
    code, out, err = call("catalog", "import", "p.csv", "--json")
    assert code == 0, err
    assert {name: orjson.loads(out)[name] for name in ("products", "rejected")} == {"products": BATCH + 700, "rejected": 1}

    async def found() -> list[tuple[bytes, str]]:
        async with scanner(embedded_cluster) as scan:
            return [(one.key, accept(one.value).product_id) async for one in scan.read("catalog_changes")]

    told = asyncio.run(found())
    assert len(told) == BATCH + 700 and all(key.decode() == product_id for key, product_id in told)


# --- the contract -------------------------------------------------------------------------------------------------------------------


def test_absent_stays_and_null_clears() -> None:
    #
    whole = accept(b'{"product_id":"p","name":"Mug","price":"5","sale_price":4,"stock":3,"attributes":{"a":"1","b":"2"},"margin":0.4}')
    mug = merged(None, whole)
    assert (mug.name, mug.price, mug.sale_price, mug.stock, mug.attributes) == ("Mug", 50_000, 40_000, 3, {"a": "1", "b": "2"})
    assert merged(mug, whole) is mug
    part = merged(mug, accept(b'{"product_id":"p","sale_price":null,"attributes":{"a":null,"c":"3"}}'))
    assert (part.name, price_now(part), part.stock, part.attributes, part.margin) == ("Mug", 50_000, 3, {"b": "2", "c": "3"}, 0.4)
    assert merged(part, accept(b'{"product_id":"p","attributes":null,"name":null}')).attributes == {}


def test_every_violation_of_a_change_is_named() -> None:
    with pytest.raises(Broken) as broken:
        accept(b'{"product_id":"p","stok":3,"price":-1,"currency":"eur","stock":"3","timestamp":"soon"}')
    assert {one["path"] for one in broken.value.violations} == {"", "/price", "/currency", "/stock", "/timestamp"}
    assert "stok" in str([one["message"] for one in broken.value.violations])
    for value in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"product_id":""}',
        b'{"product_id":"p","price":1e12}',
        b"[" * 5_000,
        b'{"product_id":"' + b"x" * 70_000,
    ):
        with pytest.raises(Broken):
            accept(value)


@given(st.builds(CatalogChange, st.text(min_size=1, max_size=9), stock=st.integers(0, 99), price=st.none() | st.floats(0, 1e6)))
def test_a_change_is_read_as_it_was_written(change: CatalogChange) -> None:
    assert accept(encode(change)) == change


def test_a_file_of_products_is_a_catalogue_for_a_simulation(tmp_path: Path) -> None:
    lines = written(tmp_path, '{"product_id": "p1", "name": "Mug", "price": 9.5, "image": null}\n{"product_id": 2}\n', "p.jsonl")
    assert items(lines) == {"p1": Item("p1", name="Mug", price=95_000), "2": Item("2")}
    with pytest.raises(Unreadable, match=r"p\.jsonl:1: product_id: missing"):
        items(written(tmp_path, '{"name": "Mug"}\n', "p.jsonl"))
    with pytest.raises(Unreadable, match=r"c\.jsonl:1: needs a timestamp"):
        list(timed(written(tmp_path, '{"product_id": "p", "stock": 1}\n', "c.jsonl")))
