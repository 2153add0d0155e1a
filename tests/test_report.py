"""The report of a run: complete, escaped, loading nothing."""

from __future__ import annotations

import re
from pathlib import Path

from app.edges.eml import write_eml
from app.edges.report import MAILS, write_report
from app.edges.timeline import Entry
from app.events import Decision, PolicyName
from tests.mails import EVIL, sent

POLICY = PolicyName("s1", "abc")


def decision(number: int, outcome: str, reason: str | None = None, trigger: str = "cart_abandonment") -> Decision:
    return Decision(
        f"d{number}", f"w{number}", "p1", "c-1", trigger, 0, outcome, reason, "2026-03-02T12:00:00.000Z", None, ["e-1"], {}, POLICY, None
    )


def test_a_report_counts_every_record_once(tmp_path: Path) -> None:
    send = sent("cart-reminder", trigger="cart_abandonment")
    decisions = [decision(1, "opened"), decision(2, "not_sent", "no_consent"), decision(2, "not_sent", "no_consent")]
    page = write_report(tmp_path, [send, send], decisions, {}, {"events": 1234}).read_text("utf-8")
    assert "<td>cart_abandonment</td><td>first</td><td>cart-reminder</td><td class=n>1</td>" in page
    assert "<td>not sent</td><td>no consent</td><td>cart_abandonment</td><td class=n>1</td>" in page
    assert "<dt>events</dt><dd>1,234</dd>" in page


def test_a_report_of_nothing_says_so(tmp_path: Path) -> None:
    page = write_report(tmp_path, [], [], {}, {}).read_text("utf-8")
    assert "Nothing was sent." in page and "No window opened." in page


def test_what_customers_wrote_stays_text(tmp_path: Path) -> None:
    send = sent("product-details", {"customer": {"first_name": EVIL}, "event": {"product_name": EVIL}}, customer_id=EVIL)
    people = {EVIL: [Entry(0, "event", EVIL), Entry(1, "send", "sent")]}
    page = write_report(tmp_path, [send], [decision(1, "not_sent", EVIL)], people, {EVIL: EVIL}).read_text("utf-8")
    assert "<script" not in page and "onerror=alert" not in page.replace("&quot;", "").split("<body>")[0]
    assert page.count("<img") == 0  # the message's own pictures stand escaped inside the frame
    assert "1970-01-01 00:00:00" in page


def test_a_report_loads_nothing_and_links_the_mails_beside_it(tmp_path: Path) -> None:
    send = sent("product-details")
    [file] = write_eml(tmp_path / MAILS, [send])
    page = write_report(tmp_path, [send], [], {}, {}).read_text("utf-8")
    assert f'href="{MAILS}/{file.name}"' in page
    markup = re.sub(r'srcdoc="[^"]*"', "", page)
    assert not re.findall(r"<link|<script|@import|url\(|\b(?:src|href)=.?https?:", markup)
    assert "default-src 'none'" in page and "prefers-color-scheme: dark" in page
