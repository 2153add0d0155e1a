"""Codes: the same message has the same one, no two messages have one, and nobody without the secret makes one that passes."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import offer_code
from app.domain.offer_code import ALPHABET, FORGED, MISTYPED, VALID, check, code, is_of, normal
from app.events import derived_id
from app.settings import DEMO_SECRET
from tests.her import DAY
from tests.mails import SECRET
from tests.offered import Shopper, quiz, shop

SEND = derived_id("send", "1")
OWN = 'offer = { kind = "k", discount = 0.1 }'


def test_a_code_is_short_readable_and_the_same_each_time() -> None:
    one = code("secret", SEND)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", one)
    assert code("secret", SEND) == one and code("other", SEND) != one
    assert check("secret", one) == VALID and is_of(one, SEND) and not is_of(one, derived_id("send", "2"))


def test_it_may_be_typed_as_people_type() -> None:
    one = code("secret", SEND)
    for typed in (one.lower(), one.replace("-", ""), one.replace("-", " "), one.replace("0", "O").replace("1", "l")):
        assert check("secret", typed) == VALID and normal(typed) == normal(one)


def test_no_two_messages_have_one() -> None:
    found = {code("secret", derived_id("send", str(n))) for n in range(20_000)}
    assert len(found) == 20_000


@given(send=st.text(min_size=1), secret=st.text(min_size=1), other=st.text(min_size=1))
def test_only_the_secret_makes_it(send: str, secret: str, other: str) -> None:
    one = code(secret, derived_id("send", send))
    assert check(secret, one) == VALID
    if secret != other:
        assert check(other, one) in (VALID, FORGED)  # one time in 33 million two secrets agree
        assert check(other, one) == FORGED or code(other, derived_id("send", send)) == one


@given(place=st.integers(0, 15), sign=st.sampled_from(ALPHABET))
def test_a_wrong_sign_shows(place: int, sign: str) -> None:
    one = normal(code("secret", SEND))
    wrong = one[:place] + sign + one[place + 1 :]
    assert (check("secret", wrong) == VALID) is (wrong == one)


@given(st.text(max_size=200))
def test_whatever_is_typed_gets_an_answer(typed: str) -> None:
    assert check("secret", typed) in (MISTYPED, FORGED)


def test_two_signs_that_changed_places_are_a_slip() -> None:
    one = normal(code("secret", SEND))
    n = next(n for n in range(14) if one[n] != one[n + 1])
    assert check("secret", one[:n] + one[n + 1] + one[n] + one[n + 2 :]) == MISTYPED


def test_nothing_of_her_is_in_it() -> None:
    her = Shopper(shop(quiz("{ kind = 'k', discount = 0.1 }")))
    her.event("identify", 0, traits={"first_name": "Ada", "email": "ada@shop.example"})
    her.event("quiz_done", 1)
    her.until(DAY)
    (mail,) = her.mails
    assert mail.offer is not None
    assert mail.offer["code"] == offer_code.code(SECRET, mail.send_id)
    assert mail.offer["code"] in mail.html and mail.offer["code"] in mail.text and "10 % off your next order" in mail.text
    assert her.told[-1].values["offer"]["code"] == mail.offer["code"]


# --- kairos offer check --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    from app.__main__ import main

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["offer", "check", *arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_a_code_is_checked_without_a_broker(call, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("KAIROS_SECRET", "secret")
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")
    one = code("secret", SEND)
    assert call(one) == (0, f"{one} is one of ours\n", "")
    assert call(one, "--send", SEND)[0] == 0
    assert call(one, "--send", derived_id("send", "2"))[:2] == (
        1,
        f"{one} is one of ours, made for another message; it may have been told again in {derived_id('send', '2')}: --look-up says\n",
    )
    assert call(code("other", SEND))[:2] == (1, f"{code('other', SEND)} is not one of ours: nobody with this secret made it\n")
    assert call("SPRING10")[0] == 1
    assert orjson.loads(call(one, "--json")[1]) == {"code": one, "verdict": "valid"}
    assert call(one, "--look-up")[0] == 3


def test_the_demo_secret_is_said(call) -> None:  # type: ignore[no-untyped-def]
    assert "KAIROS_SECRET is not set" in call(code(DEMO_SECRET, SEND))[2]
