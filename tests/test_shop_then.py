"""Preview and explain of a running cluster know its shop: prices, stock, budgets and the model as of then, and what is no longer known."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.agents.kinds import encode_budgets, encode_model
from app.agents.renderer_program import ACCOUNT
from app.agents.simulator import simulator
from app.commands import asked
from app.domain import neighbours
from app.domain.budgets import BUDGETS, Budgets, Spent
from app.domain.recommended import RECOMMENDATIONS
from app.edges import why_sent
from app.edges.events_file import milliseconds
from app.engine.artifacts import chunks
from app.engine.program import Output
from app.engine.rows import NEVER, pack_value, row_key
from app.engine.simulation import Logged
from app.events import Artifact, encode_json, iso
from app.policy.pack import build
from app.settings import Settings
from tests.test_dossier import Topics
from tests.test_explain import HOUR, MINUTE, NOON, Call, event, known

PACK = """\
name = "shop"
why  = "a mail about a product, with an offer that a campaign pays for"

[sender]
from = "a@shop.example"
name = "Shop"

[consent]
email       = "opt_in"
personalise = "opt_in"

[offers]
why      = "what an offer may be"
currency = "EUR"
up_to    = 20

[[offer]]
name     = "spring"
why      = "A-150"
kind     = "spring_percent"
discount = 0.1
campaign = "spring"

[[trigger]]
name  = "looked"
why   = "A-126: of what is sold out nobody is written to"
open  = { on = "product_view", scope = "product" }
wait  = "2h"
send  = "about-it"
stock = true
offer = "spring"
"""
MJML = """\
<mjml><mj-body><mj-section><mj-column>
<mj-text>{{ event.product_name }}</mj-text>
<mj-text>{% for product in recommendations %}{{ product.name }} {% endfor %}</mj-text>
<mj-text><a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
"""
TEXT = """\
subject: {{ event.product_name }} at {{ window.products[0].price | money: window.products[0].currency }}
preheader: You looked at it.
---
{% if offer.discount > 0 %}{{ offer.discount | times: 100 | round }} % off with {{ offer.code }}{% else %}No offer{% endif %}
{% for product in recommendations %}- {{ product.name }}
{% endfor %}
Unsubscribe: {{ unsubscribe_url }}
"""
LAMP = {"product_id": "lamp", "name": "Lamp", "price": 30, "currency": "EUR", "stock": 5, "margin": 0.6}
BULB = {"product_id": "bulb", "name": "Bulb", "price": 4, "currency": "EUR", "stock": 50, "margin": 0.6}
SHADE = {"product_id": "shade", "name": "Shade", "price": 12, "currency": "EUR", "stock": 50, "margin": 0.6}
SPRING = Budgets(1, "EUR", {"spring": 100 * 10_000})


class Cluster(Topics):
    """What a cluster's topics hold once a day was played: the same programs over memory, every record stamped as it came."""

    def __init__(self) -> None:
        super().__init__()
        for topic in ("products", "renders-changelog"):
            self.records[topic] = []
        ref, data = build("shop.toml")
        self._models: dict[str, Any] = {}
        self.simulation = simulator((ref, data), Settings(), self._take, on_line=self._line, models=self._models)
        self._publish("policy", ref, data)
        self.simulation.activate(NOON - 2 * HOUR, ref)
        self.simulation.run_until(NOON - 2 * HOUR)

    def _take(self, topic: str, output: Output) -> None:
        if topic in self.records and topic != "journal":
            self.records[topic].append(Logged(len(self.records[topic]), self.simulation.now, output.key, output.value or None))

    def _line(self, line: Any) -> None:
        self.records["journal"].append(line)

    def _publish(self, kind: str, ref: str, data: bytes) -> None:
        for output in [*chunks(kind, ref, data), Output("artifacts", f"active/{kind}".encode(), encode_json(Artifact(kind, ref)))]:
            self.put("artifacts", output.key, output.value)

    def did(self, one: dict[str, Any]) -> None:
        self.until((milliseconds(one["timestamp"]) or 0) - NOON)
        self.simulation.feed(milliseconds(one["timestamp"]) or 0, b"c1", json.dumps(one).encode())

    def stock(self, at: int, *products: dict[str, Any]) -> None:
        self.until(at)
        self.simulation.change(NOON + at, [(one["product_id"].encode(), json.dumps(one).encode()) for one in products])

    def active(self, at: int, kind: str, ref: str, data: bytes, compiled: Any) -> None:
        self.until(at)
        self._models[ref] = compiled
        self._publish(kind, ref, data)
        self.simulation.activate(NOON + at, ref, kind)

    def budgets(self, at: int, told: Budgets) -> None:
        self.active(at, BUDGETS, *encode_budgets(told), told)

    def spent(self, at: int, amount: int) -> None:
        """The renderer's row of the campaign in its changelog."""
        self.until(at)
        row = pack_value(at, NEVER, msgspec.msgpack.encode(Spent(amount * 10_000, 1)))
        self.records["renders-changelog"].append(Logged(0, NOON + at, row_key(ACCOUNT, b"spring"), row))

    def until(self, at: int) -> None:
        """A tick a minute: a real cluster's come twice a second, whether anything is due or not."""
        while self.simulation.now < NOON + at:
            self.simulation.run_until(min(NOON + at, self.simulation.now + MINUTE))

    def compact(self, topic: str) -> None:
        """Of each key the newest record, as the cleaner leaves it."""
        newest = {one.key: one for one in self.records[topic]}
        self.records[topic] = list(newest.values())


def founded(monkeypatch: pytest.MonkeyPatch, pack: str = PACK) -> Cluster:
    """A cluster that the commands find, with a pack that lies in this folder."""
    Path("messages").mkdir()
    Path("shop.toml").write_text(pack, "utf-8")
    Path("messages/about-it.mjml").write_text(MJML, "utf-8")
    Path("messages/about-it.txt").write_text(TEXT, "utf-8")
    made = Cluster()

    @asynccontextmanager
    async def scanner(settings: Settings) -> AsyncIterator[Cluster]:
        yield made

    for module in (asked, why_sent):
        monkeypatch.setattr(module, "scanner", scanner)
    return made


@pytest.fixture
def cluster(call: Call, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Somebody known, a lamp in the catalogue, and a campaign that has means; `call` has the folder."""
    made = founded(monkeypatch)
    made.stock(-HOUR, LAMP, BULB, SHADE)
    made.budgets(-HOUR, SPRING)
    for one in known():
        made.did(one)
    return made


def looked(at: int) -> dict[str, Any]:
    return event("product_view", at, product_id="lamp", product_name="Lamp", price=30, currency="EUR")


LOOK = json.dumps({"event_type": "product_view", "product_id": "lamp", "product_name": "Lamp", "price": 28, "currency": "EUR"})
"""As her page told it: the catalogue knows better."""


def preview(call: Call, *more: str, code: int = 0) -> dict[str, Any]:
    ended, out, err = call("preview", "--person", "c1", "--trigger", "looked", "--event", LOOK, "--json", *more)
    assert ended == code, err or out[:2_000]
    found: dict[str, Any] = json.loads(out)
    return found


def as_of(at: int) -> tuple[str, str]:
    return "--at", iso(NOON + at)


# --- the catalogue ----------------------------------------------------------------------------------------------------------------


def test_a_price_that_changed_on_the_cluster_shows(cluster: Cluster, call: Call) -> None:
    # the message tells what the product costs when it is written
    assert preview(call)["message"]["subject"] == "Lamp at €30.00"
    cluster.stock(HOUR, {"product_id": "lamp", "price": 25})
    cluster.until(3 * HOUR)
    found = preview(call)
    assert (found["message"]["subject"], found["notes"]) == ("Lamp at €25.00", [])


def test_the_preview_is_what_the_cluster_sends(cluster: Cluster, call: Call) -> None:
    cluster.stock(HOUR, {"product_id": "lamp", "price": 25})
    cluster.until(2 * HOUR)
    found = preview(call)
    cluster.did(looked(2 * HOUR))
    cluster.until(5 * HOUR)
    (sent,) = [json.loads(one.value or b"") for one in cluster.records["message_sends"]]
    for field in ("subject", "preheader", "message", "recommendations", "to"):
        assert found["message"][field] == sent[field], field
    hers, theirs = found["message"]["offer"], sent["offer"]
    assert {**hers, "code": "", "expires_at": ""} == {**theirs, "code": "", "expires_at": ""} and theirs["discount"] == 0.1


def test_sold_out_it_would_not_be_sent_and_is_shown_all_the_same(cluster: Cluster, call: Call) -> None:
    #
    cluster.stock(HOUR, {"product_id": "lamp", "stock": 0})
    cluster.until(3 * HOUR)
    found = preview(call, code=1)
    assert (found["would_be_sent"], found["decision"]["reason"]) == (False, "out_of_stock")
    assert found["message"]["subject"] == "Lamp at €30.00"


def test_time_travel_has_the_catalogue_of_then(cluster: Cluster, call: Call) -> None:
    cluster.stock(2 * HOUR, {"product_id": "lamp", "price": 25})
    cluster.stock(4 * HOUR, {"product_id": "lamp", "stock": 0})
    cluster.until(6 * HOUR)
    assert preview(call, *as_of(HOUR))["message"]["subject"] == "Lamp at €30.00"
    assert preview(call, *as_of(3 * HOUR))["message"]["subject"] == "Lamp at €25.00"
    assert preview(call, *as_of(5 * HOUR), code=1)["decision"]["reason"] == "out_of_stock"
    assert [preview(call, *as_of(at), code=code)["notes"] for at, code in ((HOUR, 0), (5 * HOUR, 1))] == [[], []]


def test_what_was_overwritten_since_is_noted_and_counts_as_not_in_the_catalogue(cluster: Cluster, call: Call) -> None:
    cluster.stock(4 * HOUR, {"product_id": "lamp", "price": 25, "stock": 0})
    cluster.until(6 * HOUR)
    cluster.compact("products")
    found = preview(call, *as_of(HOUR))
    assert found["notes"] == ["the catalogue no longer keeps what it had of lamp then, if anything: taken as not in it"]
    assert found["would_be_sent"] and found["message"]["subject"] == "Lamp at €28.00", "sold out it was later"
    assert preview(call, code=1)["notes"] == [], "now everything is known"


# --- offers -----------------------------------------------------------------------------------------------------------------------


def test_an_offer_whose_campaign_is_spent_is_shown_as_the_renderer_would_make_it(cluster: Cluster, call: Call) -> None:
    # the mail goes out, without the offer
    found = preview(call)
    assert "10 % off with " in found["message"]["text"] and found["message"]["offer"]["discount"] == 0.1
    assert found["decision"]["values"]["offer"]["campaign_left"] == "100.00"
    cluster.spent(HOUR, 90)
    cluster.until(2 * HOUR)
    found = preview(call)
    assert "No offer" in found["message"]["text"] and found["message"]["offer"] is None
    told = found["decision"]["values"]["offer"]
    assert (told["withheld"], told["campaign_left"]) == ("campaign_budget", "10.00")
    before = preview(call, *as_of(30 * MINUTE))
    assert before["decision"]["values"]["offer"]["campaign_left"] == "100.00"
    assert before["notes"] == ["campaign spring: what it had given away by then is no longer kept, and taken as nothing"]


def test_where_the_mail_is_not_to_go_without_its_offer_that_is_the_verdict(cluster: Cluster, call: Call) -> None:
    Path("other.toml").write_text(PACK.replace('campaign = "spring"', 'campaign = "spring"\nwithout = "budget"'), "utf-8")
    cluster.spent(HOUR, 90)
    cluster.until(2 * HOUR)
    found = preview(call, "--policy", "other.toml", code=1)
    assert (found["decision"]["reason"], found["would_be_sent"]) == ("budget", False)
    assert "10 % off with " in found["message"]["text"], "as it would be, had the campaign the means"


def test_budgets_are_those_that_were_active_then(cluster: Cluster, call: Call) -> None:
    cluster.budgets(2 * HOUR, Budgets(1, "EUR", {"spring": 5 * 10_000}))
    cluster.until(4 * HOUR)
    assert preview(call, *as_of(HOUR))["decision"]["values"]["offer"]["campaign_left"] == "100.00"
    assert preview(call)["decision"]["values"]["offer"]["campaign_left"] == "5.00"
    cluster.records["artifacts"] = [one for one in cluster.records["artifacts"] if not (one.key or b"").startswith(b"budgets@")]
    found = preview(call)
    assert found["message"]["offer"] is None and "cannot be read from the artifacts topic" in found["notes"][0]


def test_a_journal_without_its_beginning_goes_by_what_is_active_now(cluster: Cluster, call: Call) -> None:
    for one in known(2 * HOUR):
        cluster.did(one)
    cluster.until(4 * HOUR)
    cluster.records["journal"] = [one for one in cluster.records["journal"] if one.timestamp > NOON + HOUR]
    cluster.first = cluster.records["journal"][0].offset
    found = preview(call)
    assert found["message"]["offer"]["discount"] == 0.1 and len(found["notes"]) == 1, "the cut is noted, the budgets are known"
    assert "no longer tells which budgets were active then" in preview(call, *as_of(3 * HOUR))["notes"][1]


# --- recommendations --------------------------------------------------------------------------------------------------------------


def model() -> bytes:
    """Shades and bulbs go with lamps, shades more."""
    near = {kind: [(1, 0.9), (2, 0.5)] for kind in neighbours.NEIGHBOURS}
    items = [neighbours.Item(["lamp"], "light", neighbours=near), neighbours.Item(["shade"], "light"), neighbours.Item(["bulb"], "light")]
    return neighbours.encode(items, [0, 1, 2], {}, "cosine", 1, 1, 1)


def learnt(cluster: Cluster, at: int) -> str:
    ref, data = encode_model(model(), 1)
    cluster.active(at, RECOMMENDATIONS, ref, data, neighbours.decode(data))
    return ref


def test_what_is_recommended_is_of_the_active_model_and_in_stock(cluster: Cluster, call: Call) -> None:
    #
    assert preview(call)["message"]["recommendations"] == []
    ref = learnt(cluster, HOUR)
    cluster.until(2 * HOUR)
    found = preview(call)
    assert found["message"]["recommendations"] == ["shade", "bulb"] and "- Shade" in found["message"]["text"]
    assert found["message"]["versions"]["models"][RECOMMENDATIONS] == ref
    cluster.stock(3 * HOUR, {"product_id": "shade", "stock": 0})
    cluster.until(4 * HOUR)
    assert preview(call)["message"]["recommendations"] == ["bulb"]
    assert preview(call, *as_of(30 * MINUTE))["message"]["recommendations"] == [], "before anything was learnt"


def test_a_model_that_was_taken_off_since_is_noted(cluster: Cluster, call: Call) -> None:
    ref = learnt(cluster, HOUR)
    cluster.until(2 * HOUR)
    cluster.records["artifacts"] = [one for one in cluster.records["artifacts"] if not (one.key or b"").startswith(ref.encode())]
    found = preview(call)
    assert found["message"]["recommendations"] == []
    assert found["notes"] == [f"nothing is recommended: {ref} was active then, and has been taken off the artifacts topic since"]


# --- explain ----------------------------------------------------------------------------------------------------------------------


def test_explain_of_a_send_names_its_offer_and_its_products_as_they_were(cluster: Cluster, call: Call) -> None:
    # every decision can be traced
    learnt(cluster, HOUR)
    cluster.did(looked(2 * HOUR))
    cluster.until(5 * HOUR)
    cluster.stock(6 * HOUR, {"product_id": "lamp", "price": 19, "stock": 0})
    cluster.until(7 * HOUR)
    (sent,) = [json.loads(one.value or b"") for one in cluster.records["message_sends"]]
    code, out, err = call("explain", "--send", sent["send_id"])
    assert code == 0, err
    lines = out.splitlines()
    assert f"offer: spring_percent, 10 % off, code {sent['offer']['code']}, until 2026-03-09" in lines
    assert "about: Lamp (lamp, 30.00 EUR, 5 there)" in lines
    assert "recommended: Shade (shade, 12.00 EUR, 50 there); Bulb (bulb, 4.00 EUR, 50 there)" in lines
    assert "campaign spring" in out and "note:" not in out
    cluster.compact("products")
    _, out, _ = call("explain", "--send", sent["send_id"])
    assert "about: lamp (no longer known)" in out
    assert "note: the catalogue no longer keeps what it had of lamp then, if anything: taken as not in it" in out


def test_explain_of_a_person_names_what_her_messages_recommended(cluster: Cluster, call: Call) -> None:
    learnt(cluster, HOUR)
    cluster.did(looked(2 * HOUR))
    cluster.until(5 * HOUR)
    code, out, err = call("explain", "--person", "c1", "--json")
    assert code == 0, err
    (send,) = [one for one in json.loads(out)["entries"] if one["kind"] == "send"]
    assert send["more"][-1] == "recommended: Shade (shade, 12.00 EUR, 50 there); Bulb (bulb, 4.00 EUR, 50 there)"
