"""A send as a mail: standard bytes, always the same, and nobody writes headers of their own."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.edges.eml import BadHeader, eml_name, mail, write_eml
from tests.mails import sent


def test_a_mail_has_both_parts_and_the_headers_of_its_send(tmp_path: Path) -> None:
    send = sent("cart-reminder", {"customer": {"first_name": "Zoë"}}, to_name="Zoë Example")
    [file] = write_eml(tmp_path, [send])
    message = email.message_from_bytes(file.read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    assert message["To"] == "Zoë Example <ada@shop.example>" and message["From"] == "Shop Example <hello@shop.example>"
    assert message["Reply-To"] == "help@shop.example" and message["Subject"] == send.subject
    assert message["List-Unsubscribe"] == send.headers["List-Unsubscribe"]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Date"] == "Mon, 02 Mar 2026 12:00:00 +0000" and send.send_id in message["Message-ID"]
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert text.get_content_type() == "text/plain" and html.get_content_type() == "text/html"
    assert text.get_content().replace("\r\n", "\n") == send.text and "Zoë" in html.get_content()
    assert max(len(line) for line in file.read_bytes().split(b"\r\n")) <= 998


def test_the_same_send_is_the_same_bytes() -> None:
    assert mail(sent("welcome")) == mail(sent("welcome"))


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "a\r\nBcc: all@example.com"},
        {"to": {"email": "a@b.example", "name": "x\nBcc: y@z.example"}},
        {"to": {"email": "a@b.example\r\nBcc: y@z.example", "name": None}},
        {"to": {"email": "a@b.example, c@d.example", "name": None}},
        {"to": {"email": "nobody", "name": None}},
        {"to": {"email": None, "name": None}},
        {"reply_to": "x\n@y"},
        {"headers": {"X-A": "b\r\nC: d"}},
        {"headers": {"X-A\r\nB": "c"}},
        {"headers": {"Subject": "another"}},
        {"headers": {"Bcc ": "x"}},
    ],
)
def test_header_injection_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadHeader):
        mail(msgspec.structs.replace(sent("welcome"), **change))


@given(st.text(max_size=60))
def test_no_subject_adds_a_header(subject: str) -> None:
    send = msgspec.structs.replace(sent("welcome"), subject=subject)
    try:
        message = email.message_from_bytes(mail(send), policy=default)
    except BadHeader:
        return
    assert sorted(message.keys()) == sorted(email.message_from_bytes(mail(sent("welcome")), policy=default).keys())


def test_file_names_stay_in_the_folder() -> None:
    send = msgspec.structs.replace(sent("welcome"), trigger="../../etc", send_id="../x")
    assert eml_name(send) == "20260302T120000-------etc-0-x.eml"
