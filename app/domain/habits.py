"""How she reads her mails, of the last 90 days: at which hours, on what, what kind of mail, which categories, which parts of it.

Nothing of it is stored: it is read out of the sends that are kept, so a machine's opens are left out however late it was told from her.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from app.domain.days import FOREVER
from app.domain.device import zone
from app.domain.mail import KEPT_MS, Mail, sends
from app.domain.response import Rates
from app.domain.sends import CONTENT, DEVICES, Act, act, codes, first, human, unpacked

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOURS = 168
QUARTER_MS = 900_000


def hours(mail: Mail, timezone: str | None, now: int) -> tuple[dict[int, int], int]:
    """Hour of the week (0: Monday 0–1 h, in her zone, else UTC) → her opens and clicks in it; and until when (A-017)."""
    acts, until = _acts(mail, now)
    found: dict[int, int] = {}
    for one in acts:
        hour = _hour(one.at // QUARTER_MS, timezone)
        found[hour] = found.get(hour, 0) + 1
    return dict(sorted(found.items())), until


@lru_cache(maxsize=65_536)  # no zone is off by less than a quarter of an hour, so all acts of one share it
def _hour(quarter: int, timezone: str | None) -> int:
    local = (_EPOCH + timedelta(milliseconds=quarter * QUARTER_MS)).astimezone((zone(timezone) if timezone else None) or UTC)
    return local.weekday() * 24 + local.hour


def usual_hour(mail: Mail, timezone: str | None) -> int | None:
    """The hour of the week with most of her opens and clicks among the sends that are kept; of equals the first. None: she did none.

    Of her mails alone, whatever day it is: who has not opened any for long is counted by what she did when she did.
    """
    return _usual(mail.kept, timezone) if mail.human_opens or mail.human_clicks else None


@lru_cache(maxsize=8_192)  # asked whenever anything about her changed
def _usual(kept: bytes, timezone: str | None) -> int | None:
    found: dict[int, int] = {}
    for send in unpacked(kept).values():
        for one in human(send) if send.opens or send.clicks else ():
            hour = _hour(one.at // QUARTER_MS, timezone)
            found[hour] = found.get(hour, 0) + 1
    return min(found, key=lambda hour: (-found[hour], hour), default=None)


def devices(mail: Mail, now: int) -> tuple[dict[str, int], int]:
    """Device → her opens and clicks on it, where one was told; and until when (A-019)."""
    acts, until = _acts(mail, now)
    found: dict[str, int] = {}
    for one in acts:
        if one.device:
            found[DEVICES[one.device]] = found.get(DEVICES[one.device], 0) + 1
    return dict(sorted(found.items())), until


def mobile_preferred(mail: Mail, now: int) -> tuple[bool, int]:
    """Whether the majority of her opens and clicks whose device is known were on a telephone; and until when."""
    found, until = devices(mail, now)
    return 2 * found.get("mobile", 0) > sum(found.values()), until


def content_types(mail: Mail, now: int) -> tuple[dict[str, Rates], int]:
    """Images, video, text → mails of it sent, opened and clicked by her; and until when (A-018)."""
    return _split(mail, now, {key: CONTENT[send.content] for key, send in sends(mail).items()})


def categories(mail: Mail, now: int) -> tuple[dict[str, Rates], int]:
    """Category → mails about it sent, opened and clicked by her; and until when (A-068)."""
    return _split(mail, now, {key: send.category for key, send in sends(mail).items()})


def elements(mail: Mail, now: int) -> tuple[dict[str, int], int]:
    """Part of a mail (`element`, `block`) → her clicks in it; and until when (A-067)."""
    found: dict[str, int] = {}
    until = FOREVER
    for send in sends(mail).values():
        for click in send.clicks:
            one = act(send, click.code)
            if click.element and not one.machine and now - one.at < KEPT_MS:
                found[click.element] = found.get(click.element, 0) + 1
                until = min(until, one.at + KEPT_MS)
    return dict(sorted(found.items())), until


def _acts(mail: Mail, now: int) -> tuple[list[Act], int]:
    if not (mail.human_opens or mail.human_clicks):
        return [], FOREVER
    acts = [one for one in _human(mail) if now - one.at < KEPT_MS]
    return acts, min([one.at + KEPT_MS for one in acts], default=FOREVER)


def _human(mail: Mail) -> Iterator[Act]:
    for send in sends(mail).values():
        if send.opens or send.clicks:
            yield from human(send)


def _split(mail: Mail, now: int, names: dict[int, str]) -> tuple[dict[str, Rates], int]:
    """A mail told of by its opens or clicks alone was sent all the same."""
    found: dict[str, list[int]] = {}
    until = FOREVER
    for key, send in sends(mail).items():
        name = names[key]
        if not name or now - send.at >= KEPT_MS:
            continue
        until = min(until, send.at + KEPT_MS)
        counts = found.setdefault(name, [0, 0, 0])
        counts[0] += 1
        counts[1] += bool(first(send, send.opens))
        counts[2] += bool(first(send, codes(send)))
    return {name: Rates(*counts) for name, counts in sorted(found.items())}, until
