"""`kairos simulate` from the command line: files in, files out, the same bytes each time."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from app import events
from app.__main__ import main
from app.edges.events_file import encode_lines, milliseconds
from app.edges.shop_day import shop_day
from app.edges.tally import Tally
from tests.test_digest import decided

NOON = milliseconds("2026-03-02T12:00:00Z") or 0
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "google-merchandise-store.dev.jsonl.gz"

Line = dict[str, Any]
Run = Callable[..., "Outcome"]


class Outcome:
    """What a run wrote."""

    def __init__(self, folder: Path, summary: Line) -> None:
        self.folder, self.summary = folder, summary

    def lines(self, name: str) -> list[Line]:
        return [orjson.loads(line) for line in (self.folder / name).read_bytes().splitlines()]

    @property
    def sent(self) -> list[tuple[str, int, int]]:
        """(trigger, step, ms after noon it was decided) of every message, in order."""
        return [(one["trigger"], one["step"], (milliseconds(one["decided_at"]) or 0) - NOON) for one in self.lines("sends")]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def simulate(lines: list[Line] | Path, *more: str, name: str = "run", assume: bool = True, policy: str = "s1") -> Outcome:
        folder = tmp_path / name
        folder.mkdir()
        file = lines if isinstance(lines, Path) else folder / "events.jsonl"
        if not isinstance(lines, Path):
            file.write_bytes(encode_lines(lines))
        outputs = [part for topic in ("sends", "decisions", "profiles") for part in (f"--{topic}", str(folder / topic))]
        assumed = ["--assume-consent", "--assume-address"] if assume else []
        with pytest.raises(SystemExit) as ended:
            main(["simulate", str(file), "--policy", policy, "--json", *outputs, *assumed, *more])
        captured = capsys.readouterr()
        assert ended.value.code == 0, captured.err
        return Outcome(folder, orjson.loads(captured.out))

    return simulate


def event(event_type: str, at: int, who: str = "c1", **properties: Any) -> Line:
    event_id = f"{event_type}-{who}-{at}-{properties.get('product_id', '')}"
    return {"event_id": event_id, "event_type": event_type, "customer_id": who, "timestamp": events.iso(at), "properties": properties}


def view(at: int, product: str = "p1", dwell: int | None = 42, **more: Any) -> Line:
    return event("product_view", at, product_id=product, product_name=product.upper(), price=10.0, **more, dwell_seconds=dwell)


def test_a_view_of_half_a_minute_is_followed_up_after_two_hours_and_a_day_later(run: Run) -> None:
    outcome = run([view(NOON)])
    assert outcome.sent == [("product_page_abandonment", 0, 2 * HOUR), ("product_page_abandonment", 1, 26 * HOUR)]
    assert outcome.summary["sends_by_trigger"] == {"product_page_abandonment": {"0": 1, "1": 1}}
    assert outcome.summary["until"] == events.iso(NOON + 30 * DAY)


def test_a_purchase_a_second_before_cancels_it_and_one_after_it_the_rest(run: Run) -> None:
    before = run([view(NOON), event("purchase", NOON + 2 * HOUR - 1000, order_id="o1", total=10)], "--until", "2026-03-03", name="before")
    assert before.sent == []
    after = run([view(NOON), event("purchase", NOON + 3 * HOUR, order_id="o1", total=10)], "--until", "2026-03-04", name="after")
    assert after.sent == [("product_page_abandonment", 0, 2 * HOUR)]


def test_a_tick_comes_after_all_lines_of_its_second(run: Run) -> None:
    on_time = run([view(NOON), event("purchase", NOON + 2 * HOUR, order_id="o1", total=10)], "--until", "2026-03-04", name="on")
    assert on_time.sent == []


def test_until_is_inclusive_and_later_lines_are_not_played(run: Run) -> None:
    lines = [view(NOON), view(NOON + 20 * HOUR, "p2")]
    outcome = run(lines, "--until", "2026-03-02T14:00:00Z")
    assert outcome.sent == [("product_page_abandonment", 0, 2 * HOUR)]
    assert (outcome.summary["lines"], outcome.summary["after_until"]) == (1, 1)
    assert run(lines, "--until", "2026-03-02T13:59:59Z", name="short").sent == []


def test_the_same_input_gives_the_same_bytes(run: Run) -> None:
    day = shop_day(3, date(2026, 3, 2), people=60)
    first, second = (run(day, name=name, assume=False, policy="merged") for name in ("first", "second"))
    assert first.lines("sends")
    for name in ("sends", "decisions", "profiles"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_every_step_of_a_made_up_day_ends_exactly_once(run: Run) -> None:
    outcome = run(shop_day(3, date(2026, 3, 2), people=60), assume=False, policy="merged")
    ends: Counter[tuple[str, int]] = Counter()
    for one in outcome.lines("decisions"):
        if one["outcome"] in ("sent", "cancelled", "not_sent"):
            ends[one["window_id"], one["step"]] += 1
    assert set(ends.values()) == {1}
    sent = {one["send_id"] for one in outcome.lines("decisions") if one["outcome"] == "sent"}
    assert sent == {one["send_id"] for one in outcome.lines("sends")}


def test_without_consent_nothing_goes_out_and_each_non_send_says_why(run: Run) -> None:
    outcome = run([view(NOON)], assume=False)
    assert outcome.sent == []
    assert outcome.summary["not_sent"] == {"no_consent": 2}


def test_people_and_products_are_known_before_the_first_line(run: Run, tmp_path: Path) -> None:
    people, products = tmp_path / "people.jsonl", tmp_path / "products.csv"
    traits, consent = {"email": "ada@example.com", "first_name": "Ada"}, {"email": True, "personalise": True}
    people.write_bytes(orjson.dumps({"customer_id": "c1", "traits": traits, "consent": consent}))
    products.write_text("product_id,name,price,currency,url,image\np1,Enamel Mug,12.50,EUR,https://shop.example/mug,\n", "utf-8")
    bare = event("product_view", NOON, product_id="p1", dwell_seconds=42)
    outcome = run([bare], "--people", str(people), "--products", str(products), assume=False)
    first = outcome.lines("sends")[0]
    assert first["to"]["email"] == "ada@example.com"
    assert "Enamel Mug" in first["html"] and "https://shop.example/mug" in first["html"]
    profile = outcome.lines("profiles")[0]
    assert (profile["customer_id"], profile["consent"]) == ("c1", {"email": True, "personalise": True})


def test_a_message_shows_the_price_of_when_it_is_written(run: Run, tmp_path: Path) -> None:
    # the mail of a view at noon goes out two hours later
    products, changes = tmp_path / "products.jsonl", tmp_path / "changes.jsonl"
    products.write_bytes(b'{"id":"p1","title":"Enamel <b>Mug</b>","price":"12.50 EUR","link":"https://shop.example/mug"}\n')
    stamp = events.iso(NOON + HOUR)
    changes.write_bytes(orjson.dumps({"product_id": "p1", "sale_price": "9.90", "timestamp": stamp}) + b"\n")
    lines = [event("product_view", NOON, product_id="p1", price=12.5, dwell_seconds=42)]
    more = ("--products", str(products), "--catalog-changes", str(changes))
    outcome = run(lines, *more)
    text = outcome.lines("sends")[0]["text"]
    assert "Enamel Mug" in text and "Price: €9.90" in text and "Price: €12.50" not in text
    assert outcome.summary["catalog_changes"] == 1
    assert run(lines, *more, name="again").lines("sends") == outcome.lines("sends")
    before = run(lines, "--products", str(products), name="before").lines("sends")[0]["text"]
    assert "12.50" in before and "9.90" not in before


def test_profiles_have_a_line_for_everybody_anonymous_people_too(run: Run) -> None:
    device = {**event("page_view", NOON + 1), "customer_id": None, "anonymous_id": "dev-1"}
    found = run([event("page_view", NOON), device]).lines("profiles")
    assert {(one["customer_id"], tuple(one["anonymous_ids"])) for one in found} == {("c1", ()), (None, ("dev-1",))}


def test_refused_lines_are_counted_and_the_rest_goes_on(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl.gz"
    nobody, wrong_price = {"event_type": "page_view"}, {"customer_id": "c1", "event_type": "product_view", "price": {}}
    broken = [b"{not json", orjson.dumps(nobody), orjson.dumps(wrong_price)]
    file.write_bytes(gzip.compress(b"\n".join([*broken, orjson.dumps(view(NOON))])))
    outcome = run(file)
    assert len(outcome.sent) == 2
    assert outcome.summary["refused"] == 3
    assert outcome.summary["lines"] == 4


def test_a_duplicate_changes_nothing(run: Run) -> None:
    once = run([view(NOON)], name="once")
    twice = run([view(NOON), view(NOON)], name="twice")
    assert (once.folder / "sends").read_bytes() == (twice.folder / "sends").read_bytes()


def test_a_future_line_does_not_run_the_clock_ahead(run: Run) -> None:
    lines = [view(NOON), view(NOON + 400 * DAY, "p2"), event("purchase", NOON + HOUR, order_id="o1", total=10)]
    outcome = run(lines, "--until", "2026-03-04")
    assert outcome.sent == []


def test_the_double_logged_orders_of_a_real_shop_count_once(run: Run) -> None:
    if not DATA.is_file():
        pytest.skip(f"no real data at {DATA.name}: nothing to replay")
    with gzip.open(DATA) as file:
        lines = [next(file) for _ in range(4000)]
    orders = {found["properties"]["order_id"] for line in lines if (found := orjson.loads(line))["event_type"] == "purchase"}
    outcome = run([orjson.loads(line) for line in lines])
    assert sum(one["orders"] for one in outcome.lines("profiles")) == len(orders) > 20
    opened = Counter(one["trigger"] for one in outcome.lines("decisions") if one["outcome"] == "opened")
    assert opened["post_purchase"] == len(orders)


def test_a_programme_of_hundreds_of_steps_is_told_in_a_line_a_person_can_read() -> None:
    tally = Tally()
    for step, count in [(0, 3), (1, 2), (2, 2), *((n, 1) for n in range(3, 468))]:
        for _ in range(count):
            tally.record("decisions", events.encode_json(decided("sent", 0, trigger="lifecycle_programme", step=step)))
    (line,) = [one for one in tally.lines() if "lifecycle_programme" in one]
    assert line.endswith("472   (step 0: 3, step 1: 2, step 2: 2, steps 3 to 467: 465)")
    assert len(tally.summary()["sends_by_trigger"]["lifecycle_programme"]) == 468, "programs get all of it"
