"""`kairos preview`: what is shown is what would be sent, as of any time, and what would stop it is named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from app.__main__ import main
from app.commands.preview import preview as preview_command
from app.domain.occasion import fitting
from app.domain.signing import verify
from app.edges.events_file import encode_lines
from app.events import Conclusion, Event
from app.policy.pack import build, compile_artifact
from app.settings import DEMO_SECRET
from tests.her import UNGATED
from tests.test_explain import DAY, EVIL, HOUR, MINUTE, NOON, Call, event, known, view, written

ASK = ("preview", "--events", "events.jsonl", "--policy", UNGATED, "--person", "c1", "--trigger")


def seen(call: Call, lines: list[dict[str, Any]], trigger: str, *more: str, who: str = "c1", code: int = 0) -> dict[str, Any]:
    arguments = ("preview", "--person", who, "--trigger", trigger, "--events", written(lines), "--policy", UNGATED, "--json", *more)
    ended, out, err = call(*arguments)
    assert ended == code, err or out[:1500]
    found: dict[str, Any] = json.loads(out)
    return found


def unsigned(text: str) -> str:
    return re.sub(r"/u/[\w.-]+", "/u/…", text)


def test_the_preview_is_the_message_that_is_sent(call: Call, tmp_path: Path) -> None:
    """The same view once as an entry event, once really done: the same message, but for ids and signed links."""
    before, entry = [*known(first_name="Ada"), view(HOUR, "Hat", dwell=3)], view(2 * HOUR)
    found = seen(call, before, "product_page_abandonment", "--at", "2026-03-02T14:00:00Z", "--event", json.dumps(entry))
    with pytest.raises(SystemExit):
        main(["simulate", written([*before, entry]), "--policy", UNGATED, "--sends", str(tmp_path / "sends")])
    really = [json.loads(line) for line in (tmp_path / "sends").read_bytes().splitlines()]
    (sent,) = [one for one in really if (one["trigger"], one["step"]) == ("product_page_abandonment", 0)]
    for field in ("to", "from", "subject", "preheader", "opened_at", "due_at", "decided_at", "expires_at", "message", "recommendations"):
        assert found["message"][field] == sent[field], field
    assert unsigned(found["message"]["html"]) == unsigned(sent["html"])
    assert unsigned(found["message"]["text"]) == unsigned(sent["text"])
    assert "Ada" in sent["text"] and "Hat" in sent["text"]


def test_links_of_a_preview_unsubscribe_nobody(call: Call) -> None:
    html = seen(call, [*known(), view(HOUR)], "product_page_abandonment", "--at", "2026-03-03T00:00:00Z")["message"]["html"]
    tokens = set(re.findall(r"/u/([\w.-]+)", html))
    assert tokens and all(verify([DEMO_SECRET], "unsubscribe", token) is None for token in tokens)


def test_the_entry_is_made_after_her_own_newest_and_fits_the_opening(call: Call) -> None:
    found = seen(call, [*known(), view(HOUR), view(2 * HOUR, "Hat", dwell=4)], "product_page_abandonment")
    assert found["entry"]["after"] == f"product_view-c1-{2 * HOUR}"
    assert found["entry"]["properties"]["dwell_seconds"] == 60  # hers was too short to open anything
    assert "Hat" in found["message"]["subject"]
    code, out, _ = call(*ASK, "product_page_abandonment")
    assert code == 0 and "with a longer look" in out and "verdict  first message would be sent" in out


def test_time_travel(call: Call) -> None:
    lines = [*known(), view(HOUR), event("purchase", 5 * HOUR, order_id="o1", product_name="Mug", total=9.5), view(6 * HOUR, "Hat")]
    then = seen(call, lines, "product_page_abandonment", "--at", "2026-03-02T13:30:00Z", "--step", "0")
    assert then["joined"] is True and then["decision"]["at"] == "2026-03-02T15:00:00.000Z"
    now = seen(call, lines, "product_page_abandonment")
    assert "Hat" in now["message"]["subject"]
    code, _, err = call(*ASK, "post_purchase", "--at", "2026-03-02T13:30:00Z")
    assert code == 1 and "opens on purchase or store_purchase" in err
    cart = json.dumps(event("cart_add", 0, product_id="p"))
    later = seen(call, lines, "cart_abandonment", "--at", "2026-04-01T00:00:00Z", "--event", cart)
    assert later["decision"]["at"] == "2026-04-01T02:00:00.000Z"


def test_before_she_was_known_there_is_nobody(call: Call) -> None:
    file = written([*known(), view(HOUR)])
    code, _, err = call("preview", "--person", "c1", "--trigger", "welcome", "--at", "2026-03-01T00:00:00Z", "--events", file)
    assert code == 1 and "nothing is kept of c1" in err


def test_a_gate_that_would_stop_it_is_named_and_the_message_shown_all_the_same(call: Call) -> None:
    lines = [event("identify", 0, traits={"email": "c1@example.com"}), view(HOUR)]
    found = seen(call, lines, "product_page_abandonment", "--at", "2026-03-05T00:00:00Z", code=1)
    assert (found["would_be_sent"], found["decision"]["reason"]) == (False, "no_consent")
    assert "Mug" in found["message"]["subject"] and "no_consent – " in found["verdict"]
    code, out, _ = call(*ASK, "product_page_abandonment")
    assert code == 1
    assert "gate     consent: email no, personalise no\ngate     stopped by: consent\n" in out
    assert "the message it would have been:" in out and re.search("subject    .*Mug", out)
    gone = [*known(), event("email_unsubscribe", HOUR, send_id="s"), view(2 * HOUR)]
    assert seen(call, gone, "product_page_abandonment", code=1)["decision"]["reason"] == "unsubscribed"


def test_without_an_address_there_is_no_message_to_show(call: Call) -> None:
    found = seen(call, [view(HOUR)], "product_page_abandonment", "--assume-consent", code=1)
    assert (found["decision"]["reason"], found["missing"], found["message"]) == ("no_address", "no_address", None)
    page = Path("never.html")
    code, out, _ = call(*ASK, "product_page_abandonment", "--html", str(page))
    assert code == 1 and "no message can be shown: no_address – " in out and not page.exists()
    assert seen(call, [view(HOUR)], "product_page_abandonment", "--assume-consent", "--assume-address")["would_be_sent"]


def test_what_keeps_a_window_from_opening_is_named(call: Call) -> None:
    lines = [*known(), view(HOUR), *([event("page_view", 2 * DAY)])]
    found = seen(call, lines, "product_page_abandonment", code=1)
    assert found["unopened"] == "the person has had it: not again for 7 d"
    assert "Mug" in found["message"]["subject"]
    long_after = [*known(), event("page_view", 20 * DAY)]
    assert seen(call, long_after, "welcome", code=1)["unopened"] == "the person has had it: once ever"
    short = json.dumps(view(0, "Hat", dwell=2))
    found = seen(call, lines, "product_page_abandonment", "--event", short, code=1)
    assert found["unopened"] == "the opening's condition does not hold: event.dwell_seconds >= 30"
    untracked = [*known(), view(HOUR, dwell=2), event("consent_withdraw", 2 * HOUR, purposes=["track"])]
    assert "may not be kept" in seen(call, untracked, "product_page_abandonment", code=1)["unopened"]
    hers = [*known(), view(HOUR, "Pregnancy test kit")]
    private = seen(call, hers, "product_page_abandonment", code=1)["unopened"]
    assert private == "what it is about tells something that nobody may infer ([sensitive])"


def test_later_messages_of_the_chain_have_a_step(call: Call) -> None:
    found = seen(call, [*known(), view(HOUR)], "product_page_abandonment", "--at", "2026-03-02T13:00:30Z", "--step", "1")
    assert (found["message"]["step"], found["message"]["message"]) == (1, "related-products")
    code, _, err = call(*ASK, "welcome", "--step", "9")
    assert code == 1 and "its chain has 3" in err


def test_all_lines_of_an_order_are_in_the_message(call: Call) -> None:
    def line(at: int, name: str) -> dict[str, Any]:
        return event("purchase", at, order_id="o1", product_id=name, product_name=name, price=5, quantity=1)

    found = seen(call, [*known(), line(HOUR, "Mug"), line(HOUR + 1, "Hat")], "post_purchase")
    assert "Mug" in found["message"]["text"] and "Hat" in found["message"]["text"]
    assert found["entry"]["records"] == 2 and found["entry"]["properties"]["order_id"] == "o1-preview"


def test_what_happens_on_the_way_counts(call: Call) -> None:
    """A message that waits already goes out before, and is why this one does not."""
    lines = [*known(), view(HOUR)]  # both messages of this view go out on the 2nd and 3rd
    found = seen(call, lines, "product_page_abandonment", "--at", "2026-03-04T00:00:00Z", code=1)
    assert found["unopened"] == "the person has had it: not again for 7 d"


def test_an_entry_may_be_given_as_text_or_file(call: Call, tmp_path: Path) -> None:
    entry = {"event_type": "cart_add", "product_id": "p9", "product_name": "Lamp", "price": 30}
    by_text = seen(call, known(), "cart_abandonment", "--event", json.dumps(entry))
    (tmp_path / "entry.json").write_text(json.dumps(entry), "utf-8")
    by_file = seen(call, known(), "cart_abandonment", "--event", str(tmp_path / "entry.json"))
    assert by_text == by_file and "Lamp" in by_text["message"]["subject"]
    assert by_text["entry"]["after"] is None


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        (("--trigger", "cart_abandonmet"), 1, "did you mean cart_abandonment?"),
        (("--trigger", EVIL), 1, "has no trigger"),
        (("--trigger", "cart_abandonment"), 1, "--event"),
        (("--trigger", "cart_abandonment", "--event", "{broken"), 2, "--event"),
        (("--trigger", "cart_abandonment", "--event", "missing.json"), 2, "--event"),
        (("--trigger", "cart_abandonment", "--event", '{"event_type": "page_view"}'), 2, "opens on cart_add"),
        (("--trigger", "cart_abandonment", "--event", '{"event_type": "cart_add", "price": []}'), 2, "price"),
        (("--trigger", "cart_abandonment", "--at", "soon"), 2, "soon"),
        (("--trigger", "cart_abandonment", "--step", "-1"), 2, "-1"),
        (("--trigger", "cart_abandonment", "--policy", "missing"), 2, "missing"),
        (("--trigger", "cart_abandonment", "--products", "missing.csv"), 2, "missing.csv"),
    ],
)
def test_what_cannot_be_asked_is_one_line(call: Call, more: tuple[str, ...], code: int, word: str) -> None:
    policy = () if "--policy" in more else ("--policy", UNGATED)
    ended, out, err = call("preview", "--person", "c1", "--events", written([*known(), view(0)]), *policy, *more)
    assert (ended, out, err.count("\n")) == (code, "", 1)
    assert word in err and "\x1b" not in err


def test_nobody_and_no_broker(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = call("preview", "--person", "nobody", "--trigger", "welcome", "--events", written([view(0)]), "--policy", UNGATED)
    assert code == 1 and "nobody" in err
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")
    assert call("preview", "--person", "c1", "--trigger", "welcome")[0] == 3


def test_hostile_names_stay_text_in_terminal_and_page(call: Call) -> None:
    page = Path("message.html")
    written([*known(first_name=EVIL), view(HOUR, EVIL)])
    code, out, _ = call(*ASK, "product_page_abandonment", "--at", "2026-03-02T13:00:00Z", "--html", str(page))
    assert code == 0 and not set("\x1b\x07\u202e") & set(out)
    assert "<script" not in page.read_text("utf-8") and "&lt;script" in page.read_text("utf-8")


def test_the_help_tells_the_exit_codes(call: Call) -> None:
    code, out, _ = call("preview", "--help")
    assert code == 0 and "Exit 0: it would be sent." in " ".join(out.split())
    assert preview_command.help


def test_the_catalogue_of_a_file_is_used(call: Call) -> None:
    Path("products.csv").write_text("product_id,name,price,currency\np9,Desk Lamp,30,EUR\n", "utf-8")
    Path("people.jsonl").write_bytes(encode_lines([{"customer_id": "c1", "traits": {"email": "ada@example.com"}}]))
    entry = json.dumps({"event_type": "cart_add", "product_id": "p9"})
    more = ("--event", entry, "--products", "products.csv", "--people", "people.jsonl", "--assume-consent")
    found = seen(call, [view(MINUTE)], "cart_abandonment", *more)
    assert "Desk Lamp" in found["message"]["text"] and found["message"]["to"]["email"] == "ada@example.com"


def test_the_same_preview_is_the_same_message(call: Call) -> None:
    first, second = (seen(call, [*known(), view(HOUR)], "product_page_abandonment") for _ in range(2))
    assert first == second


def test_an_opening_that_counts_gets_as_many_events_as_it_takes_on_as_many_days() -> None:
    row = compile_artifact(*build(UNGATED)).by_name["product_page_abandonment"]
    third = replace(row, opening=replace(row.opening, count=3, days=2, within=7 * DAY))
    hers = Event(NOON, "e1", "product_view", NOON, "p", "c1", properties={"product_id": "mug", "dwell_seconds": 42})
    found = fitting(third, [hers], "p", NOON + DAY, lambda condition, properties: True)
    assert found is not None
    assert [one.ts for one in found.records if isinstance(one, Event)] == [NOON - DAY, NOON, NOON + DAY]
    assert {one.at for one in found.records} == {NOON + DAY}
    assert len({one.event_id for one in found.records if isinstance(one, Event)}) == 3
    assert found.counts and len(found.causes) == 3


def test_an_opening_by_what_the_lane_concludes_needs_an_example_or_is_known() -> None:
    pack = compile_artifact(*build(UNGATED))
    row = replace(pack.by_name["welcome"], opening=replace(pack.by_name["welcome"].opening, on=("churn_level",)))
    assert fitting(row, [], "p", NOON, lambda condition, properties: True) is None
    drawn = Conclusion(NOON, "p", "churn_level", "watch", NOON, "cause")
    found = fitting(row, [drawn], "p", NOON + DAY, lambda condition, properties: True)
    assert found is not None and found.after == drawn and found.records[0].at == NOON + DAY
    assert fitting(pack.by_name["welcome"], [], "p", NOON, lambda condition, properties: True) is not None


def test_an_answer_to_a_mail_is_about_the_newest_mail_she_got(call: Call) -> None:
    lines = [*known(), view(HOUR)]  # the welcome goes out at once, the mail about the mug two hours after the view
    found = seen(call, lines, "content_engagement", "--at", "2026-03-02T15:30:00Z")
    assert found["entry"]["kind"] == "email_open" and found["message"]["message"] == "simplified"
    assert "Mug" in found["message"]["text"]
    opened = [*lines, event("email_open", 4 * HOUR, send_id=found["entry"]["properties"]["send_id"]), event("page_view", DAY)]
    again = seen(call, opened, "content_engagement", "--at", "2026-03-03T11:00:00Z")
    assert again["entry"]["properties"]["send_id"] != found["entry"]["properties"]["send_id"] or again["joined"]


def test_an_opening_that_takes_several_visits_is_given_them(call: Call) -> None:
    visit = event("page_view", HOUR, page_type="pricing", url="https://shop.example/pricing")
    found = seen(call, [*known(), visit], "pricing_page_focus")
    assert found["entry"]["records"] == 1 and found["would_be_sent"]  # one she has made herself
    third = seen(call, [*known(), view(HOUR, dwell=3)], "repeat_browsing")
    assert third["entry"]["records"] == 2 and third["message"]["message"] == "still-interested"


def test_another_message_of_the_group_is_what_stops_it(call: Call) -> None:
    lines = [*known(), view(HOUR)]  # its mail goes out at 15:00 and holds the group until the follow-up
    found = seen(call, lines, "view_no_purchase_24h", "--at", "2026-03-02T15:30:00Z", code=1)
    assert found["decision"]["reason"] == "suppression_group"
    assert found["decision"]["values"]["held_by"] == "product_page_abandonment"
    assert found["message"]["message"] == "personal-follow-up"


def test_a_message_that_waits_for_the_morning_is_shown_as_it_goes_out_then(call: Call) -> None:
    # looked at in the evening, due at ten at night
    arguments = ("preview", "--person", "c1", "--trigger", "product_page_abandonment", "--events", written([*known(), view(8 * HOUR)]))
    code, out, err = call(*arguments, "--at", "2026-03-03T20:00:00Z", "--policy", "merged", "--json")
    assert code == 0, err or out[:1500]
    found = json.loads(out)
    assert found["decision"]["outcome"] == "sent"
    assert found["decision"]["at"] == "2026-03-04T08:00:00.000Z"
