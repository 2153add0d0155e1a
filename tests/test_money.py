"""Amounts of money as integers of ten-thousandths: the quick way and the decimal way are one."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import CENT, LIMIT, UNITS, shown, text, units


@given(st.one_of(st.floats(-1e12, 1e12), st.integers(-(10**15), 10**15), st.decimals(0, 10**6, places=5).map(float)))
def test_units_are_those_of_the_decimal_text(value: float | int) -> None:
    exact = (Decimal(str(value)) * UNITS).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert units(value) == (int(exact) if abs(exact) <= LIMIT else None)


@pytest.mark.parametrize("value", [None, True, "", "free", float("nan"), float("inf"), 1e300, [], {}])
def test_what_is_no_amount_is_none(value: object) -> None:
    assert units(value) is None


@pytest.mark.parametrize(("value", "expected"), [("45.45", 454_500), (0.00005, 0), (0.00015, 2), (19.99, 199_900), (-3, -30_000)])
def test_halves_go_to_the_even_unit(value: object, expected: int) -> None:
    assert units(value) == expected


@given(st.integers(-(10**12), 10**12))
def test_what_people_are_told_is_cents_and_at_most_half_of_one_off(amount: int) -> None:
    told = shown(text(amount))
    if told != text(amount):
        assert len(told) - told.index(".") == 3 and abs((units(told) or 0) - amount) <= CENT // 2
    else:
        assert amount % CENT == 0 or abs(amount) < CENT // 2
