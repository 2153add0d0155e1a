"""Whom a message reaches: consent with its record and region, what has closed an address, which channel, and arms that ask for more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain import bounces, closed, reach
from app.domain.bounces import Bounces
from app.domain.profile import Profile
from app.domain.trigger import Pack
from app.policy.pack import BadPack, build, compile_artifact
from app.policy.schema import Source
from tests.her import DAY, HOUR, MINUTE, Her
from tests.test_messages import MJML, TEXT

SHOE = {"product_id": "p1", "product_name": "Trail shoe", "price": 89.0, "category": "shoes"}
ANN = {"email": "ann@shop.example", "first_name": "Ann"}
REACHABLE = {**ANN, "phone": "+49 171 2345678", "push_token": "token-1"}
HEAD = """name = "mine"
why = "a test"
[sender]
from = "hello@shop.example"
name = "Shop"
[consent]
track = "opt_out"
email = "opt_in"
personalise = "opt_in"
sms = "opt_in"
push = "opt_in"
"""
ROW = """[[trigger]]
name = "looked"
why = "a test"
open = {{ on = "product_view", scope = "product" }}
wait = "1h"
send = "note"
{more}
"""
SMS = "Still there: {{ event.product_name | default: 'it' }}. No more: {{ unsubscribe_url }}\n"
PUSH = "subject: Hello\n---\nStill there\n"


def saved(folder: Path, more: str = "", head: str = HEAD, mail: bool = True, sms: str = SMS, push: str = PUSH) -> Pack:
    """A pack of one trigger and its message `note`."""
    messages = folder / "messages"
    messages.mkdir()
    if mail:
        (messages / "note.mjml").write_text(MJML.format(body="Hello"), "utf-8")
        (messages / "note.txt").write_text(TEXT, "utf-8")
    for name, text in (("sms", sms), ("push", push)):
        if text:
            (messages / f"note.{name}.txt").write_text(text, "utf-8")
    (folder / "mine.toml").write_text(head + ROW.format(more=more), "utf-8")
    return compile_artifact(*build(str(folder / "mine.toml")))


def refused(folder: Path, more: str = "", **told: Any) -> list[str]:
    with pytest.raises(BadPack) as bad:
        saved(folder, more, **told)
    return [str(one).replace(f"{folder}/", "") for one in bad.value.problems]


def looked(pack: Pack, consents: tuple[str, ...] = ("email", "personalise", "sms", "push"), traits: dict[str, Any] = REACHABLE) -> Her:
    """Somebody who has looked at a shoe."""
    her = Her(pack, assume=frozenset())
    her.event("identify", 0, traits=traits)
    her.event("consent_give", 0, purposes=list(consents), source="checkout", version=3)
    her.event("product_view", MINUTE, **SHOE)
    return her


def last(her: Her) -> tuple[str | None, dict[str, Any]]:
    her.until(2 * HOUR)
    return her.decided[-1].reason, her.decided[-1].values


# --- consent ----------------------------------------------------------------------------------------------------------------------


def test_what_a_send_relied_on_is_told_with_source_and_version(tmp_path: Path) -> None:
    #
    her = looked(saved(tmp_path))
    her.until(2 * HOUR)
    word = {"at": "2026-03-02T00:00:00.000Z", "source": "checkout", "version": "3"}
    assert her.plans[0].values["consent_told"] == {"email": word, "personalise": word}
    record = her.group.person.profile.consent_words["email"]
    assert (record.source, record.version) == ("checkout", "3")


def test_a_later_word_without_a_record_hides_the_earlier_one(tmp_path: Path) -> None:
    # nobody may cite a form for what was said elsewhere
    her = looked(saved(tmp_path))
    her.event("consent_withdraw", 2 * MINUTE, purposes=["email"])
    reason, values = last(her)
    assert reason == "no_consent"
    assert values["consent_told"]["email"] == {"at": "2026-03-02T00:02:00.000Z"}
    assert values["consent_told"]["personalise"]["source"] == "checkout"


def test_an_earlier_record_that_arrives_late_changes_nothing(tmp_path: Path) -> None:
    her = looked(saved(tmp_path))
    her.event("consent_withdraw", -HOUR, arrives=3 * MINUTE, purposes=["email"], source="hotline", version="0")
    her.until(2 * HOUR)
    assert her.plans[0].values["consent_told"]["email"]["source"] == "checkout"


@pytest.mark.parametrize(("country", "goes"), [("DE", False), ("Deutschland", False), ("US", True), (None, False), ("Atlantis", False)])
def test_silence_means_what_her_region_says(tmp_path: Path, country: str | None, goes: bool) -> None:
    # one shop, two regimes
    head = HEAD.replace('email = "opt_in"', 'email = "opt_out"').replace('personalise = "opt_in"', 'personalise = "opt_out"')
    pack = saved(tmp_path, head=head + '[consent.regions.EU]\nemail = "opt_in"\n')
    her = looked(pack, consents=(), traits={**ANN, "country": country} if country else ANN)
    reason, values = last(her)
    assert (bool(her.plans), reason) == ((True, None) if goes else (False, "no_consent"))
    shown = her.plans[0].values if goes else values
    assert shown["consent"] == {"email": goes, "personalise": True}
    assert shown.get("region") == {"US": None, None: "unknown", "Atlantis": "unknown"}.get(country, "EU")


def test_where_nobody_knows_where_she_is_the_strictest_rule_of_each_purpose_holds(tmp_path: Path) -> None:
    # opt_in before opt_out, purpose by purpose
    regions = '[consent.regions.EU]\nemail = "opt_in"\n[consent.regions.US]\nemail = "opt_out"\npersonalise = "opt_out"\n'
    head = HEAD.replace('email = "opt_in"', 'email = "opt_out"').replace('personalise = "opt_in"', 'personalise = "opt_out"')
    pack = saved(tmp_path, head=head + regions)
    reason, values = last(looked(pack, consents=(), traits=ANN))
    assert (reason, values["consent"], values["region"]) == ("no_consent", {"email": False, "personalise": True}, "unknown")
    said = looked(pack, consents=("email",), traits=ANN)
    said.until(2 * HOUR)
    assert [one.values["region"] for one in said.plans] == ["unknown"], "what she said herself counts wherever she is"


def test_a_region_stated_anew_is_added_to_those_of_the_pack_that_it_extends() -> None:
    def extending(more: str) -> Source:
        text = HEAD + '[consent.regions.EU]\nemail = "opt_in"\n[consent.regions.CH]\nemail = "opt_in"\n' + ROW.format(more="")
        return Source(f'name = "mine"\nwhy = "a test"\nextends = "base"\n{more}', "mine.toml", {"base": text})

    own = extending('[consent.regions.US]\nemail = "opt_out"\n[consent.regions.CH]\nemail = "opt_out"\n')
    assert own.problems == [] and own.consent == extending("").consent
    assert own.consent_regions == {"EU": {"email": "opt_in"}, "CH": {"email": "opt_out"}, "US": {"email": "opt_out"}}
    [problem] = extending('[consent.regions.US]\nfax = "opt_out"\n').problems
    assert "fax: [consent] itself says nothing of it" in str(problem)
    restated = extending('[consent]\nemail = "opt_out"\npersonalise = "opt_in"\n')
    assert restated.consent == {"email": "opt_out", "personalise": "opt_in"} and restated.consent_regions["EU"] == {"email": "opt_in"}


def test_what_may_not_be_tracked_in_a_region_is_not_kept(tmp_path: Path) -> None:
    pack = saved(tmp_path, head=HEAD + '[consent.regions.EU]\ntrack = "opt_in"\n')
    her = looked(pack, consents=("email", "personalise"), traits={**ANN, "country": "FR"})
    assert her.group.person.profile.recent == () and her.group.person.windows.open == ()
    assert looked(pack, consents=("email", "personalise"), traits={**ANN, "country": "CA"}).group.person.windows.open


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('[consent.regions.DE]\nemail = "opt_in"', "mine.toml:12: region DE: people of the Union's member states are in region EU"),
        ('[consent.regions.QQ]\nemail = "opt_in"', "mine.toml:12: region 'QQ': EU, or a country outside of it"),
        (
            '[consent.regions.UK]\nemail = "opt_in"',
            "mine.toml:12: region 'UK': EU, or a country outside of it by its two letters, such as US; did",
        ),
        ('[consent.regions.Europe]\nemail = "opt_in"', "mine.toml:12: region 'Europe': EU, or a country outside of it"),
        (
            '[consent.regions.EU]\nemail = "maybe"',
            "mine.toml:13: email: opt_in (absence means no) or opt_out (absence means yes), not 'maybe'",
        ),
        ('[consent.regions.EU]\nfax = "opt_in"', "mine.toml:13: fax: [consent] itself says nothing of it"),
    ],
)
def test_regions_that_cannot_be_are_refused(tmp_path: Path, table: str, problem: str) -> None:
    assert refused(tmp_path, head=f"{HEAD}{table}\n")[0].startswith(problem)


# --- suppression ------------------------------------------------------------------------------------------------------------------

THREE = '[suppression]\nwhy = "a test"\nsoft_bounces = 3\n'


def bounced(her: Her, sends: str, since: int = 2 * MINUTE) -> None:
    for n, send in enumerate(sends):
        her.event("email_bounce", since + n * 1_000, kind="soft", send_id=send)


def test_a_run_of_soft_bounces_suppresses(tmp_path: Path) -> None:
    her = looked(saved(tmp_path, head=HEAD + THREE))
    bounced(her, "abc")
    assert last(her) == ("suppressed", {**last(her)[1], "suppressed": "soft_bounces", "soft_bounces": 3})
    assert her.plans == []


@pytest.mark.parametrize("sends", ["ab", "aaaa"])
def test_fewer_do_not_nor_does_one_send_that_bounces_often(tmp_path: Path, sends: str) -> None:
    her = looked(saved(tmp_path, head=HEAD + THREE))
    bounced(her, sends)
    her.until(2 * HOUR)
    assert len(her.plans) == 1


@pytest.mark.parametrize(
    ("event", "told", "ends"),
    [
        ("email_delivered", {}, True),
        ("email_open", {}, True),
        ("email_click", {}, True),
        ("email_open", {"machine": True}, False),
        ("identify", {"traits": {"email": "new@shop.example"}}, True),
        ("product_view", SHOE, False),
    ],
)
def test_what_ends_the_run(tmp_path: Path, event: str, told: dict[str, Any], ends: bool) -> None:
    her = looked(saved(tmp_path, head=HEAD + THREE))
    bounced(her, "abc")
    her.event(event, 30 * MINUTE, **({"send_id": "a"} if event.startswith("email") else {}), **told)
    her.until(2 * HOUR)
    assert bool(her.plans) is ends


ACTS = st.lists(st.tuples(st.sampled_from("bbbr"), st.integers(0, 50), st.integers(0, 30)), max_size=bounces.MAX_BOUNCES)


@given(ACTS, st.randoms())
def test_the_run_is_the_same_in_whatever_order_it_is_told(acts: list[tuple[str, int, int]], random: Any) -> None:
    def told(order: list[tuple[str, int, int]]) -> Bounces:
        found = Bounces()
        for kind, at, send in order:
            found = bounces.bounced(found, at, send) if kind == "b" else bounces.reached(found, at)
        return found

    shuffled = list(acts)
    random.shuffle(shuffled)
    since = max([at for kind, at, _ in acts if kind == "r"], default=0)
    newest = {send: max(at for kind, at, other in acts if kind == "b" and other == send) for kind, _, send in acts if kind == "b"}
    assert told(shuffled) == told(acts)
    assert bounces.run(told(acts)) == sum(at > since for at in newest.values())
    half = len(acts) // 2
    assert bounces.union(told(acts[:half]), told(acts[half:])) == told(acts)


# --- channels ---------------------------------------------------------------------------------------------------------------------

ALL = 'channels = ["email", "sms", "push"]'


@pytest.mark.parametrize(
    ("consents", "traits", "channel", "address"),
    [
        (("email", "personalise", "sms", "push"), REACHABLE, "email", "ann@shop.example"),
        (("personalise", "sms", "push"), REACHABLE, "sms", "+491712345678"),
        (("personalise", "push"), REACHABLE, "push", "token-1"),
        (("email", "personalise", "sms"), {"phone": "+491712345678"}, "sms", "+491712345678"),
        (("email", "personalise", "sms", "push"), {"phone": "0171 2345678", "push_token": "t 1"}, None, None),
        (("email", "personalise", "sms"), {"phone": "0171 2345678", "country": "DE"}, "sms", "+491712345678"),
    ],
)
def test_the_first_channel_that_reaches_her_is_taken(
    tmp_path: Path, consents: tuple[str, ...], traits: dict[str, Any], channel: str | None, address: str | None
) -> None:
    #
    her = looked(saved(tmp_path, ALL), consents, traits)
    reason, values = last(her)
    if channel is None:
        assert (reason, values["channels"]) == ("no_address", {"email": "no_address", "sms": "no_address", "push": "no_address"})
    else:
        assert [(plan.channel, plan.to_address) for plan in her.plans] == [(channel, address)]


@pytest.mark.parametrize(
    ("told", "channel"),
    [("sms", "sms"), (["push", "sms"], "push"), ("E-Mail", "email"), ("carrier pigeon", "email"), (7, "email")],
)
def test_her_own_word_goes_before_the_packs(tmp_path: Path, told: Any, channel: str) -> None:
    #
    her = looked(saved(tmp_path, ALL))
    her.event("preference_set", 2 * MINUTE, preference="channel", value=told)
    her.until(2 * HOUR)
    assert [plan.channel for plan in her.plans] == [channel]


def test_a_preference_opens_no_channel_that_the_pack_does_not(tmp_path: Path) -> None:
    her = looked(saved(tmp_path))
    her.event("preference_set", 2 * MINUTE, preference="channel", value="sms")
    her.until(2 * HOUR)
    assert [plan.channel for plan in her.plans] == ["email"]


def test_a_closed_mailbox_does_not_close_the_telephone(tmp_path: Path) -> None:
    her = looked(saved(tmp_path, ALL))
    her.event("email_unsubscribe", 2 * MINUTE, send_id="x")
    her.until(2 * HOUR)
    assert her.plans[0].channel == "sms"
    assert her.plans[0].values["channels"] == {"email": "unsubscribed"}
    assert her.group.person.profile.mail.sent == 0, "a text message is no mail"


def test_a_channel_that_no_message_speaks_in_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, ALL, push="") == ["mine.toml:18: channels: none of its messages has a text for push (NAME.push.txt)"]


def test_of_two_messages_the_one_that_has_no_text_goes_by_mail(tmp_path: Path) -> None:
    more = 'channels = ["sms", "email"]\nfollow_up = [{ wait = "1h", send = "cart-last-call" }]'
    her = looked(saved(tmp_path, more))
    her.until(3 * HOUR)
    assert [(plan.message, plan.channel) for plan in her.plans] == [("note", "sms"), ("cart-last-call", "email")]
    assert her.plans[1].values["channels"] == {"sms": "no_address"}


@pytest.mark.parametrize(
    ("more", "told", "problem"),
    [
        ('channels = ["fax"]', {}, "mine.toml:18: channels: email or sms or push, not 'fax'"),
        ("channels = []", {}, "mine.toml:18: channels: a message goes out by at least one"),
        ('channels = ["sms", "sms"]', {}, "mine.toml:18: channels: one of them a second time"),
        ('channels = ["sms"]', {"head": HEAD.replace('sms = "opt_in"\n', "")}, "mine.toml:17: channels: sms needs consent to 'sms'"),
        ("", {"mail": False}, "mine.toml:12: message 'note' has no text for email"),
        ('best_hour = "48h"', {}, "mine.toml:18: best_hour: by then the message has expired"),
        ('best_hour = "10min"', {}, "mine.toml:18: best_hour: at least 1h"),
    ],
)
def test_channels_that_cannot_work_are_refused(tmp_path: Path, more: str, told: dict[str, Any], problem: str) -> None:
    assert refused(tmp_path, more, **told)[0].startswith(problem)


def test_one_message_has_one_address(tmp_path: Path) -> None:
    # C-22, as far as one person goes: one step, one channel, one address, even where she moves between the steps
    more = ALL + '\nfollow_up = [{ wait = "1h", send = "note" }]'
    her = looked(saved(tmp_path, more))
    her.event("identify", 90 * MINUTE, traits={"email": "new@shop.example"})
    her.until(4 * HOUR)
    assert [plan.to_address for plan in her.plans] == ["ann@shop.example", "new@shop.example"]
    assert len({plan.send_id for plan in her.plans}) == 2


@given(st.text(max_size=40))
@settings(deadline=None)  # the first number reads the plans of all countries
def test_a_number_is_taken_only_as_everybody_can_call_it(told: str) -> None:
    found = reach.phone(Profile(traits={"phone": told}))
    assert found is None or (found.startswith("+") and found[1:].isdigit() and 7 <= len(found[1:]) <= 15)


# --- arms that ask for more (A-209) -------------------------------------------------------------------------------------------------

ARMS = """[[experiment]]
name = "threshold"
why = "A-209"
enabled = true
triggers = ["looked"]
arm = [{ name = "above", share = 1.0, when = "profile.orders > 0" }]
"""


def test_an_arm_whose_condition_does_not_hold_gets_nothing_and_is_counted(tmp_path: Path) -> None:
    #
    pack = saved(tmp_path, 'goal = { on = "purchase", within = "5d" }\n' + ARMS)
    her = looked(pack)
    reason, values = last(her)
    assert (reason, values["arms"], values["message"]) == ("condition_false", {"threshold": "above"}, "note")
    assert her.plans == []
    her.event("purchase", 3 * HOUR, order_id="o1", **SHOE)
    assert [one.values["silent"] for one in her.concluded if one.kind == "goal_reached"] == ["condition_false"]
    her.event("product_view", DAY, **SHOE)
    her.until(DAY + 2 * HOUR)
    assert len(her.plans) == 1, "by then she is above it"


def test_a_control_arm_asks_for_nothing(tmp_path: Path) -> None:
    told = ARMS.replace('share = 1.0, when = "profile.orders > 0"', 'share = 1.0, control = true, when = "profile.orders > 0"')
    assert "when: a control arm gets no message, whatever holds" in refused(tmp_path, told)[0]


# --- addresses --------------------------------------------------------------------------------------------------------------------

BACK, NEW = "back@shop.example", "new@shop.example"


def at(her: Her, when: int, email: str | None) -> None:
    her.event("identify", when, traits={"email": email})


def moved(folder: Path, head: str = HEAD) -> Her:
    """Somebody who has had one mail at `back`, lives at `new` since, and then looked at another shoe."""
    her = looked(saved(folder, head=head), traits={**ANN, "email": BACK})
    her.until(2 * HOUR)
    at(her, 3 * HOUR, NEW)
    her.event("product_view", 4 * HOUR, **{**SHOE, "product_id": "p2"})
    return her


def mailed(her: Her, until: int = 8 * HOUR) -> list[str | None]:
    her.until(until)
    return [one.to_address for one in her.plans]


def test_coming_back_to_an_address_that_bounced_does_not_open_it(tmp_path: Path) -> None:
    #
    her = looked(saved(tmp_path), traits={**ANN, "email": BACK})
    her.event("email_bounce", 2 * MINUTE, kind="hard")
    at(her, 3 * MINUTE, NEW)
    at(her, 4 * MINUTE, BACK)
    assert last(her)[0] == "suppressed" and last(her)[1]["suppressed"] == "hard_bounce"
    at(her, 3 * HOUR, None)
    at(her, 4 * HOUR, BACK)
    assert her.group.person.profile.suppressed == "hard_bounce", "nor does having none in between"
    at(her, 5 * HOUR, NEW)
    her.event("product_view", 5 * HOUR, **{**SHOE, "product_id": "p2"})
    assert mailed(her) == [NEW], "another address is open"


def test_one_mailbox_in_other_letters_stays_closed_and_keeps_its_run(tmp_path: Path) -> None:
    her = looked(saved(tmp_path, head=HEAD + THREE), traits={**ANN, "email": "cased@shop.example"})
    bounced(her, "ab")
    at(her, 3 * MINUTE, "Cased@Shop.Example")
    assert bounces.run(her.group.person.profile.bounces) == 2
    her.event("email_bounce", 4 * MINUTE, kind="hard")
    at(her, 5 * MINUTE, "CASED@shop.example")
    assert last(her)[0] == "suppressed" and her.group.person.profile.email == "CASED@shop.example"


@pytest.mark.parametrize("how", ["by the address it names", "by its send", "by both"])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_a_late_bounce_of_an_earlier_address_closes_that_one_alone(tmp_path: Path, how: str, kind: str) -> None:
    her = moved(tmp_path, HEAD + THREE.replace("3", "1"))
    told = {"email": BACK.upper()} if how != "by its send" else {}
    her.event("email_bounce", 4 * HOUR, kind=kind, **told, **({"send_id": her.plans[0].send_id} if "send" in how or "both" in how else {}))
    assert mailed(her) == [BACK, NEW]
    if kind == "hard":
        at(her, 9 * HOUR, BACK)
        assert her.group.person.profile.suppressed == "hard_bounce"


def test_a_bounce_that_tells_nothing_is_of_her_present_address(tmp_path: Path) -> None:
    her = moved(tmp_path)
    her.event("email_bounce", 4 * HOUR, kind="hard", email="<redacted>", send_id="of another system")
    assert mailed(her) == [BACK]


def test_what_arrives_at_an_earlier_address_does_not_end_the_run_of_the_present_one(tmp_path: Path) -> None:
    her = moved(tmp_path, HEAD + THREE)
    bounced(her, "abc", 4 * HOUR)
    her.event("email_open", 4 * HOUR + MINUTE, send_id=her.plans[0].send_id)
    assert mailed(her) == [BACK]


@pytest.mark.parametrize("named", [{}, {"email": BACK}])
def test_a_complaint_closes_every_address_whichever_it_names(tmp_path: Path, named: dict[str, Any]) -> None:
    her = moved(tmp_path)
    her.event("email_complaint", 4 * HOUR, **named)
    at(her, 4 * HOUR, "newest@shop.example")
    assert mailed(her) == [BACK]
    assert [why for *_, why in her.group.person.profile.closed] == ["complaint"]


@pytest.mark.parametrize("word", ["hard", "Hard", "HARD ", "permanent", "Permanent", "HardBounce", "hard_bounce", "PermanentFailure"])
def test_a_hard_bounce_in_any_providers_words(tmp_path: Path, word: str) -> None:
    her = looked(saved(tmp_path))
    her.event("email_bounce", 2 * MINUTE, kind=word)
    assert last(her)[0] == "suppressed"


@pytest.mark.parametrize(
    "word", ["Soft", "transient", "Transient", "temporary", "SoftBounce", "Undetermined", "mailbox on fire", "", None, 5]
)
def test_any_other_bounce_counts_as_a_soft_one(tmp_path: Path, word: Any) -> None:
    her = looked(saved(tmp_path, head=HEAD + THREE))
    for n, send in enumerate("abc"):
        her.event("email_bounce", 2 * MINUTE + n, kind=word, send_id=send)
        assert her.group.person.profile.suppressed is None
    assert last(her)[1]["suppressed"] == "soft_bounces"


def test_closed_addresses_are_bounded_and_the_same_in_whatever_order_they_are_told() -> None:
    words = [(n, closed.mailbox(f"{n % 30}@shop.example"), closed.COMPLAINT if n == 31 else closed.HARD_BOUNCE) for n in range(60)]
    one, other = closed.union((), tuple(words[:30])), closed.union((), tuple(reversed(words[20:30])))
    assert (
        len(one) == closed.MAX_CLOSED and closed.why(one, "29@SHOP.example") == "hard_bounce" and closed.why(one, "0@shop.example") is None
    )
    assert closed.union(one, other) == closed.union(other, one) == one
    graver = closed.closing(one, 31, closed.mailbox("11@shop.example"), closed.COMPLAINT)
    assert closed.why(graver, "11@shop.example") == closed.why(closed.union(graver, one), "11@shop.example") == "complaint"


def test_a_person_who_was_suppressed_before_addresses_were_kept_stays_so(tmp_path: Path) -> None:
    her = looked(saved(tmp_path), traits={**ANN, "email": BACK})
    her.event("email_bounce", 2 * MINUTE, kind="hard")
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(her.group.person.profile))[: Profile.__struct_fields__.index("closed")]
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=Profile)
    assert old.suppressed == "hard_bounce" and old.closed == ()
    her.group = her.group.replaced(replace(her.group.person, profile=old), {})
    at(her, 3 * MINUTE, NEW)
    at(her, 4 * MINUTE, BACK)
    assert last(her)[0] == "suppressed"
