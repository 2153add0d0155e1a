"""A send as the mail it would be: RFC 5322 bytes, the same for the same send, openable in every mail program."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path

from app.domain.reach import EMAIL
from app.events import Send

MAX_NAME = 200
"""Characters of a display name in a header."""
_OWN = ("from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type", "content-transfer-encoding")


class BadHeader(ValueError):
    """A header's value holds a line break or control character, or an address is none: somebody tries to write headers of their own."""


def mail(send: Send) -> bytes:
    """The mail with text and HTML part. Raises `BadHeader`."""
    message = EmailMessage(policy=SMTP)
    name, sender = parseaddr(send.from_)
    message["From"] = _address(name, sender)
    message["To"] = _address(send.to.get("name") or "", send.to.get("email") or "")
    if send.reply_to:
        message["Reply-To"] = _address("", send.reply_to)
    message["Subject"] = _checked("Subject", send.subject)
    message["Date"] = format_datetime(datetime.fromisoformat(send.decided_at))
    message["Message-ID"] = f"<{_checked('send_id', send.send_id)}@{sender.rpartition('@')[2]}>"
    for header, value in sorted(send.headers.items()):
        if header.lower() in _OWN or not header.isascii() or not header.replace("-", "").isalnum():
            raise BadHeader(f"header {header!r} is not one that a send may carry")
        message[header] = _checked(header, value)
    message.set_content(send.text, cte="quoted-printable")
    message.add_alternative(send.html, subtype="html", cte="quoted-printable")
    # Python's boundary is random; a send is the same mail every time.
    message.set_boundary(f"=_{send.send_id}")
    return message.as_bytes()


def write_eml(folder: Path, sends: Iterable[Send]) -> list[Path]:
    """One `.eml` a mail, text messages left out, named so that a folder sorts by time; returns the files. Raises `BadHeader`, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for send in sends:
        if send.channel != EMAIL:
            continue
        file = folder / eml_name(send)
        file.write_bytes(mail(send))
        files.append(file)
    return files


def eml_name(send: Send) -> str:
    """File name of a send: its time, trigger and step, and enough of its id to be alone."""
    when = "".join(sign for sign in send.decided_at[:19] if sign.isdigit() or sign == "T")
    trigger = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "-" for sign in send.trigger)[:60]
    return f"{when}-{trigger}-{send.step}-{''.join(sign for sign in send.send_id if sign.isalnum())[:12]}.eml"


def _checked(header: str, value: str) -> str:
    if not value.isprintable():
        raise BadHeader(f"{header} holds a control character")
    return value


def _address(name: str, address: str) -> Address:
    _checked("name", name), _checked("address", address)
    user, at, domain = address.rpartition("@")
    if not at or not user or not domain or any(sign in ' <>,;:"()[]\\' for sign in address):
        raise BadHeader("not an address")
    return Address(display_name=name[:MAX_NAME], username=user, domain=domain)
