"""From events to the mail: a model is learned from a shop's past, and what a person gets of it depends on what she did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.__main__ import kairos
from app.agents.simulator import simulator
from app.domain.fingerprint import fingerprint
from app.domain.liking import BOUGHT, VIEWED
from app.domain.message import recommends
from app.domain.recommended import RECOMMENDATIONS
from app.edges.events_file import milliseconds
from app.engine.program import Output
from app.events import Plan, plans
from app.policy.pack import build, compile_artifact
from app.settings import Settings

PACK = """\
name = "picks"
why  = "what goes with an order, an hour after it"

[sender]
from = "a@shop.example"
name = "Shop"

[consent]
email       = "opt_in"
personalise = "opt_in"

[[trigger]]
name = "goes_with"
why  = "A-164"
open = { on = "purchase", scope = "order_id" }
wait = "1h"
send = "picks"

[recommendations]
why = "one"
n   = 2

[[recommendations.use]]
message = "picks"
kind    = "complements"
"""
MJML = """\
<mjml><mj-body><mj-section><mj-column>
<mj-raw>{% if recommendations.size > 0 %}</mj-raw><mj-text>Goes well with it:</mj-text><mj-raw>{% endif %}</mj-raw>
<mj-text>{% for product in recommendations %}<b>{{ product.name }}</b> {{ product.price | money: product.currency }}; {% endfor %}</mj-text>
<mj-text><a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
"""
TEXT = """\
subject: About your order
preheader: What goes with it.
---
{% for product in recommendations %}- {{ product.name }}
{% endfor %}
Unsubscribe: {{ unsubscribe_url }}
"""
CATALOGUE = {
    "shoe": ("Trail shoe", "shoes", 89, 9),
    "socks": ("Wool socks", "socks", 12, 9),
    "wax": ("Shoe wax", "care", 7, 9),
    "tent": ("Tent", "camping", 199, 9),
}


def order(who: str, number: str, at: str, *products: str) -> dict[str, Any]:
    lines = [{"product_id": one, "product_name": CATALOGUE[one][0], "price": CATALOGUE[one][2], "quantity": 1} for one in products]
    told = {"order_id": number, "total": 1, "currency": "EUR", "products": lines}
    return {"event_id": f"e{number}", "event_type": "purchase", "timestamp": at, "customer_id": who, "properties": told}


def run(*arguments: Any) -> str:
    result = CliRunner().invoke(kairos, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


class Story:
    """A folder with the pack, the catalogue and the model of a shop in which most buy socks with shoes, and some wax."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "messages").mkdir()
        (folder / "picks.toml").write_text(PACK)
        (folder / "messages" / "picks.mjml").write_text(MJML)
        (folder / "messages" / "picks.txt").write_text(TEXT)
        self.stock()
        past = [order(f"c{n}", f"o{n}", "2026-02-01T10:00:00Z", "shoe", "wax" if n % 3 == 0 else "socks") for n in range(30)]
        past += [order(f"d{n}", f"q{n}", "2026-02-01T10:00:00Z", "tent") for n in range(5)]
        self._events("past.jsonl", past)
        files = ("--from", folder / "past.jsonl", "--products", folder / "products.jsonl", "--policy", folder / "picks.toml")
        run("train", "recommend", *files, "--model", "cosine", "--out", folder / "model")

    def stock(self, **left: int) -> None:
        rows = [
            {"product_id": one, "name": name, "category": category, "price": price, "currency": "EUR", "stock": left.get(one, pieces)}
            for one, (name, category, price, pieces) in CATALOGUE.items()
        ]
        (self.folder / "products.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def _events(self, name: str, lines: list[dict[str, Any]]) -> Path:
        file = self.folder / name
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return file

    def sends(self, *lines: dict[str, Any], model: bool = True) -> list[dict[str, Any]]:
        """Of Ada, in order."""
        file = self._events("events.jsonl", list(lines))
        more = ["--recommendations", self.folder / "model"] if model else []
        files = ("--policy", self.folder / "picks.toml", "--products", self.folder / "products.jsonl", "--sends", self.folder / "sends")
        run("simulate", file, *files, "--assume-consent", "--assume-address", *more)
        return [json.loads(line) for line in (self.folder / "sends").read_text().splitlines()]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("story"))


BOUGHT_SHOES = order("ada", "a2", "2026-03-10T10:00:00Z", "shoe")


def test_with_shoes_go_socks_and_wax(story: Story) -> None:
    # most had socks with them, some had wax.
    story.stock()
    [send] = story.sends(BOUGHT_SHOES)
    assert send["recommendations"] == ["socks", "wax"]
    assert "<b>Wool socks</b> €12.00" in send["html"] and "- Shoe wax" in send["text"]
    assert send["versions"]["models"][RECOMMENDATIONS].startswith("recommendations@")


def test_bought_the_complement_already_it_is_not_shown(story: Story) -> None:
    story.stock()
    first, second = story.sends(order("ada", "a1", "2026-03-03T10:00:00Z", "socks"), BOUGHT_SHOES)
    assert first["recommendations"][0] == "shoe"
    assert second["recommendations"] == ["wax", "tent"] and "Wool socks" not in second["html"]


def test_sold_out_meanwhile_the_next_best_goes_out(story: Story) -> None:
    #
    story.stock(socks=0)
    [send] = story.sends(BOUGHT_SHOES)
    assert send["recommendations"] == ["wax", "tent"]
    story.stock(socks=0, wax=0, tent=0)
    [send] = story.sends(BOUGHT_SHOES)
    assert send["recommendations"] == [] and "Goes well with it" not in send["html"]


def test_the_same_story_twice_is_the_same_bytes(story: Story) -> None:
    story.stock()
    story.sends(BOUGHT_SHOES)
    before = (story.folder / "sends").read_bytes()
    story.sends(BOUGHT_SHOES)
    assert (story.folder / "sends").read_bytes() == before


def test_without_a_model_the_mail_goes_out_without_the_block(story: Story) -> None:
    story.stock()
    [send] = story.sends(BOUGHT_SHOES, model=False)
    assert send["recommendations"] == [] and send["versions"]["models"] == {} and "Goes well with it" not in send["html"]


def test_a_model_that_is_none_and_one_without_a_catalogue_are_wrong_use(story: Story, tmp_path: Path) -> None:
    events = story._events("events.jsonl", [BOUGHT_SHOES])
    (tmp_path / "no-model").write_bytes(b"nothing")
    runner = CliRunner()
    both = ["simulate", str(events), "--products", str(story.folder / "products.jsonl"), "--recommendations", str(tmp_path / "no-model")]
    assert runner.invoke(kairos, both, standalone_mode=True).exit_code == 2
    alone = ["simulate", str(events), "--recommendations", str(story.folder / "model")]
    assert runner.invoke(kairos, alone, standalone_mode=True).exit_code == 2


# --- what a plan tells of her taste -------------------------------------------------------------------------------------------------


def planned(pack: str, *lines: dict[str, Any], assume: frozenset[str] = frozenset({"consent", "address"})) -> list[Plan]:
    """The plans of a file's events under a pack."""
    found: list[Plan] = []

    def on_output(topic: str, output: Output) -> None:
        if topic == "message_plans":
            found.append(plans.decode(output.value))

    ref, data = build(pack)
    simulation = simulator((ref, data), Settings(), on_output, assume)
    for line in lines:
        at = milliseconds(line["timestamp"]) or 0
        if line is lines[0]:
            simulation.activate(at, ref)
        simulation.feed(at, line["customer_id"].encode(), json.dumps(line).encode())
    simulation.run_until((milliseconds(lines[-1]["timestamp"]) or 0) + 86_400_000)
    return found


def view(number: int, product: str, category: str, at: str) -> dict[str, Any]:
    told = {"product_id": product, "product_name": product.title(), "category": category, "dwell_seconds": 42}
    return {"event_id": f"v{number}", "event_type": "product_view", "timestamp": at, "customer_id": "ada", "properties": told}


def test_a_plan_tells_what_she_did_newest_first_and_nothing_of_what_is_private(story: Story) -> None:
    #
    views = [view(1, "tent", "camping", "2026-03-09T10:00:00Z"), view(2, "test", "Pregnancy tests", "2026-03-09T11:00:00Z")]
    [plan] = planned(str(story.folder / "picks.toml"), *views, BOUGHT_SHOES)
    at = milliseconds("2026-03-10T10:00:00Z"), milliseconds("2026-03-09T10:00:00Z")
    assert [tuple(one) for one in plan.taste] == [(fingerprint("shoe"), BOUGHT, at[0]), (fingerprint("tent"), VIEWED, at[1])]


def test_a_message_that_asks_for_no_recommendations_carries_none() -> None:
    found = planned("s1", view(1, "tent", "camping", "2026-03-09T10:00:00Z"))
    told = {one.message: one.taste for one in found}
    silent = [name for name in told if not recommends(compile_artifact(*build("s1")).messages[name])]
    assert found and all(told[name] == [] for name in silent)


def test_of_who_does_not_want_to_be_known_a_plan_tells_no_taste(story: Story) -> None:
    text = PACK.replace('wait = "1h"', 'wait = "1h"\nneeds = ["email"]')
    (story.folder / "open.toml").write_text(text)
    consent = {"event_id": "y", "event_type": "consent_give", "timestamp": "2026-03-01T10:00:00Z", "customer_id": "ada"}
    asked = [{**consent, "properties": {"purposes": purposes}} for purposes in (["email"], ["email", "personalise"])]
    told = [planned(str(story.folder / "open.toml"), one, BOUGHT_SHOES, assume=frozenset({"address"}))[0].taste for one in asked]
    assert told[0] == [] and len(told[1]) == 1
