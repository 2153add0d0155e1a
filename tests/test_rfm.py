"""RFM: fifths of everybody who ever ordered, 5 the best."""

from __future__ import annotations

import pytest

from app.domain import rfm
from app.domain.facts import FOREVER, Facts
from app.domain.population import Population, exact
from tests.person_story import DAY, START, Her

TEN = exact({"recency": [START + n * DAY for n in range(10)], "frequency": [1, 1, 1, 1, 2, 2, 3, 4, 5, 9], "monetary": range(10, 110, 10)})


@pytest.mark.parametrize(
    ("last", "orders", "spent", "fifths"),
    [
        (9, 9, 100, (5, 5, 5)),
        (8, 5, 90, (5, 5, 5)),
        (7, 4, 80, (4, 4, 4)),
        (5, 2, 60, (3, 3, 3)),  # two have 2 orders: places 5 and 6
        (3, 1, 40, (2, 2, 2)),
        (0, 1, 10, (1, 2, 1)),
    ],
)
def test_fifths(last: int, orders: int, spent: int, fifths: tuple[int, int, int]) -> None:
    #
    found = rfm.scores(TEN, {"recency": START + last * DAY, "frequency": orders, "monetary": spent})
    assert found == dict(zip(("recency", "frequency", "monetary"), fifths, strict=True))


def test_nobody_has_one_without_orders_or_before_the_first_population() -> None:
    #
    nothing = {"recency": None, "frequency": None, "monetary": None}
    assert rfm.scores(TEN, {}) == nothing
    assert rfm.scores(None, {"recency": START, "frequency": 3, "monetary": 90}) == nothing
    assert rfm.scores(Population(), {"recency": START, "frequency": 3, "monetary": 90}) == nothing
    assert Her().seen(0)["rfm"] == nothing


def test_a_person_among_others() -> None:
    #
    her = Her()
    for n in range(3):
        her.does("purchase", n * DAY, order_id=f"o-{n}", total=0.003)
    facts = Facts(her.person, START + 5 * DAY, population=TEN)
    assert [facts.get(f"profile.rfm.{figure}") for figure in ("recency", "frequency", "monetary")] == [2, 4, 5]
    assert facts.until == FOREVER  # by time alone nobody passes her by: the others are counted anew each day


def test_who_was_given_back_more_than_she_paid_stands_where_she_is_counted() -> None:
    # spending below nothing is counted as nothing, and she is one of those who spent nothing
    her = Her()
    her.does("purchase", 0, order_id="o-1", total=10)
    her.does("refund", DAY, order_id="o-1", amount=10)
    her.does("refund", 2 * DAY, amount=15)
    assert her.person.profile.spent < 0
    people = [(5, 0), (4, 0), (3, 0), (2, 10), (1, 20)]
    among = exact({"recency": [START + n * DAY for n, _ in people], "frequency": [1] * 5, "monetary": [spent for _, spent in people]})
    seen = Facts(her.person, START + 5 * DAY, population=among)
    assert seen.get("profile.rfm.monetary") == 2  # places 3 to 5 of 5; below them all it would be 1
