"""Stage ladders, line by line: S0's with its defects, S1's, and the merged one that asks for silence first."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.facts import Facts
from app.domain.lifecycle import Stage, StageScheme, held
from app.domain.person import Person
from tests.her import pack
from tests.standins import DAY, Known

NOW = 1_772_409_600_000
NOTHING = Facts(Person(""), NOW)
DAYS = {
    "order": "profile.days_since_order",
    "first": "profile.days_since_first_order",
    "web": "profile.days_since_web",
    "ticket": "profile.oldest_ticket_days",
    "opened": "profile.days_since_open",
}


class Somebody(Known):
    """A person of whom a few figures are told; of all others what is so of somebody nobody knows. `…_days`: days since."""

    def __init__(self, figures: dict[str, Any], days: dict[str, float]) -> None:
        since = {path: round(NOW - days[name] * DAY) if name in days else None for name, path in DAYS.items()}
        super().__init__(NOW, figures, since)

    def get(self, path: str) -> Any:
        return super().get(path) if path in self._steps else NOTHING.get(path)


def stages(days: dict[str, float] | None = None, /, **figures: Any) -> dict[str, str | None]:
    """The stage of each scheme; `engagement__email=0.6` is `profile.engagement.email`."""
    told = {f"profile.{name.replace('__', '.')}": value for name, value in figures.items()}
    if "mean_gap_days" in figures:
        told["churn.mean_gap_days"] = figures["mean_gap_days"]
    merged = pack("merged")
    _, found = merged.verdicts.ladders(Somebody(told, days or {}))  # type: ignore[union-attr]
    return dict(zip(merged.stage_schemes, found, strict=True))


def s0(orders: int, days: float | None, email: float) -> str | None:
    return stages({} if days is None else {"order": days, "first": days}, orders=orders, engagement__email=email)["s0"]


@pytest.mark.parametrize(
    ("orders", "days", "email", "stage"),
    [
        # A-071, in its order
        (0, None, 0.9, "prospect"),
        (1, 30, 0.9, "new_customer"),
        (1, 30.001, 0.71, "active"),
        (2, 60, 0.71, "active"),
        (2, 60, 0.7, "active"),  # > 0.7 does not hold, and nothing else does
        (5, 61, 0.51, "loyal"),
        (5, 61, 0.5, "active"),
        (4, 61, 0.51, "active"),
        (2, 91, 0.29, "at_risk"),
        (2, 90, 0.29, "active"),
        (2, 91, 0.3, "active"),
        (2, 181, 0.3, "dormant"),
        (2, 180, 0.3, "active"),
        # its defects, to the letter
        (5, 400, 0.6, "loyal"),
        (2, 400, 0.1, "at_risk"),
        (1, 31, 0.1, "active"),
        (6, 10, 0.8, "active"),
    ],
)
def test_s0_in_its_own_order_defects_included(orders: int, days: float | None, email: float, stage: str) -> None:
    assert s0(orders, days, email) == stage


SENDS = {"mail__sent_30d": 5, "mail__sent_before_30d": 5}
BEFORE, NONE = {"engagement__email_before": 0.4}, {"engagement__email_before": 0.0}


@pytest.mark.parametrize(
    ("days", "figures", "stage"),
    [
        # 90+ days, hardly a mail read, no web event in 30 d
        ({"order": 90, "first": 400}, {"orders": 9, "engagement__email": 0.09}, "churned"),
        ({"order": 90, "first": 400, "web": 30}, {"orders": 9, "engagement__email": 0.09}, "churned"),
        ({"order": 90, "first": 400, "web": 29.9}, {"orders": 9, "engagement__email": 0.09}, "loyal_customer"),
        ({"order": 90, "first": 400}, {"orders": 9, "engagement__email": 0.1}, "loyal_customer"),
        ({"order": 89.9, "first": 400}, {"orders": 9, "engagement__email": 0.0}, "loyal_customer"),
        # an extended gap, a decline, a ticket; not in the first 60 days
        ({"order": 20.1, "first": 61}, {"orders": 5, "mean_gap_days": 10.0}, "at_risk"),
        ({"order": 20, "first": 61}, {"orders": 5, "mean_gap_days": 10.0}, "loyal_customer"),
        ({"order": 21, "first": 60}, {"orders": 2, "mean_gap_days": 10.0}, "developing_customer"),
        ({"order": 21, "first": 61}, {"orders": 1, "mean_gap_days": None}, "first_time_customer"),
        ({"order": 5, "first": 61}, {"orders": 2, "engagement__email": 0.2, "engagement__email_before": 0.4, **SENDS}, "at_risk"),
        (
            {"order": 5, "first": 61},
            {"orders": 2, "engagement__email": 0.21, "engagement__email_before": 0.4, **SENDS},
            "developing_customer",
        ),
        (
            {"order": 5, "first": 61},
            {"orders": 2, "engagement__email": 0.0, "engagement__email_before": 0.4, **SENDS, "mail__sent_30d": 4},
            "developing_customer",
        ),
        (
            {"order": 5, "first": 61},
            {"orders": 2, "engagement__email": 0.0, "engagement__email_before": 0.0, **SENDS},
            "developing_customer",
        ),
        ({"order": 5, "first": 61, "ticket": 3.1}, {"orders": 2}, "at_risk"),
        ({"order": 5, "first": 61, "ticket": 3}, {"orders": 2}, "developing_customer"),
        ({"order": 5, "first": 59, "ticket": 9}, {"orders": 2}, "developing_customer"),
        #
        ({"order": 5, "first": 61}, {"orders": 5}, "loyal_customer"),
        ({"order": 5, "first": 365}, {"orders": 2, "engagement__score": 0.5}, "loyal_customer"),
        ({"order": 5, "first": 365}, {"orders": 2, "engagement__score": 0.49}, "developing_customer"),
        ({"order": 5, "first": 364.9}, {"orders": 2, "engagement__score": 0.9}, "developing_customer"),
        #
        ({"order": 5, "first": 61}, {"orders": 4}, "developing_customer"),
        ({"order": 5, "first": 5}, {"orders": 1}, "first_time_customer"),
        #
        ({}, {"downloads": 1}, "lead_nurturing"),
        ({}, {"opens": 2}, "lead_nurturing"),
        ({}, {"social": 1}, "lead_nurturing"),
        ({}, {"opens": 1}, "anonymous_visitor"),
        #
        ({}, {}, "anonymous_visitor"),
        ({}, {"known": True}, "anonymous_visitor"),
    ],
)
def test_s1_line_by_line(days: dict[str, float], figures: dict[str, Any], stage: str) -> None:
    assert stages(days, **figures)["s1"] == stage


@pytest.mark.parametrize(
    ("days", "figures", "stage"),
    [
        # silence is asked first
        ({"order": 400, "first": 900}, {"orders": 5, "engagement__email": 0.6, "engagement__score": 0.6}, "dormant"),
        ({"order": 400, "first": 900}, {"orders": 2, "engagement__email": 0.1}, "dormant"),
        ({"order": 31, "first": 31}, {"orders": 1, "engagement__email": 0.1}, "one_time"),
        ({"order": 10, "first": 300}, {"orders": 6, "engagement__email": 0.8, "engagement__score": 0.8}, "loyal"),
        ({"order": 180, "first": 300}, {"orders": 6, "engagement__score": 0.3}, "loyal"),
        ({"order": 180.1, "first": 300}, {"orders": 6, "engagement__score": 0.9}, "dormant"),
        #
        ({"order": 90.1, "first": 91}, {"orders": 1, "engagement__score": 0.29}, "at_risk"),
        ({"order": 90, "first": 91}, {"orders": 1, "engagement__score": 0.29}, "one_time"),
        ({"order": 90.1, "first": 91}, {"orders": 1, "engagement__score": 0.3}, "one_time"),
        # S1's at risk
        ({"order": 20.1, "first": 61}, {"orders": 5, "mean_gap_days": 10.0}, "at_risk"),
        ({"order": 5, "first": 61, "ticket": 3.1}, {"orders": 2}, "at_risk"),
        ({"order": 5, "first": 59, "ticket": 3.1}, {"orders": 2}, "developing"),
        # the rest
        ({"order": 5, "first": 365}, {"orders": 2, "engagement__score": 0.5}, "loyal"),
        ({"order": 5, "first": 61}, {"orders": 4}, "developing"),
        ({"order": 30, "first": 30}, {"orders": 1}, "new_customer"),
        ({}, {"known": True}, "prospect"),
        ({}, {}, "visitor"),
    ],
)
def test_merged_asks_for_silence_first(days: dict[str, float], figures: dict[str, Any], stage: str) -> None:
    assert stages(days, **figures)["merged"] == stage


def test_every_pack_computes_all_three_and_goes_by_its_own() -> None:
    # all schemes on every profile, whichever the pack reads
    for name in ("s1", "merged", "cart-timing"):
        assert list(pack(name).stage_schemes) == ["s0", "s1", "merged"]
    assert (pack("s1").goes_by.stage, pack("merged").goes_by.stage, pack("cart-timing").goes_by.stage) == ("s1", "merged", "merged")


def test_merged_has_what_s1_calls_at_risk_and_loyal_in_the_same_words() -> None:
    schemes = pack("merged").stage_schemes
    s1, merged = ({one.name: one.when for one in schemes[name].stages} for name in ("s1", "merged"))
    inner = " ".join(s1["at_risk"].text.removeprefix("profile.orders >= 1 && ").split())  # type: ignore[union-attr]
    assert inner in " ".join(merged["at_risk"].text.split())  # type: ignore[union-attr]
    assert s1["loyal_customer"].text == merged["loyal"].text  # type: ignore[union-attr]


def test_a_stage_is_left_after_7_days_or_by_an_order() -> None:
    scheme = StageScheme("merged", "", (Stage("a", ""), Stage("b", "")), 7 * DAY)
    assert held(scheme, ("a", NOW), "b", NOW + 7 * DAY - 1, ordered=False) == NOW + 7 * DAY
    assert held(scheme, ("a", NOW), "b", NOW + 7 * DAY, ordered=False) == 0
    assert held(scheme, ("a", NOW), "b", NOW + 1, ordered=True) == 0
    assert held(scheme, ("a", NOW), "a", NOW + 1, ordered=False) == 0
    assert held(scheme, None, "a", NOW, ordered=False) == 0
    assert held(scheme, ("gone", NOW), "a", NOW + 1, ordered=False) == 0
    assert held(StageScheme("s1", "", scheme.stages), ("a", NOW), "b", NOW + 1, ordered=False) == 0


def test_days_are_figures_of_the_pack() -> None:
    # a shop for which 90 days are no time at all states its ladder anew
    assert pack("merged").stage_schemes["merged"].hold == 7 * DAY
    assert "180" in pack("merged").stage_schemes["merged"].stages[0].when.text  # type: ignore[union-attr]
