"""One address, several profiles: one mail. What one of them closed is closed to all (C-22)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.agents.postmaster_program import PostmasterProgram
from app.domain import mailbox
from app.domain.address import key
from app.domain.mailbox import EMPTY, KEPT_MS, MAX_SENT, MAX_WORDS, Mailbox
from app.engine.memory import MemoryStore
from app.engine.origin import pack_origin
from app.engine.program import Output
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.events import Addressed, Became, Closing, NotRendered, Plan, Unwritten, encode, journal
from app.flow import Stage as Lane
from app.policy.pack import check
from tests import mails
from tests.shop import DAY, HOUR, MINUTE, MONDAY, SECOND, Shop

HEAD = 'name = "mine"\nwhy = "a test"\nextends = "merged"\ncontact_policy = "own"\n'
SHOES = {"product_id": "p1", "product_name": "Trail shoe", "category": "shoes", "price": 89.0}
SAME = "Same@example.com"


class House(Shop):
    """People of one address, under a pack without caps."""

    def __init__(self, folder: Path, more: str = "") -> None:
        file = folder / "mine.toml"
        file.write_text(HEAD + more, "utf-8")
        super().__init__(str(file), assume=frozenset())

    def joins(self, who: str, t: int, address: str = SAME, device: str | None = None, **traits: Any) -> None:
        self.event("consent_give", t, who, device=device, purposes=["email", "personalise", "sms"])
        self.event("identify", t, who, device=device, traits={"email": address, "first_name": "Ann", **traits})

    def got(self, message: str = "welcome") -> list[tuple[str | None, str]]:
        """(customer, when) of each send of a message."""
        found = [one for one in self.records("message_sends") if one["message"] == message]
        return [(one["customer_id"], one["decided_at"][8:19]) for one in found]

    def barred(self, trigger: str | None = None) -> list[dict[str, Any]]:
        """Decisions of plans that the address did not take."""
        return [one for one in self.decisions("not_sent", trigger) if "address" in one["values"]]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_three_customer_ids_with_one_address_get_one_welcome(house: House) -> None:
    for n, (who, address) in enumerate((("c1", SAME), ("c2", "same@example.com"), ("c3", " SAME@EXAMPLE.COM"))):
        house.joins(who, n * MINUTE, address)
    house.until(HOUR)
    assert [who for who, _ in house.got()] == ["c1"]
    first = next(one for one in house.records("message_sends") if one["message"] == "welcome")
    refused = house.barred("welcome")
    assert [(one["customer_id"], one["reason"]) for one in refused] == [("c2", "suppressed"), ("c3", "suppressed")]
    for one in refused:
        assert one["values"]["address"] == {
            "message": "welcome",
            "at": first["decided_at"],
            "person_id": first["person_id"],
            "send_id": first["send_id"],
        }
        assert "example.com" not in str(one["values"]["address"]).lower()


def test_the_place_that_a_refused_message_took_is_given_back(house: House) -> None:
    for who in ("c1", "c2"):
        house.joins(who, 0)
    house.until(HOUR)
    taken = {group.person.profile.customer_id: group.person.windows.contacts for group in house.simulation.groups()}
    assert [one.trigger for one in taken["c2"]] == []
    assert all(one.answered for one in taken["c1"])


def test_another_message_goes_to_another_profile(house: House) -> None:
    for who in ("c1", "c2"):
        house.joins(who, 0)
    house.event("product_view", HOUR, "c2", **SHOES, dwell_seconds=60)
    house.until(4 * HOUR)
    assert [who for who, _ in house.got("product-details")] == ["c2"]


def test_the_same_mail_goes_to_another_profile_after_the_span(tmp_path: Path) -> None:
    house = House(tmp_path, '[suppression]\nwhy = "a test"\nsoft_bounces = 0\none_address = "3h"\n')
    for n, who in enumerate(("c1", "c2", "c3")):
        house.joins(who, 0, SAME)
        house.event("product_view", n * 2 * HOUR, who, **SHOES, dwell_seconds=60)
    house.until(12 * HOUR)
    assert house.got("product-details") == [("c1", "02T02:00:00"), ("c3", "02T06:00:00")], "c2's, 2 h after c1's, is one too many"


def test_no_span_no_rule(tmp_path: Path) -> None:
    house = House(tmp_path, '[suppression]\nwhy = "a test"\nsoft_bounces = 0\none_address = "0s"\n')
    for who in ("c1", "c2"):
        house.joins(who, 0)
    house.until(HOUR)
    assert [who for who, _ in house.got()] == ["c1", "c2"] and house.barred() == []


def test_what_one_unsubscribed_from_nobody_gets_until_she_wants_it_again(house: House) -> None:
    for who in ("c1", "c2"):
        house.joins(who, 0)
    house.event("email_unsubscribe", HOUR, "c1")
    house.event("product_view", 2 * HOUR, "c2", **SHOES, dwell_seconds=60)
    house.until(5 * HOUR)
    assert house.got("product-details") == []
    told = [one["values"]["address"] for one in house.barred("product_page_abandonment")]
    (c1,) = [group.person.person_id for group in house.simulation.groups() if group.person.profile.customer_id == "c1"]
    assert told == [{"closed": "unsubscribed", "at": "2026-03-02T01:00:00.000Z", "person_id": c1}]
    house.event("consent_give", 2 * DAY, "c1", purposes=["email"])
    house.event("product_view", 2 * DAY + HOUR, "c2", **{**SHOES, "product_id": "p2"}, dwell_seconds=60)
    house.until(3 * DAY)
    assert [who for who, _ in house.got("product-details")] == ["c2"]


@pytest.mark.parametrize(
    ("event", "told", "why"), [("email_complaint", {}, "complaint"), ("email_bounce", {"kind": "hard"}, "hard_bounce")]
)
def test_a_complaint_or_a_bounce_of_one_closes_the_address_to_all(house: House, event: str, told: dict[str, Any], why: str) -> None:
    for who in ("c1", "c2"):
        house.joins(who, 0)
    house.event(event, HOUR, "c1", **told)
    house.event("consent_give", 2 * HOUR, "c1", purposes=["email"])
    house.event("product_view", 3 * HOUR, "c2", **SHOES, dwell_seconds=60)
    house.until(6 * HOUR)
    assert [one["values"]["address"]["closed"] for one in house.barred("product_page_abandonment")] == [why]


def test_who_comes_to_an_address_closed_brings_her_word_along(house: House) -> None:
    house.joins("c1", 0, "elsewhere@example.com")
    house.joins("c2", 0)
    house.event("email_unsubscribe", HOUR, "c1")
    house.event("identify", 2 * HOUR, "c1", traits={"email": SAME})
    house.event("product_view", 3 * HOUR, "c2", **SHOES, dwell_seconds=60)
    house.until(6 * HOUR)
    assert house.got("product-details") == [] and house.barred("product_page_abandonment")


def test_a_number_is_an_address_as_well(house: House) -> None:
    # her mails reach nobody, her text messages would all reach one telephone
    for n, who in enumerate(("c1", "c2")):
        house.joins(who, 0, f"{who}@example.com", phone="+491712345678")
        house.event("cart_add", n * MINUTE, who, **SHOES, quantity=1)
    house.until(2 * DAY)
    texts = [one for one in house.records("message_sends") if one["channel"] == "sms"]
    assert [(one["message"], one["customer_id"]) for one in texts][:1] == [("sms-fallback", "c1")]
    assert len({one["customer_id"] for one in texts}) == 1
    assert [one["customer_id"] for one in house.barred("sms_fallback")][:1] == ["c2"]


def test_a_guest_who_logs_in_is_no_other_profile(house: House) -> None:
    """What went to her before she said who she is was hers, too: the next message of its name is no other person's."""
    house.event("consent_give", 0, None, device="phone", purposes=["email", "personalise"])
    house.event("identify", 0, None, device="phone", traits={"email": SAME, "first_name": "Ann"})
    house.event("product_view", 0, None, device="phone", **SHOES, dwell_seconds=60)
    house.until(3 * HOUR)
    house.event("page_view", 3 * HOUR, "c1", device="phone", page_type="home")
    house.event("product_view", 4 * HOUR, "c1", **{**SHOES, "product_id": "p2", "product_name": "Boot"}, dwell_seconds=60)
    house.until(7 * HOUR)
    assert [who for who, _ in house.got("product-details")] == [None, "c1"] and house.barred() == []


def test_who_unsubscribed_as_a_guest_opens_the_address_again_as_a_customer(house: House) -> None:
    house.event("identify", 0, None, device="phone", traits={"email": SAME, "first_name": "Ann"})
    house.event("email_unsubscribe", MINUTE, None, device="phone")
    house.event("page_view", HOUR, "c1", device="phone", page_type="home")
    house.joins("c2", 2 * HOUR)
    house.event("product_view", 2 * HOUR, "c2", **SHOES, dwell_seconds=60)
    house.until(5 * HOUR)
    assert house.got("product-details") == []
    house.event("consent_give", DAY, "c1", purposes=["email"])
    house.event("product_view", DAY, "c2", **SHOES, dwell_seconds=60)
    house.until(DAY + 3 * HOUR)
    assert [who for who, _ in house.got("product-details")] == ["c2"]


def test_what_could_not_be_written_is_still_to_come_for_the_other(tmp_path: Path) -> None:
    """The first of two cannot be written: it never came to their address, so the second is not the same mail again."""
    shutil.copytree(Path(__file__).parent / "packs" / "busy" / "messages", tmp_path / "messages")
    house = House(tmp_path)
    for n, (who, told) in enumerate((("c1", {}), ("c2", {"last_name": "Example"}))):
        house.joins(who, 0, SAME, **told)
        house.event("cart_add", n * MINUTE, who, **SHOES, quantity=1)
    house.until(3 * HOUR)
    refused = house.decisions("not_sent", "cart_abandonment")
    assert [one["reason"] for one in refused if one["customer_id"] == "c1"][:1] == ["missing_content"]
    assert [who for who, _ in house.got("cart-reminder")] == ["c2"]


def test_one_address_is_said_in_the_pack_and_read_with_care(tmp_path: Path) -> None:
    def problems(value: str) -> list[str]:
        file = tmp_path / "mine.toml"
        file.write_text(f'{HEAD}[suppression]\nwhy = "a test"\nsoft_bounces = 0\none_address = {value}\n', "utf-8")
        return [str(one) for one in check(file)[3] if "one_address" in str(one)]

    assert problems('"7d"') == problems('"0s"') == []
    assert problems('"8d"') and problems("24") and problems('"soon"')


# --- the row ------------------------------------------------------------------------------------------------------------------------


def plan(who: str, at: int, message: str = "welcome", send: str = "", span: int = DAY, transactional: bool = False) -> Addressed:
    return Addressed(MONDAY + at, who, send or f"{who}-{message}-{at}", message, b"", span, transactional)


def after(*records: Addressed | Closing | Became | Unwritten, box: Mailbox = EMPTY) -> Mailbox:
    """The box after records; every plan of them goes through."""
    for one in records:
        assert not isinstance(one, Addressed) or mailbox.barred(box, one) is None
        box = mailbox.took(box, one)
    return box


def test_a_plan_that_comes_again_after_a_crash_goes_as_it_went() -> None:
    first = plan("a", 0)
    box = after(first, Closing(MONDAY + 1, "b", "unsubscribed"))
    assert mailbox.barred(box, first) is None and mailbox.went(box, first) is box


def test_her_own_word_is_her_lanes_to_weigh() -> None:
    box = after(Closing(MONDAY, "a", "unsubscribed"))
    assert mailbox.barred(box, plan("a", 1)) is None and mailbox.barred(box, plan("b", 1)) is not None


def test_an_order_goes_where_somebody_unsubscribed_and_not_where_nothing_arrives() -> None:
    order = plan("b", 1, transactional=True)
    assert mailbox.barred(after(plan("a", 0)), order) is None
    assert mailbox.barred(after(Closing(MONDAY, "a", "unsubscribed")), order) is None
    for why in ("hard_bounce", "complaint"):
        assert mailbox.barred(after(Closing(MONDAY, "a", why)), order) is not None


def test_the_later_word_counts_and_each_speaks_for_herself() -> None:
    off, on = Closing(MONDAY + 5, "a", "unsubscribed"), Closing(MONDAY + 9, "a", "")
    for told in ((off, on), (on, off)):
        assert mailbox.barred(after(*told), plan("b", 10)) is None
    also = after(off, Closing(MONDAY + 6, "c", "unsubscribed"), on)
    assert mailbox.barred(also, plan("b", 10)) is not None, "what c closed is not a's to open"


def test_who_became_another_is_the_other_whichever_comes_first() -> None:
    """The two lanes write to one address, and neither waits for the other."""
    off, one, on = Closing(MONDAY, "guest", "unsubscribed"), Became(MONDAY + 1, "c1", "guest"), Closing(MONDAY + 2, "c1", "")
    for told in ((off, one, on), (one, off, on), (one, on, off)):
        assert mailbox.barred(after(*told), plan("b", 3)) is None
    early, late = plan("guest", 0), Became(MONDAY + 1, "c1", "guest")
    for sent in ((early, late), (late, early)):
        box = after(*sent)
        assert mailbox.barred(box, plan("c1", 5)) is None and mailbox.barred(box, plan("b", 5)) is not None


def test_what_could_not_be_written_leaves_what_went_before_it() -> None:
    first, second = plan("a", 0), plan("a", 5)
    box = after(first, second, Unwritten(MONDAY + 6, "a", second.send_id))
    assert [one.send_id for one in box.went] == [first.send_id] and mailbox.barred(box, plan("b", 7)) is not None
    assert mailbox.barred(after(Unwritten(MONDAY + 8, "a", first.send_id), box=box), plan("b", 9)) is None


def test_circles_of_people_end() -> None:
    box = after(Became(MONDAY, "a", "b"), Became(MONDAY + 1, "b", "a"), plan("a", 2))
    assert mailbox.barred(box, plan("b", 3)) is None
    assert mailbox.barred(after(Became(MONDAY + 2, "c", "b"), box=box), plan("c", 4)) is None


def test_the_row_stays_small() -> None:
    box = EMPTY
    for n in range(500):
        box = mailbox.went(box, plan(f"p{n % 60}", n * SECOND, f"m{n % 7}"))
        box = mailbox.said(box, Closing(MONDAY + n, f"q{n}", "unsubscribed" if n % 50 == 0 else ""))
        box = mailbox.became(box, Became(MONDAY + n, f"r{n}", f"s{n}"))
    assert (len(box.went), len(box.words)) == (MAX_SENT, MAX_WORDS) and len(box.joined) <= 20
    assert sum(bool(one.why) for one in box.words) == 10, "an open word gives way to a closed one"
    later = mailbox.went(box, plan("z", KEPT_MS + 500 * SECOND))
    assert [one.person_id for one in later.went] == ["z"]


def test_lanes_whose_clocks_differ_agree_on_a_span() -> None:
    """A partition that lags tells of an earlier time later."""
    box = after(plan("a", 2 * DAY))
    assert mailbox.barred(box, plan("b", DAY + 1)) is not None
    assert mailbox.barred(box, plan("b", DAY)) is None


def test_an_address_is_one_however_it_is_spelled() -> None:
    assert key("email", "Same@Example.com ") == key("email", "same@example.com")
    assert key("email", "a@example.com") != key("sms", "a@example.com")
    assert key("push", "Token") != key("push", "token")


# --- the stage ----------------------------------------------------------------------------------------------------------------------


class Stage:
    """The postmaster's turn over one partition, a record at a time."""

    def __init__(self) -> None:
        self.store, self.offset = MemoryStore(), 0
        self._turn = Turn(PostmasterProgram(), 0, self.store)

    def put(self, value: bytes, address: bytes | None = b"box", origin: tuple[int, int] | None = None) -> list[Output]:
        """`origin`: (offset, index) in the lane's partition 3."""
        headers = () if origin is None else pack_origin(Lane.LANE, 3, *origin)
        outputs: list[Output] = []
        for segment in self._turn.segments([Logged(self.offset, MONDAY, address, value, headers)]):
            outputs += segment.outputs
            self.store.keep(segment.rows, segment.marks, 0)
        self.offset += 1
        return outputs


def of(one: Plan) -> bytes:
    return encode(Addressed(one.at, one.person_id, one.send_id, one.message, encode(one), DAY))


def test_a_plan_goes_on_as_it_came_under_its_persons_key() -> None:
    stage, one = Stage(), mails.plan("welcome")
    (passed,) = stage.put(of(one), origin=(5, 0))
    assert (passed.topic, passed.key, passed.value) == ("message_plans", one.person_id.encode(), encode(one))
    assert stage.put(of(one), origin=(5, 0)) == [], "the lane's repeat after a crash is known by its origin"
    assert [again.value for again in stage.put(of(one))] == [encode(one)], "fed again by hand it passes as it did"


def test_a_plan_that_is_stopped_is_decided_and_answered_once() -> None:
    stage = Stage()
    stage.put(of(mails.plan("welcome")), origin=(5, 0))
    other = mails.plan("welcome", person_id="b" * 32, send_id="another", window_id="w2", at=mails.AT + HOUR)
    decided, answer = stage.put(of(other), origin=(6, 0))
    assert (decided.topic, answer.topic, answer.key) == ("decisions", "journal", b"b" * 32)
    told = journal.decode(answer.value)
    assert isinstance(told, NotRendered) and (told.send_id, told.window_id, told.reason) == ("another", "w2", "suppressed")
    assert mails.plan("welcome").to_address.encode() not in decided.value


def test_what_is_no_record_of_an_address_is_buried() -> None:
    stage = Stage()
    letters = [json.loads(one.value) for one in (*stage.put(b"\xff"), *stage.put(of(mails.plan("welcome")), address=None))]
    assert [(one["stage"], one["reason"], one["topic"]) for one in letters] == [
        ("postmaster", "undecodable", "addressed_plans"),
        ("postmaster", "no_key", "addressed_plans"),
    ]
