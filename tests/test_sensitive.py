"""What no pack may infer of anybody: names it must not read, categories that open nothing, a list that only grows (A-260, A-261)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain import discretion, sensitive
from app.domain.catalogue import Item, once
from app.domain.effects import Unopened
from app.domain.sensitive import Inference, Sensitive, plain
from app.edges.verdict import gates
from app.engine.counts import Counts
from app.policy.messages import build_messages
from app.policy.pack import INCLUDED, check, find, shipped
from app.policy.sensitive import asks
from app.policy.sensitive import shipped as listed
from tests.her import DAY, HOUR, MINUTE, Her, pack
from tests.offered import Shopper
from tests.test_messages import MJML, TEXT
from tests.test_reach import HEAD, SHOE, looked, refused, saved
from tests.test_sms import ungated

LIST, PROBLEMS = listed((INCLUDED / "sensitive.toml").read_text("utf-8"))


def test_the_list_is_well_formed_and_names_what_article_9_does() -> None:
    assert PROBLEMS == []
    assert {one.name for one in LIST.inferences} >= {"health", "pregnancy", "religion", "politics", "sexuality", "ethnicity"}
    assert all(one.why for one in LIST.inferences)


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("religion", "religion"),
        ("isPregnant", "pregnancy"),
        ("pregnancy_week", "pregnancy"),
        ("due-date", "pregnancy"),
        ("sexualOrientation", "sexuality"),
        ("chronic_disease", "health"),
        ("race", "ethnicity"),
        ("race_number", None),
        ("orders", None),
        ("score", None),
        ("engagement", None),
        ("first_name", None),
    ],
)
def test_names_however_they_are_written(name: str, tells: str | None) -> None:
    assert LIST.named(name) == tells


@pytest.mark.parametrize(
    ("category", "tells"),
    [
        ("Health & Beauty/Pregnancy tests", "pregnancy"),
        ("Maternity", "pregnancy"),
        ("Books > Bibles", "religion"),
        ("LGBT", "sexuality"),
        ("Home/Apparel/Men's/Men's-T-Shirts/", None),
        ("Races", None),
        ("shoes", None),
        ("", None),
        ("SCHWANGERSCHAFTSTESTS", "pregnancy"),
        ("Umstandskleider & Still-BHs", "pregnancy"),
        ("Regenschirm, unter Umständen praktisch", None),
        ("Test de grossesse", "pregnancy"),
        ("Robe pour femme enceinte", "pregnancy"),
        ("Enceinte Bluetooth", None),
        ("Grosse écharpe", None),
        ("Ropa Premamá", "pregnancy"),
        ("camiseta embarazada", "pregnancy"),
        ("Un momento embarazoso", None),
        ("Blutzuckermessgerät", "health"),
        ("Das große Krebs-Kochbuch", None),
        ("Rezeptbuch für jede Periode", None),
        ("Perte de poids", "health"),
        ("Règles et équerres", None),
        ("Médicaments", "health"),
        ("Gants de golf, handicap 12", None),
        ("Tensiómetro de brazo", "health"),
        ("Recetas de la abuela", None),
        ("Cancer Zodiac Necklace", None),
        ("Cancer support bracelet", "health"),
        ("Kinderbibel, Bibel für Kinder", "religion"),
        ("Bibliothek, Kirschen", None),
        ("Musulmane", "religion"),
        ("Religieuse au chocolat", None),
        ("Judías verdes", None),
        ("Julio Iglesias, Cristiano Ronaldo", None),
        ("Christian Dior Sauvage", None),
        ("Church's Shannon Derby", None),
        ("Christian Dior museum church candle", "religion"),
        ("Sexspielzeug", "sexuality"),
        ("Schwüle Sommernacht", None),
        ("Lingerie érotique", "sexuality"),
        ("Juguete Erótico", "sexuality"),
        ("Politique de retour", None),
        ("Sindicato", "politics"),
        ("Gewerkschaften", "politics"),
        ("Schuhe mit Partei-Rabatt", None),
        ("Test ADN", "body"),
        ("Crayons couleur de peau", "ethnicity"),
    ],
)
def test_categories_and_names_however_they_are_written_and_in_which_of_four_languages(category: str, tells: str | None) -> None:
    assert LIST.told(category) == tells


@given(st.text(max_size=30))
def test_any_text_can_be_asked(text: str) -> None:
    assert plain(plain(text)) == plain(plain(plain(text)))
    LIST.named(text), LIST.told(text)


# --- what a pack may ask ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "reads"),
    [
        ("profile.traits.religion == 'x'", "reads 'religion', which tells religion"),
        ('profile.traits["pregnant"] == true', "reads 'pregnant', which tells pregnancy"),
        ("event.chronicDisease", "reads 'chronicDisease', which tells health"),
        ("event.category == 'Maternity wear'", "asks for 'Maternity wear', which tells pregnancy"),
        ("profile.interest.decayed['Bibles'] > 60.0", "reads 'Bibles', which tells religion"),
        ("profile.surveys.ethnicity != ''", "reads 'ethnicity', which tells ethnicity"),
    ],
)
def test_a_condition_that_reads_it_is_refused_with_its_line(tmp_path: Path, condition: str, reads: str) -> None:
    quoted = condition.replace('"', '\\"')
    (problem,) = refused(tmp_path, f'when = "{quoted}"')
    assert problem == f"mine.toml:18: {reads}: no pack may infer that of anybody"


@pytest.mark.parametrize("condition", ["event.kind == 'running'", "profile.orders > 3", "event.category == 'shoes' && profile.opens > 1"])
def test_what_is_nobodys_secret_may_be_asked(condition: str) -> None:
    assert asks(LIST, condition) is None


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ('choose = [\n  { when = "event.category == \'maternity\'", send = "note" },\n]', 19),
        ('[[segment]]\nname = "s"\nwhy = "x"\nwhen = "profile.traits.religion == \'a\'"', 21),
        ("[flags]\nf = \"profile.traits.religion == 'a'\"", 19),
        ('[[experiment]]\nname = "e"\nwhy = "x"\ntriggers = ["looked"]\narm = [{ name = "a", share = 1.0, when = "event.pregnant" }]', 22),
    ],
)
def test_wherever_it_stands(tmp_path: Path, more: str, line: int) -> None:
    problems = refused(tmp_path, more)
    assert [one.partition(": ")[0] for one in problems] == [f"mine.toml:{line}"]
    assert "no pack may infer that of anybody" in problems[0]


def test_in_a_decision_table_with_the_tables_line(tmp_path: Path) -> None:
    (tmp_path / "rules.csv").write_text("event.category,send\nshoes,note\nmaternity,note\n", "utf-8")
    (problem,) = refused(tmp_path, 'choose = "rules.csv"')
    assert problem.startswith("rules.csv:3: ") and "which tells pregnancy" in problem


@pytest.mark.parametrize(
    ("body", "line", "reads"),
    [
        ("{% if customer.religion %}x{% endif %}", 5, "reads customer.religion"),
        ("{{ profile.traits.pregnant | default: 'no' }}", 5, "reads profile.traits.pregnant"),
        ("a\n{% if event.category == 'maternity' %}x{% endif %}", 6, "asks for 'maternity'"),
    ],
)
def test_a_template_that_reads_it_is_refused_with_its_line(tmp_path: Path, body: str, line: int, reads: str) -> None:
    (tmp_path / "note.mjml").write_text(MJML.format(body=body), "utf-8")
    (tmp_path / "note.txt").write_text(TEXT, "utf-8")
    built, problems = build_messages(["note"], [tmp_path], LIST)
    assert not built
    assert [(one.line, one.message.partition(",")[0]) for one in problems] == [(line, reads)]


def test_the_words_of_a_mail_itself_are_free(tmp_path: Path) -> None:
    (tmp_path / "note.mjml").write_text(MJML.format(body="Happy Ramadan"), "utf-8")
    (tmp_path / "note.txt").write_text(TEXT, "utf-8")
    assert build_messages(["note"], [tmp_path], LIST)[1] == []


def test_shipped_packs_and_messages_read_nothing_of_it() -> None:
    for name in shipped():
        assert check(find(name))[3] == []


# --- a pack may add, never take -----------------------------------------------------------------------------------------------------

OWN = '[sensitive]\nwhy = "ours"\nnames = ["size"]\nwords = ["plus size"]\n'


def test_a_pack_adds_to_the_list_and_keeps_all_of_it(tmp_path: Path) -> None:
    found = saved(tmp_path, head=HEAD + OWN).sensitive
    assert [one.name for one in found.inferences] == [*(one.name for one in LIST.inferences), "own"]
    assert found.named("size") == "own" and found.named("religion") == "religion"


def test_what_it_adds_binds_it(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, 'when = "event.size == 44"', head=HEAD + OWN)
    assert problem == "mine.toml:22: reads 'size', which tells what this pack lists as sensitive: no pack may infer that of anybody"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('[sensitive]\nwhy = "x"\nexcept = ["religion"]', "unknown field 'except'"),
        ('[sensitive]\nwhy = "x"', "names or words to add"),
        ('[sensitive]\nwhy = "x"\nwords = ["a"]', "'a' is too short to tell anything"),
        ('[sensitive]\nwords = ["plus size"]', "why is missing"),
    ],
)
def test_there_is_no_way_to_take_from_it(tmp_path: Path, table: str, problem: str) -> None:
    assert problem in refused(tmp_path, head=f"{HEAD}{table}\n")[0]


# --- what opens nothing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("category", "opens"), [("shoes", True), ("Maternity/Dresses", False)])
def test_a_product_of_such_a_category_opens_no_window(category: str, opens: bool) -> None:
    her = Her("merged")
    her.event("product_view", MINUTE, **{**SHOE, "category": category}, dwell_seconds=60)
    her.event("cart_add", 2 * MINUTE, **{**SHOE, "category": category})
    her.event("wishlist_add", 3 * MINUTE, **{**SHOE, "category": category})
    assert bool([one for one in her.decisions("opened") if one[0] not in ("welcome", "lifecycle_programme")]) is opens


def test_nor_does_an_order_with_one_in_it_and_service_goes_on(tmp_path: Path) -> None:
    lines = [{**SHOE, "quantity": 1}, {"product_id": "p2", "category": "Pregnancy tests", "price": 9.0, "quantity": 1}]
    her = Her("merged")
    her.event("purchase", MINUTE, order_id="o1", products=lines, total=98.0)
    her.until(3 * DAY)
    assert {plan.trigger for plan in her.plans} <= {"welcome"}
    service = looked(saved(tmp_path, 'needs = ["email"]'), consents=("email",))
    service.event("product_view", 2 * MINUTE, product_id="p9", category="Maternity")
    service.until(2 * HOUR)
    assert len(service.plans) == 2, "what needs no personal profile answers no inference"


def test_it_is_counted_and_not_written_down() -> None:
    her = Her("merged")
    found: list[Any] = []
    take = her._take
    her._take = lambda effects: (found.extend(effects), take(effects))[1]  # type: ignore[method-assign]
    her.event("product_view", MINUTE, **{**SHOE, "category": "Maternity"}, dwell_seconds=60)
    told = [one for one in found if isinstance(one, Unopened)]
    assert {one.trigger for one in told} == {"product_page_abandonment", "view_no_purchase_24h", "view_no_purchase_48h"}
    counts = Counts()
    for one in told:
        counts.unopened(one.trigger, one.reason)
    assert counts.withheld["product_page_abandonment", "sensitive"] == 1


def test_a_mail_about_shoes_shows_no_such_product() -> None:
    her = Her(ungated())
    her.event("product_view", 0, product_id="p7", product_name="Test strip", category="Pregnancy tests")
    her.event("product_view", 1000, product_id="p8", product_name="Wool socks", category="socks")
    her.event("product_view", 9 * HOUR, **SHOE, dwell_seconds=60)
    her.until(12 * HOUR)
    (mail,) = [plan for plan in her.plans if plan.trigger == "product_page_abandonment"]
    assert [one["product_name"] for one in mail.view["recent"]] == ["Wool socks"]


def test_a_cart_with_shoes_gathers_no_such_product() -> None:
    her = Her(ungated())
    her.event("cart_add", 9 * HOUR, **SHOE, quantity=1)
    her.event("cart_add", 9 * HOUR + MINUTE, product_id="p7", product_name="Test strip", category="Pregnancy tests", quantity=1)
    her.until(12 * HOUR)
    (mail,) = [plan for plan in her.plans if plan.trigger == "cart_abandonment"]
    assert [one["product_name"] for one in mail.view["window"]["products"]] == ["Trail shoe"]


@pytest.mark.parametrize(
    ("kind", "told", "opens"),
    [
        ("product_view", {"product_id": "p7", "product_name": "Pregnancy test kit", "category": "drugstore"}, False),
        ("cart_add", {"product_id": "p7", "product_name": "Schwangerschaftstest", "category": "Drogerie"}, False),
        ("product_view", {"product_id": "p7", "product_name": "Litmus test kit", "category": "drugstore"}, True),
        ("search", {"query": "pregnancy test"}, False),
        ("search", {"query": "test de GROSSESSE"}, False),
        ("search", {"query": "running shoes"}, True),
    ],
)
def test_nor_does_a_name_or_a_search_that_tells_it(kind: str, told: dict[str, str], opens: bool) -> None:
    #
    her = Her("merged")
    her.event(kind, MINUTE, **told, dwell_seconds=60)
    assert bool([one for one in her.decisions("opened") if one[0] not in ("welcome", "lifecycle_programme")]) is opens
    her.until(60 * DAY)
    assert opens or {plan.trigger for plan in her.plans} <= {"welcome", "lifecycle_programme"}


def test_an_order_is_asked_by_the_names_of_its_lines() -> None:
    her = Her("merged")
    her.event("purchase", MINUTE, order_id="o1", products=[{**SHOE, "quantity": 1}, {"product_id": "p2", "product_name": "Gentest"}])
    assert "post_purchase" not in [one[0] for one in her.decisions("opened")]


# --- what no message shows ----------------------------------------------------------------------------------------------------------

DRESS = Item("p7", name="Maternity dress", category="Dresses")
WEAR = Item("p8", name="Blue dress", category="Maternity")
SOCKS = Item("p9", name="Wool socks", category="socks")
SHOP = {one.product_id: one for one in (DRESS, WEAR, SOCKS)}


def shopper() -> Shopper:
    return Shopper(ungated(), SHOP)


@pytest.mark.parametrize("product_id", ["p7", "p8"])
def test_what_only_the_catalogue_tells_is_asked_when_the_message_is_written(product_id: str) -> None:
    # its name, or its category
    her = shopper()
    her.event("product_view", 9 * HOUR, product_id=product_id, dwell_seconds=60)
    her.until(30 * DAY)
    assert {mail.trigger for mail in her.mails} <= {"welcome", "lifecycle_programme"}
    ended = [one for one in her.told if one.trigger == "product_page_abandonment"]
    assert [(one.outcome, one.reason, one.values["sensitive"]) for one in ended] == [("not_sent", "condition_false", True)]
    assert not any(word in str(ended).lower() for word in ("dress", "maternity", "pregnancy")), "written nowhere beside her"
    assert "sensitive: what it is about tells something that is nobody's business, by the words of [sensitive]" in gates(ended[0])


def test_what_the_catalogue_does_not_call_so_is_written() -> None:
    her = shopper()
    her.event("product_view", 9 * HOUR, product_id="p9", dwell_seconds=60)
    her.until(12 * HOUR)
    assert [mail.trigger for mail in her.mails if mail.trigger == "product_page_abandonment"]


def test_a_mail_about_socks_does_not_show_what_the_catalogue_calls_maternity() -> None:
    her = shopper()
    her.event("product_view", 0, product_id="p8")
    her.event("product_view", 1000, product_id="p6", product_name="Pregnancy test kit", category="drugstore")
    her.event("product_view", 2000, product_id="p5", product_name="Mug")
    her.event("product_view", 9 * HOUR, product_id="p9", dwell_seconds=60)
    her.until(40 * HOUR)
    mails = [mail for mail in her.mails if mail.trigger == "product_page_abandonment"]
    text = "".join(mail.html + mail.text + mail.subject for mail in mails)
    assert "Mug" in text and "Blue dress" not in text and "Pregnancy" not in text


def test_of_a_cart_a_message_shows_the_rest() -> None:
    her = shopper()
    her.event("cart_add", 9 * HOUR, product_id="p9", quantity=1)
    her.event("cart_add", 9 * HOUR + MINUTE, product_id="p7", quantity=1)
    her.until(12 * HOUR)
    (mail,) = [mail for mail in her.mails if mail.trigger == "cart_abandonment"]
    assert "Wool socks" in mail.html and "aternity" not in mail.html + mail.text + mail.subject


def test_an_order_whose_line_the_catalogue_knows_better_gets_service_alone() -> None:
    her = shopper()
    her.event("purchase", MINUTE, order_id="o1", products=[{"product_id": "p9", "quantity": 1}, {"product_id": "p7", "quantity": 1}])
    her.until(30 * DAY)
    ended = {(one.outcome, one.reason) for one in her.told if one.trigger == "post_purchase"}
    assert ended == {("not_sent", "condition_false")}
    row = replace(ungated().by_name["post_purchase"], needs=("email",))
    view = {"event": {"product_id": "p7"}, "order": {"products": [{"product_id": "p7"}]}, "window": {"products": [{"product_id": "p7"}]}}
    about = replace(her.plans[-1], view=view)
    assert discretion.over(about, row, LIST, SHOP.get) is None
    assert discretion.kept(view, row, LIST, SHOP.get, ("window", "order")) == view


def test_nor_does_it_name_the_category_she_likes_most_where_that_tells_it() -> None:
    view = {"profile": {"primary_interest": "Maternity", "favourite_categories": ["shoes", "Maternity"], "orders": 3}}
    row = pack("merged").by_name["lifecycle_programme"]
    told = discretion.kept(view, row, LIST, SHOP.get, ("profile",))["profile"]
    assert told == {"primary_interest": None, "favourite_categories": ["shoes"], "orders": 3}


def test_a_product_is_looked_up_once_for_a_message() -> None:
    asked: list[str] = []
    known = once(lambda product_id: (asked.append(product_id), SHOP.get(product_id))[1])
    assert known("p7") is known("p7") and known("none") is known("none") is None
    assert asked == ["p7", "none"]


def test_an_empty_list_costs_nothing() -> None:
    assert sensitive.among(Sensitive(), ("Maternity",)) is None
    assert pack("merged").sensitive.told("Maternity") == "pregnancy"
    assert Sensitive((Inference("a", "b", words=("x ray",)),)).told("the X-Rays") == "a"
