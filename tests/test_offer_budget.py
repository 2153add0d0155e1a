"""Budgets of offers: what a person may be given within a quarter, and what a campaign may give away, over partitions and crashes."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app import events
from app.agents.kinds import compile_budgets, encode_budgets
from app.agents.renderer_program import RendererProgram
from app.commands import offer
from app.domain import money
from app.domain.budgets import BUDGETS, Budgets, Spent
from app.domain.recommended import Unusable
from app.edges.campaigns import TooMany, told, with_budget
from app.edges.producing import producing
from app.engine import rows, turn
from app.engine.program import Output
from app.engine.rows import NEVER, pack_value
from app.events import Plan, Send
from app.settings import Settings
from tests import mails
from tests.faults.cluster import Arrival, Cluster, drawn
from tests.faults.lane import Faults, Stage
from tests.her import DAY
from tests.mails import SECRET
from tests.offered import HEAD, Shopper, quiz, shop

EURO = money.UNITS
FIGURES = """
[offers]
why = "ours"
currency = "EUR"
up_to = 20
keeps = "1d"
valid = "10d"
budget_per_person = {budget}
"""
SPRING = """
[[offer]]
name = "spring"
why  = "a campaign"
kind = "spring"
discount = 0.20
campaign = "spring-sale"
"""


# --- a person -------------------------------------------------------------------------------------------------------------------------


def quarter(budget: int, days: list[int]) -> Shopper:
    text = (
        FIGURES.format(budget=budget)
        + quiz("{ kind = 'a', discount = 0.1 }")
        + quiz("{ kind = 'b', discount = 0.2 }", name="b", on="search")
    )
    her = Shopper(shop(text))
    for day in days:
        her.event("quiz_done", day * DAY)
        her.until(day * DAY + DAY // 2)
    return her


def test_a_person_is_given_no_more_than_her_budget_within_a_quarter() -> None:
    # A-261 and field.md 15: 20 € each at most, 40 € a quarter; each is used, so that each has cost
    her = quarter(40, [])
    for n, day in enumerate((0, 12, 24, 93)):
        her.event("quiz_done", day * DAY)
        her.until(day * DAY + DAY // 2)
        code = her.mails[-1].offer and her.mails[-1].offer["code"]
        if code:
            her.event("purchase", day * DAY + DAY // 2 + 1, order_id=f"o{n}", total=200.0, currency="EUR", coupon=code)
    assert her.rates == [0.1, 0.1, None, 0.1], "the first has left the quarter by day 93"
    assert [one.values["offer"].get("withheld") for one in her.told] == [None, None, "budget_per_person", None]
    assert her.told[2].values["offer"]["budget_left"] == "0.00"
    assert her.mails[0].offer is not None and her.mails[0].offer["up_to"] == {"amount": "20.00", "currency": "EUR"}
    assert "up to €20.00" in her.mails[0].text


def test_what_nobody_used_is_free_again_once_it_cannot_be() -> None:
    her = quarter(20, [0, 14, 28])
    assert her.rates == [0.1, 0.1, 0.1]


def test_what_still_may_be_used_counts() -> None:
    her = quarter(20, [0])
    her.event("search", 2 * DAY, query="boots")
    her.until(3 * DAY)
    assert her.rates == [0.1, None], "20 % of another kind would cost 20 € more"


def test_a_place_that_the_renderer_gave_back_is_free() -> None:
    her = quarter(20, [])
    her.event("quiz_done", 0)
    with patch.object(her.renderer, "step", lambda group, plan, moment: (group, _refusal(plan))):
        her.until(DAY)
    assert her.group.person.windows.offers == ()
    her.event("quiz_done", 2 * DAY)
    her.until(3 * DAY)
    assert her.rates == [0.1]


def _refusal(plan: Plan) -> list[Any]:
    answer = events.NotRendered(plan.at, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step, "missing_content")
    return [Output("journal", plan.person_id.encode(), events.encode(answer))]


# --- a campaign -----------------------------------------------------------------------------------------------------------------------


def campaign(budget: int | None, without: str = "send", partition: int = 0, partitions: int = 1, currency: str = "EUR") -> Shopper:
    text = FIGURES.format(budget=0) + SPRING + f'without = "{without}"\n' + quiz('"spring"')
    budgets = None if budget is None else Budgets(partitions, currency, {"spring-sale": budget * EURO})
    her = Shopper(shop(text), budgets=budgets, partition=partition)
    for n in range(4):
        her.event("quiz_done", 12 * n * DAY)
        her.until(12 * n * DAY + DAY)
    return her


def test_a_campaign_stops_at_its_budget_and_the_message_goes_without() -> None:
    her = campaign(50)
    assert her.rates == [0.2, 0.2, None, None], "20 € each at most: the third would come to 60"
    assert her.accounts[b"spring-sale"] == Spent(40 * EURO, 2)
    assert [one.values["offer"].get("withheld") for one in her.told[-2:]] == ["campaign_budget"] * 2
    assert her.told[0].values["offer"]["campaign_left"] == "50.00"
    assert "% off" not in her.mails[-1].text


def test_a_message_that_is_nothing_without_its_offer_does_not_go() -> None:
    her = campaign(50, "budget")
    assert her.rates == [0.2, 0.2]
    assert [(one.outcome, one.reason) for one in her.told] == [("sent", None)] * 2 + [("not_sent", "budget")] * 2
    assert len(her.group.person.windows.offers) <= 2, "what was reserved for them is free again"


@pytest.mark.parametrize("her", [campaign(None), campaign(50, currency="SEK"), campaign(500, partition=3, partitions=2)])
def test_a_campaign_without_a_budget_here_gives_nothing_away(her: Shopper) -> None:
    assert her.rates == [None] * 4


@pytest.mark.parametrize("there", [{}, {BUDGETS: Unusable("of another version")}])
def test_budgets_that_are_gone_or_unreadable_give_nothing_away_and_stop_nobody(there: dict[str, Any]) -> None:
    her = Shopper(shop(FIGURES.format(budget=0) + SPRING + quiz('"spring"')), budgets=Budgets(1, "EUR", {"spring-sale": 500 * EURO}))
    her.renderer = RendererProgram(lambda ref: {**her.packs, **there}[ref], SECRET, "https://kairos.example")
    her.event("quiz_done", 0)
    her.until(DAY)
    assert her.rates == [None], "the message goes without its offer"
    assert her.told[0].values["offer"]["withheld"] == "campaign_budget"


@given(amount=st.integers(0, 10**12), partitions=st.integers(1, 64))
def test_shares_add_up_to_the_budget_and_never_to_more(amount: int, partitions: int) -> None:
    budgets = Budgets(partitions, "EUR", {"c": amount})
    shares = [budgets.share("c", n) for n in range(partitions)]
    assert sum(shares) == amount and max(shares) - min(shares) <= 1
    assert budgets.share("c", partitions) == 0 == budgets.share("other", 0) == budgets.share("c", -1)


def test_budgets_are_an_artifact_like_any_other() -> None:
    budgets = Budgets(3, "EUR", {"b": 5, "a": 7})
    ref, data = encode_budgets(budgets)
    assert encode_budgets(Budgets(3, "EUR", {"a": 7, "b": 5})) == (ref, data) and ref.startswith("budgets@")
    assert compile_budgets(ref, data) == budgets
    assert isinstance(compile_budgets(ref, b"[]"), Unusable), "of another version: no campaign has any, and nothing stops"
    assert with_budget(budgets, "a", 9, "EUR", 4) == Budgets(4, "EUR", {"b": 5, "a": 9})
    with pytest.raises(TooMany):
        with_budget(Budgets(1, "EUR", {f"c{n}": 1 for n in range(1_000)}), "one-more", 1, "EUR", 1)


def test_what_was_spent_is_told_by_campaign() -> None:
    budgets = Budgets(2, "EUR", {"a": 101, "b": 10})
    found = told(budgets, {"a": {0: Spent(51, 3), 1: Spent(20, 1)}, "gone": {0: Spent(5, 1)}})
    assert [(one.name, one.budget, one.spent, one.offers, one.left) for one in found] == [
        ("a", 101, 71, 4, 30),
        ("b", 10, 0, 0, 10),
        ("gone", 0, 5, 1, 0),
    ]


# --- from the command line ----------------------------------------------------------------------------------------------------------


def test_a_simulation_has_the_budgets_it_is_given(call: Any, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(HEAD + FIGURES.format(budget=0) + SPRING + quiz('"spring"'))
    times = [f"2026-03-0{n}T12:00:00Z" for n in range(1, 6)]
    lines = [{"event_id": f"e{n}", "event_type": "quiz_done", "customer_id": f"c{n}", "timestamp": at} for n, at in enumerate(times)]
    (tmp_path / "events.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    for budgets, rates in (((), [None] * 5), (("--budget", "spring-sale=45"), [0.2, 0.2, None, None, None])):
        code, out, err = call(
            *("simulate", str(tmp_path / "events.jsonl"), "--policy", str(tmp_path / "own.toml"), "--assume-consent", "--assume-address"),
            *("--sends", "-", *budgets),
        )
        assert code == 0, err
        sends = [orjson.loads(line) for line in out.splitlines()]
        assert [one["offer"] and one["offer"]["discount"] for one in sends] == rates
        codes = [one["offer"]["code"] for one in sends if one["offer"]]
        assert len(set(codes)) == len(codes)
    assert call("simulate", str(tmp_path / "events.jsonl"), "--budget", "spring-sale")[0] == 2


@pytest.mark.embedded
def test_budgets_are_set_and_shown(call: Any, embedded_cluster: Settings) -> None:
    assert call("budgets", "show")[0] == 1
    assert call("budgets", "set", "Spring Sale", "100")[0] == 2
    assert call("budgets", "set", "spring-sale", "-1")[0] == 2
    assert call("budgets", "set", "spring-sale", "100")[0] == 2, "no currency is known yet"
    code, out, err = call("budgets", "set", "spring-sale", "100", "--currency", "EUR")
    partitions = embedded_cluster.partitions
    assert code == 0, err
    assert out.startswith("spring-sale may give away 100.00 EUR in all, ") and f"in each of {partitions} partitions" in out
    assert call("budgets", "set", "autumn", "50")[0] == 0, "the currency is that of the others"
    assert call("budgets", "set", "autumn", "50", "--currency", "SEK")[0] == 2
    share = Budgets(partitions, "EUR", {"c": 100 * EURO}).share("c", 0)
    _write(
        embedded_cluster,
        Output("renders-changelog", b"bspring-sale", pack_value(9, NEVER, msgspec.msgpack.encode(Spent(share, 3))), partition=0),
        Output("renders-changelog", b"bspring-sale", pack_value(5, NEVER, msgspec.msgpack.encode(Spent(1, 1))), partition=0),
        Output("renders-changelog", b"m", b"marks of the lane", partition=0),
    )
    told = orjson.loads(call("budgets", "show", "--json")[1])
    spring = next(one for one in told["campaigns"] if one["name"] == "spring-sale")
    assert (told["currency"], [one["name"] for one in told["campaigns"]]) == ("EUR", ["autumn", "spring-sale"])
    assert (spring["budget"], spring["spent"], spring["offers"]) == ("100.00", money.text(share), 3), "the highest applied offset counts"
    assert spring["left"] == money.text(100 * EURO - share)
    assert "spring-sale" in call("budgets", "show")[1]


@pytest.mark.embedded
def test_what_became_of_a_code(call: Any, embedded_cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    her = Shopper(shop(FIGURES.format(budget=0) + quiz("{ kind = 'a', discount = 0.1 }")))
    her.renderer._secret = embedded_cluster.secret
    her.event("quiz_done", 0)
    her.until(DAY)
    (mail,), (decision,) = her.mails, her.told
    monkeypatch.setattr(offer, "wall_ms", lambda: her.now)
    code = str(mail.offer and mail.offer["code"])
    key, person = mail.person_id.encode(), mail.person_id
    assert "nothing is kept of it" in call("offer", "check", code, "--look-up")[1]
    _write(embedded_cluster, Output("decisions", key, events.encode_json(decision)))
    ended, out, _ = call("offer", "check", code, "--look-up")
    assert ended == 0 and f"given to person {person} by quiz" in out and "a: 10 % off, until 2026-03-12" in out
    for cause, kind in (("e1", "offer_redeemed"), ("e2", "offer_reused")):
        record = events.Conclusion(her.now, person, kind, "a", her.now, cause, {"code": code, "order_id": f"o-{cause}"})
        _write(embedded_cluster, Output("journal", key, events.encode(record)))
    ended, out, _ = call("offer", "check", code, "--look-up")
    assert ended == 1 and "for order o-e1" in out and "used AGAIN" in out
    plain = orjson.loads(call("offer", "check", code, "--look-up", "--json")[1])
    assert [(one["order_id"], one["first"]) for one in plain["uses"]] == [("o-e1", True), ("o-e2", False)]
    assert plain["send_id"] == mail.send_id and plain["offer"]["discount"] == 0.1


@pytest.mark.embedded
def test_a_code_that_was_told_again_is_that_of_both_messages_until_it_has_run_out(
    call: Any, embedded_cluster: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the rule of waiting the second mail carries the first one's code, which names only the message that made it.
    later = quiz("{ kind = 'b', discount = 0.05 }", name="later", on="search")
    her = Shopper(shop(FIGURES.format(budget=0) + quiz("{ kind = 'a', discount = 0.1 }") + later))
    her.renderer._secret = embedded_cluster.secret
    her.event("quiz_done", 0)
    her.event("search", DAY)
    her.until(3 * DAY)
    first, second = her.mails
    code = str(first.offer and first.offer["code"])
    assert second.offer is not None and second.offer["code"] == code
    monkeypatch.setattr(offer, "wall_ms", lambda: her.now)
    ended, out, _ = call("offer", "check", code, "--send", second.send_id)
    assert ended == 1 and f"it may have been told again in {second.send_id}: --look-up says" in out
    ended, out, _ = call("offer", "check", code, "--send", second.send_id, "--look-up")
    assert ended == 1 and "nothing is kept of it" in out
    for one in her.told:
        _write(embedded_cluster, Output("decisions", one.person_id.encode(), events.encode_json(one)))
    ended, out, _ = call("offer", "check", code, "--send", second.send_id, "--look-up")
    assert ended == 0 and f"message {second.send_id} told it again" in out and f"(send {first.send_id})" in out
    plain = orjson.loads(call("offer", "check", code, "--send", second.send_id, "--look-up", "--json")[1])
    assert (plain["verdict"], plain["told_in"], plain["expired"]) == ("valid", [first.send_id, second.send_id], False)
    ended, out, _ = call("offer", "check", code, "--send", "0" * 32, "--look-up")
    assert ended == 1 and "nothing that is kept says that it told it again" in out and f"told again by send {second.send_id}" in out
    monkeypatch.setattr(offer, "wall_ms", lambda: her.now + 20 * DAY)
    ended, out, _ = call("offer", "check", code, "--look-up")
    assert ended == 1 and "it ran out at 2026-03-" in out
    assert orjson.loads(call("offer", "check", code, "--look-up", "--json")[1])["expired"]


def _write(settings: Settings, *outputs: Output) -> None:
    async def write() -> None:
        async with producing(settings) as producer:
            await producer.publish(list(outputs))

    asyncio.run(write())


# --- partitions and crashes ---------------------------------------------------------------------------------------------------------

PARTITIONS = 3
START = 1_767_225_600_000


def _plans(rng: Random, count: int) -> list[tuple[int, Plan]]:
    at, found = START, []
    for n in range(count):
        at += rng.choice((0, 0, 1_000, 60_000))
        offer = {
            "kind": "spring",
            "discount": 0.2,
            "path": ["row"],
            "sensitivity": 0.5,
            "clv": 0.0,
            "conversion": 0.02,
            "order_value": None,
            "expires_at": "2026-03-09T00:00:00.000Z",
            "campaign": rng.choice(("spring-sale", "spring-sale", "autumn")),
            "up_to": {"amount": f"{rng.choice((5, 10, 20))}.00", "currency": "EUR"},
        }
        ref = BUDGETS if n < count // 2 else "budgets2"
        plan = mails.plan("win-back-offer", at=at, send_id=events.derived_id("send", str(n)), values={"offer": offer})
        found.append((at, replace(plan, person_id=f"p{rng.randrange(30)}", models={BUDGETS: ref})))
    return found


def _crashed(seed: int, amount: int, raised: int, faults: Faults | None) -> dict[str, Any]:
    """The renderer's lane over a cluster that is killed, stopped and rebalanced anywhere; half way an operator changes the budgets."""
    artifacts: dict[str, Any] = {
        BUDGETS: Budgets(PARTITIONS, "", {"spring-sale": amount, "autumn": amount // 2}),
        "budgets2": Budgets(PARTITIONS, "", {"spring-sale": raised, "autumn": raised // 2}),
    }
    renderer = RendererProgram(lambda ref: artifacts.get(ref) or mails.pack(), SECRET, "https://kairos.example")
    arrivals = [Arrival(at, plan.person_id.encode(), events.encode(plan)) for at, plan in _plans(Random(seed), 60)]
    with patch.object(turn, "SEGMENT_BYTES", 60_000), patch.object(rows, "BATCH_BYTES", 100):
        stages = (Stage("renderer", "customer_events", "renders", renderer),)
        cluster = Cluster(seed, stages, arrivals, arrivals[-1].at + 600_000, interval=60_000, partitions=PARTITIONS, faults=faults)
        cluster.run()
    changed = 0
    spent: Counter[str] = Counter()
    sent: dict[str, str | None] = {}
    for number in range(PARTITIONS):
        for record in cluster.broker.log("message_sends", number).records:
            one = msgspec.json.decode(record.value or b"", type=Send)
            code = one.offer and one.offer["code"]
            changed += sent.get(one.send_id, code) != code
            if one.send_id not in sent and one.offer is not None:
                spent[one.offer["up_to"]["amount"]] += 1
            sent[one.send_id] = code
    units = sum((money.units(amount) or 0) * times for amount, times in spent.items())
    return {
        "units": units,
        "changed": changed,
        "sent": len(sent),
        "offers": sum(code is not None for code in sent.values()),
        "codes": set(sent.values()),
    }


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), amount=st.integers(0, 400), raised=st.integers(0, 400))
def test_campaigns_are_never_over_spent_across_crashes_and_partitions(seed: int, amount: int, raised: int) -> None:
    found = _crashed(seed, amount * EURO, raised * EURO, drawn(Random(seed)))
    most = max(amount, raised) * EURO
    assert found["units"] <= most + most // 2, "both campaigns together"
    assert found["changed"] == 0, "a message written again after a crash is the same message"
    assert found["sent"] == 60, "whoever gets no offer gets the message"
    assert len(found["codes"] - {None}) == found["offers"], "a code each"


def test_the_crashes_do_harm_where_the_account_is_forgotten() -> None:
    """The same runs with a renderer that counts nothing: the property above can fail."""
    with patch.object(RendererProgram, "dump", lambda self, group, loaded: [(b"b", msgspec.msgpack.encode(Spent()))]):
        runs = [_crashed(seed, 60 * EURO, 60 * EURO, drawn(Random(seed))) for seed in range(8)]
    assert any(one["units"] > 90 * EURO for one in runs) and any(one["changed"] for one in runs)


def test_what_a_partition_has_left_is_its_share_less_what_it_gave_away() -> None:
    # A preview plays one partition alone: what it may grant there is what the renderer of that partition would.
    budgets = Budgets(3, "EUR", {"spring": 100, "autumn": 2})
    spent = {"spring": Spent(40, 2), "old": Spent(7, 1)}
    assert [budgets.left(n, {}).share("spring", 0) for n in range(4)] == [34, 33, 33, 0]
    left = budgets.left(1, spent)
    assert (left.partitions, left.currency, left.share("spring", 0), left.share("autumn", 0)) == (1, "EUR", -7, 1)
