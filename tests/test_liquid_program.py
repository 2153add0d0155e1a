"""The functions a template becomes write what Liquid itself would have written, byte for byte, and fail where it would have failed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from liquid import Markup
from liquid.exceptions import LiquidError
from liquid.output import LimitedStringIO

from app.commands.built import artifact
from app.domain.liquid_program import Output, program
from app.domain.message import MessageSource, texts
from app.domain.message_view import shaped
from app.domain.rendering import MAX_OUTPUT, Context, RenderFailed, environment, render
from app.domain.shown import noting
from app.policy.messages import FULL
from app.policy.pack import compile_artifact
from app.policy.tried_on import KNOWN

ENVIRONMENTS = {html: environment(autoescape=html) for html in (False, True)}
LINK = {"unsubscribe_url": "https://shop.example/u/token", "subject": "A & b", "preheader": ""}


def both(source: str, values: dict[str, Any], html: bool) -> tuple[Any, Any]:
    """What Liquid makes of a template, and what we do: a text, or the error and its words."""
    parsed = ENVIRONMENTS[html].from_string(source)

    def liquids() -> str:
        out = LimitedStringIO(MAX_OUTPUT)
        parsed.render_with_context(Context(parsed, globals=values), out)
        return str(out.getvalue())

    def ours() -> str:
        out = Output(MAX_OUTPUT)
        program(parsed)(Context(parsed, globals=values), out)
        assert not out.full
        return str(out.getvalue())

    def told(write: Any) -> Any:
        try:
            return write()
        except LiquidError as error:
            return type(error).__name__, str(error.message)
        except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
            return type(error).__name__, str(error)

    return told(liquids), told(ours)


# --- the messages that ship -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s0", "s1", "merged"])
def test_every_shipped_template_is_written_as_liquid_writes_it(name: str) -> None:
    # offers, recommendations, conditions
    offer = {"kind": "win_back", "discount": 0.15, "benefits": ["free_shipping"], "code": "7F3K", "minimum": "20.00", "currency": "EUR"}
    full = {**FULL, "offer": {**offer, "expires_at": "2026-03-09T10:00:00.000Z"}, "step": 3}
    written, failed = 0, 0
    for view in (full, FULL, KNOWN, {}):
        for message in compile_artifact(*artifact(name)).messages.values():
            for template in texts(message):
                for html in (False, True):
                    values = shaped({**view, **LINK})
                    values |= noting(values, {})
                    liquids, ours = both(template, values, html)
                    assert ours == liquids, (message.name, template[:200])
                    written, failed = written + isinstance(ours, str), failed + isinstance(ours, tuple)
    assert written > 500 and failed > 5


# --- any template ---------------------------------------------------------------------------------------------------------------

NAMES = ["a", "b", "c", "d"]
PATHS = [
    *NAMES,
    "a.x",
    "a.y.z",
    "b.size",
    "b.first",
    "b.last",
    "b[0]",
    "b[0].x",
    "b[-1]",
    "b.first.size",
    "b[0].size",
    "one.size",
    "a.y.size",
    "b[9]",
    "a['x']",
    "a[c]",
    "c.size",
    "d.x",
    "a.x.y",
    "nobody.there",
    "now.x",
    "one",
    "one.x",
    "forloop.index",
    "forloop.first",
    "forloop.parentloop.index",
    "partial",
]
LITERALS = ["1", "0", "2.5", "'x'", '"<b>"', "''", "true", "false", "nil", "empty", "blank", "(1..3)"]
FILTERS = [
    "default: 'none'",
    "default: b",
    "default: one",
    "default: 'x', allow_false: true",
    "default",
    "upcase",
    "escape",
    "append: '<'",
    "append: a.x",
    "plus: 1",
    "times: c",
    "size",
    "first",
    "join: ', '",
    "join",
    "where: 'x'",
    "map: 'x'",
    "sort",
    "truncate: 3",
    "truncate: 3, '&'",
    "slice: 0, 2",
    "split: 'x'",
    "replace: 'x', 'y'",
    "newline_to_br",
    "strip_html",
    "money: 'EUR'",
    "money: a.x",
    "date: '%Y'",
    "modulo: 2",
    "divided_by: 0",
    "reverse",
    "uniq",
    "json",
]
OPERATORS = ["==", "!=", "<>", "<", ">", "<=", ">=", "contains"]

plain = st.sampled_from([*PATHS, *LITERALS])
comparison = st.builds(lambda one, sign, other: f"{one} {sign} {other}", plain, st.sampled_from(OPERATORS), plain)
condition = st.lists(plain | comparison, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" and ", " or "]).map(lambda sign: sign.join(parts))
)
filtered = st.builds(lambda one, filters: " | ".join([one, *filters]), plain, st.lists(st.sampled_from(FILTERS), max_size=3))
leaf = (
    st.sampled_from(
        ["text ", " ", "\n", "<p>", "a\r\nb\r", "{% break %}", "{% continue %}", "{% cycle 'p', 'q' %}", "{% comment %}no{% endcomment %}"]
    )
    | filtered.map(lambda one: f"{{{{ {one} }}}}")
    | filtered.map(lambda one: f"{{% echo {one} %}}")
    | st.builds(lambda name, one: f"{{% assign {name} = {one} %}}", st.sampled_from([*NAMES, "one"]), filtered)
    | st.builds(lambda one: f"{{% liquid\nassign d = {one}\nif d\necho d\nendif %}}", filtered)
)


def tags(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    values = st.lists(st.sampled_from(["'x'", "'y'", "1", "2.5", "a.x"]), min_size=1, max_size=3).map(", ".join)
    bounds = st.sampled_from(
        ["", " limit: 2", " limit: 0", " limit: c", " offset: 1", " offset: continue", " reversed", " limit: 1 offset: continue"]
    )
    return st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.builds(lambda test, one, other: f"{{% if {test} %}}{one}{{% else %}}{other}{{% endif %}}", condition, inner, inner),
        st.builds(
            lambda test, one, also, other: f"{{% if {test} %}}{one}{{% elsif {also} %}}{other}{{% endif %}}",
            condition,
            inner,
            condition,
            inner,
        ),
        st.builds(lambda test, one: f"{{% unless {test} %}}{one}{{% endunless %}}", condition, inner),
        st.builds(lambda one, limits, body: f"{{% for one in {one}{limits} %}}{body}{{% else %}}none{{% endfor %}}", plain, bounds, inner),
        st.builds(
            lambda of, first, one, second, other: (
                f"{{% case {of} %}}{{% when {first} %}}{one}{{% when {second} %}}{other}{{% else %}}else{{% endcase %}}"
            ),
            plain,
            values,
            inner,
            values,
            inner,
        ),
        st.builds(lambda name, one: f"{{% capture {name} %}}{one}{{% endcapture %}}", st.sampled_from([*NAMES, "one"]), inner),
        inner.map(lambda one: f"{{% ifchanged %}}{one}{{% endifchanged %}}"),
    )


value = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2, 2.5, "", "x", "y", " ", "<b>&'\"", "2026-03-02T10:00:00Z", Markup("<i>")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "z", "size", "first"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.recursive(leaf, tags, max_leaves=8), min_size=1, max_size=4).map("".join),
    st.dictionaries(st.sampled_from(NAMES), value, max_size=4),
    st.booleans(),
)
@example("{% for one in b %}{% for one in b %}{{ forloop.parentloop.index }}{% endfor %}{% endfor %}", {"b": [1, 2]}, False)
@example("{% case a %}{% when 'x', 'x' %}1{% assign a = 'y' %}{% when 'y' %}2{% else %}3{% endcase %}", {"a": "x"}, True)
@example("{% assign d = nobody.there %}{% if d.x > 1 %}{% endif %}", {}, False)
@example(
    "{{ a }}{{ a | default: 'n' }}{{ b | default: 'n' }}{{ c | default: 'n' }}{{ d | default: 'n' }}", {"a": "<&'>", "b": "", "c": []}, True
)
@example(
    "{% if a > 1 %}1{% endif %}{% if a >= 2 and b contains 'x' %}2{% endif %}{% if a != 'x' %}3{% endif %}", {"a": 2, "b": ["x"]}, True
)
@example(
    "{% for i in b %}{% if a %} {% assign c = 1 %}{% endif %}{{ c }}{% break %}{% endfor %}{{ i | default: '-' }}",
    {"a": 1, "b": [1, 2]},
    False,
)
@example("{% assign a = b %}{{ a.size }}{% for c in b %}{{ c.size }}{% endfor %}", {"a": [1], "b": [[1, 2], 3], "c": [1]}, False)
@example("{{ b.first.size }}{{ b[0].size }}", {"b": [{"size": ["p", "q"]}]}, False)
@example("{% if b[0] == 'x' %}{{ b[0][0] }}{% endif %}", {"b": ["x"]}, True)
@example(
    "{% for one in b limit: 1 %}{{ one }}{% endfor %}{% for one in b offset: continue %}{{ one }}{% endfor %}", {"b": [1, 2, 3]}, False
)
def test_any_template_is_written_as_liquid_writes_it(source: str, values: dict[str, Any], html: bool) -> None:
    liquids, ours = both(source, values, html)
    event(liquids[0] if isinstance(liquids, tuple) else "written")
    assert ours == liquids


# --- limits ---------------------------------------------------------------------------------------------------------------------


def failure(template: str, **view: Any) -> str:
    with pytest.raises(RenderFailed) as failed:
        render(MessageSource("m", "s", "p", template, "t"), view)
    return failed.value.detail


def test_a_loop_ends_when_the_output_is_full() -> None:
    began = time.process_time()
    assert failure("{% for i in (1..1900) %}" + "y" * 150_000 + "{% endfor %}") == "output stream limit reached"
    assert failure("{% liquid for i in (1..1900)\necho event.long\nendfor %}", event={"long": "z" * 2_000}) == "output stream limit reached"
    assert time.process_time() - began < 2, "it wrote on, though nobody would read it"


def test_a_full_output_is_the_failure_whatever_comes_after_it() -> None:
    assert failure("y" * (MAX_OUTPUT + 1) + "{{ nobody.there }}") == "output stream limit reached"
    assert failure("y" * MAX_OUTPUT + "{{ nobody.there }}") == "nobody is missing"
    assert failure("ß" * (MAX_OUTPUT // 2 + 1)) == "output stream limit reached", "its bytes count, not its characters"
    assert len(render(MessageSource("m", "s", "p", "ß" * (MAX_OUTPUT // 2), "t"), {}).html) == MAX_OUTPUT // 2


def test_loops_within_loops_and_locals_have_their_limits() -> None:
    assert failure("{% for i in (1..50) %}{% for j in (1..50) %}x{% endfor %}{% endfor %}") == "loop iteration limit reached"
    assert failure("{% capture a %}" + "y" * 100_000 + "{% endcapture %}") == "local namespace limit reached"


# --- only what is read is there -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template", ["{{ window.products[0].product_name }}", "{{ [root].products.first.product_name }}", "{{ recent.size }}"]
)
def test_a_template_finds_what_it_names(template: str) -> None:
    view = {"window": {"products": [{"product_id": "p1", "product_name": "Mug"}]}, "recent": [{"product_name": "Cup"}]}
    source = "{% assign root = 'window' %}" + template
    whole = both(source, shaped(view), True)[0]
    assert render(MessageSource("m", "s", "p", source, "t"), view).html == whole
