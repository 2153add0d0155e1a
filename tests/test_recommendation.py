"""What is recommended to whom: a hand-made model of six products, its exact figures, and what must never be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.agents.kinds import compile_model, compilers, encode_model
from app.agents.renderer_program import RendererProgram
from app.domain.catalogue import Item as Product
from app.domain.fingerprint import fingerprint
from app.domain.liking import BOUGHT, CARTED, VIEWED, WISHED, Liking, Weights
from app.domain.message import MessageSource
from app.domain.neighbours import COLLABORATIVE, CONTENT, TOGETHER, BadModel, Item, Model, decode, encode
from app.domain.recommendation import (
    COMPLEMENTS,
    EXPANSION,
    MAX_LOOKUPS,
    SIMILAR,
    UPGRADES,
    About,
    Recommendations,
    Use,
    in_primary_category,
    picked,
)
from app.domain.recommended import RECOMMENDATIONS, Unusable, recommended
from app.domain.trigger import Pack
from tests.mails import AT, SECRET, outputs, pack, plan

# Three shoes, socks, a jacket, a tent. 0 shoe, 1 trail shoe, 2 dear shoe, 3 socks, 4 jacket, 5 tent.
IDS = ("shoe", "trail", "dear", "socks", "jacket", "tent")
CATEGORY = ("shoes", "shoes", "shoes", "socks", "clothes", "camping")
TIER = (0, 1, 2, 0, 1, 2)
NEAR: dict[int, dict[str, list[tuple[int, float]]]] = {
    0: {COLLABORATIVE: [(3, 0.8), (1, 0.6), (4, 0.2)], CONTENT: [(1, 0.9), (2, 0.45)], TOGETHER: [(3, 0.5)]},
    1: {COLLABORATIVE: [(0, 0.6), (5, 0.3)], CONTENT: [(0, 0.9), (2, 0.6)], TOGETHER: [(5, 0.4)]},
    4: {COLLABORATIVE: [(5, 0.7)], CONTENT: [(3, 0.2)]},
}
POPULAR = (3, 0, 1, 5, 4, 2)
NEXT = {"shoes": ["socks", "camping"], "socks": ["shoes"], "clothes": ["camping"]}


def bytes_of(products: Mapping[int, Sequence[str]] | None = None) -> bytes:
    own = products or {}
    items = [Item(own.get(n, (name,)), CATEGORY[n], TIER[n], NEAR.get(n, {})) for n, name in enumerate(IDS)]
    return encode(items, POPULAR, NEXT)


MODEL = decode(bytes_of())


def stock(**pieces: int | None) -> dict[str, Product]:
    found = {
        name: Product(name, name.title(), category=CATEGORY[n], price=10_000 * (n + 1), image=f"https://s/{name}")
        for n, name in enumerate(IDS)
    }
    return found | {name: replace(found[name], stock=left) for name, left in pieces.items()}


def liked(*told: tuple[str, str]) -> list[Liking]:
    """The newest first."""
    return [(fingerprint(name), kind, 1_000 - n) for n, (name, kind) in enumerate(told)]


def ids(
    taste: Sequence[Liking],
    about: Sequence[str] = (),
    catalogue: Mapping[str, Product] | None = None,
    said: Recommendations | None = None,
    model: Model = MODEL,
    **use: Any,
) -> list[str]:
    items = stock() if catalogue is None else catalogue
    found = picked(taste, About(tuple(about)), model, items.get, said or Recommendations(n=3), Use("m", **use))
    return [one.product_id for one in found]


# --- the hybrid ---------------------------------------------------------------------------------------------------------------------


def test_candidates_of_both_models_are_combined_by_6_and_4_tenths() -> None:
    # Of who likes the shoe, the best of each model counting 1:
    #   collaborative socks 0.8/0.8 = 1, trail 0.6/0.8 = 0.75, jacket 0.2/0.8 = 0.25; content trail 1, dear 0.45/0.9 = 0.5
    #   trail 0.6 × 0.75 + 0.4 × 1 = 0.85; socks 0.6; dear 0.4 × 0.5 = 0.2; jacket 0.6 × 0.25 = 0.15
    assert ids(liked(("shoe", VIEWED)), said=Recommendations(n=4)) == ["trail", "socks", "dear", "jacket"]
    # Content alone, collaborative alone; the rest comes from what is popular in her category (shoes), then from all.
    content = Recommendations(n=4, collaborative=0.0, content=1.0)
    assert ids(liked(("shoe", VIEWED)), said=content) == ["trail", "dear", "socks", "tent"]
    collaborative = Recommendations(n=4, collaborative=1.0, content=0.0)
    assert ids(liked(("shoe", VIEWED)), said=collaborative) == ["socks", "trail", "jacket", "dear"]


def test_each_model_gives_twice_as_many_candidates_as_are_wanted() -> None:
    # for one product two candidates of each; the jacket, third of the collaborative model, is none.
    said = Recommendations(n=1)
    everything = stock(trail=0, socks=0, dear=0)
    assert ids(liked(("shoe", VIEWED)), catalogue=everything, said=said) == ["tent"]  # what is popular, not the jacket
    assert ids(liked(("shoe", VIEWED)), catalogue=everything, said=Recommendations(n=2)) == ["jacket", "tent"]


def test_what_she_did_weighs_and_of_several_signs_the_strongest_counts() -> None:
    # Jacket bought (5), shoe viewed (1): collaborative tent 5/6 × 0.7, socks 1/6 × 0.8, trail 1/6 × 0.6.
    taste = liked(("shoe", VIEWED), ("jacket", BOUGHT), ("jacket", VIEWED))
    assert ids(taste, said=Recommendations(n=1)) == ["tent"]
    assert ids(taste, exclude_viewed=False) == ids(liked(("shoe", VIEWED), ("jacket", BOUGHT)), exclude_viewed=False)
    # Were a view worth fifty purchases, it would be the shoe's neighbour.
    taste = liked(("shoe", VIEWED), ("jacket", BOUGHT))
    assert ids(taste, said=Recommendations(n=1, weights=Weights(view=250.0))) == ["trail"]
    # A kind that weighs nothing is no sign at all.
    assert ids(liked(("jacket", WISHED)), said=Recommendations(n=1, weights=Weights(wishlist=0.0))) == ["socks"]


def test_what_the_message_is_about_weighs_most_and_is_not_shown() -> None:
    # the cart is what she is at now.
    assert ids(liked(("jacket", BOUGHT)), about=["shoe"], said=Recommendations(n=1)) == ["trail"]
    assert "shoe" not in ids([], about=["shoe"], said=Recommendations(n=6))


# --- what is left out ---------------------------------------------------------------------------------------------------------------


def test_what_she_bought_or_just_looked_at_is_left_out_unless_the_message_says_otherwise() -> None:
    taste = liked(("trail", VIEWED), ("socks", BOUGHT), ("shoe", CARTED))
    shown = ids(taste, said=Recommendations(n=6))
    assert "trail" not in shown and "socks" not in shown and "dear" in shown
    assert "trail" in ids(taste, said=Recommendations(n=6), exclude_viewed=False)
    assert "socks" in ids(taste, said=Recommendations(n=6), exclude_bought=False)


def test_stock_is_the_last_filter() -> None:
    # sold out, not in the catalogue, unknown stock (which counts as there).
    taste = liked(("shoe", VIEWED))
    assert ids(taste, catalogue=stock(trail=0)) == ["socks", "dear", "jacket"]
    assert ids(taste, catalogue={name: one for name, one in stock().items() if name != "trail"})[0] == "socks"
    assert ids(taste, catalogue=stock(trail=None))[0] == "trail"
    assert ids(taste, catalogue={}) == []


def test_of_a_family_the_most_wanted_that_can_be_had_is_shown_once() -> None:
    model = decode(bytes_of({1: ("trail-42", "trail-43")}))
    catalogue = stock() | {one: Product(one, "Trail", "trail", "shoes") for one in ("trail-42", "trail-43")}
    assert ids(liked(("shoe", VIEWED)), catalogue=catalogue, model=model)[0] == "trail-42"
    catalogue["trail-42"] = replace(catalogue["trail-42"], stock=0)
    shown = ids(liked(("shoe", VIEWED)), catalogue=catalogue, model=model, said=Recommendations(n=6))
    assert shown[0] == "trail-43" and "trail-42" not in shown
    # Bought in 43: the family is hers.
    assert "trail-42" not in ids(liked(("trail-43", BOUGHT), ("shoe", VIEWED)), model=model, catalogue=catalogue, said=Recommendations(n=6))


def test_private_categories_are_neither_shown_nor_gone_by() -> None:
    #
    def private(category: str) -> bool:
        return category == "socks"

    def chosen(*told: tuple[str, str]) -> list[str]:
        found = picked(liked(*told), About(), MODEL, stock().get, Recommendations(n=6), Use("m"), private)
        return [one.product_id for one in found]

    assert "socks" not in chosen(("shoe", VIEWED))
    assert chosen(("socks", VIEWED)) == [one for one in chosen() if one != "socks"]


def test_nor_is_a_product_whose_name_alone_tells_it() -> None:
    #
    name = stock()["socks"].name
    found = picked([], About(), MODEL, stock().get, Recommendations(n=6), Use("m"), lambda text: text == name)
    assert name and "socks" not in [one.product_id for one in found] and found


# --- when there is little to go by --------------------------------------------------------------------------------------------------


def test_without_taste_what_is_popular() -> None:
    assert ids([]) == ["socks", "shoe", "trail"]
    assert ids([(7, VIEWED, 1)]) == ["socks", "shoe", "trail"]  # a product that the model does not know


def test_her_categories_come_before_what_is_popular_at_all() -> None:
    # The tent has no neighbours; of camping there is nothing else.
    assert ids(liked(("dear", VIEWED))) == ["shoe", "trail", "socks"]
    assert ids(liked(("tent", VIEWED))) == ["socks", "shoe", "trail"]


def test_a_shop_that_has_sold_out_costs_no_more_than_so_many_looks() -> None:
    asked: list[str] = []

    def none_left(product_id: str) -> Product | None:
        asked.append(product_id)
        return None

    many = decode(encode([Item((f"p{n}",), "c") for n in range(1_000)], range(1_000), {}))
    assert picked([], About(), many, none_left, Recommendations(), Use("m")) == ()
    assert len(asked) == MAX_LOOKUPS


# --- the four uses ------------------------------------------------------------------------------------------------------------------


def test_complements_are_what_was_bought_with_the_cart() -> None:
    # A-164; then of the categories that people go to next: socks, camping; then of shoes.
    assert ids([], about=["shoe"], kind=COMPLEMENTS) == ["socks", "tent", "trail"]
    assert ids(liked(("trail", BOUGHT)), kind=COMPLEMENTS)[0] == "tent"


def test_bought_the_complement_already_it_is_not_shown() -> None:
    assert ids(liked(("socks", BOUGHT), ("shoe", BOUGHT)), about=["shoe"], kind=COMPLEMENTS)[0] == "tent"
    assert "socks" not in ids(liked(("socks", BOUGHT)), about=["shoe"], kind=COMPLEMENTS)


def test_upgrades_are_dearer_and_of_the_same_category() -> None:
    #
    assert ids(liked(("shoe", BOUGHT)), kind=UPGRADES) == ["trail", "dear"]
    assert ids(liked(("trail", BOUGHT)), kind=UPGRADES) == ["dear"]
    assert ids(liked(("dear", BOUGHT)), kind=UPGRADES) == []  # there is none: the block is left out


def test_expansion_is_of_the_categories_that_people_go_to_next() -> None:
    #
    assert ids(liked(("shoe", BOUGHT), ("trail", VIEWED)), kind=EXPANSION) == ["socks", "tent", "jacket"]
    assert ids(liked(("shoe", BOUGHT), ("socks", BOUGHT)), kind=EXPANSION)[0] == "tent"


def test_the_primary_category_gives_products_of_it_alone() -> None:
    #
    found = in_primary_category(liked(("shoe", VIEWED)), About(), MODEL, stock().get, Recommendations(n=3), Use("m"))
    assert [one.product_id for one in found] == ["trail", "dear"]
    assert in_primary_category([], About(), MODEL, stock().get, Recommendations(), Use("m")) == ()


# --- properties ---------------------------------------------------------------------------------------------------------------------

KINDS = st.sampled_from((VIEWED, CARTED, BOUGHT, WISHED, "nobody knows"))
TASTE = st.lists(st.tuples(st.sampled_from((*IDS, "unknown")), KINDS), max_size=8)


@given(
    taste=TASTE,
    about=st.lists(st.sampled_from((*IDS, "unknown")), max_size=2),
    gone=st.sets(st.sampled_from(IDS)),
    kind=st.sampled_from((SIMILAR, COMPLEMENTS, UPGRADES, EXPANSION)),
    n=st.integers(1, 8),
    bought=st.booleans(),
    viewed=st.booleans(),
)
def test_never_out_of_stock_never_what_is_left_out_never_too_many(
    taste: list[tuple[str, str]], about: list[str], gone: set[str], kind: str, n: int, bought: bool, viewed: bool
) -> None:
    catalogue = stock(**dict.fromkeys(gone, 0))
    chosen: dict[str, Any] = {"kind": kind, "n": n, "exclude_bought": bought, "exclude_viewed": viewed}
    shown = ids(liked(*taste), about, catalogue, **chosen)
    assert len(shown) <= n and len(set(shown)) == len(shown)
    assert not set(shown) & (gone | set(about))
    if bought:
        assert not set(shown) & {name for name, how in taste if how == BOUGHT}
    if viewed:
        assert not set(shown) & {name for name, how in taste if how == VIEWED}
    assert shown == ids(liked(*taste), about, catalogue, **chosen)


# --- the artifact -------------------------------------------------------------------------------------------------------------------


def test_the_same_model_is_the_same_bytes_and_reads_back() -> None:
    data = bytes_of()
    assert data == bytes_of()
    assert [one for n in range(6) for one in MODEL.members(n)] == list(IDS)
    assert [(item, round(weight, 3)) for item, weight in MODEL.near(COLLABORATIVE, 0)] == [(3, 0.8), (1, 0.6), (4, 0.2)]
    assert (MODEL.category(5), MODEL.tier(2), MODEL.popular("shoes"), MODEL.next_categories("shoes")) == (
        "camping",
        2,
        [0, 1, 2],
        ["socks", "camping"],
    )
    assert MODEL.item(fingerprint("tent")) == 5 and MODEL.item(1) is None


@given(at=st.integers(0, len(bytes_of()) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_bytes_are_refused_or_harmless(at: int, byte: int, cut: bool) -> None:
    data = bytes_of()
    damaged = data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]
    try:
        model = decode(damaged)
    except BadModel:
        return
    try:
        ids(liked(("shoe", VIEWED), ("socks", BOUGHT)), model=model)
    except UnicodeDecodeError:
        pytest.fail("a damaged id reached a message")


def test_bytes_that_no_reader_was_made_for_are_refused_too() -> None:
    # A model without products, and one nested too deep to be read: whatever stands on the topic, a worker goes on without it.
    wire = msgspec.msgpack.decode(bytes_of())
    empty = msgspec.msgpack.encode([*wire[:9], b"", *wire[10:]])
    deep = bytes([0xDC, 0, len(wire) + 1]) + msgspec.msgpack.encode(wire)[3:] + b"\x91" * 200_000
    for data in (empty, deep):
        with pytest.raises(BadModel):
            decode(data)


def test_a_model_above_the_setting_is_refused_before_publishing_and_not_used_by_a_worker() -> None:
    data = bytes_of() + b""
    with pytest.raises(ValueError, match="KAIROS_MODEL_MB allows 0"):
        encode_model(data, 0)
    ref, data = encode_model(data, 1)
    assert isinstance(compile_model(1, ref, data), Model)
    too_large = compile_model(0, ref, data)
    assert isinstance(too_large, Unusable) and "KAIROS_MODEL_MB" in too_large.why
    assert isinstance(compilers(1)[RECOMMENDATIONS](encode_model(b"nothing", 1)[0], b"nothing"), Unusable)


# --- through the renderer -----------------------------------------------------------------------------------------------------------

BLOCK = "{% for product in recommendations %}[{{ product.product_name }} {{ product.price }}]{% endfor %}"
PRIMARY = "{% for product in recommendations.primary_category %}<h3>{{ product.name }}</h3>{% endfor %}"
REF = encode_model(bytes_of(), 1)[0]


def written(html: str, taste: list[Liking], model: Any = MODEL, catalogue: Mapping[str, Product] | None = None, **models: str) -> Any:
    """The send of a message with this HTML, decoded."""
    import msgspec

    from app.events import Send

    source = MessageSource("m", "Subject", "", html, "text " + html)
    one: Pack = replace(pack(), messages={"m": source}, recommendations=Recommendations(n=2))
    known = {"s1@abc": one, REF: model}
    items = stock() if catalogue is None else catalogue
    renderer = RendererProgram(known.__getitem__, SECRET, "https://kairos.example", items=items.get)
    view = {"event": {}, "window": {}, "order": {}, "recent": []}
    found = outputs(plan("m", view, taste=taste, models=models or {RECOMMENDATIONS: REF}), renderer)
    sends = [output for output in found if output.topic == "message_sends"]
    return msgspec.json.decode(sends[0].value, type=Send)


def test_a_message_shows_what_was_picked_and_says_so() -> None:
    # ids and the model stand in the send.
    send = written(BLOCK, liked(("shoe", VIEWED)))
    assert send.html == "[Trail 2.00][Socks 4.00]" and send.text.strip() == "text [Trail 2.00][Socks 4.00]"
    assert send.recommendations == ["trail", "socks"]
    assert send.versions["models"] == {RECOMMENDATIONS: REF}


def test_only_what_was_printed_counts_as_recommended() -> None:
    assert written("{{ recommendations[0].name }}", liked(("shoe", VIEWED))).recommendations == ["trail"]


def test_the_guides_loop_over_the_primary_category() -> None:
    #
    assert written(PRIMARY, liked(("shoe", VIEWED))).html == "<h3>Trail</h3><h3>Dear</h3>"


@pytest.mark.parametrize("case", ["no model", "unusable", "gone", "no catalogue"])
def test_without_model_or_catalogue_the_block_is_left_out(case: str) -> None:
    # interface.md section 2: never missing_content only because there is nothing to recommend
    told: dict[str, Any] = {
        "no model": {"other": "other@1"},
        "unusable": {"model": Unusable("too large")},
        "gone": {RECOMMENDATIONS: "recommendations@gone"},
        "no catalogue": {"catalogue": {}},
    }[case]
    send = written(BLOCK + "-" + PRIMARY, liked(("shoe", VIEWED)), **told)
    assert send.html == "-" and send.recommendations == []
    assert send.versions["models"] == ({RECOMMENDATIONS: REF} if case == "no catalogue" else {})


def test_names_of_products_are_escaped_and_never_executed() -> None:
    evil = stock() | {"trail": Product("trail", "<b>{{ 7 | times: 6 }}</b>", category="shoes", url="javascript:alert(1)")}
    html = "{% for p in recommendations %}{{ p.name }}{{ p.url }}|{% endfor %}".replace("{{ p.url }}", "{% if p.url %}link{% endif %}")
    send = written(html, liked(("shoe", VIEWED)), catalogue=evil)
    assert send.html.startswith("&lt;b&gt;{{ 7 | times: 6 }}&lt;/b&gt;|")


def test_a_message_that_asks_for_none_costs_nothing() -> None:
    def forbidden(ref: str) -> Any:
        raise AssertionError("a model was looked up")

    source = MessageSource("m", "Subject", "", "hello", "hello")
    one = plan("m", {}, models={RECOMMENDATIONS: REF})
    assert recommended(one, source, pack(), forbidden, stock().get).view == {"recommendations": []}
    assert one.at == AT
