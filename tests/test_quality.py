"""What cannot be true is not kept, and counted (A-244)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import plausible, telling, traits
from tests.person_story import START, Her


@pytest.mark.parametrize(
    "told",
    [
        {"age": 300},
        {"age": -1},
        {"birthday": "2026-03-03"},
        {"date_of_birth": "2031-01-01T00:00:00Z"},
        {"birth_date": "0001-01-01"},
        {"children": -2},
        {"income": -0.5},
        {"email": "ann@shop"},
        {"email": "ann@localhost"},
        {"email": "Ann <ann@shop.example>"},
        {"email": 5},
        {"email": {"work": "ann@shop.example"}},
        {"phone": "call me"},
        {"phone": "+49 1"},
        {"phone": "0" * 99},
        {"phone_number": ""},
    ],
)
def test_impossible(told: dict[str, Any]) -> None:
    (name,) = told
    assert plausible.sorted_out(told, START, "DE") == ({}, [name])


@pytest.mark.parametrize(
    "told",
    [
        {"age": 0},
        {"age": 104},
        {"age": "over 50"},
        {"birthday": "2026-03-02"},
        {"birthday": "1987-05-04"},
        {"birthday": "4 May"},
        {"birthday": None},
        {"age": None},
        {"latitude": -33.9},
        {"balance": -12.5},
        {"newsletter": False},
        {"email": "ann@shop.example"},
        {"email": None},
        {"phone": None},
        {"phone": ["+49 30 901820"]},
    ],
)
def test_possible(told: dict[str, Any]) -> None:
    assert plausible.sorted_out(told, START, None) == (told, [])


@pytest.mark.parametrize(
    ("told", "country", "kept"),
    [
        ("030 901820", "DE", "+4930901820"),
        ("+49 (30) 901820", None, "+4930901820"),
        ("0044 20 7946 0958", "DE", "+442079460958"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("030 901820", None, "030 901820"),
        ("030 901820", "EU", "030 901820"),
        (4930901820, "DE", "+4930901820"),
    ],
)
def test_telephone_numbers_are_kept_in_one_form(told: str | int, country: str | None, kept: str) -> None:
    assert plausible.sorted_out({"phone": told}, START, country) == ({"phone": kept}, [])


def test_rejected_traits_are_counted_by_name_and_leave_what_was_there() -> None:
    her = Her()
    her.does("identify", 0, traits={"email": "ann@shop.example", "age": 41, "country": "DE", "phone": "030 901820", "city": "Berlin"})
    her.does("profile_update", 1, traits={"email": "nonsense", "age": 300, "phone": "1", "city": "Bonn"})
    her.does("profile_update", 2, traits={"age": -3})
    part = her.person.profile
    assert part.traits == {"email": "ann@shop.example", "age": 41, "country": "DE", "phone": "+4930901820", "city": "Bonn"}
    assert part.email == "ann@shop.example"
    assert part.rejected == {"email": 1, "age": 2, "phone": 1}
    for n in range(50):
        her.does("profile_update", 3, traits={f"t{n}": -1})
    assert len(her.person.profile.rejected) == telling.MAX_REJECTED


@pytest.mark.parametrize("good", ["c-9@example.invalid", "Ann@Shop.EXAMPLE", "a@b.test", "info@xn--bcher-kva.example"])
def test_addresses_of_simulations_and_tests_are_addresses(good: str) -> None:
    local, _, domain = good.partition("@")
    assert traits.sane_address(good) == f"{local}@{domain.lower()}"


@given(
    st.dictionaries(
        st.sampled_from(("email", "phone", "age", "birthday", "x")),
        st.one_of(st.none(), st.text(), st.integers(), st.booleans(), st.floats()),
    )
)
def test_whatever_is_told_nothing_breaks(told: dict[str, Any]) -> None:
    kept, impossible = plausible.sorted_out(told, START, "DE")
    assert set(kept) | set(impossible) == set(told) and not set(kept) & set(impossible)
