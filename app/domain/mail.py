"""What became of the mails a person got: each send counted once, however often and in whatever order it is reported (A-054, X-26)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.days import DAY_MS, FOREVER
from app.domain.fingerprint import fingerprint
from app.domain.machine import DEFAULT, Machines, judged, said
from app.domain.sends import (
    CLICK_S,
    CONTENT,
    DEVICES,
    MAIL_S,
    OPEN_S,
    RENDERED,
    SENT,
    Click,
    Send,
    act,
    by_machine,
    code,
    codes,
    first,
    last,
    pack,
    together,
    unpacked,
)
from app.events import Event

MAX_SENDS = 200
"""Sends remembered, the newest; a report about an older one counts anew."""
KEPT_MS = 90 * DAY_MS
"""Before the newest send: older ones are in the totals alone."""
MAX_OPENS, MAX_CLICKS = 4, 8
"""Of one send."""
MAX_WORD = 40


class Mail(Struct, frozen=True, array_like=True):
    """Distinct sends ever, and when each last happened (ms; 0 never). Without a word more: by anybody, machines included."""

    sent: int = 0
    opened: int = 0
    clicked: int = 0
    last_sent_at: int = 0
    last_opened_at: int = 0
    last_clicked_at: int = 0
    kept: bytes = b""
    """The newest sends, see `sends`: encoded, since most events of hers are no mail's and rewrite the row."""
    human_opens: int = 0
    human_clicks: int = 0
    machine_opens: int = 0
    """Sends that a machine opened, whether or not she did too."""
    machine_clicks: int = 0
    forgotten_open: int = 0
    """Her last open among the sends that are kept no more."""
    forgotten_click: int = 0


def sends(mail: Mail) -> dict[int, Send]:
    """The sends kept; not to be changed."""
    return unpacked(mail.kept)


def key_of(event: Event) -> int:
    """The send a mail event is about; without an id the event stands for its own."""
    value = event.properties.get("send_id")
    return _key(value if isinstance(value, str) and value else event.event_id)


def _key(send_id: str) -> int:
    # Two of 200 sends share 32 bits in one of 200,000 people, and are then one.
    return fingerprint(send_id) & 0xFFFF_FFFF


def rendered(mail: Mail, send_id: str, at: int, rules: Machines = DEFAULT) -> Mail:
    """After our renderer's answer: sent, until the provider tells when."""
    mail = replace(mail, last_sent_at=max(mail.last_sent_at, at))
    return _with(mail, _key(send_id), Send(at, RENDERED), rules)[0]


def sent(mail: Mail, event: Event, rules: Machines = DEFAULT) -> Mail:
    """After an `email_sent`."""
    mail = replace(mail, last_sent_at=max(mail.last_sent_at, event.ts))
    return _with(mail, key_of(event), _about(event, Send(event.ts, SENT), MAIL_S), rules)[0]


def delivered(mail: Mail, event: Event, rules: Machines = DEFAULT) -> Mail:
    """After an `email_delivered`."""
    return _with(mail, key_of(event), _about(event, Send(event.ts, delivered=0), MAIL_S), rules)[0]


def moved(mail: Mail, box: int) -> Mail:
    """After she left an address (its fingerprint): what was sent until then went there."""
    kept = sends(mail)
    if all(send.to for send in kept.values()):
        return mail
    return replace(mail, kept=pack({key: send if send.to else replace(send, to=box) for key, send in kept.items()}))


def sent_to(mail: Mail, event: Event) -> int:
    """Fingerprint of the address that the send of a mail event went to; 0: to her present one, for all that is known."""
    send = sends(mail).get(key_of(event))
    return 0 if send is None else send.to


def opened(mail: Mail, event: Event, device: str | None, rules: Machines = DEFAULT) -> tuple[Mail, bool]:
    """After an `email_open`, and whether a machine did it, as far as can be told by now."""
    mail = replace(mail, last_opened_at=max(mail.last_opened_at, event.ts))
    one = code(0, said(event.properties, event.context), False, DEVICES.index(device or ""))
    mail, send = _with(mail, key_of(event), _about(event, Send(event.ts, opens=(one,)), OPEN_S), rules)
    return mail, _verdict(send, send.opens, event.ts, one)


def clicked(mail: Mail, event: Event, device: str | None, rules: Machines = DEFAULT) -> tuple[Mail, bool]:
    """After an `email_click`, and whether a machine did it, as far as can be told by now."""
    mail = replace(mail, last_clicked_at=max(mail.last_clicked_at, event.ts))
    one = code(0, said(event.properties, event.context), False, DEVICES.index(device or ""))
    link = event.properties.get("link")
    short = (fingerprint(link) & 0xFFFF) or 1 if isinstance(link, str) and link else 0
    click = Click(one, short, _word(event.properties, "element", "block"))
    mail, send = _with(mail, key_of(event), _about(event, Send(event.ts, clicks=(click,)), CLICK_S), rules)
    return mail, _verdict(send, codes(send), event.ts, one)


def _verdict(send: Send, told: tuple[int, ...], at: int, one: int) -> bool:
    """How the act of `at` that says `one` of itself was judged."""
    return any(found.machine for found in (act(send, other) for other in told) if found.at == at and found.said == bool(one & 1))


def _about(event: Event, send: Send, source: int) -> Send:
    """The send with what the event tells of the mail itself."""
    kind = event.properties.get("content_type")
    category = _word(event.properties, "category", "product_category")
    return replace(
        send,
        content=CONTENT.index(kind) if isinstance(kind, str) and kind in CONTENT else 0,
        source=source if category else CLICK_S,
        category=category,
    )


def _word(properties: dict[str, Any], *names: str) -> str:
    for name in names:
        value = properties.get(name)
        if isinstance(value, str) and value.strip() and "${" not in value:
            return value.strip()[:MAX_WORD]
    return ""


def _with(mail: Mail, key: int, news: Send, rules: Machines) -> tuple[Mail, Send]:
    """The mail with news of a send, and the send with all that is known of it."""
    kept = sends(mail)
    before = kept.get(key)
    after = judged(news if before is None else together(before, news), rules)
    bounded = _bounded(after, rules)
    mail = _counted(mail, before, bounded)
    if bounded == before:
        return mail, after
    return _stored(mail, {**kept, key: bounded}), after


def _stored(mail: Mail, kept: dict[int, Send]) -> Mail:
    """With these sends, as far as they are young enough and not too many."""
    oldest = max(send.at for send in kept.values()) - KEPT_MS
    gone = [key for key, send in kept.items() if send.at <= oldest]
    if len(kept) - len(gone) > MAX_SENDS:
        gone = sorted(kept, key=lambda key: (kept[key].at, key))[: len(kept) - MAX_SENDS]
    if gone:
        kept, old = {key: send for key, send in kept.items() if key not in gone}, [kept[key] for key in gone]
        mail = replace(
            mail,
            forgotten_open=max(mail.forgotten_open, *(last(send, send.opens, FOREVER) for send in old)),
            forgotten_click=max(mail.forgotten_click, *(last(send, codes(send), FOREVER) for send in old)),
        )
    return replace(mail, kept=pack(kept))


def _counted(mail: Mail, before: Send | None, after: Send | None) -> Mail:
    """The totals with what one send adds to them; it may change its mind about who opened it."""
    one, other = _counts(before), _counts(after)
    if one == other:
        return mail
    by = [new - old for old, new in zip(one, other, strict=True)]
    return replace(
        mail,
        sent=mail.sent + by[0],
        opened=mail.opened + by[1],
        clicked=mail.clicked + by[2],
        human_opens=mail.human_opens + by[3],
        human_clicks=mail.human_clicks + by[4],
        machine_opens=mail.machine_opens + by[5],
        machine_clicks=mail.machine_clicks + by[6],
    )


def _counts(send: Send | None) -> tuple[int, ...]:
    if send is None:
        return (0,) * 7
    clicks = codes(send)
    return (
        int(send.known > 0),
        int(bool(send.opens)),
        int(bool(clicks)),
        int(first(send, send.opens) > 0),
        int(first(send, clicks) > 0),
        int(by_machine(send.opens)),
        int(by_machine(clicks)),
    )


def _bounded(send: Send, rules: Machines) -> Send:
    """Beyond the limits the newest goes whose going changes nothing that is asked, else the last but one."""
    while len(send.opens) > MAX_OPENS:
        tries = [judged(replace(send, opens=send.opens[:n] + send.opens[n + 1 :]), rules) for n in range(len(send.opens))]
        send = next((one for one in reversed(tries) if _essence(one) == _essence(send)), tries[-2])
    while len(send.clicks) > MAX_CLICKS:
        tries = [judged(replace(send, clicks=send.clicks[:n] + send.clicks[n + 1 :]), rules) for n in range(len(send.clicks))]
        send = next((one for one in reversed(tries) if _essence(one) == _essence(send)), tries[-2])
    return send


def _essence(send: Send) -> tuple[object, ...]:
    clicks = codes(send)
    found: list[object] = [_counts(send)]
    for told in (send.opens, clicks):
        found += [first(send, told), first(send, told, True), last(send, told, FOREVER)]
    return tuple(found)


def union(mine: Mail, theirs: Mail, rules: Machines = DEFAULT) -> Mail:
    """Of two people as one: each send once, however many of them heard of it."""
    if theirs == Mail():
        return mine
    added = Mail(
        mine.sent + theirs.sent,
        mine.opened + theirs.opened,
        mine.clicked + theirs.clicked,
        max(mine.last_sent_at, theirs.last_sent_at),
        max(mine.last_opened_at, theirs.last_opened_at),
        max(mine.last_clicked_at, theirs.last_clicked_at),
        b"",
        mine.human_opens + theirs.human_opens,
        mine.human_clicks + theirs.human_clicks,
        mine.machine_opens + theirs.machine_opens,
        mine.machine_clicks + theirs.machine_clicks,
        max(mine.forgotten_open, theirs.forgotten_open),
        max(mine.forgotten_click, theirs.forgotten_click),
    )
    kept = dict(sends(theirs))
    for key, one in sends(mine).items():
        other = kept.get(key)
        if other is not None:
            whole = _bounded(judged(together(one, other), rules), rules)
            added = _counted(_counted(added, one, None), other, whole)
            one = whole
        kept[key] = one
    return _stored(added, kept) if kept else added
