"""Decision tables: nested if-then rules as CSV (A-190), their gaps, overlaps and dead rows, and whatever a spreadsheet may make of them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.policy import conditions
from app.policy.pack import BadPack, build, compile_artifact
from app.policy.review import review
from app.policy.table import MAX_BYTES, MAX_ROWS, TableRow, parse, read
from tests.her import HOUR, Her
from tests.test_packs import GOOD

MESSAGES = ("welcome", "referral", "usage-tips", "complements")


def rows(text: str) -> list[tuple[int, str, str]]:
    found, problems = parse(text, "t.csv", MESSAGES)
    assert not [str(one) for one in problems if not one.warning]
    return [(one.line, one.when, one.send) for one in found]


def problems(text: str, otherwise: bool = True) -> list[str]:
    return [str(one) for one in parse(text, "t.csv", MESSAGES, otherwise=otherwise)[1]]


# e.g. bought in category A → offer B
def test_a_table_is_a_list_of_conditions() -> None:
    text = "profile.orders,event.category,intent.level,event.sale,send\n"
    text += "0,shoes,,,welcome\n1..3,a|b,high,true,referral\n>= 4,,low|medium,false,usage-tips\n,,,,complements\n"
    second = 'profile.orders >= 1 && profile.orders <= 3 && event.category in ["a", "b"] && intent.level == "high" && event.sale == true'
    assert rows(text) == [
        (2, 'profile.orders == 0 && event.category == "shoes"', "welcome"),
        (3, second, "referral"),
        (4, 'profile.orders >= 4 && intent.level in ["low", "medium"] && event.sale == false', "usage-tips"),
        (5, "true", "complements"),
    ]


@pytest.mark.parametrize(
    ("column", "cell", "when"),
    [
        ("event.price", "< 3", "event.price < 3"),
        ("event.price", "<=3.5", "event.price <= 3.5"),
        ("event.price", "> -3", "event.price > -3"),
        ("event.price", "0.5 .. 2", "event.price >= 0.5 && event.price <= 2"),
        ("event.price", "1|3", "event.price in [1, 3]"),
        ("event.product_id", "0017", 'event.product_id == "0017"'),  # a text by its contract, leading zeros and all
        ("event.shoe_size", "42", "event.shoe_size == 42"),
        ("event.shoe_size", '"""42"""', 'event.shoe_size == "42"'),
        ("event.city", "São Paulo", 'event.city == "São Paulo"'),
        ("event.city", '"say ""hi"" {0}"', 'event.city == "say \\"hi\\" {0}"'),
        ("event.city", "a\\b", 'event.city == "a\\\\b"'),
        ("window.views", ">= 3", "window.views >= 3"),
        ("profile.email.opened", "> 2", "profile.email.opened > 2"),
    ],
)
def test_a_cell(column: str, cell: str, when: str) -> None:
    assert rows(f"{column},send\n{cell},welcome\n") == [(2, when, "welcome")]
    assert conditions.condition(when, conditions.STEP).text == when


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("profile.orders,send", "5..1,welcome", "2: profile.orders: 5..1: the first is larger than the last"),
        ("profile.orders,send", ">= many,welcome", "2: profile.orders: '>= many': a comparison has one number"),
        ("profile.orders,send", "shoes,welcome", "2: profile.orders: a number is asked for here, not 'shoes'"),
        ("event.category,send", "> 3,welcome", "2: event.category: a comparison of numbers, but this column holds none"),
        ("event.category,send", "a||b,welcome", "2: event.category: an empty option between two |"),
        ("intent.level,send", "hihg,welcome", "2: intent.level: 'hihg' does not exist here: high, medium, low"),
        ("event.category,send", "=cmd|'/c calc'!A1,welcome", "2: event.category: \"=cmd|'/c calc'!A1\" begins like"),
        ("event.category,send", "@SUM(A1),welcome", "begins like a spreadsheet's formula"),
        ("event.category,send", "+49,welcome", "begins like a spreadsheet's formula"),
        ("event.category,send", "-x,welcome", "begins like a spreadsheet's formula"),
        ("event.category,send", "a\u200bb,welcome", "2: event.category: one line of printable text"),
        ("event.category,send", "a,no such,welcome", "2: 3 cells, but the header has 2"),
        ("event.category,send", "a,Welcome!", "2: send: a message's name, such as product-details, not 'Welcome!'"),
        ("event.category,send", "a,wellcome", "2: unknown message 'wellcome'"),
        ("event.category,send", '"a,welcome', "2: no CSV"),
        ("event.category,message", "a,welcome", "1: the last column is send, not 'message'"),
        ("send", "welcome", "1: 0 columns to look at; a table has 1 to 20"),
        ("category,send", "a,welcome", "1: unknown column 'category': such as profile.orders"),
        ("weather.rain,send", "a,welcome", "1: unknown column 'weather.rain'"),
        ("profile.orderz,send", "1,welcome", "1: unknown column profile.orderz: profile has no 'orderz': it has "),
        ("event.x,event.x,send", "1,2,welcome", "1: column event.x a second time"),
        ("event.x,send", "1,welcome\na,referral", "1: event.x: a column holds numbers, texts or true and false"),
        ("event.x,send", f"{'|'.join(f'option-{n}' for n in range(190))},welcome", "2: a condition of 2561 characters; at most 2000"),
        (",".join([*(f"event.c{n}" for n in range(21)), "send"]), "x", "1: 21 columns to look at"),
    ],
)
def test_each_fault_has_its_line(header: str, row: str, said: str) -> None:
    found = problems(f"{header}\n{row}\n")
    assert any(said in one for one in found), found
    assert all(one.startswith("t.csv:") for one in found)


def test_what_is_no_table() -> None:
    assert problems("") == ["t.csv:1: empty: the first line names what is looked at, the last column is send"]
    assert problems("\n\n,,\n") == ["t.csv:1: empty: the first line names what is looked at, the last column is send"]
    assert problems("event.category,send\n,\n") == ["t.csv:1: no row below the header"]


def test_lines_are_those_of_the_file() -> None:
    # Blank lines, a spreadsheet's semicolons and trailing empty rows.
    assert rows("\nevent.category;send\n\na;welcome\n;\n\nb;referral\n;\n") == [
        (4, 'event.category == "a"', "welcome"),
        (7, 'event.category == "b"', "referral"),
    ]


def test_a_gap_is_named() -> None:
    text = "profile.orders,event.category,send\n0,,welcome\n>= 2,shoes,referral\n"
    said, then = "t.csv:1: warning: a gap: no row holds where profile.orders is", "; there the step's own send goes out"
    assert problems(text) == [f"{said} 1{then}", f"{said} 2 and event.category is anything else{then}"]
    assert problems(text, otherwise=False)[0] == "t.csv:1: a gap: no row holds where profile.orders is 1"
    assert problems("profile.orders,send\n0..4,welcome\n>= 5,referral\n", otherwise=False) == []
    assert problems("intent.level,send\nhigh,welcome\nlow|medium,referral\n", otherwise=False) == []
    assert problems("event.sale,send\ntrue,welcome\nfalse,referral\n", otherwise=False) == []
    assert problems("event.category,send\nshoes,welcome\n,referral\n", otherwise=False) == []


def test_an_overlap_names_both_lines() -> None:
    text = "profile.orders,event.category,send\n>= 3,,welcome\n,shoes,{}\n,,complements\n"
    assert problems(text.format("referral")) == [
        "t.csv:3: overlaps line 2 where profile.orders is 3 and event.category is 'shoes': "
        "that one sends 'welcome' and comes first, this one 'referral'"
    ]
    assert problems(text.format("welcome")) == [
        "t.csv:3: warning: overlaps line 2 where profile.orders is 3 and event.category is 'shoes': both send 'welcome'"
    ]


def test_a_row_that_is_never_reached() -> None:
    assert "t.csv:3: this row is never reached: wherever it holds, line 2 comes first" in problems(
        "profile.orders,send\n>= 3,welcome\n>= 5,referral\n"
    )
    assert "t.csv:3: this row is never reached: no value fits it" in problems("profile.orders,send\n>= 0,welcome\n< 0,referral\n")
    assert "t.csv:4: this row is never reached: wherever it holds, line 2, 3 comes first" in problems(
        "profile.orders,send\n< 3,welcome\n>= 3,welcome\n,referral\n"
    )


def test_large_tables_take_a_moment_and_too_large_ones_are_refused() -> None:
    text = "event.category,event.product_id,send\n" + "".join(f"c{n},p{n % 50},welcome\n" for n in range(MAX_ROWS))
    found, said = parse(text, "t.csv", MESSAGES)
    assert len(found) == MAX_ROWS
    assert all(one.warning for one in said)
    assert any("more gaps" in one.message for one in said)
    assert problems(text + "x,y,welcome\n")[-1] == f"t.csv:{MAX_ROWS + 2}: more than {MAX_ROWS} rows"
    assert problems("event.category,send\n" + "x" * MAX_BYTES) == [f"t.csv:0: {MAX_BYTES + 20} bytes; a table has at most {MAX_BYTES}"]
    nested = "profile.orders,send\n" + "".join(f">= {n},welcome\n" for n in range(2_000))
    assert any("more than 200,000 combinations" in one for one in problems(nested))


def test_a_table_as_a_spreadsheet_saves_it(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    text = "event.category;send\r\nSchuhe für Läufer;welcome\r\n"
    file.write_bytes(text.encode("utf-8-sig"))
    assert read(file) == (text.replace("\r\n", "\n"), [])
    file.write_bytes(text.encode("utf-16"))
    assert str(read(file)[1][0]) == f"{file}:0: not UTF-8 (UTF-16, as it seems): save it as CSV UTF-8"
    file.write_bytes(text.encode("latin-1"))
    assert str(read(file)[1][0]) == f"{file}:2: not UTF-8: save it as CSV UTF-8"
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    assert "a table has at most" in str(read(file)[1][0])
    assert "No such file" in str(read(tmp_path / "none.csv")[1][0])
    assert "directory" in str(read(tmp_path)[1][0])


@given(st.text(max_size=200), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_the_text_there_is_no_traceback(text: str, headed: bool) -> None:
    parse(("event.category,profile.orders,send\n" if headed else "") + text, "t.csv", MESSAGES)


_CELLS = {
    "profile.orders": st.sampled_from(["", "0", "1", ">= 1", "> 2", "<= 1", "1..2", "0|2"]),
    "event.category": st.sampled_from(["", "a", "b", "a|b"]),
    "event.sale": st.sampled_from(["", "true", "false"]),
}
_TABLES = st.lists(st.tuples(*_CELLS.values(), st.sampled_from(MESSAGES)), min_size=1, max_size=5)


@given(_TABLES)
@settings(max_examples=100, deadline=None)
def test_gaps_overlaps_and_dead_rows_are_those_that_cel_finds(table: list[tuple[str, ...]]) -> None:
    text = ",".join([*_CELLS, "send"]) + "\n" + "".join(",".join(one) + "\n" for one in table)
    found, said = parse(text, "t.csv", MESSAGES)
    compiled = [conditions.condition(one.when, conditions.STEP) for one in found]
    firsts, pairs, gap = set(), set(), False
    for orders, category, sale in product(range(5), "abc", (True, False)):
        facts = {"profile": {"orders": orders}, "event": {"category": category, "sale": sale}}
        held = [n for n, one in enumerate(compiled) if one.evaluate(facts).holds]
        gap |= not held
        firsts |= set(held[:1])
        pairs |= {(held[0], other) for other in held[1:]}
    assert any("a gap" in one.message for one in said) == gap
    dead = {one.line - 2 for one in said if "never reached" in one.message}
    assert dead == set(range(len(found))) - firsts
    catch_all = len(found) - 1 if not any(table[-1][:3]) else -1
    named = {(one.line - 2, one.warning) for one in said if one.message.startswith("overlaps")}
    expected = {(other, found[one].send == found[other].send) for one, other in pairs if other not in dead and other != catch_all}
    assert named == expected


def test_rows_are_what_choices_are_made_of() -> None:
    (row,) = parse("profile.orders,send\n>= 5,referral\n", "t.csv")[0]
    assert row == TableRow(2, "profile.orders >= 5", "referral")


# --- in a pack ----------------------------------------------------------------------------------------------------------------------

RULES = "profile.orders,event.price,send\n>= 3,,referral\n,> 100,complements\n"


def pack_with(folder: Path, table: str, choose: str = "rules.csv") -> str:
    (folder / "rules.csv").write_text(table, "utf-8")
    (folder / "mine.toml").write_text(GOOD.replace('send = "product-details"', f'send = "product-details"\nchoose = "{choose}"', 1))
    return str(folder / "mine.toml")


def test_a_step_chooses_by_a_table(tmp_path: Path) -> None:
    ref, data = build(pack_with(tmp_path, RULES.replace(",> 100", "< 3,> 100")))
    loaded = compile_artifact(ref, data)
    assert [(one.when.text, one.message) for one in loaded.triggers[0].steps[0].choices] == [
        ("profile.orders >= 3", "referral"),
        ("profile.orders < 3 && event.price > 100", "complements"),
    ]
    assert {"referral", "complements"} <= set(loaded.messages)
    her = Her(loaded)
    her.event("product_view", 0, product_id="p", dwell_seconds=40, price=120)
    her.until(2 * HOUR)
    assert [name for name, _ in her.sends()] == ["complements"]
    # The artifact carries the table; another table is another version.
    (tmp_path / "rules.csv").unlink()
    assert compile_artifact(ref, data).triggers[0].steps[0].choices[0].message == "referral"
    assert build(pack_with(tmp_path, RULES.replace(",> 100", "< 3,> 99")))[0] != ref


@pytest.mark.parametrize(
    ("table", "choose", "said"),
    [
        (RULES, "rules.csv", "rules.csv:3: overlaps line 2 where profile.orders is 3 and event.price is above 100"),
        (RULES.replace("complements", "nothing-such"), "rules.csv", "rules.csv:3: overlaps"),
        ("event.category,send\na,nothing-such\n", "rules.csv", "rules.csv:2: unknown message 'nothing-such'"),
        (RULES, "others.csv", "others.csv:0: No such file"),
        (RULES, "../rules.csv", "mine.toml:23: choose: a CSV file beside the pack"),
        (RULES, "rules.xlsx", "mine.toml:23: choose: a CSV file beside the pack"),
    ],
)
def test_a_table_that_is_wrong_is_a_pack_that_is_wrong(tmp_path: Path, table: str, choose: str, said: str) -> None:
    file = pack_with(tmp_path, table, choose)
    with pytest.raises(BadPack) as refused:
        build(file)
    assert any(str(one).removeprefix(f"{tmp_path}/").startswith(said) for one in refused.value.problems), refused.value.problems


def test_what_is_odd_about_a_table_is_a_warning_of_its_pack(tmp_path: Path) -> None:
    found = review(pack_with(tmp_path, "profile.orders,send\n>= 3,referral\n"))
    (warning,) = [one for one in found.problems if one.file.endswith(".csv")]
    assert warning.warning and warning.message.startswith("a gap: no row holds where profile.orders is below 3")


def test_a_large_table_is_compiled_in_a_few_seconds(tmp_path: Path) -> None:
    text = "event.category,event.product_id,send\n" + "".join(f"c{n},p{n % 50},referral\n" for n in range(MAX_ROWS))
    loaded = compile_artifact(*build(pack_with(tmp_path, text)))
    assert len(loaded.triggers[0].steps[0].choices) == MAX_ROWS


# --- offers -------------------------------------------------------------------------------------------------------------------------

OFFERS = """
[[offer]]
name     = "spring-sale"
why      = "A-132"
kind     = "spring_percent"
discount = 0.15

[[offer]]
name     = "big-order"
why      = "A-132"
kind     = "big_order"
benefits = ["free_shipping"]
"""
OFFERED = """profile.orders,event.price,send,offer
>= 3,,win-back-offer,spring-sale
< 3,> 100,win-back-offer, big-order
< 3,<= 100,referral,
"""


def offering_pack(folder: Path, table: str, offers: str = OFFERS) -> str:
    file = Path(pack_with(folder, table))
    file.write_text(file.read_text("utf-8") + offers, "utf-8")
    return str(file)


def test_a_row_names_what_its_message_offers(tmp_path: Path) -> None:
    # e.g. bought in category A → offer B
    ref, data = build(offering_pack(tmp_path, OFFERED))
    for loaded in (compile_artifact(ref, data), compile_artifact(*build(str(tmp_path / "mine.toml")))):
        found = [(one.message, one.offer and one.offer.name) for one in loaded.triggers[0].steps[0].choices]
        assert found == [("win-back-offer", "spring-sale"), ("win-back-offer", "big-order"), ("referral", None)]
    her = Her(loaded)
    her.event("product_view", 0, product_id="p", dwell_seconds=40, price=120)
    her.until(2 * HOUR)
    (plan,) = her.plans
    assert (plan.message, plan.values["offer"]["kind"], plan.values["offer"]["benefits"]) == (
        "win-back-offer",
        "big_order",
        ["free_shipping"],
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            OFFERED.replace("spring-sale", "sprnig-sale"),
            "rules.csv:2: offer: no [[offer]] named 'sprnig-sale': there is spring-sale, big-order; did you mean spring-sale?",
        ),
        (
            OFFERED.replace("spring-sale", "15 %"),
            "rules.csv:2: offer: the name of an [[offer]], such as spring-sale, or nothing, not '15 %'",
        ),
        (OFFERED.replace("referral,", "referral"), "rules.csv:4: 3 cells, but the header has 4"),
        (OFFERED.replace("send,offer", "offer,send"), "rules.csv:1: unknown column 'offer'"),
        (OFFERED.replace(",send,offer", ",offer"), "rules.csv:1: before offer stands send, not 'event.price'"),
        ("offer\nspring-sale\n", "rules.csv:1: before offer stands send, not ''"),
        (
            OFFERED.replace("< 3,> 100", ",> 100"),
            "rules.csv:3: overlaps line 2 where profile.orders is 3 and event.price is above 100: that one sends 'win-back-offer' "
            "with the offer 'spring-sale' and comes first, this one 'win-back-offer' with the offer 'big-order'",
        ),
    ],
)
def test_an_offer_that_is_wrong_is_an_error_of_its_line(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(BadPack) as refused:
        build(offering_pack(tmp_path, table))
    assert any(str(one).removeprefix(f"{tmp_path}/").startswith(said) for one in refused.value.problems), refused.value.problems


def test_a_pack_without_offers_has_none_to_name(tmp_path: Path) -> None:
    with pytest.raises(BadPack, match=r"rules.csv:2: offer: no \[\[offer\]\] named 'spring-sale': there is none"):
        build(offering_pack(tmp_path, OFFERED, offers=""))


def test_an_offer_that_its_message_never_prints_is_an_error_of_the_step(tmp_path: Path) -> None:
    found = review(offering_pack(tmp_path, OFFERED.replace("referral,", "referral,spring-sale")))
    assert any("message 'referral' never prints its offer" in one.message for one in found.errors), found.problems
