"""Whether a machine opened or clicked a mail, and who listens to it (X-26)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain import mail
from app.domain.intent import Intent
from app.domain.machine import SCANNERS, Machines, said
from app.domain.mail import Mail
from app.events import Event
from app.policy.pack import compile_artifact
from tests.her import DAY, HOUR, MINUTE, MONDAY, SECOND, UNGATED, Her
from tests.her import pack as shipped
from tests.test_packs import GOOD, build_text

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
CUBOT = "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) AppleWebKit/537.36 Mobile Safari/537.36"


def event(kind: str, at: int, **properties: Any) -> Event:
    return Event(MONDAY + at, f"{kind}-{at}-{properties}", kind, MONDAY + at, "p", "c", properties={"send_id": "s", **properties})


def sent_one(at: int = 0) -> Mail:
    return mail.sent(Mail(), event("email_sent", at))


def verdicts(known: Mail, *events: Event, rules: Machines | None = None) -> list[bool]:
    found = []
    for one in events:
        act = mail.opened if one.event_type == "email_open" else mail.clicked
        known, machine = act(known, one, None, rules or Machines())
        found.append(machine)
    return found


@pytest.mark.parametrize(
    ("properties", "machine"),
    [
        *(({name: True}, True) for name in ("machine", "proxy", "bot", "sg_machine_open")),
        *(({name: False}, False) for name in ("machine", "proxy", "bot")),
        *(({name: None}, False) for name in ("machine", "proxy", "bot")),
        ({"bot": "apple"}, True),
        ({"bot": "gmail"}, False),
        ({"bot": ""}, False),
        ({"user_agent": CHROME}, False),
        ({"user_agent": CUBOT}, False),
        ({"user_agent": GMAIL}, False),
        ({"user_agent": YAHOO}, False),
        ({"user_agent": "Mozilla/5.0"}, True),
        ({"user_agent": "Barracuda Sentinel (EE)"}, True),
        ({"user_agent": "python-requests/2.31.0"}, True),
        ({"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, True),
        ({"useragent": f"{CHROME} BingPreview/1.0b"}, True),
        ({}, False),
        ({"user_agent": 5}, False),
    ],
)
def test_what_the_event_says_of_itself(properties: dict[str, Any], machine: bool) -> None:
    assert said(properties, {}) is machine
    if "user_agent" in properties:
        assert said({}, {"userAgent": properties["user_agent"]}) is machine


def test_every_scanner_is_spelled_as_it_is_looked_for() -> None:
    assert all(one == one.lower() for one in SCANNERS) and len(set(SCANNERS)) == len(SCANNERS)


def test_within_seconds_of_the_send_or_its_delivery_nobody_reads() -> None:
    for kind in ("email_open", "email_click"):
        assert verdicts(sent_one(), event(kind, 4_999), event(kind, 5_000), event(kind, HOUR)) == [True, False, False]
        assert verdicts(sent_one(2_000), event(kind, 0)) == [True], "two clocks"
    late = mail.delivered(sent_one(), event("email_delivered", 5 * MINUTE))
    assert verdicts(late, event("email_open", 5 * MINUTE + 3_000), event("email_open", 6 * MINUTE)) == [True, False]
    assert verdicts(sent_one(), event("email_open", 20_000), rules=Machines(prefetch_ms=30_000)) == [True]
    assert verdicts(Mail(), event("email_open", 0)) == [False], "nobody knows when it was sent"
    ours = mail.rendered(Mail(), "s", MONDAY)
    assert verdicts(ours, event("email_open", 3_000)) == [True], "what was rendered counts as sent"


def test_three_different_links_within_ten_seconds() -> None:
    clicks = [event("email_click", MINUTE + n * 4 * SECOND, link=f"https://shop.example/{n}") for n in range(3)]
    after = sent_one()
    assert verdicts(after, *clicks) == [False, False, True], "at the third it is plain"
    for one in clicks:
        after, _ = mail.clicked(after, one, None)
    assert (after.clicked, after.human_clicks, after.machine_clicks) == (1, 0, 1), "and then all three were"
    same = [event("email_click", MINUTE + n * SECOND, link="https://shop.example/0") for n in range(5)]
    assert verdicts(sent_one(), *same) == [False] * 5, "an impatient finger"
    slow = [event("email_click", MINUTE + n * 6 * SECOND, link=f"https://shop.example/{n}") for n in range(4)]
    assert verdicts(sent_one(), *slow) == [False] * 4, "she reads"
    untold = [event("email_click", MINUTE + n * SECOND) for n in range(5)]
    assert verdicts(sent_one(), *untold) == [False] * 5
    many = [event("email_click", MINUTE + n * 100, link=f"https://shop.example/{n}") for n in range(30)]
    assert verdicts(sent_one(), *many) == [False] * 2 + [True] * 28
    assert verdicts(sent_one(), *many[:12], event("email_click", HOUR, link="https://shop.example/0"))[-1] is False


def scanned(pack: str) -> Her:
    her = Her(pack, frozenset({"consent"}))
    her.event("email_sent", 0, send_id="theirs")
    her.event("email_delivered", 40 * SECOND, send_id="theirs")
    for n in range(5):
        her.event("email_click", 43 * SECOND, send_id="theirs", link=f"https://shop.example/{n}")
    her.event("email_open", 43 * SECOND, send_id="theirs")
    return her


def opened(her: Her) -> list[str]:
    return [one.trigger for one in her.group.person.windows.open]


def test_a_scanner_clicks_all_five_links_three_seconds_after_delivery() -> None:
    her = scanned(UNGATED)
    assert opened(her) == [], "merged takes what people do"
    mails = her.group.person.profile.mail
    assert (mails.opened, mails.human_opens, mails.machine_opens) == (1, 0, 1)
    assert (mails.clicked, mails.human_clicks, mails.machine_clicks) == (1, 0, 1)
    her.event("email_click", 2 * HOUR, send_id="theirs", link="https://shop.example/0")
    assert opened(her) == ["link_click_pattern"], "her own click is hers"
    assert her.group.person.profile.mail.human_clicks == 1
    assert "link_click_pattern" in opened(scanned("s1")), "s1 counts all"


def test_what_was_found_out_is_seen_by_conditions_alone() -> None:
    told = {"send_id": "theirs"}
    her = Her(UNGATED, frozenset({"consent"}))
    her.event("email_sent", 0, **told)
    her.event("email_open", SECOND, **told)
    assert opened(her) == []
    her.event("email_open", DAY, **told)
    assert opened(her) == ["content_engagement"]


def test_a_scanner_neither_cancels_nor_reaches_a_goal_where_people_count() -> None:
    for pack, listens in ((UNGATED, False), ("s1", True)):
        her = Her(pack)
        her.event("email_sent", 0, send_id="theirs")
        her.event("email_open", HOUR, send_id="theirs")
        assert "content_engagement" in opened(her)
        her.event("email_click", 2 * HOUR, send_id="theirs", machine=True)
        assert ("content_engagement" in opened(her)) is not listens
        her = Her(pack)
        her.event("email_click", HOUR, send_id="theirs", machine=True)
        her.event("email_open", 2 * HOUR, send_id="theirs")
        assert ("content_engagement" in opened(her)) is not listens, "nor does one that was told before the open"
    her = Her(UNGATED)
    her.event("email_open", 0, send_id="theirs")
    her.until(4 * HOUR)
    (plan,) = [one for one in her.plans if one.trigger == "content_engagement"]
    her.event("email_click", 4 * HOUR + SECOND, send_id=plan.send_id)
    assert [one.kind for one in her.concluded if one.kind == "goal_reached"] == [], "a second after it went out"
    her.event("email_click", 5 * HOUR, send_id=plan.send_id)
    assert [one.value for one in her.concluded if one.kind == "goal_reached"] == ["content_engagement"]


def test_a_row_says_whose_opens_and_clicks_count() -> None:
    row = (
        "[[trigger]]\nname = 'asks'\nwhy = 'x'\nopen = { on = 'email_click', scope = 'send_id' }\n"
        "wait = '1h'\nsend = 'referral'\nopens = 'WHO'\n"
        "[[trigger]]\nname = 'twice'\nwhy = 'x'\nopen = { on = 'email_open', count = 2 }\ncancel = [{ on = 'email_click' }]\n"
        "wait = '1h'\nsend = 'referral'\nopens = 'WHO'"
    )
    for who, listens in (("human", False), ("all", True)):
        her = Her(compile_artifact("mine@1", build_text(f"{GOOD}\n{row.replace('WHO', who)}\n")))
        her.event("email_click", 0, send_id="a", machine=True)
        assert ("asks" in opened(her)) is listens
        her.event("email_open", MINUTE, send_id="b", machine=True)
        her.event("email_open", HOUR, send_id="c")
        assert ("twice" in opened(her)) is listens, "a machine's open is one of two"
        her.event("email_open", 2 * HOUR, send_id="d")
        her.event("email_click", 2 * HOUR + MINUTE, send_id="e", machine=True)
        assert ("twice" in opened(her)) is not listens
    assert [(one.name, one.opens) for one in shipped("s1").triggers if one.opens != "all"] == []
    human = [one.name for one in shipped("merged").triggers if one.opens == "human"]
    assert human == ["content_engagement", "link_click_pattern", "sms_fallback"], "A-124: a machine's open is no reason to write no text"


def test_a_machine_is_not_interested() -> None:
    her = Her(UNGATED, frozenset({"consent"}))
    her.event("email_sent", 0, send_id="s")
    her.event("email_click", SECOND, send_id="s", category="shoes")
    assert her.group.person.profile.interest.decayed == {} and her.group.person.intent == Intent()
    her.event("email_click", HOUR, send_id="s", category="shoes")
    assert list(her.group.person.profile.interest.decayed) == ["shoes"] and her.group.person.intent != Intent()
