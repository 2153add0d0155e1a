"""No template takes long or much, whatever stands in it: it is refused with its line when it is saved, and is a recorded non-send after."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app import events
from app.agents.renderer_program import RendererProgram
from app.domain import liquid_limits
from app.domain.liquid_limits import MAX_BITS, MAX_RANGE, MAX_WORK, LimitedContext, unreadable
from app.domain.message import MessageSource
from app.domain.message_view import MAX_ITEMS, MAX_TEXT
from app.domain.rendering import RenderFailed, render, straight
from app.policy.messages import FULL, build_messages
from tests.mails import outputs, pack, plan, shipped

VIEW: dict[str, Any] = {
    "event": {"a": "x", "long": "x" * MAX_TEXT, "words": "a b " * (MAX_TEXT // 4), "tags": "<" * 1000 + ">" * 1000, "number": 10**9},
    "window": {"products": [{"product_id": f"p{n}", "product_name": f"Name {n}"} for n in range(MAX_ITEMS)]},
    "unsubscribe_url": "https://shop.example/u/token",
}
BIG = "{% assign b = event.long %}" + "{% assign b = b | append: b %}" * 5
WORDS = "{% assign w = event.words | split: ' ' %}"
TWICE = " | replace: 'x', 'xx'"


def loop(inside: str, times: str = "(1..2000)") -> str:
    return f"{{% for i in {times} %}}{inside}{{% endfor %}}"


BOMBS = {
    "a range joined": "{{ (1..999999999) | join: '' | size }}",
    "a range turned round": "{% assign x = (1..999999999) | reverse %}",
    "a range asked for a text": "{% if (1..999999999) contains 'a' %}{% endif %}",
    "a range under default": "{% assign x = nobody | default: (1..999999999) | join %}",
    "a range as an argument": "{{ 'a' | append: (1..999999999) }}",
    "a range in ifchanged": "{% ifchanged %}{% for i in (1..999999999) offset: 999999990 %}x{% endfor %}{% endifchanged %}",
    "a range to a variable": "{{ (1..event.number) | size }}",
    "a range of many digits": f"{{{{ (1..{'9' * 50}) | size }}}}",
    "a range within a loop": loop("{{ (1..200000) | join: '' | size }}"),
    "a short range in a loop": loop("{{ (1..2000) | join: '' | size }}"),
    "a text between all letters": "{% assign x = event.long | replace: '', event.long %}",
    "a text that doubles": f"{{{{ event.long{TWICE * 60} }}}}",
    "a text that doubles, from one letter": f"{{{{ 'x'{TWICE * 60} | size }}}}",
    "a list that doubles": WORDS + "{% assign w = w | concat: w | concat: w | concat: w %}" * 5,
    "a separator as long as its list": f"{BIG}{WORDS}{{{{ w | join: b | size }}}}",
    "a number that grows": "{{ 9" + " | times: 99999999999999" * 60 + " }}",
    "a number that squares itself": "{% assign x = 9999999 %}" + "{% assign x = x | times: x %}" * 60,
    "tags stripped again and again": loop("{{ event.tags | strip_html | size }}"),
    "a long text stripped": "{% assign t = event.tags %}" + "{% assign t = t | append: t %}" * 5 + "{{ t | strip_html | size }}",
    "each compared with each": WORDS + loop("{% assign u = w | uniq %}"),
    "loop after loop": loop("") * 5_000,
    "a long loop": loop("{% if event.a contains 'x' %}{% endif %}" * 4_000),
    "a long loop within ifchanged": f"{{% ifchanged %}}{loop('{% if event.a %}{% endif %}' * 4_000)}{{% endifchanged %}}",
    "a text sought in a long one": BIG + loop("{% if b contains event.long %}{% endif %}" * 10),
    "long texts compared": f"{BIG}{{% capture c %}}{{{{ b }}}}{{% endcapture %}}" + loop("{% if b == c %}{% endif %}" * 500),
    "captures thrown away": "{% capture a %}x{% endcapture %}"
    + loop("{% capture a %}{{ event.long }}{{ window.products }}{% endcapture %}" * 9),
    "one text printed for ever": BIG + "{{ b }}" * 20_000,
    "one text in a cycle": BIG + "{% cycle b %}" * 9_000,
    "cases of cases": "{% case event.a %}{% when 'x'" + ", 'x'" * 200 + " %}{% assign y = 1 %}",
    "many names": "".join(f"{{% assign a{n} = true %}}" for n in range(3_000)),
    "many names in a loop": "".join(f"{{% assign a{n} = 1 %}}" for n in range(400)) + loop("{% assign a1 = 2 %}" * 1_000),
    "a wide date": "{{ '2026-03-02' | date: '" + "%50000d" * 30 + "' }}",
    "a filter that finds no key": "{{ window.products | compact: 'nothing' }}",
}
BOMBS["cases of cases"] = BOMBS["cases of cases"] * 8 + "{% endcase %}" * 8


@pytest.mark.parametrize("name", BOMBS)
def test_no_template_takes_long(name: str) -> None:
    """A loop, a capture and the output had limits; what a filter was given and gave back had none, nor had the sum of it all."""
    began = time.process_time()
    with pytest.raises(RenderFailed):
        render(MessageSource("m", "s", "p", BOMBS[name], "t"), VIEW)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "name", [name for name in BOMBS if name.startswith(("a text that", "a text between", "a list", "a separator", "a number"))]
)
def test_no_template_takes_much(name: str) -> None:
    """One took 23 GB."""
    tracemalloc.start()
    try:
        with pytest.raises(RenderFailed):
            render(MessageSource("m", "s", "p", BOMBS[name], "t"), VIEW)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OverflowError, KeyError, AttributeError])
def test_what_python_raises_in_a_filter_is_a_fault_of_the_template(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*told: Any) -> None:
        raise error

    monkeypatch.setattr(LimitedContext, "changed", fails)
    with pytest.raises(RenderFailed, match=f"{error.__name__} in a filter"):
        render(MessageSource("m", "s", "p", "{{ event.long | upcase }}", "t"), VIEW)


def test_a_bomb_in_a_published_pack_is_a_recorded_non_send() -> None:
    bomb = MessageSource("product-details", "s", "p", BOMBS["a range joined"], "t")
    told = RendererProgram(lambda ref: msgspec.structs.replace(pack(), messages={"product-details": bomb}), "secret", "https://k.example")
    [decision, *_] = outputs(plan("product-details"), told)
    decided = msgspec.json.decode(decision.value, type=events.Decision)
    assert (decided.outcome, decided.reason) == ("not_sent", "missing_content")
    assert decided.values["failed"] == f"a range of 999999999 numbers: at most {MAX_RANGE}"


# --- when it is saved -----------------------------------------------------------------------------------------------------------


HEAD = '<mjml lang="en">\n<mj-body>\n<mj-section><mj-column>\n<mj-text>'
TAIL = '<a href="{{ unsubscribe_url }}">Leave</a></mj-text>\n</mj-column></mj-section>\n</mj-body>\n</mjml>\n'
TEXT = "subject: S\npreheader: P\n---\n{{ unsubscribe_url }}\n"


def saved(tmp_path: Path, markup: str = "", text: str = TEXT) -> tuple[str, float]:
    """What is said of a message with this in it, and the seconds it took."""
    (tmp_path / "bomb.mjml").write_text(f"{HEAD}one line\n{markup}{TAIL}")
    (tmp_path / "bomb.txt").write_text(text)
    began = time.process_time()
    _, problems = build_messages(["bomb"], [tmp_path])
    return "\n".join(str(one).removeprefix(f"{tmp_path}/") for one in problems), time.process_time() - began


@pytest.mark.parametrize(
    ("markup", "told"),
    [
        ("{{ (1..999999999) | join: '' | size }}", "bomb.mjml:5: a range of 999999999 numbers: at most 2000"),
        ("{{ (1..2000) | size }}", ""),
        (loop("\n{{ (1..2000) | join: '' | size }}\n"), "bomb.mjml:6: cannot be rendered: too much work"),
        ("\n{{ event.product_name" + TWICE.replace("x", "P") * 60 + " }}", "bomb.mjml:6: cannot be rendered: replace makes more than"),
        ("\n{{ 'x'" + TWICE * 60 + " | size }}", "bomb.mjml:6: cannot be rendered: replace makes more than 200000 characters"),
        ("\n\n{{ 9" + " | times: 99999999999999" * 60 + " }}", "bomb.mjml:7: cannot be rendered: times makes a number of more than"),
        ("\n{{ 'a' | date: '%Y' }}", "bomb.mjml:6: cannot be rendered: ValueError in a filter"),
        ("\n{{" * 20_000, "bomb.mjml:6: a tag, or a line of {% liquid %}, of more than 2000 characters"),
        ("\n{%" * 20_000, "bomb.mjml:6: {% without %}"),
        ("\n{% raw %}" * 10_000, "bomb.mjml:6: raw without endraw"),
        ("\n{% liquid " + "\n" * 20_000 + "%}", "bomb.mjml:6: more than 200 blanks in a row within a tag"),
        ("\n{{ " + "(" * 10_000 + " }}", "bomb.mjml:6: a tag, or a line of {% liquid %}, of more than 2000 characters"),
        ("\n{% if " + " and ".join(["event"] * 150) + " %}{% endif %}", ""),
    ],
)
def test_a_bomb_is_refused_with_its_line_and_at_once(tmp_path: Path, markup: str, told: str) -> None:
    found, seconds = saved(tmp_path, markup)
    first = next((one for one in found.split("\n") if told and one.startswith(told)), found)
    assert first.startswith(told) if told else not found, found[:500]
    assert seconds < 3


def test_subject_text_and_text_message_name_their_lines_too(tmp_path: Path) -> None:
    bomb = "{{ 'x'" + TWICE * 60 + " | size }}"
    why = "cannot be rendered: replace makes more than 200000 characters"
    assert saved(tmp_path, text=f"subject: S\npreheader: {bomb}\n---\n{{{{ unsubscribe_url }}}}\n")[0] == f"bomb.txt:2: {why}"
    assert saved(tmp_path, text=f"subject: S\npreheader: P\n---\nA\n{bomb}{{{{ unsubscribe_url }}}}\n")[0] == f"bomb.txt:5: {why}"
    (tmp_path / "bomb.sms.txt").write_text(f"Hello\n{bomb}\nSTOP\n")
    assert saved(tmp_path)[0] == f"bomb.sms.txt:2: {why}"


# --- what is allowed stays ------------------------------------------------------------------------------------------------------


def test_a_mail_takes_a_hundredth_of_what_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedContext, "work", MAX_WORK // 100)
    for source in shipped().values():
        assert render(source, {**FULL, "unsubscribe_url": "https://shop.example/u/token"}).html
    with pytest.raises(RenderFailed, match="too much work"):
        render(MessageSource("m", "s", "p", loop("{{ event.a }}"), "t"), VIEW)


def test_just_what_is_allowed_is_written() -> None:
    def html(template: str) -> str:
        return render(MessageSource("m", "s", "p", template, "t"), VIEW).html

    assert html(f"{{{{ (1..{MAX_RANGE}) | join: '' | size }}}}") == str(len("".join(map(str, range(1, MAX_RANGE + 1)))))
    assert html("{{ (1..3) | reverse | join: ', ' }}{{ (2..event.a) | size }}") == "3, 2, 10"
    assert html("{{ event.long | replace: 'x', 'yy' | size }}") == str(2 * MAX_TEXT)
    assert html("{{ event.words | split: ' ' | uniq | join: '+' }}") == "a+b"
    assert len(html("{{ 2" + " | times: 1024" * (MAX_BITS // 10) + " }}")) == 308
    assert html("{{ window.products | map: 'product_name' | last }}") == f"Name {MAX_ITEMS - 1}"
    assert html("{% raw %}{{ {{ {% endraw %}") == "{{ {{ "


@pytest.mark.parametrize("text", ["{{" * 20, "a { b } c %}", "{% raw %}{{ {% endraw %}", "{{ a }}" + " " * 1_000 + "{% if b %}{% endif %}"])
def test_what_reads_quickly_is_read(text: str) -> None:
    assert unreadable(text) is None
    assert straight("{{" * 21) == "{{" * 21 and unreadable("{{" * 21) == (0, "{{ without }}")
    assert liquid_limits.MAX_OPEN == 20
