"""Whether a machine opened a mail or clicked its links: scanners and prefetching clients fake what a person does (X-26).

What the event itself says is not undone; what its time and its neighbours say is judged anew when more is known of the send.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.sends import Click, Send, act, code


class Machines(Struct, frozen=True):
    """When an open or click counts as a machine's. A pack may say otherwise."""

    prefetch_ms: int = 5_000
    """So near to the send or its delivery nobody reads yet."""
    links: int = 3
    """So many different links of one mail …"""
    burst_ms: int = 10_000
    """… within so long: somebody tries them all."""


DEFAULT = Machines()

TOLD = ("machine", "machine_open", "sg_machine_open", "proxy", "bot", "is_bot")
"""Properties by which providers say so: SendGrid's Event Webhook `sg_machine_open`, Mailgun's `client-info.bot`, and the plain words."""
NOT_MACHINES = frozenset(("", "0", "false", "no", "none", "gmail", "google", "yahoo"))
"""Words in those properties that say nothing of the kind: the image proxies of Gmail and Yahoo fetch a picture when she opens the mail
(Google, "Images now showing", 2013), so an open through them is hers unless it comes with the send."""

SCANNERS = (
    # Mail security gateways that name themselves, as in the block lists of Mautic (`do_not_track_bots`) and of open tracking services.
    *("barracuda", "proofpoint", "mimecast", "symantec", "messagelabs", "forcepoint", "websense", "fireeye", "trellix", "ironport"),
    *("sophos", "trendmicro", "trend micro", "zscaler", "fortimail", "fortinet", "mcafee", "kaspersky", "checkpoint", "avanan"),
    *("cloudmark", "vadesecure", "ironscales", "mailguard", "safelinks", "bitdefender", "virustotal", "urlscan", "spamexperts"),
    "bingpreview",  # Microsoft Defender looks at links with it
    # Programs, and clients that show a preview of a link somebody was sent.
    *("headlesschrome", "phantomjs", "curl/", "wget/", "python-", "aiohttp", "go-http-client", "apache-httpclient", "libwww-perl"),
    *(
        "node-fetch",
        "axios/",
        "java/",
        "facebookexternalhit",
        "whatsapp/",
        "skypeuripreview",
        "linkpreview",
        "crawler",
        "spider",
        "scanner",
    ),
)
"""Parts of a user agent in lower case. Gateways that come as a plain browser (Microsoft Safe Links, newer Barracuda) are told by time."""
_SCANNER = re.compile("|".join(map(re.escape, SCANNERS)) + r"|(?<!cu)bot\b")  # Cubot makes telephones
APPLE = "Mozilla/5.0"
"""All that Apple's Mail Privacy Protection says of itself. It fetches every picture, hours before she looks or though she never does."""


def said(properties: dict[str, Any], context: dict[str, Any]) -> bool:
    """Whether the event itself tells that a machine did it: by its provider's word or by a known user agent."""
    for name in TOLD:
        if name in properties:
            value = properties[name]
            if value is True or (isinstance(value, str) and value.strip().lower() not in NOT_MACHINES):
                return True
    agent = user_agent(properties, context)
    return agent == APPLE or (agent != "" and _SCANNER.search(agent.lower()) is not None)


def user_agent(properties: dict[str, Any], context: dict[str, Any]) -> str:
    """The user agent an event names, or an empty string."""
    for told, name in ((properties, "user_agent"), (properties, "useragent"), (context, "userAgent"), (context, "user_agent")):
        value = told.get(name)
        if isinstance(value, str) and value:
            return value[:500].strip()
    return ""


def judged(send: Send, rules: Machines) -> Send:
    """The send with every open and click of it judged by all that is known of it now."""
    if not send.opens and not send.clicks:
        return send
    bursts = _bursts(send.clicks, send, rules) if len(send.clicks) >= rules.links else frozenset()
    opens = tuple([_judged(send, one, rules, False) for one in send.opens])
    clicks = tuple([Click(_judged(send, one.code, rules, n in bursts), one.link, one.element) for n, one in enumerate(send.clicks)])
    return replace(send, opens=opens, clicks=clicks)


def _judged(send: Send, one: int, rules: Machines, burst: bool) -> int:
    at, _, told, device = act(send, one)
    return code(at - send.at, told, told or burst or early(send, at, rules), device)


def early(send: Send, at: int, rules: Machines) -> bool:
    """Whether something at `at` came with the send or its delivery. Two clocks tell the two instants, so either may be first."""
    if send.known and abs(at - send.at) < rules.prefetch_ms:
        return True
    return send.delivered is not None and abs(at - send.at - send.delivered) < rules.prefetch_ms


def _bursts(clicks: Sequence[Click], send: Send, rules: Machines) -> frozenset[int]:
    """Indices of the clicks (in order of time) that stand among enough different links within the span."""
    found: set[int] = set()
    instants = [act(send, one.code).at for one in clicks]
    for begin, since in enumerate(instants):
        within = [n for n in range(begin, len(clicks)) if instants[n] - since <= rules.burst_ms]
        if len({clicks[n].link for n in within if clicks[n].link}) >= rules.links:
            found.update(within)
    return frozenset(found)
