"""Predicates as Python: what CEL says is what they say, and only what a verdict turns on is read."""

from __future__ import annotations

import timeit
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.policy import expression
from app.policy.conditions import BadCondition
from app.policy.predicate import MOVES, OPEN, STILL, checked, ladders, predicate, segments
from app.policy.words import Fault
from tests.standins import DAY, Changes, Known

NOW = 1_772_409_600_000
STILLS = ("profile.a", "profile.b", "profile.c", "profile.s", "profile.f", "profile.list", "intent.level", "profile.segments")
MOVING = ("profile.days_since_order", "profile.days_since_open")


def kind(path: str) -> str | None:
    if path in STILLS or path.startswith("profile.flags."):
        return STILL
    if path in MOVING:
        return MOVES
    return OPEN if path.startswith("profile.traits.") else None


def judged(text: str, steps: dict[str, Any], since: dict[str, int | None] | None = None) -> Any:
    return predicate(text, kind).judge(Known(NOW, steps, since))


VALUES = {"profile.a": 3, "profile.b": 2.5, "profile.c": None, "profile.s": "shoes", "profile.f": True, "profile.list": ["x", 1, True]}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("profile.a == 3 && profile.b < 3.0", True),
        ("profile.a == 3.0", True),
        ("profile.f == true", True),
        ("profile.f == 1", False),
        ("profile.c == null", True),
        ("profile.c != 5", True),
        ("profile.c < 5 || profile.a > 1", True),
        ("profile.a > 1 || profile.c < 5", True),
        ("profile.c < 5 && profile.a > 100", False),
        ("profile.s in ['hats', 'shoes']", True),
        ("1 in profile.list", True),
        ("'y' in profile.list", False),
        ("profile.s.startsWith('sh') && profile.s.contains('oe') && profile.s.endsWith('s')", True),
        ("size(profile.list) == 3 && size(profile.s) > 4", True),
        ("profile.a / 2 == 1 && -profile.a % 2 == -1", True),
        ("profile.f ? profile.a > 2 : profile.a > 9", True),
        ("(profile.f ? profile.a : 0) + 1 == 4", True),
        ("profile.a + 1 > 3", True),
        ("profile.b * 2.0 - 1.0 == 4.0", True),
        ("!(profile.a > 5)", True),
        ("[profile.a, 1] == [3, 1]", True),
        ("true", True),
    ],
)
def test_it_says_what_cel_says(text: str, verdict: bool) -> None:
    assert judged(text, VALUES) is verdict
    assert _cel(text, VALUES) is verdict


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("profile.c < 5", "profile.c is no number"),
        ("!(profile.c < 5)", "profile.c is no number"),
        ("profile.c < 5 || profile.a > 100", "profile.c is no number"),
        ("profile.s > 5", "profile.s is no number"),
        ("profile.f > 0", "profile.f is no number"),
        ("profile.a + 1.5 > 0.0", "do not go together"),
        ("profile.a / 0 == 1", "a division by zero"),
        ("profile.a * 9223372036854775807 > 1", "64 bits"),
        ("profile.a && true", "neither true nor false"),
        ("profile.days_since_order > 3", "profile.days_since_order is not known"),
    ],
)
def test_what_cannot_be_told_does_not_hold_and_says_why(text: str, why: str) -> None:
    found = judged(text, VALUES, {"profile.days_since_order": None})
    assert isinstance(found, Fault)
    assert why in found
    if "days_since" not in text:
        assert _cel(text, VALUES) is None
    assert not predicate(text, kind).holds(Known(NOW, VALUES, {"profile.days_since_order": None}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("profile.days_since_order == 3", "can only be compared"),
        ("profile.days_since_order + 1 > 3", "can only be compared"),
        ("profile.days_since_order > profile.days_since_open", "both change"),
        ("profile.days_since_order > 'x'", "is a number"),
        ("has(profile.days_since_order)", "changes with every ms"),
        ("has(profile.a)", "always there"),
        ("profile.nothing > 1", "nothing is known as 'profile.nothing'"),
        ("event.price > 1", "a predicate is about"),
        ("profile.a + 1", "true or false"),
        ("3", "true or false"),
        ("profile.list.exists(x, x == 1)", "cannot use"),
        ("profile.s.matches('a+')", "cannot use"),
        ("profile.list[0] == 1", "cannot use"),
        ("timestamp(profile.s) > timestamp('2026-01-01T00:00:00Z')", "cannot use"),
        ("{'a': 1} == {'a': 1}", "cannot use"),
        ("profile.a >", "ERROR"),
        ("profile.a > 1 || " * 200 + "true", "characters"),
    ],
)
def test_what_cannot_be_written_down_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadCondition, match=why.replace("(", r"\(")):
        checked(text, kind)


def test_nothing_of_the_text_is_run() -> None:
    text = "profile.s == '\\'); import os; (\\'' || profile.traits.__class__ == 'x\\n'"
    assert judged(text, {"profile.s": "'); import os; ('", "profile.traits.__class__": None}) is True
    assert judged(text, {"profile.s": "", "profile.traits.__class__": "x\n"}) is True


def test_only_what_the_verdict_turns_on_is_read() -> None:
    known = Known(NOW, {"profile.a": 0, "profile.b": Changes((0, 1.0), (NOW + 5, 2.0))}, {"profile.days_since_order": NOW - DAY})
    asked = predicate("profile.a > 0 && (profile.b > 1.0 || profile.days_since_order > 3)", kind)
    assert asked.judge(known) is False
    assert known.asked == ["profile.a"]
    assert known.until > NOW + 10 * DAY


def test_a_figure_that_always_moves_says_to_the_ms_when_the_verdict_turns() -> None:
    asked = predicate("profile.days_since_order > 2 * profile.a && 90 >= profile.days_since_order", kind)
    known = Known(NOW, {"profile.a": 3}, {"profile.days_since_order": NOW - 5 * DAY})
    assert asked.judge(known) is False
    assert known.until == NOW + DAY + 1
    later = Known(NOW + DAY + 1, {"profile.a": 3}, {"profile.days_since_order": NOW - 5 * DAY})
    assert asked.judge(later) is True
    assert later.until == NOW + 85 * DAY + 1


def test_a_key_of_an_open_table_may_be_missing() -> None:
    assert judged("has(profile.traits.region) && profile.traits.region == 'EU'", {"profile.traits.region": "EU"}) is True
    assert judged("has(profile.traits.region)", {"profile.traits.region": None}) is False


def test_rows_compiled_as_one_read_each_figure_once_and_know_each_other() -> None:
    rows = [(name, checked(text, kind)) for name, text in (("one", "profile.a > 1"), ("two", "profile.a < 9 && 'one' in profile.segments"))]
    known = Known(NOW, {"profile.a": 3})
    assert segments(rows, kind)(known) == ("one", "two")
    assert known.asked == ["profile.a"]
    flags = [("rich", checked("profile.a > 1", kind))]
    schemes = [
        [("a", checked("profile.f && profile.b > 3.0", kind)), ("b", checked("profile.flags.rich", kind)), ("c", None)],
        [("a", checked("profile.b > 3.0 || profile.b > 2.0", kind))],
        [("a", checked("profile.b > 3.0", kind))],
    ]
    known = Known(NOW, {"profile.a": 3, "profile.b": 2.5, "profile.f": False})
    assert ladders(flags, schemes, kind)(known) == (("rich",), ("b", "a", None))
    assert known.asked == ["profile.a", "profile.f", "profile.b"]


def test_a_typical_predicate_takes_about_a_microsecond() -> None:
    asked = predicate("profile.a >= 1 && profile.b < 90.0 && profile.s == 'shoes'", kind)

    class Still:
        """Facts that are a table lookup: what is measured is the predicate."""

        get = VALUES.__getitem__
        compare = None

    took = min(timeit.repeat(lambda: asked.judge(Still), number=10_000, repeat=5)) / 10_000
    assert took < 5e-6, "generous: the machine may be busy"


# --- whatever the predicate, whatever the values ----------------------------------------------------------------------------------

_values = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 2.5, -1.5]), st.sampled_from(["", "x", "xy"]),
    st.lists(st.one_of(st.integers(0, 2), st.sampled_from(["x", "y"]), st.booleans()), max_size=3),
)  # fmt: skip
_literals = st.sampled_from(["0", "1", "-2", "2.5", "1.0", "'x'", "'xy'", "true", "false", "null", "['x', 'y']", "[0, 1]", "[true]"])
_figures = st.sampled_from(["profile.a", "profile.b", "profile.c", "profile.s", "intent.level"])
_atoms = st.one_of(_figures, _literals)


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    signs = st.sampled_from(["&&", "||", "&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in"])
    return st.one_of(
        st.tuples(two, signs).map(lambda told: f"({told[0][0]} {told[1]} {told[0][1]})"),
        inner.map(lambda one: f"!({one})"),
        inner.map(lambda one: f"size({one})"),
        st.tuples(inner, inner, inner).map(lambda told: f"({told[0]} ? {told[1]} : {told[2]})"),
        st.tuples(inner, st.sampled_from(["startsWith", "contains", "endsWith"]), inner).map(
            lambda told: f"({told[0]}).{told[1]}({told[2]})"
        ),
    )


_texts = st.recursive(_atoms, _deeper, max_leaves=8)


@settings(max_examples=400, deadline=None)
@given(_texts, st.fixed_dictionaries({path: _values for path in ("profile.a", "profile.b", "profile.c", "profile.s", "intent.level")}))
def test_the_verdict_is_that_of_the_cel_library(text: str, values: dict[str, Any]) -> None:
    try:
        expected = _cel(text, values)
        asked = predicate(text, kind)
    except (BadCondition, RuntimeError):
        return  # CEL's own checker refuses it, or it is no predicate
    found = asked.judge(Known(NOW, values))
    assert (None if isinstance(found, Fault) else found) is expected, text


def _cel(text: str, values: dict[str, Any]) -> bool | None:
    """What the library says of the plain view; None: an error, or no verdict."""
    view: dict[str, dict[str, Any]] = {root: {} for root in ("event", "window", "profile", "intent", "churn")}
    for path, value in values.items():
        root, _, name = path.partition(".")
        view[root][name] = value
    found = expression._env().compile(text).eval(data=view)
    return found.value() if found.type().name() == "BOOL" else None
