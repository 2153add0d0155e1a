"""How she responds to her mails: opened and clicked of those sent in a stretch of time, and when last (A-054, X-26)."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

from app.domain.days import FOREVER
from app.domain.mail import Mail
from app.domain.sends import act, codes, first, last, unpacked


class Rates(NamedTuple):
    """Distinct sends of a stretch of time: sent in it, first opened in it, first clicked in it."""

    sent: int
    opened: int
    clicked: int

    @property
    def open_rate(self) -> float:
        """Opened over sent, at most 1; a mail that nobody told of was sent all the same."""
        return min(1.0, self.opened / self.sent) if self.sent else float(self.opened > 0)

    @property
    def click_rate(self) -> float:
        """Clicked over sent, likewise."""
        return min(1.0, self.clicked / self.sent) if self.sent else float(self.clicked > 0)


NO_RATES = Rates(0, 0, 0)


def rates(mail: Mail, start_ms_ago: int, end_ms_ago: int, now: int, opens: str = "human") -> tuple[Rates, int]:
    """Sends, first opens and first clicks that are younger than `start_ms_ago` and not younger than `end_ms_ago`; and until when.

    `opens`: `human`; `all`, machines too; `ignore`: a mail counts as opened where she clicked it (X-26).
    """
    if not mail.kept:
        return NO_RATES, FOREVER
    until, counts = FOREVER, []
    since = now - start_ms_ago
    for instants in _firsts(mail.kept, opens):
        if not instants:
            counts.append(0)
            continue
        old = bisect_right(instants, since)
        end = len(instants)
        young = bisect_right(instants, now - end_ms_ago) if end_ms_ago else end
        counts.append(young - old)
        if old < young and instants[old] + start_ms_ago < until:
            until = instants[old] + start_ms_ago
        if young < end and instants[young] + end_ms_ago < until:
            until = instants[young] + end_ms_ago
    return Rates(*counts), until


@lru_cache(maxsize=1_024)  # most events of hers are no mail's, and at each of them her scores are asked
def _firsts(kept: bytes, opens: str) -> tuple[list[int], list[int], list[int]]:
    """Of the sends kept: when each was sent, first opened and first clicked, each in order (ms)."""
    anybody = opens == "all"
    found: tuple[list[int], list[int], list[int]] = ([], [], [])
    for send in unpacked(kept).values():
        clicked_at = first(send, codes(send), anybody) if send.clicks else 0
        opened_at = clicked_at if opens == "ignore" else first(send, send.opens, anybody) if send.opens else 0
        for instants, at in zip(found, (send.at if send.known else 0, opened_at, clicked_at), strict=True):
            if at:
                instants.append(at)
    for instants in found:
        instants.sort()
    return found


def last_open(mail: Mail) -> int:
    """When she last opened a mail herself (ms; 0 never)."""
    return max(mail.forgotten_open, _lasts(mail.kept)[0])


def last_click(mail: Mail) -> int:
    """When she last clicked a link of a mail herself (ms; 0 never)."""
    clicks = _lasts(mail.kept)[1]
    return max(mail.forgotten_click, clicks[-1] if clicks else 0)


def last_click_before(mail: Mail, at: int) -> int:
    """Her last click of a mail not after `at` (ms), of the sends that are kept; 0 if there is none: what an order came from (A-054)."""
    clicks = _lasts(mail.kept)[1]
    before = bisect_right(clicks, at)
    return clicks[before - 1] if before else 0


@lru_cache(maxsize=1_024)
def _lasts(kept: bytes) -> tuple[int, list[int]]:
    """Of the sends kept: her last open, and all her clicks in order (ms)."""
    told = unpacked(kept).values()
    opened_at = max([last(send, send.opens, FOREVER) for send in told if send.opens], default=0)
    clicks = [one for send in told for one in (act(send, click.code) for click in send.clicks) if not one.machine]
    return opened_at, sorted([one.at for one in clicks])
