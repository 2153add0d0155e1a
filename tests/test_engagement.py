"""Engagement: every weight of the guide, one by one; a person reckoned by hand; and a recount from nothing but her events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain import engagement
from app.domain.facts import Facts
from app.domain.scoring import EmailPart, Parts, PurchasePart, Scoring, WebsitePart
from tests.person_story import DAY, HOUR, MINUTE, SECOND, START, Her

EMAIL, WEBSITE, PURCHASE, PARTS = EmailPart(), WebsitePart(), PurchasePart(), Parts()


@pytest.mark.parametrize(
    ("email", "website", "purchase", "score"),
    [(1, 0, 0, 0.40), (0, 1, 0, 0.35), (0, 0, 1, 0.25), (1, 1, 1, 1.0), (0, 0, 0, 0.0), (0.5, 0.5, 0.5, 0.5)],
)
def test_the_composite(email: float, website: float, purchase: float, score: float) -> None:
    # E-mail 40 % + Website 35 % + Purchase 25 %
    assert engagement.score(email, website, purchase, PARTS) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize(
    ("open_rate", "click_rate", "bought", "part"),
    [(1, 0, 0, 0.25), (0, 1, 0, 0.35), (0, 0, 2, 0.40), (0, 0, 1, 0.20), (0, 0, 9, 0.40), (0.5, 0.2, 0, 0.195)],
)
def test_the_email_part(open_rate: float, click_rate: float, bought: int, part: float) -> None:
    # open rate 30 d 25 %; click rate 30 d 35 %; purchase from e-mail 90 d 40 %
    assert engagement.email(open_rate, click_rate, bought, EMAIL) == pytest.approx(part, abs=1e-12)


@pytest.mark.parametrize(
    ("visits", "minutes", "pages", "adds", "part"),
    [
        (8, 0, 0, 0, 0.30),
        (4, 0, 0, 0, 0.15),
        (80, 0, 0, 0, 0.30),
        (8, 30, 0, 0, 0.30 + 0.25),
        (8, 15, 0, 0, 0.30 + 0.125),
        (8, 0, 40, 0, 0.30 + 0.20),
        (8, 0, 8, 0, 0.30 + 0.04),
        (8, 0, 0, 4, 0.30 + 0.25),
        (8, 0, 0, 1, 0.30 + 0.0625),
        (0, 0, 0, 0, 0.0),
    ],
)
def test_the_website_part(visits: int, minutes: int, pages: int, adds: int, part: float) -> None:
    # session frequency 30 %; time on site 25 %; page depth 20 %; cart additions 25 %
    assert engagement.website(visits, minutes * MINUTE, pages, adds, WEBSITE) == pytest.approx(part, abs=1e-12)


@pytest.mark.parametrize(
    ("days", "orders", "average", "part"),
    [
        (0, 0, 0, 0.40),
        (90, 0, 0, 0.20),
        (180, 0, 0, 0.0),
        (400, 0, 0, 0.0),
        (None, 0, 0, 0.0),
        (None, 6, 0, 0.30),
        (None, 3, 0, 0.15),
        (None, 0, 100, 0.30),
        (None, 0, 25, 0.075),
        (None, 0, -5, 0.0),
    ],
)
def test_the_purchase_part(days: int | None, orders: int, average: float, part: float) -> None:
    # recency 40 %; frequency 30 %; AOV 30 %
    assert engagement.purchase(days, orders, average, PURCHASE) == pytest.approx(part, abs=1e-12)


@pytest.mark.parametrize(
    ("score", "band"), [(0.0, 0), (0.0999, 0), (0.1, 1), (0.3, 3), (0.1 + 0.2, 3), (0.29999, 2), (0.7, 7), (0.999, 9), (1.0, 9)]
)
def test_ten_bands(score: float, band: int) -> None:
    # ten bands 0-1, 1-2, …
    assert engagement.band(score, Scoring().bands) == band


@pytest.mark.parametrize(("now", "before", "shift"), [(0.3, 0.6, -0.5), (0.6, 0.3, 1.0), (0.5, 0.0, None), (0.0, 0.4, -1.0)])
def test_a_shift_is_relative_to_what_was(now: float, before: float, shift: float | None) -> None:
    # behaviour shifts
    assert engagement.shift(now, before) == shift


# --- a person by hand -------------------------------------------------------------------------------------------------------------


def mail(her: Her, at: int, send: str, opened: int = 0, clicked: int = 0) -> None:
    her.does("email_sent", at, send_id=send)
    for kind, after in (("email_open", opened), ("email_click", clicked)):
        if after:
            her.does(kind, at + after, send_id=send, link=f"https://shop.example/{send}")


def ann() -> Her:
    """On day 40 she looks back on four mails in 30 d (two opened, one clicked), an order after that click, two visits."""
    her = Her()
    her.does("purchase", 2 * DAY, order_id="o-1", total=60, currency="EUR")
    for n, (opened, clicked) in enumerate(((0, 0), (HOUR, 2 * HOUR), (3 * HOUR, 0), (0, 0))):
        mail(her, (20 + n) * DAY, f"s-{n}", opened, clicked)
    her.does("page_view", 30 * DAY, seconds=60, page_type="home")
    her.does("product_view", 30 * DAY + 2 * MINUTE, product_id="p1", dwell_seconds=180, price=40, category="shoes")
    her.does("cart_add", 30 * DAY + 5 * MINUTE, product_id="p1", price=40)
    her.does("purchase", 30 * DAY + 6 * MINUTE, order_id="o-2", total=40, currency="EUR")
    her.does("page_view", 35 * DAY, seconds=540, page_type="blog")
    return her


def test_ann_by_hand() -> None:
    #
    facts = Facts(ann().person, START + 40 * DAY)
    # 2 of 4 opened, 1 of 4 clicked, 1 order after a click of 2
    email = 0.25 * 2 / 4 + 0.35 * 1 / 4 + 0.40 * 1 / 2
    # 2 visits of 8; 6 + 9 minutes of 30; 3 pages in 2 visits of 5; 1 cart addition of 4
    website = 0.30 * 2 / 8 + 0.25 * 15 / 30 + 0.20 * 1.5 / 5 + 0.25 * 1 / 4
    # 9 whole days of 180 since the last order; 2 orders of 6; 50 on average of 100
    purchase = 0.40 * (1 - 9 / 180) + 0.30 * 2 / 6 + 0.30 * 50 / 100
    score = 0.40 * email + 0.35 * website + 0.25 * purchase
    assert facts.get("profile.engagement.email") == pytest.approx(email, abs=1e-12)
    assert facts.get("profile.engagement.website") == pytest.approx(website, abs=1e-12)
    assert facts.get("profile.engagement.purchase") == pytest.approx(purchase, abs=1e-12)
    assert facts.get("profile.engagement.score") == pytest.approx(score, abs=1e-12)
    assert facts.get("profile.engagement.band") == int(10 * score) == 4
    assert ann().seen(40 * DAY)["engagement"] == {
        "score": round(score, 4),
        "email": round(email, 4),
        "website": round(website, 4),
        "purchase": round(purchase, 4),
        "band": 4,
        "shift": None,
    }


def test_the_email_figure_of_the_month_before() -> None:
    # on day 70 the month before is what the month was on day 40
    was, then = Facts(ann().person, START + 40 * DAY), Facts(ann().person, START + 70 * DAY)
    assert then.get("profile.engagement.email_before") == was.get("profile.engagement.email")
    assert then.get("profile.engagement.shift") == pytest.approx(0.20 / was.get("profile.engagement.email") - 1)


def test_an_order_counts_as_bought_by_mail_while_the_click_is_young() -> None:
    # purchase from e-mail 90 d
    her = Her()
    mail(her, 0, "s-1", HOUR, 2 * HOUR)
    her.does("purchase", 50 * DAY, order_id="o-1", total=1)
    before = Facts(her.person, START + 90 * DAY)
    assert before.get("profile.engagement.email") == 0.20
    assert before.until == START + 90 * DAY + 2 * HOUR
    assert Facts(her.person, before.until).get("profile.engagement.email") == 0
    early = Her()
    early.does("purchase", 0, order_id="o-1", total=1)
    mail(early, HOUR, "s-1", HOUR, 2 * HOUR)
    assert early.person.profile.orders == 1
    assert Facts(early.person, START + 40 * DAY).get("profile.engagement.email") == 0


# --- a recount ------------------------------------------------------------------------------------------------------------------------

Act = tuple[int, str, dict[str, Any]]
ACTS = st.one_of(
    st.tuples(st.just("email_sent"), st.fixed_dictionaries({"send_id": st.sampled_from(("s-1", "s-2", "s-3"))})),
    st.tuples(
        st.sampled_from(("email_open", "email_click")),
        st.fixed_dictionaries({"send_id": st.sampled_from(("s-1", "s-2", "s-3")), "link": st.just("https://shop.example/")}),
    ),
    st.tuples(st.just("page_view"), st.fixed_dictionaries({"seconds": st.integers(0, 600)})),
    st.tuples(st.just("cart_add"), st.fixed_dictionaries({"product_id": st.sampled_from(("p1", "p2"))})),
    st.tuples(
        st.just("purchase"),
        st.fixed_dictionaries({"order_id": st.sampled_from(("o-1", "o-2", "o-3", "o-4")), "total": st.sampled_from((10, 45.5, 120))}),
    ),
)
WHEN = st.one_of(st.integers(1, 100 * DAY), st.integers(1, 100 * 24 * 12).map(lambda n: n * 5 * MINUTE))


def recount(acts: list[Act], now: int) -> dict[str, float]:
    """From the events alone, one by one, knowing nothing of how a profile keeps them. Instants are offsets (ms)."""
    acts = sorted(acts, key=lambda act: act[0])
    young = lambda at, days: now - at < days * DAY  # noqa: E731
    firsts: dict[tuple[str, str], int] = {}
    for at, kind, told in acts:
        if kind.startswith("email_"):
            firsts.setdefault((kind, told["send_id"]), at)
    recent = [kind for (kind, _), at in firsts.items() if young(at, 30)]
    sent = recent.count("email_sent")
    rates = [min(1.0, recent.count(kind) / sent) if sent else float(kind in recent) for kind in ("email_open", "email_click")]
    orders: dict[str, int] = {}
    totals: dict[str, float] = {}
    for at, kind, told in acts:
        if kind == "purchase":
            orders[told["order_id"]] = min(at, orders.get(told["order_id"], at))
    clicks = [at for at, kind, _ in acts if kind == "email_click"]
    bought = sum(any(click <= at and young(click, 90) for click in clicks) for at in orders.values())
    email = 0.25 * rates[0] + 0.35 * rates[1] + 0.40 * min(1, bought / 2)
    sessions: list[list[Any]] = []
    for at, kind, told in acts:
        if not kind.startswith("email_"):
            end = at + told.get("seconds", 0) * SECOND
            if sessions and at - sessions[-1][1] <= 30 * MINUTE:
                sessions[-1][1] = max(sessions[-1][1], end)
            else:
                sessions.append([at, end, 0, 0])
            sessions[-1][2] += kind == "page_view"
            sessions[-1][3] += kind == "cart_add"
    seen = [one for one in sessions if young(one[0], 30)]
    visits, minutes = len(seen), sum(one[1] - one[0] for one in seen) / MINUTE
    pages, adds = sum(one[2] for one in seen), sum(one[3] for one in seen)
    depth = pages / visits if visits else 0
    website = 0.30 * min(1, visits / 8) + 0.25 * min(1, minutes / 30) + 0.20 * min(1, depth / 5) + 0.25 * min(1, adds / 4)
    for _, kind, told in acts:
        if kind == "purchase":
            totals[told["order_id"]] = told["total"]
    recency = max(0.0, 1 - (now - max(orders.values())) // DAY / 180) if orders else 0
    average = sum(totals.values()) / len(totals) if totals else 0
    purchase = 0.40 * recency + 0.30 * min(1, sum(young(at, 365) for at in orders.values()) / 6) + 0.30 * min(1, average / 100)
    return {"email": email, "website": website, "purchase": purchase, "score": 0.40 * email + 0.35 * website + 0.25 * purchase}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(WHEN, ACTS), max_size=14, unique_by=lambda one: one[0]), st.integers(0, 400 * DAY), st.randoms())
def test_incremental_is_a_recount_in_whatever_order_the_events_come(told: list[Any], wait: int, random: Any) -> None:
    #
    acts: list[Act] = [(at, kind, properties) for at, (kind, properties) in told]
    totals: dict[str, float] = {}
    for _, kind, properties in acts:  # an order has one total: what its records say differently is another test's affair
        if kind == "purchase":
            properties["total"] = totals.setdefault(properties["order_id"], properties["total"])
    now = max((at for at, *_ in acts), default=0) + wait
    her, shuffled = Her(), list(acts)
    random.shuffle(shuffled)
    for at, kind, properties in shuffled:
        her.does(kind, at, **properties)
    facts = Facts(her.person, START + now, Scoring(opens="all"))
    for part, figure in recount(acts, now).items():
        assert facts.get(f"profile.engagement.{part}") == pytest.approx(figure, abs=1e-9), part
