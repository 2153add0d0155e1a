"""Packs: the shipped ones say what the guides say; a bad one is refused with every fault, its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.agents.kinds import compilers
from app.domain import scheduler, window
from app.domain.orders import Orders
from app.domain.trigger import Pack
from app.policy.pack import KINDS, BadPack, build, check, compile_artifact, find, shipped
from app.policy.place import Places
from app.policy.schema import Source
from tests.her import DAY, HOUR, MINUTE, MONDAY, SECOND, Her, pack

GOOD = """\
name = "mine"
why  = "a shop's own" # with a comment = { trap
event_types = ["quiz_done"]

[sender]
from = "a@shop.example"
name = "Shop"

[consent]
email       = "opt_in"
personalise = "opt_in"

[[trigger]]
name = "first"
why  = "one"
open = { on = "product_view", scope = "product", when = "event.dwell_seconds >= 30" }
cancel = [
  { on = "cart_add", scope = "product" },
  { on = "purchase" },
]
wait = "2h"
send = "product-details"

[[trigger]]
name = "second"
why  = "two { braces = in a text }"
open = { on = "quiz_done" }
wait = "30min"
send = "related-products"
follow_up = [
  { wait = "3d", send = "cart-reminder" },
  { wait = "1d", send = "referral", when = "profile.orders >= 5" },
]
"""


def problems(text: str) -> list[str]:
    return [str(problem) for problem in Source(text, "p.toml").problems]


def steps(name: str, trigger: str) -> list[tuple[int, str]]:
    return [(step.wait, step.message) for step in pack(name).by_name[trigger].steps]


@pytest.mark.parametrize("name", ["s1", "merged"])
def test_the_shipped_packs_carry_the_guides_figures(name: str) -> None:
    #
    assert steps(name, "product_page_abandonment") == [(2 * HOUR, "product-details"), (24 * HOUR, "related-products")]
    assert steps(name, "cart_abandonment") == [(2 * HOUR, "cart-reminder"), (24 * HOUR, "cart-last-call")]
    assert steps(name, "post_purchase") == [
        (2 * DAY, "usage-tips"),
        (5 * DAY, "complements"),
        (7 * DAY, "review-request"),
        (14 * DAY, "referral"),
    ]
    #
    assert steps(name, "search_abandonment") == [(30 * MINUTE, "search-alternatives"), (48 * HOUR, "category-exploration")]
    assert steps(name, "pricing_page_focus") == [(HOUR, "value-justification"), (72 * HOUR, "limited-time-offer")]
    assert steps(name, "content_engagement") == [(4 * HOUR, "simplified"), (44 * HOUR, "simplified-retry")]
    assert steps(name, "link_click_pattern") == [(2 * HOUR, "retargeting-incentive"), (48 * HOUR, "objections")]
    loaded = pack(name)
    late = {row.name: row.late for row in loaded.triggers}
    assert (late["product_page_abandonment"], late["post_purchase"]) == (6 * HOUR, 3 * DAY)
    longer = {row.name: row.expires for row in loaded.triggers if row.expires != 24 * HOUR and row.name != "lifecycle_programme"}
    assert longer == ({} if name == "s1" else {**dict.fromkeys(RARE, 7 * DAY), "welcome": 3 * DAY})
    assert all(row.why for row in loaded.triggers)
    assert loaded.consent == {"track": "opt_out", **dict.fromkeys(("email", "personalise", "sms", "push"), "opt_in")}


RARE = ("post_purchase", "replenishment", "purchase_window", "win_back", "churn_watch", "churn_critical", "reactivation_potential")
"""What a week's caps must not let run out in a day."""


def test_what_merged_has_of_its_own() -> None:
    #
    assert steps("merged", "welcome") == [(0, "welcome"), (2 * DAY, "welcome-recommendations"), (3 * DAY, "welcome-offer")]
    #
    assert steps("merged", "view_no_purchase_24h") == [(24 * HOUR, "personal-follow-up")]
    assert steps("merged", "view_no_purchase_48h") == [(48 * HOUR, "abandoned-product")]
    assert steps("merged", "repeat_browsing") == [(3 * HOUR, "still-interested"), (48 * HOUR, "related-products")]
    assert steps("merged", "wishlist") == [(3 * DAY, "wishlist-reminder"), (14 * DAY, "wishlist-last")]
    rows = pack("merged").by_name
    once_ever = {"welcome", "post_purchase", "content_engagement", "link_click_pattern", "lifecycle_programme", "sms_fallback"}
    assert {name for name, row in rows.items() if not row.again} == once_ever
    assert rows["cart_abandonment"].again == 24 * HOUR
    assert {row.again for name, row in rows.items() if name not in {*once_ever, "cart_abandonment"}} == {7 * DAY}
    # whoever speaks first about a product is not interrupted
    held = {"product_page_abandonment", "cart_abandonment", "view_no_purchase_24h", "view_no_purchase_48h", "repeat_browsing"}
    assert {name for name, row in rows.items() if row.group == "view-abandonment"} == held
    assert not pack("merged").experiments and not pack("merged").holdout and not pack("s1").experiments
    assert list(pack("cart-timing").experiments) == ["cart_abandonment"]
    assert [name for name, row in rows.items() if row.restart] == ["cart_abandonment"]
    assert [name for name, row in rows.items() if row.once] == ["welcome"]
    assert rows["welcome"].needs == ("email",)
    assert [(level.name, level.threshold) for level in pack("merged").churn_levels] == [("critical", 0.7), ("watch", 0.65)]
    assert "welcome" not in pack("s1").by_name
    assert not any(row.again for row in pack("s1").triggers)


def test_a_good_pack_has_no_fault() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('wait = "2h"', 'wait = "2 hours"', 21, "a duration such as 30min, 2h or 3d, not '2 hours'"),
        ('wait = "2h"', "wait = 7200", 21, "a duration such as"),
        ('wait = "2h"', 'wait = "999d"', 21, "at most 400d"),
        ('{ wait = "3d", send', '{ wait = "3 days", send', 31, "wait: a duration"),
        ('{ wait = "1d", send = "referral"', '{ wait = "1d", sent = "referral"', 32, "unknown field 'sent'"),
        ('send = "product-details"', 'send = "product-details"\ncolour = "x"', 23, "unknown field 'colour'"),
        ('on = "quiz_done"', 'on = "quizz_done"', 27, "unknown event 'quizz_done'"),
        ('on = "cart_add"', 'on = "cart_ad"', 18, "unknown event 'cart_ad'"),
        ('{ on = "purchase" }', '{ on = "purchase", scope = "order_id" }', 19, "or the opening's own (product)"),
        ('scope = "product", when', 'scope = "products", when', 16, "not 'products'"),
        ("event.dwell_seconds >= 30", "evnt.dwell_seconds >= 30", 16, "undeclared reference to 'evnt"),
        ("event.dwell_seconds >= 30", "event.dwell_seconds >=", 16, "Syntax error"),
        ("event.dwell_seconds >= 30", "1 + 2", 16, "true or false, not INT"),
        ("event.dwell_seconds >= 30", "window.views > 2", 16, "undeclared reference to 'window"),
        ("profile.orders >= 5", "profile.orderz >= 5", 32, "profile has no 'orderz'"),
        ("profile.orders >= 5", "window.viewz >= 5", 32, "window has no 'viewz'"),
        ('name = "second"', 'name = "first"', 25, "trigger 'first' a second time"),
        ('name = "second"', 'name = "Second One"', 25, "snake_case"),
        ('why  = "one"\n', "", 13, "why is missing"),
        ('from = "a@shop.example"', 'from = "a shop"', 6, "an e-mail address"),
        ('from = "a@shop.example"', 'from = "a@shop.example\\nBcc: x@y.example"', 6, "one line of printable text"),
        ('email       = "opt_in"', 'email       = "maybe"', 10, "opt_in (absence means no)"),
        ('personalise = "opt_in"\n', "", 12, "needs 'personalise', of which [consent] says nothing"),
        ('wait = "30min"', 'wait = "30min"\nrestart = "yes"', 29, "restart: true or false"),
        ('wait = "30min"', 'wait = "30min"\npriority = -1', 29, "priority: a whole number"),
        ('wait = "30min"', 'wait = "30min"\nneeds = ["email", "sms"]', 29, "needs 'sms'"),
        ('wait = "30min"', 'wait = "30min"\nexpires = "0s"', 29, "expires"),
        ("[sender]", "[sander]", 5, "unknown field 'sander'"),
        ("[consent]", "[consent", 9, "Expected"),
        ("event_types = [", "event_types = [1, ", 3, "a list of texts"),
        ('why  = "two { braces = in a text }"', "why = 3", 26, "why: a text, not 3"),
    ],
)
def test_each_fault_has_its_line(old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))
    assert any(one.startswith(f"p.toml:{line}: ") and said in one for one in found), found


def test_all_faults_are_found_at_once() -> None:
    text = GOOD.replace('"2h"', '"2x"').replace('"3d"', '"3x"').replace("event.dwell", "evnt.dwell").replace('"quiz_done" }', '"quizz" }')
    assert [one.split(":")[1] for one in problems(text)] == ["16", "21", "27", "31"]


def test_an_order_has_no_second_window_and_many_products() -> None:
    order = GOOD.replace('{ on = "quiz_done" }', '{ on = "purchase", scope = "order_id" }\nagain = "1d"')
    assert any("no second window of the same order_id" in one for one in problems(order))
    product = GOOD.replace('{ on = "quiz_done" }', '{ on = "purchase", scope = "product" }')
    assert any("an order has many products" in one for one in problems(product))


def test_unknown_messages_and_packs(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace('"cart-reminder"', '"no-such-message"'))
    with pytest.raises(BadPack) as refused:
        build(str(file))
    assert [str(one) for one in refused.value.problems] == [
        f"{file}:31: unknown message 'no-such-message': no no-such-message.mjml in messages/ beside the pack or among the shipped ones"
    ]
    with pytest.raises(BadPack, match="no such pack"):
        find("nobody")
    file.write_bytes(b'name = "x"\nwhy = "\xff"\n')
    with pytest.raises(BadPack, match=r"mine.toml:2: not UTF-8"):
        build(str(file))


def test_a_pack_brings_its_own_messages(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    shipped_messages = Path(find("s1")).parent.parent / "messages"
    for suffix in ("mjml", "txt"):
        text = (shipped_messages / f"product-details.{suffix}").read_text("utf-8")
        (tmp_path / "messages" / f"product-details.{suffix}").write_text(text.replace("subject:", "subject: Mine!"), "utf-8")
    (tmp_path / "mine.toml").write_text(GOOD)
    _, _, messages, faults = check(tmp_path / "mine.toml")
    assert faults == []
    assert messages["product-details"].subject.startswith("Mine!")
    assert not messages["related-products"].subject.startswith("Mine!")


def test_the_same_pack_is_the_same_artifact_wherever_it_lies(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(GOOD)
    one, other = (build(str(tmp_path / folder / "mine.toml")) for folder in ("a", "b"))
    assert one == other
    assert str(tmp_path).encode() not in one[1]
    (tmp_path / "b" / "mine.toml").write_text(GOOD.replace("2h", "3h"))
    assert build(str(tmp_path / "b" / "mine.toml"))[0] != one[0]
    loaded = compile_artifact(*one)
    assert isinstance(loaded, Pack)
    assert loaded.ref == one[0] == f"mine@{loaded.version}"
    assert set(loaded.messages) == {"product-details", "related-products", "cart-reminder", "referral"}


def test_an_event_of_the_shops_own_opens_a_window() -> None:
    loaded = compile_artifact("mine@1", build_text(GOOD))
    her = Her(loaded)
    her.event("quiz_done", 0)
    her.until(HOUR)
    assert her.sends() == [("related-products", "0 00:30:00")]


def test_shipped_names() -> None:
    assert {"s1", "merged"} <= set(shipped())


def test_facts_of_a_window_are_those_that_conditions_may_name() -> None:
    her = Her()
    her.event("cart_add", 0, product_id="p")
    (one,) = her.group.person.windows.open
    assert set(window.facts(one, Orders())) == window.FACTS
    assert sum(row.once for row in pack("merged").triggers) <= scheduler.MAX_ONCE
    assert one.due_at == MONDAY + 7200 * SECOND


def test_a_place_that_is_not_there_gets_its_nearest() -> None:
    places = Places(GOOD)
    assert places.line(("trigger", 1, "open", "nowhere")) == 27
    assert places.line(("trigger", 9)) == 24
    assert places.line(("nothing",)) == 1
    assert Places("").line(("x",)) == 1


def test_no_pack_is_called_as_another_kind_of_artifact(tmp_path: Path) -> None:
    # Workers wait for the pack they decide by; what begins as a model or a budget they would go on without.
    assert set(compilers(1)) == KINDS
    for name in KINDS:
        file = tmp_path / "own.toml"
        file.write_text("\n" + GOOD.replace('"mine"', f'"{name}"'))
        with pytest.raises(BadPack) as bad:
            build(str(file))
        assert [str(one) for one in bad.value.problems] == [
            f"{file}:2: name: {name!r} is the name of a kind of artifact, and no pack may have it"
        ]
        file.write_text(GOOD.replace('"mine"', f'"{name}-2"'))
        assert build(str(file))[0].startswith(f"{name}-2@")


def build_text(text: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.toml"
        file.write_text(text)
        return build(str(file))[1]
