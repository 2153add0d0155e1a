"""Stories through the whole product in virtual time: JSON bytes in, finished messages and decisions out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from app import events
from app.agents.intake_program import IntakeProgram
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.renderer_program import RendererProgram
from app.domain.person import is_stub
from app.engine.memory import MemoryStore
from app.engine.program import Output
from app.engine.simulation import Logged, Simulation
from app.engine.turn import Turn
from app.events import Activation, Tick
from app.policy.pack import build, compile_artifact
from tests.her import UNGATED
from tests.shop import DAY, HOUR, MINUTE, MONDAY, SECOND, Shop, artifact

SHOES = {"product_id": "p1", "product_name": "Trail shoe", "category": "shoes", "price": 89.0}


def test_she_views_shoes_for_40_seconds_and_buys_nothing() -> None:
    # the mail answers what she did, when she did it; no calendar sends it.
    shop = Shop()
    shop.event("product_view", 10 * HOUR, **SHOES, dwell_seconds=40)
    shop.until(10 * HOUR + 2 * HOUR - SECOND)
    assert shop.sends() == []
    shop.until(10 * HOUR + 27 * HOUR)
    assert shop.sends() == [("product-details", "0 12:00:00"), ("related-products", "1 12:00:00")]
    send = shop.records("message_sends")[0]
    assert "Trail shoe" in send["html"] and "Trail shoe" in send["text"]
    assert send["to"]["email"] == "ann@example.invalid"
    assert [one["outcome"] for one in shop.records("decisions") if one["outcome"] != "scheduled"] == ["opened", "sent", "sent"]


def test_29_seconds_are_not_enough_and_30_are() -> None:
    # ≥ 30 s
    for dwell, sends in ((29.9, 0), (30, 1)):
        shop = Shop()
        shop.event("product_view", 0, **SHOES, dwell_seconds=dwell)
        shop.until(3 * HOUR)
        assert len(shop.sends()) == sends


def test_had_she_bought_at_1_59_59_nothing() -> None:
    shop = Shop()
    view = shop.event("product_view", 0, **SHOES, dwell_seconds=40)
    purchase = shop.event(
        "purchase", 2 * HOUR - SECOND, order_id="o-1", total=45, products=[{"product_id": "p9", "price": 45, "quantity": 1}]
    )
    shop.until(2 * DAY - SECOND)
    assert shop.sends() == []
    cancelled = shop.decisions("cancelled", "product_page_abandonment")
    assert [one["step"] for one in cancelled] == [0, 1]
    assert cancelled[0]["cause"] == [view, purchase]
    assert cancelled[0]["reason"] == "cancelled_by_event"


def test_bought_after_the_first_mail_no_second() -> None:
    shop = Shop()
    shop.event("product_view", 0, **SHOES, dwell_seconds=40)
    shop.event("purchase", 5 * HOUR, order_id="o-1", **SHOES, quantity=1)
    shop.until(30 * HOUR)
    assert [message for message, _ in shop.sends()] == ["product-details"]


def test_a_cart_left_for_two_hours() -> None:
    # 2 h
    shop = Shop()
    shop.event("cart_add", 0, **SHOES, quantity=1)
    shop.until(3 * DAY)
    assert shop.sends() == [("cart-reminder", "0 02:00:00"), ("cart-last-call", "1 02:00:00")]


def test_an_order_logged_twice_starts_one_post_purchase() -> None:
    #
    shop = Shop()
    line = {"order_id": "o-1", **SHOES}
    shop.event("purchase", 0, **line, quantity=2)
    shop.event("purchase", 700, **line, quantity=None)
    shop.event("purchase", 0, order_id="o-1", product_id="p2", price=5, quantity=1, arrives=800)
    shop.until(30 * DAY)
    assert shop.sends() == [
        ("usage-tips", "2 00:00:00"),
        ("complements", "7 00:00:00"),
        ("review-request", "14 00:00:00"),
    ]
    assert len(shop.decisions("opened", "post_purchase")) == 1
    (person,) = (group.person for group in shop.simulation.groups())
    assert person.profile.orders == 1
    assert person.profile.spent == 2 * 890_000 + 50_000


def test_the_guides_flat_form_counts_every_view() -> None:
    # A-036, A.25 fault 2: the guide's own code never gets beyond 5
    shop = Shop()
    for second in range(3):
        shop.raw(b'{"customer_id": "ann", "event_type": "product_view", "product_category": "shoes"}', second * SECOND)
    shop.until(MINUTE)
    from app.domain import profile

    (person,) = (group.person for group in shop.simulation.groups())
    assert profile.view(person, MONDAY + MINUTE)["interest"]["increment"] == {"shoes": 15}


def test_nobody_without_consent_or_address_gets_mail() -> None:
    for assume, reason in ((frozenset({"address"}), "no_consent"), (frozenset({"consent"}), "no_address")):
        shop = Shop(assume=assume)
        shop.event("product_view", 0, **SHOES, dwell_seconds=40)
        shop.until(3 * HOUR)
        assert shop.sends() == []
        assert [one["reason"] for one in shop.decisions("not_sent")][:1] == [reason]


def test_unsubscribed_in_the_meantime() -> None:
    shop = Shop()
    shop.event("product_view", 0, **SHOES, dwell_seconds=40)
    shop.event("email_unsubscribe", HOUR, send_id="x")
    shop.until(3 * HOUR)
    assert shop.sends() == []
    assert {one["reason"] for one in shop.decisions("not_sent")} <= {"unsubscribed", "no_consent"}


def test_welcome_waits_for_address_and_consent() -> None:
    #
    shop = Shop("merged", assume=frozenset())
    shop.event("identify", 0, traits={"email": "ann@shop.example", "first_name": "Ann"})
    shop.until(HOUR)
    assert shop.sends() == []
    shop.event("consent_give", HOUR, purposes=["email"])
    shop.until(10 * DAY)
    assert shop.sends()[0] == ("welcome", "0 08:00:00"), "not at one in the night (A-198)"
    assert [message for message, _ in shop.sends()] == ["welcome", "welcome-recommendations", "welcome-offer"]
    assert shop.sends()[1:] == [("welcome-recommendations", "2 08:00:00"), ("welcome-offer", "5 08:00:00")]
    shop.event("consent_give", 11 * DAY, purposes=["email"])
    shop.until(20 * DAY)
    assert len(shop.sends()) == 3, "once ever"


def test_the_same_event_twice_is_one_event() -> None:
    shop = Shop()
    for t in (0, SECOND, HOUR):
        shop.event("purchase", 0, event_id="same", arrives=t, product_id="p1", price=10, quantity=1)
    (person,) = (group.person for group in shop.simulation.groups())
    assert (person.profile.orders, person.profile.spent) == (1, 100_000)


def test_bad_lines_are_buried_with_every_reason_and_the_rest_goes_on() -> None:
    shop = Shop()
    for bad in (
        b"{",
        b"[1]",
        b"\xff",
        b'{"event_type": "product_view"}',
        b'{"customer_id": 7, "event_type": "product_view"}',
        b"x" * 5_000_000,
    ):
        shop.raw(bad, 0)
    shop.event("product_view", SECOND, **SHOES, dwell_seconds=40)
    shop.until(3 * HOUR)
    letters = shop.records("dead_letters")
    assert len(letters) == 6
    assert all(letter["violations"] for letter in letters)
    assert len(shop.sends()) == 1


def _day(seed: int, people: int = 25, count: int = 400) -> list[tuple[int, str, bytes]]:
    """A random day: (arrival, customer, bytes), with duplicates and late arrivals."""
    rng = random.Random(seed)
    lines = []
    for n in range(count):
        customer = f"c{rng.randrange(people)}"
        t = rng.randrange(0, 12 * HOUR)
        kind = rng.choices(["product_view", "cart_add", "purchase", "email_click", "page_view"], [60, 20, 8, 6, 6])[0]
        number = rng.randrange(6)
        properties = {"product_id": f"p{number}", "product_name": f"Thing {number}", "category": f"k{number % 3}", "price": 10 + number}
        if kind == "product_view" and rng.random() < 0.7:
            properties["dwell_seconds"] = rng.choice([5, 29, 30, 31, 200])
        if kind == "purchase":
            properties |= {"order_id": f"o{rng.randrange(60)}-{customer}", "quantity": rng.choice([1, 2, None])}
        line = {
            "event_id": f"e{n}",
            "event_type": kind,
            "customer_id": customer,
            "timestamp": events.iso(MONDAY + t),
            "properties": properties,
        }
        arrives = t + (rng.randrange(3 * HOUR) if rng.random() < 0.1 else 0)
        lines.append((arrives, customer, json.dumps(line).encode()))
        if rng.random() < 0.1:
            lines.append((arrives + rng.randrange(HOUR), customer, lines[-1][2]))
    return sorted(lines)


def _play(lines: list[tuple[int, str, bytes]]) -> Shop:
    shop = Shop("merged")
    for arrives, customer, value in lines:
        shop.raw(value, arrives, customer)
    shop.until(5 * DAY)
    return shop


def test_the_same_input_gives_the_same_bytes() -> None:
    lines = _day(1)
    first, second = _play(lines), _play(lines)
    assert first.outputs == second.outputs
    assert len(first.sends()) > 20


def _journal(seed: int) -> tuple[list[Logged], dict[str, Any]]:
    """A journal as workers write it: accepted events, ticks each 30 s for two days, the renderer's answers; and figures it names."""
    shop = Shop("s1")
    written: list[tuple[bytes | None, bytes]] = []
    inner = shop.simulation._append

    def append(key: bytes | None, value: bytes, at: int) -> None:
        inner(key, value, at)

    shop.simulation._append = append  # type: ignore[method-assign]
    lane = shop.simulation._lane
    run = lane.run

    def recording(line: Logged) -> Iterator[object]:
        written.append((line.key, line.value or b""))
        yield from run(line)

    lane.run = recording  # type: ignore[method-assign,assignment]
    ref = artifact("s1")[0]
    written.append((None, events.encode(Activation(MONDAY, "policy", ref))))
    for arrives, customer, value in _day(seed, people=10, count=150):
        shop.raw(value, arrives, customer)
    shop.until(2 * DAY)
    return [Logged(offset, 0, key, value) for offset, (key, value) in enumerate(written)], shop.figures


def _lane_outputs(journal: list[Logged], figures: dict[str, Any], sizes: Iterator[int]) -> list[tuple[str, bytes]]:
    ref, data = artifact("s1")
    packs = {ref: compile_artifact(ref, data), **figures}
    store = MemoryStore()
    turn = Turn(PersonProgram(packs.__getitem__, frozenset({"consent", "address"})), 0, store)
    outputs: list[Output] = []
    rest = iter(journal)
    while batch := list(islice(rest, next(sizes))):
        for segment in turn.segments(batch):
            outputs += segment.outputs
            store.keep(segment.rows, segment.marks, 0)
            assert segment.defects == 0
    return [(output.topic, output.value) for output in outputs]


def test_batch_sizes_change_nothing() -> None:
    journal, figures = _journal(3)
    one = _lane_outputs(journal, figures, iter(lambda: 1, 0))
    assert any(topic == "addressed_plans" for topic, _ in one)
    rng = random.Random(5)
    for sizes in (iter(lambda: 7, 0), iter(lambda: 1000, 0), iter(lambda: rng.randrange(1, 60), 0)):
        assert _lane_outputs(journal, figures, sizes) == one


def test_everything_stopped_for_three_hours() -> None:
    """People go on shopping and buying while no worker runs; then the journal fills, and only then does the low water pass.

    Nobody who bought is reminded, everybody else once.
    """
    ref, data = artifact("s1")
    packs = {ref: compile_artifact(ref, data)}
    assume = frozenset({"consent", "address"})
    intake = Turn(IntakeProgram("secret", 5000, lambda p, i: str(i.offset), partition_of_key=lambda key: 0), 0, MemoryStore())
    waiting = []
    for n in range(40):
        customer = f"c{n}"
        view = {"event_id": f"v{n}", "event_type": "product_view", "customer_id": customer, "timestamp": events.iso(MONDAY + n * MINUTE)}
        waiting.append((n * MINUTE, customer, view | {"properties": {**SHOES, "dwell_seconds": 40}}))
        if n % 2:
            buy = {"event_id": f"b{n}", "event_type": "purchase", "customer_id": customer, "timestamp": events.iso(MONDAY + 175 * MINUTE)}
            waiting.append((175 * MINUTE, customer, buy | {"properties": {**SHOES, "order_id": f"o{n}"}}))
    waiting.sort(key=lambda one: one[0])
    journal: list[tuple[bytes | None, bytes]] = [(None, events.encode(Activation(MONDAY, "policy", ref)))]
    lines = [Logged(n, MONDAY + t, customer.encode(), json.dumps(event).encode()) for n, (t, customer, event) in enumerate(waiting)]
    back = MONDAY + 180 * MINUTE
    # The workers are back: half of the input is read, the clock ticks, but its low water has not passed what still waits.
    for part, low_water in ((lines[: len(lines) // 2], MONDAY), (lines[len(lines) // 2 :], back)):
        for segment in intake.segments(part):
            journal += [(output.key, output.value) for output in segment.outputs]
            intake.store.keep(segment.rows, segment.marks, 0)  # type: ignore[attr-defined]
        journal.append((None, events.encode(Tick(back, low_water, 500))))
    store = MemoryStore()
    turn = Turn(PersonProgram(packs.__getitem__, assume), 0, store)
    planned = []
    for n, (key, value) in enumerate(journal):
        for segment in turn.segments([Logged(n, 0, key, value)]):
            told = [events.addressed.decode(output.value) for output in segment.outputs if output.topic == "addressed_plans"]
            planned += [events.plans.decode(one.plan) for one in told]
            store.keep(segment.rows, segment.marks, 0)
    assert sorted(plan.customer_id for plan in planned) == sorted(f"c{n}" for n in range(0, 40, 2))


RULES = """
name = "mine"
why  = "a rule with and, or and a figure of the shop's own"

[sender]
from = "hello@shop.example"
name = "Your shop"

[consent]
email       = "opt_in"
personalise = "opt_in"

[[trigger]]
name = "product_page_abandonment"
why  = "shoes, or anything expensive"
open = { on = "product_view", scope = "product", when = "event.dwell_seconds > 29 && (event.category == 'shoes' || event.price > PRICE.0)" }
wait = "1h"
send = "product-details"
"""


def test_a_changed_rule_counts_from_its_activation_on(tmp_path: Path) -> None:
    # evaluated at each interaction, with and/or, changed without a redeploy
    artifacts = []
    for price in ("50", "200"):
        file = tmp_path / f"rules-{price}.toml"
        file.write_text(RULES.replace("PRICE", price), "utf-8")
        artifacts.append(build(str(file)))
    packs = {ref: compile_artifact(ref, data) for ref, data in artifacts}
    assert artifacts[0][0] != artifacts[1][0]
    sends: list[dict[str, str]] = []

    def collect(topic: str, output: Output) -> None:
        if topic == "message_sends":
            sends.append(json.loads(output.value))

    intake = IntakeProgram("secret", 5000, lambda p, i: str(i.offset), partition_of_key=lambda key: 0)
    person = PersonProgram(packs.__getitem__, frozenset({"consent", "address"}))
    renderer = RendererProgram(packs.__getitem__, "secret", "https://shop.example", lambda _: None)
    simulation = Simulation(intake, person, PostmasterProgram(), renderer, collect)

    def view(customer: str, t: int, category: str, price: float) -> None:
        properties = {"product_id": "p1", "product_name": "Thing", "category": category, "price": price, "dwell_seconds": 40}
        line = {"event_type": "product_view", "customer_id": customer, "timestamp": events.iso(MONDAY + t), "properties": properties}
        simulation.feed(MONDAY + t, customer.encode(), json.dumps(line).encode())

    simulation.activate(MONDAY, artifacts[0][0])
    view("shoes", 0, "shoes", 10)
    view("dear", 0, "hats", 60)
    view("cheap", 0, "hats", 40)
    simulation.activate(MONDAY + MINUTE, artifacts[1][0])
    view("dear-later", 2 * MINUTE, "hats", 60)
    view("shoes-later", 2 * MINUTE, "shoes", 10)
    simulation.run_until(MONDAY + 2 * HOUR)
    assert sorted(send["customer_id"] for send in sends) == ["dear", "shoes", "shoes-later"]
    version = {send["customer_id"]: send["policy"]["version"] for send in sends}  # type: ignore[index]
    assert version["dear"] == artifacts[0][0].partition("@")[2], "a window keeps the version it opened under"
    assert version["shoes-later"] == artifacts[1][0].partition("@")[2]


def test_she_looks_on_her_telephone_and_buys_on_her_laptop() -> None:
    #
    shop = Shop(UNGATED)
    shop.event("product_view", 0, None, device="phone", **SHOES, dwell_seconds=40)
    shop.event("identify", HOUR, "ann", device="phone", traits={"email": "ann@shop.example"})
    shop.event("cart_add", HOUR + MINUTE, None, device="laptop", **SHOES, quantity=1)
    shop.event("purchase", HOUR + 2 * MINUTE, None, device="laptop", order_id="o-1", total=89, products=[SHOES])
    shop.until(HOUR + 30 * MINUTE)
    assert [message for message, _ in shop.sends()] == ["welcome", "welcome"], "as far as anybody knows they are two"
    shop.event("page_view", HOUR + 30 * MINUTE, "ann", device="laptop", page_type="home")
    shop.until(3 * DAY)
    told = [message for message, _ in shop.sends()[2:] if not message.startswith("programme")]
    assert told == ["welcome-recommendations", "usage-tips"], "no mail about what she bought"
    live = [group.person for group in shop.simulation.groups() if not is_stub(group.person)]
    assert [(one.profile.customer_id, one.profile.orders, one.profile.anonymous_ids) for one in live] == [("ann", 1, ("laptop", "phone"))]
    assert {one["reason"] for one in shop.decisions("not_sent", "welcome")} == {"merged"}
    assert {one["person_id"] for one in shop.records("message_sends")[2:]} == {live[0].person_id}


def test_an_event_that_says_who_she_is_counts_for_all_she_is() -> None:
    # The login itself opens nothing twice and is held up by nothing: in virtual time everything that hangs on it is there at once.
    shop = Shop(UNGATED)
    shop.event("cart_add", 0, None, device="phone", **SHOES, quantity=1)
    shop.event("cart_add", HOUR, "ann", device="phone", product_id="p2", product_name="Hat", price=20.0, quantity=1)
    shop.until(3 * HOUR)
    assert len(shop.decisions("opened", "cart_abandonment")) == 1 and shop.decisions("held") == []
    assert [message for message, _ in shop.sends("ann") if message == "cart-reminder"] == ["cart-reminder"]
    assert [at for message, at in shop.sends("ann") if message == "cart-reminder"] == ["0 03:00:00"], "it waits from the last change"


def test_she_says_what_she_was_called_before() -> None:
    shop = Shop()
    shop.event("purchase", 0, "ann-old", order_id="o-1", total=45, products=[{"product_id": "p9", "price": 45, "quantity": 1}])
    shop.event("alias", HOUR, "ann", previous_id="ann-old")
    shop.event("purchase", 2 * HOUR, "ann-old", order_id="o-2", total=45, products=[{"product_id": "p9", "price": 45, "quantity": 1}])
    shop.event("alias", 3 * HOUR, "ann-old", previous_id="ann")
    shop.event("alias", 3 * HOUR, "ann", previous_id="ann")
    shop.until(3 * HOUR)
    (her,) = [group.person for group in shop.simulation.groups() if not is_stub(group.person)]
    assert (her.profile.orders, her.profile.events) == (2, 5), "a circle of aliases changes nothing"
