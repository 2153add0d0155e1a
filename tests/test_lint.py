"""What a well-formed pack still gets wrong, each with its line; and the reasoning behind "never" and "always"."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.message import MessageSource
from app.domain.trigger import Choice, Opening, Pack, Trigger
from app.policy import conditions
from app.policy.expression import parsed
from app.policy.fact import known
from app.policy.lint import lint
from app.policy.pack import BadPack, build, compile_artifact, shipped
from app.policy.place import Places
from app.policy.review import review
from app.policy.truth import always, never
from tests.test_packs import GOOD, build_text

FIRST, SECOND = 13, 24
"""Lines of the two triggers of GOOD."""


def found(old: str = "", new: str = "") -> list[str]:
    """What lint says of GOOD with one change."""
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    return said(compile_artifact("mine@1", build_text(text)), text)


def said(pack: Pack, text: str = GOOD, **more: Any) -> list[str]:
    return [str(one) for one in lint(pack, text, "p.toml", **more)]


def good(row: int = 0, **changes: Any) -> Pack:
    """GOOD, compiled, with one trigger changed as its text cannot say yet."""
    pack = compile_artifact("mine@1", build_text(GOOD))
    triggers = list(pack.triggers)
    triggers[row] = replace(triggers[row], **changes)
    return with_triggers(pack, triggers)


def with_triggers(pack: Pack, triggers: list[Trigger]) -> Pack:
    return replace(pack, triggers=tuple(triggers), by_name={one.name: one for one in triggers})


def when(text: str) -> Any:
    return conditions.condition(text, conditions.STEP)


def test_a_good_pack_and_all_that_ship_have_nothing_odd() -> None:
    assert found() == []
    assert {name: [str(one) for one in review(name).problems] for name in shipped()} == {name: [] for name in shipped()}


#
def test_opens_of_a_row_that_no_mail_concerns_and_a_condition_that_says_it_again() -> None:
    (one,) = said(good(opens="human"))
    assert one.startswith(f"p.toml:{FIRST}: ") and "so opens = 'human' changes nothing" in one
    mailed = replace(good().triggers[0].opening, on=("email_click",), scope="send_id", when=when("event.machine == false"))
    (one,) = [one for one in said(good(opens="human", opening=mailed)) if "machine" in one]
    assert "opens = 'human' leaves out what machines did already" in one


# conditions with AND and OR
@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("1 > 2", "never"),
        ("profile.orders < 0", "never"),
        ("event.x > 5 && event.x < 3", "never"),
        ("event.x > 5 && (event.x < 3 || event.x == 4)", "never"),
        ("event.x == 'a' && event.x == 'b'", "never"),
        ("!(intent.level in ['high', 'low']) && intent.level != 'medium'", "never"),
        ("intent.level == 'hihg'", "never"),
        ("profile.orders > 5 && profile.orders < 6", "never"),
        ("!has(event.x) && event.x > 3", "never"),
        ("event.x.startsWith('a') && !event.x.startsWith('a')", "never"),
        ("churn.probability > 1.0", "never"),
        ("size(window.products) < 0", "never"),
        ("false && event.x > 1", "never"),
        ("profile.orders >= 0", "always"),
        ("true", "always"),
        ("2 + 3 > 4 || event.x > 1", "always"),
        ("window.views > 0", "always"),
        ("intent.level in ['high', 'medium', 'low']", "always"),
        ("event.x > 5 && event.x < 6", "perhaps"),  # 5.5
        ("event.x > 5 || event.x <= 5", "perhaps"),  # it may be missing
        ("event.x > 5 && event.y < 3", "perhaps"),
        ("[1, 2].exists(i, i > 3)", "perhaps"),  # not looked into
        ("event.x > event.y && event.x < event.y", "perhaps"),
        ("event.x != 3", "perhaps"),
        ("event.a ? event.b > 3 : event.b > 5", "perhaps"),
    ],
)
def test_what_is_known_of_a_condition(condition: str, verdict: str) -> None:
    node = parsed(condition)
    assert verdict == ("never" if never(known, [node]) else "always" if always(known, node) else "perhaps")


_ATOMS = st.builds(
    lambda path, operator, constant: f"{path} {operator} {constant}",
    st.sampled_from(["event.a", "event.b", "profile.orders"]),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.integers(-1, 3),
) | st.sampled_from(["has(event.a)", "event.b in [1, 2]", "event.a == 'x'", "true", "false", "event.a"])
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: (
        st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || {})".format, inner, inner)
        | st.builds("!({})".format, inner)
        | st.builds("({} ? {} : {})".format, inner, inner, inner)
    ),
    max_leaves=5,
)
_MISSING = object()
_VALUES = (_MISSING, -2, -1, 0, 0.5, 1, 1.5, 2, 3, 4, "x", "y", True, False)


@given(_CONDITIONS)
@settings(max_examples=150, deadline=None)
def test_never_and_always_agree_with_cel_itself(text: str) -> None:
    node, condition = parsed(text), conditions.condition(text, conditions.STEP)
    held = set()
    for a, b, orders in product(_VALUES, _VALUES, (0, 1, 2, 3, 4)):
        event = {name: value for name, value in (("a", a), ("b", b)) if value is not _MISSING}
        held.add(condition.evaluate({"event": event, "profile": {"orders": orders}}).holds)
        if len(held) == 2:
            break
    if never(known, [node]):
        assert held == {False}, text
    elif always(known, node):
        assert held == {True}, text
    elif "?" not in text:  # a choice between comparisons is not followed to the end
        assert held == {True, False}, text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("event.dwell_seconds >= 30", "1 > 2", ":16: always false, so nothing opens this trigger: 1 > 2"),
        ("event.dwell_seconds >= 30", "profile.orders < 0", ":16: always false"),
        ("event.dwell_seconds >= 30", "profile.orders >= 0", ":16: warning: always true"),
        ("event.dwell_seconds >= 30", "event.price < 0", ":16: always false"),
        ('{ on = "purchase" }', '{ on = "purchase", when = "window.views < 1" }', ":19: always false, so this never cancels anything"),
        ("profile.orders >= 5", "window.step == 1", ":32: always false, so this message is never sent"),
        ("profile.orders >= 5", "window.step == 2", ":32: warning: always true"),
        ('wait = "2h"', 'wait = "2h"\nwhen = "event.dwell_seconds < 10"', ":22: contradicts what opens this trigger"),
        ('scope = "product" },', 'scope = "product" }, { on = "search", scope = "product" },', ":18: warning: search carries no product"),
        ('open = { on = "product_view"', 'open = { on = "search"', ":16: warning: search carries no product"),
        ('{ on = "quiz_done" }', '{ on = "email_sent" }', ":27: a cycle: its own message causes email_sent, which opens it again"),
        ('{ on = "quiz_done" }', '{ on = "email_sent" }\nagain = "7d"', ":27: warning: a cycle: its own message causes email_sent"),
        ('{ on = "quiz_done" }', '{ on = "email_open" }', ":27: warning: a cycle: her email_open"),
        ('{ on = "cart_add", scope', '{ on = "product_view", scope', ":18: warning: each product_view cancels the window"),
        ('["quiz_done"]', '["quiz_done", "quiz_left"]', ":3: warning: event type 'quiz_left' is used by no trigger"),
    ],
)
def test_each_oddity_has_its_line(old: str, new: str, expected: str) -> None:
    lines = found(old, new)
    assert any(one.startswith("p.toml" + expected) for one in lines), lines


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{ on = "quiz_done" }', '{ on = "email_sent" }\nonce = true'),
        ('{ on = "quiz_done" }', '{ on = "email_open" }\nagain = "1d"'),
        ('{ on = "cart_add", scope = "product" }', '{ on = "product_view" }'),  # another product takes her attention
        ('wait = "2h"', 'wait = "2h"\nwhen = "profile.orders < 1"'),
    ],
)
def test_what_is_meant_is_not_blamed(old: str, new: str) -> None:
    # The other event no longer carries a cart, and the quiz has no trigger left; that is said, and beside the point here.
    assert [one for one in found(old, new) if "event type 'quiz_done'" not in one and "has a part about" not in one] == []


def test_a_step_that_contradicts_its_opening_only_where_the_event_says_so() -> None:
    # Her orders may grow between the opening and the step; the event that opened the window stays what it was.
    grown = GOOD.replace("event.dwell_seconds >= 30", "profile.orders < 1")
    grown = grown.replace('wait = "2h"', 'wait = "2h"\nwhen = "profile.orders > 3"')
    assert said(compile_artifact("mine@1", build_text(grown)), grown) == []


def test_an_opening_that_its_own_cancel_always_cancels() -> None:
    cancels = compile_artifact("mine@1", build_text(GOOD)).triggers[0].cancels
    pack = good(cancels=(replace(cancels[0], on=("product_view",), scope="product", before=True),))
    assert "p.toml:18: unreachable: the product_view that opens first cancels it at once" in said(pack)


#
def test_choices_that_are_never_taken() -> None:
    choose = 'choose = [\n  { when = "a" },\n  { when = "b" },\n  { when = "c" },\n]'
    text = GOOD.replace('send = "product-details"', f'send = "product-details"\n{choose}')
    step = compile_artifact("mine@1", build_text(GOOD)).triggers[0].steps[0]
    choices = [Choice(when(one), "referral") for one in ("profile.orders >= 2", "profile.orders > 4", "1 > 2")]
    pack = good(steps=(replace(step, choices=tuple(choices)),))
    assert [one.partition(": ")[0] for one in said(pack, text)] == ["p.toml:25", "p.toml:26"]
    assert "unreachable: an earlier choice always holds where this one does" in said(pack, text)[0]
    choices[1:] = [Choice(when("profile.orders < 2"), "referral")]
    pack = good(steps=(replace(step, choices=tuple(choices)),))
    assert said(pack, text) == ["p.toml:22: warning: never sent: one of the choices always holds"]


def test_a_message_that_its_trigger_cannot_fill() -> None:
    def mail(text: str) -> dict[str, MessageSource]:
        html = '<p>Hello</p><a href="{{ unsubscribe_url }}">x</a>'
        return {"product-details": MessageSource("product-details", "Hello", "Hi", html, text + " {{ unsubscribe_url }}")}

    def of(text: str) -> list[str]:
        pack = good()
        return said(replace(pack, messages={**pack.messages, **mail(text)}))

    assert of("{{ order.order_id }}") == [
        "p.toml:22: message 'product-details' prints order.order_id, which first (opened by product_view, scope product) never has"
    ]
    assert "prints event.query" in of("{{ event.query }}")[0]
    assert of("{{ event.product_name }}, {{ window.products[0].price }}, {{ event.dwell_seconds }}") == []
    assert of("{{ event.shoe_size }}") == []  # a shop's own key: its messages' check asks for a default
    assert of("{% if order.order_id %}{{ order.order_id }}{% endif %}") == [
        "p.toml:22: warning: message 'product-details' has a part about order, which no trigger that sends it can fill"
    ]


def test_a_message_about_products_in_a_window_without_any() -> None:
    pack = good(opening=Opening(("search",), "person"))
    text = "{{ window.products[0].product_name }} {{ unsubscribe_url }}"
    message = MessageSource("product-details", "Hello", "Hi", '<a href="{{ unsubscribe_url }}">x</a>', text)
    lines = said(replace(pack, messages={**pack.messages, "product-details": message}))
    assert any("p.toml:22: message 'product-details' prints an item of a list, which first (opened" in one for one in lines), lines


def test_groups_that_keep_nobody_apart() -> None:
    #
    text = GOOD.replace('wait = "2h"', 'wait = "2h"\ngroup = "b"')
    text += '\n[[group]]\nname = "a"\nwhy = "x"\nscope = "person"\n\n[[group]]\nname = "b"\nwhy = "x"\nscope = "person"\n'
    assert said(compile_artifact("mine@1", build_text(text)), text) == [
        "p.toml:36: warning: group 'a' keeps nobody apart: no trigger is in it",
        "p.toml:41: warning: group 'b' keeps nobody apart: only first is in it",
    ]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ('["othre"]', "no trigger is called 'othre'; did you mean other?"),
        ('["first"]', "first is not another one of group 'b'"),
        ('["third"]', "third is not another one of group 'b'"),
        ('["other"]', "other takes it over from this one, too: neither would ever end"),
    ],
)
def test_a_row_takes_over_only_from_another_of_its_group(names: str, why: str) -> None:
    def row(name: str, more: str) -> str:
        return f'\n[[trigger]]\nname = "{name}"\nwhy = "x"\nopen = {{ on = "search" }}\nwait = "1h"\nsend = "product-details"\n{more}\n'

    text = GOOD.replace('wait = "2h"', f'wait = "2h"\ngroup = "b"\ntakes_over = {names}')
    text += row("other", 'group = "b"\ntakes_over = ["first"]') + row("third", "")
    text += '\n[[group]]\nname = "b"\nwhy = "x"\nscope = "person"\n'
    found = said(compile_artifact("mine@1", build_text(text)), text)
    assert any(f"takes_over: {why}" in one for one in found), found


def test_experiments_that_pull_at_one_wait() -> None:
    #
    head = '\n[[experiment]]\nname = "{}"\nwhy = "x"\nenabled = true\ntriggers = ["first"]\narm = [\n'
    text = GOOD + head.format("one") + '  { name = "now", share = 0.5, wait = "0s" },\n  { name = "later", share = 0.5, wait = "1d" },\n]\n'
    text += head.format("two") + '  { name = "now", share = 1, wait = "0s" },\n  { name = "later", share = 0, wait = "0s" },\n]\n'
    assert said(compile_artifact("mine@1", build_text(text)), text) == [
        "p.toml:45: warning: experiment 'two': its arms do not differ, so it can show nothing",
        "p.toml:45: warning: experiment 'two': nobody gets into arm 'later', its share is 0",
        "p.toml:45: 'one' and 'two' are both switched on for first and both set its wait",
    ]
    off = text.replace("enabled = true", "enabled = false")
    assert said(compile_artifact("mine@1", build_text(off)), off) == []
    forgotten = text.replace("enabled = true\n", "")
    assert [one.partition(": ")[2] for one in said(compile_artifact("mine@1", build_text(forgotten)), forgotten)] == [
        f"warning: experiment '{name}' runs nothing: enabled is false where it is not said" for name in ("one", "two")
    ]


def of_mail(opening: str) -> list[str]:
    text = GOOD.replace('{ on = "quiz_done" }', opening).replace('["quiz_done"]', "[]")
    return [one for one in said(compile_artifact("mine@1", build_text(text)), text) if "event." in one]


def test_a_condition_on_a_mail_of_ours_knows_the_triggers_and_messages_of_the_pack() -> None:
    mailed = '{{ on = "mail_sent", scope = "send_id", when = "{}" }}'
    assert of_mail(mailed.format("event.trigger == 'second'")) == []
    (line,) = of_mail(mailed.format("event.trigger == 'secnd'"))
    assert "always false, so nothing opens this trigger" in line
    assert line.endswith("this pack has no trigger 'secnd'; did you mean second?") and "warning" not in line
    (line,) = of_mail(mailed.format("event.trigger in ['second', 'secnd']"))
    assert "warning: this pack has no trigger 'secnd'; did you mean second?" in line
    (line,) = of_mail(mailed.format("event.message == 'product-detail'"))
    assert line.endswith("this pack has no message 'product-detail'; did you mean product-details?")
    opened = '{ on = "email_open", scope = "send_id", when = "event.trigger == \'secnd\'" }'
    (line,) = of_mail(opened)
    assert "warning: this pack has no trigger 'secnd'" in line, "the provider may tell of more than we do"


def test_packs_of_one_name_are_told_in_one_line() -> None:
    (line,) = said(good(), namesakes=[f"{n}.toml" for n in range(11)])
    assert "0.toml, 1.toml, 2.toml and 8 more are packs named" in line
    (line,) = said(good(), namesakes=["a.toml"])
    assert "a.toml is a pack named" in line


def test_a_pack_that_extends_another_answers_for_its_own_rows(tmp_path: Path) -> None:
    text = 'name = "mine"\nwhy = "x"\nextends = "s1"\n\n[[trigger]]\nname = "extra"\nwhy = "x"\n'
    text += 'open = { on = "search", when = "1 > 2" }\nwait = "1h"\nsend = "referral"\n'
    (tmp_path / "mine.toml").write_text(text)
    assert [str(one) for one in review(str(tmp_path / "mine.toml")).problems] == [
        f"{tmp_path}/mine.toml:8: always false, so nothing opens this trigger: 1 > 2"
    ]


def test_what_an_answer_to_a_mail_looks_at_is_what_the_mail_was_about() -> None:
    text = GOOD.replace('{ on = "quiz_done" }', '{ on = "email_open", scope = "send_id", when = "event.send_id != \'\'" }')
    text = text.replace('wait = "30min"', 'wait = "30min"\nwhen = "event.price > 3"').replace('["quiz_done"]', "[]")
    pack = compile_artifact("mine@1", build_text(text))
    assert said(pack, text) == []


def test_everybody_held_out() -> None:
    text = GOOD + '\n[holdout]\nshare = 1\nwhy = "x"\n'
    found = said(compile_artifact("mine@1", build_text(text)), text)
    assert found == ["p.toml:35: holdout: everybody is held out, so nobody gets a message"]


def test_messages_beside_the_pack_and_packs_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "unused.mjml").write_text("<mjml></mjml>")
    (tmp_path / "mine.toml").write_text(GOOD)
    (tmp_path / "other.toml").write_text('name = "mine"')
    (tmp_path / "broken.toml").write_bytes(b"\xff")
    found = review(str(tmp_path / "mine.toml"))
    assert found.errors == []
    assert [str(one) for one in found.problems] == [
        f"{tmp_path}/mine.toml:1: warning: {tmp_path}/other.toml is a pack named 'mine', too: only their hashes tell the two apart",
        f"{tmp_path}/messages/unused.mjml:0: warning: message 'unused' lies beside the pack, but nothing sends it",
    ]


def test_a_pack_that_does_not_compile_is_not_reviewed(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD.replace('"2h"', '"-2h"'))
    with pytest.raises(BadPack, match="21: wait: a duration"):
        review(str(tmp_path / "mine.toml"))


def test_a_steps_condition_is_not_taken_for_that_of_its_opening() -> None:
    text = GOOD.replace('wait = "2h"', 'wait = "2h"\nwhen = "true"')
    places = Places(text)
    assert places.line(("trigger", 0, "open", "when")) == 16
    assert places.line(("trigger", 0, "when")) == 22
    nested = "[[trigger]]\nfollow_up = [\n {\n choose = [ {},\n { x = 1 } ] },\n { when = 1 } ]\n"
    assert Places(nested).line(("trigger", 0, "follow_up", 0, "choose", 1, "x")) == 5
    assert Places(nested).line(("trigger", 0, "follow_up", 1, "when")) == 6


def test_the_whole_of_a_shipped_pack_is_reviewed_in_no_time() -> None:
    assert build("merged")[0] == review("merged").ref
