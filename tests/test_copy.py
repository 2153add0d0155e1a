"""`kairos copy`: a draft from a model or a person, reviewed, approved by name for exactly its text; what nobody approved is not sent."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from app.__main__ import main
from app.agents.renderer_program import RendererProgram
from app.domain import approval
from app.domain.approval import content, parse, standing, stated
from app.domain.message import MessageSource
from app.domain.trigger import Pack
from app.edges.chat import MAX_ANSWER, ChatFailed, Endpoint, answer
from app.events import Decision
from app.policy import layout
from app.policy.commission import personal
from app.policy.layout import NoPlace
from app.policy.messages import SHIPPED
from app.policy.pack import build, compile_artifact
from app.policy.wording import NoWording, Wording, complaints, read
from tests.mails import SECRET, outputs, plan, shipped
from tests.test_explain import DAY, HOUR, event, known, written

Call = Callable[..., tuple[int, str, str]]
PACK = "shop.toml"
SHOP = 'name = "shop"\nwhy = "a shop of its own"\nextends = "merged"\n\n[brand]\nvoice = "Plain and kind."\n'
MESSAGE = "cart-last-call"
GOOD = {
    "subject": "{% if customer.first_name %}{{ customer.first_name }}, your{% else %}Your{% endif %} cart is as you left it",
    "preheader": "Nothing has moved.",
    "headline": "As you left it",
    "text": "Your cart is where you left it & ready when you are.\n\nIf you have changed your mind, that is fine too.",
}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    for name in ("URL", "KEY", "MODEL"):
        monkeypatch.delenv(f"KAIROS_COPY_{name}", raising=False)
    Path(PACK).write_text(SHOP, "utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


def ask(call: Call, what: str, *more: str, name: str = MESSAGE) -> tuple[int, str, str]:
    return call("copy", what, name, "--policy", PACK, *more)


def person(call: Call, told: dict[str, Any] | str = GOOD, *more: str, name: str = MESSAGE) -> tuple[int, str, str]:
    """A draft without any endpoint."""
    Path("words.json").write_text(told if isinstance(told, str) else json.dumps(told), "utf-8")
    return ask(call, "draft", "--from", "words.json", *more, name=name)


def text(name: str = f"{MESSAGE}.txt") -> str:
    return Path("messages", name).read_text("utf-8")


def pack() -> Pack:
    return compile_artifact(*build(PACK))


# --- an endpoint on loopback ---------------------------------------------------------------------------------------------------------


class Model:
    """An OpenAI-compatible server: gives its answers one after another, the last one for ever, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(json.loads(body))
        self.headers.append(dict(request.headers))
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(told):
            made: web.StreamResponse = await told(request)
            return made
        said = told if isinstance(told, str) else json.dumps(told)
        return web.json_response(
            {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": said}}]}
        )


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    served, ready = Model(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", served.chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield served
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def configured(call: Call, model: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("KAIROS_COPY_URL", model.url)
    monkeypatch.setenv("KAIROS_COPY_KEY", "sk-very-secret")
    monkeypatch.setenv("KAIROS_COPY_MODEL", "writer-1")
    return model


def status(code: int, **headers: str) -> Callable[[web.Request], Any]:
    async def told(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text="no", headers=headers)

    return told


async def slow(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(320):  # 20 MB
        await response.write(b"x" * 65_536)
    return response


async def no_chat(request: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>welcome</html>")


async def empty(request: web.Request) -> web.StreamResponse:
    return web.json_response({"choices": []})


# --- drafts of a model -----------------------------------------------------------------------------------------------------------------


def test_a_model_drafts_a_message_into_its_layout(call: Call, configured: Model) -> None:
    # AI-generated copy; A-184: within the brand's voice
    configured.answers = [GOOD]
    code, out, err = ask(call, "draft", "--by", "Ada", "--tone", "dry")
    assert (code, err) == (0, "") and out.splitlines()[:2] == [f"messages/{MESSAGE}.txt", f"messages/{MESSAGE}.mjml"]
    lines = text().splitlines()
    assert lines[:2] == [f"subject: {GOOD['subject']}", "preheader: Nothing has moved."]
    assert lines[2] == "approval: draft" and re.fullmatch(r"drafted: by Ada with writer-1 on \d{4}-\d\d-\d\d", lines[3])
    old, new = (SHIPPED / f"{MESSAGE}.mjml").read_text("utf-8"), text(f"{MESSAGE}.mjml")
    changed = [line.strip() for line in new.splitlines() if line not in old.splitlines()]
    assert changed == [
        '<mj-text css-class="ink" mj-class="title">As you left it</mj-text>',
        '<mj-text css-class="ink">Your cart is where you left it &amp; ready when you are.</mj-text>',
        '<mj-text css-class="ink">If you have changed your mind, that is fine too.</mj-text>',
    ]
    assert '<mj-include path="./_cart.txt" of="window.products" />' in text(), "the layout stays"
    (asked,) = configured.asked
    said = asked["messages"][1]["content"]
    assert asked["model"] == "writer-1" and "A-116" in said, "what the message is for is the trigger's why"
    assert "Plain and kind." in said and "Tone of this message: dry" in said and "customer.first_name" in said
    assert configured.headers[0]["Authorization"] == "Bearer sk-very-secret"


def test_no_data_of_people_goes_to_a_model(call: Call, configured: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the question, but for the layout of the prompt, stands in the pack, its messages, the options or the list of variables."""
    configured.answers = [GOOD]
    Path("events.jsonl").write_text(json.dumps(known(first_name="Zaphod")[0]) + "\n", "utf-8")
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")  # nobody is asked about anybody
    assert ask(call, "draft")[0] == 0
    assert set(configured.asked[0]) == {"model", "messages", "response_format"}
    told = json.dumps(configured.asked[0])
    for value in ("Zaphod", "c1@example.com", "Ada", "Example", "ada@shop.example", "c-1", "hello@shop.example"):
        assert value not in told
    code, out, _ = ask(call, "draft", "--dry-run", "--force")
    assert code == 0 and [one["role"] for one in json.loads(out)] == ["system", "user"], "what would be asked can be read first"
    for brief in ("for ada@shop.example", "customer 0049 171 234567", "+49 (171) 2345678"):
        code, _, err = ask(call, "draft", "--force", "--brief", brief)
        assert code == 2 and "nobody's data goes into a brief" in err
    assert len(configured.asked) == 1
    assert personal("until 2026-12-24, for those who like tea") is None


BAD = [
    ("an invented variable", {"text": "Hello {{ customer.shoe_size }}."}, "the variable customer.shoe_size"),
    ("what a shop does not say", {"text": "You may leave: {{ profile.churn.probability }}."}, "profile.churn.probability"),
    ("what its trigger cannot tell", {"text": "Your order {{ order.order_id }}."}, "the variable order.order_id"),
    ("endless Liquid", {"text": "{% for a in (1..100000000) %}x{% endfor %}"}, "the tag 'for'"),
    ("Liquid left open", {"text": "Hello {% if customer.first_name %}you"}, "Liquid:"),
    ("an unfinished tag", {"text": "Hello {{ customer.first_name"}, "an unfinished tag"),
    ("a link", {"text": "Look at https://shop.example/cart."}, "an address that is no variable"),
    ("a hidden link", {"text": '{{ customer.first_name | default: "www.evil.example" }}'}, "an address that is no variable"),
    ("a bare domain", {"subject": "Come to evil.example now"}, "an address that is no variable"),
    ("HTML", {"text": "<b>Hello</b>"}, "HTML or another mark-up"),
    ("a script", {"headline": "<script>alert(document.cookie)</script>"}, "HTML or another mark-up"),
    ("a price", {"text": "Yours for 20 euros."}, "a number that is no variable"),
    ("a share", {"subject": "Half off, fifty percent"}, "a price or a share that is no variable"),
    ("a number as a variable", {"text": "{{ 50 }} off"}, "a number that is no variable"),
    ("a reckoned price", {"text": "{{ event.price | times: event.quantity }}"}, "the filter times"),
    ("a part's place", {"text": "[[title]]"}, "HTML or another mark-up"),
    ("too long", {"text": "word " * 600}, "at most 2,500"),
    ("a hidden sign", {"subject": "Hello \u202eolleh"}, "a control character"),
    ("nothing", {"text": "  "}, "text is missing"),
    ("a field too many", {"html": "<p>"}, "unknown field"),
]


@pytest.mark.parametrize(("told", "word"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_what_a_model_must_not_write_is_refused_and_told_to_it(call: Call, configured: Model, told: dict[str, str], word: str) -> None:
    configured.answers = [{**GOOD, **told}]
    code, out, err = ask(call, "draft")
    assert code == 1 and word in out and err == f"kairos: {MESSAGE}: no wording that can be taken in 3 answers; nothing is written\n"
    assert not Path("messages").exists(), "nothing is written"
    assert len(configured.asked) == 3 and word in configured.asked[1]["messages"][-1]["content"]
    assert person(call, {**GOOD, **told})[0] in (1, 2), "a person's is held to the same"


def test_a_model_may_mend_its_answer(call: Call, configured: Model) -> None:
    configured.answers = ["Sure! Here is your copy:", {**GOOD, "text": "Only 5 left."}, GOOD]
    assert ask(call, "draft")[0] == 0 and "approval: draft" in text()
    first, second, third = ([one["role"] for one in asked["messages"]] for asked in configured.asked)
    assert (len(first), len(second), len(third)) == (2, 4, 6)
    assert "not JSON" in configured.asked[1]["messages"][3]["content"]
    assert "a number that is no variable: 'Only 5 left.'" in configured.asked[2]["messages"][5]["content"]


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (status(401), "it does not take the key (KAIROS_COPY_KEY)"),
        (status(404), "no such model"),
        (status(429, **{"Retry-After": "20"}), "too many requests, or nothing left to spend; it says to wait 20 s"),
        (status(500), "it answers 500"),
        (status(302, Location="http://127.0.0.1:1/"), "the key is for this address alone"),
        (slow, "no answer within 0.5 s"),
        (endless, f"an answer of more than {MAX_ANSWER:,} bytes"),
        (no_chat, "not the answer of a chat"),
        (empty, "not the answer of a chat"),
        ("", "an empty answer"),
    ],
)
def test_an_endpoint_that_fails_is_one_line_and_exit_3(call: Call, configured: Model, told: Any, word: str) -> None:
    configured.answers = [told]
    code, out, err = ask(call, "draft", "--timeout", "0.5" if told is slow else "20")
    assert code == 3 and out == "" and err.count("\n") == 1 and word in err and "sk-very-secret" not in err
    assert not Path("messages").exists() and len(configured.asked) == 1


def test_an_older_endpoint_that_knows_no_response_format_is_asked_without(call: Call, configured: Model) -> None:
    async def old(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "unknown field response_format"}}, status=400)

    configured.answers = [old, GOOD]
    assert ask(call, "draft")[0] == 0
    assert ["response_format" in asked for asked in configured.asked] == [True, False]


def test_nobody_there_and_bad_addresses(call: Call) -> None:
    code, _, err = ask(call, "draft", "--endpoint", "http://127.0.0.1:1", "--model", "m")
    assert code == 3 and "127.0.0.1:1" in err and err.count("\n") == 1
    for url, word in (
        ("ftp://x.example", "not an http or https address"),
        ("nonsense", "not an http"),
        ("http://api.example/v1", "plain http"),
    ):
        with pytest.raises(ChatFailed, match=word):
            answer(Endpoint(url, "key", "m"), [])
    assert Endpoint("https://api.example", "k", "m").address == "https://api.example/v1/chat/completions"
    assert Endpoint("https://api.example/openai/v1/", "k", "m").address == "https://api.example/openai/v1/chat/completions"
    assert Endpoint("http://localhost:1/v1/chat/completions", "k", "m").address == "http://localhost:1/v1/chat/completions"
    code, _, err = ask(call, "draft", "--endpoint", "https://user:hunter2@localhost:1", "--model", "m")
    assert code == 3 and "hunter2" not in err


def test_the_key_is_masked(call: Call, configured: Model) -> None:
    code, out, _ = call("doctor", "--settings")
    assert code == 0 and "KAIROS_COPY_KEY" in out and "sk-very-secret" not in out and configured.url in out


# --- without an endpoint -------------------------------------------------------------------------------------------------------------


def test_it_works_without_any_endpoint(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = ask(call, "draft")
    assert code == 2 and "no endpoint (KAIROS_COPY_URL or --endpoint): --from FILE takes" in err
    assert person(call)[0] == 0 and re.search(r"^drafted: on \d{4}-\d\d-\d\d$", text(), re.MULTILINE)
    code, _, err = person(call)
    assert code == 2 and f"messages/{MESSAGE}.txt is there already: --force writes over it" in err
    assert person(call, {**GOOD, "subject": "Another"}, "--force")[0] == 0 and "subject: Another" in text()
    for told, word in (("[]", "not the JSON object"), ("{", "not JSON"), ("x" * 30_000, "at most 20,000"), ("\xff\xfe", "not JSON")):
        code, _, err = person(call, told, "--force")
        assert code == 2 and word in err and err.count("\n") == 1
    code, _, err = ask(call, "draft", "--force", "--from", "missing.json")
    assert code == 2 and "missing.json: No such file" in err


def test_what_ships_with_kairos_is_never_written_over(call: Call) -> None:
    before = (SHIPPED / f"{MESSAGE}.txt").read_bytes()
    Path("words.json").write_text(json.dumps(GOOD), "utf-8")
    for what in ("draft", "withdraw", "review"):
        more = ("--from", "words.json") if what == "draft" else ()
        code, _, err = call("copy", what, MESSAGE, "--policy", "merged", *more)
        assert code == 2 and "merged ships with Kairos: name your own pack (--policy FILE) or a folder of messages (--out DIR)" in err
    code, _, _ = call("copy", "draft", MESSAGE, "--policy", "merged", "--from", "words.json", "--out", "mine")
    assert code == 0 and Path("mine", f"{MESSAGE}.mjml").is_file()
    code, _, err = ask(call, "review")
    assert code == 1 and f"message '{MESSAGE}' ships with Kairos and needs no approval" in err
    assert (SHIPPED / f"{MESSAGE}.txt").read_bytes() == before


def test_a_new_message_gets_a_plain_layout(call: Call) -> None:
    new = {**GOOD, "text": "We are moving to a larger store. Come and see it."}
    code, _, err = person(call, new, name="moving")
    assert code == 2 and "--brief says what it is for" in err
    assert person(call, new, "--brief", "the store moves", name="moving")[0] == 0
    Path(PACK).write_text(SHOP + '[[trigger]]\nname = "m"\nwhy = "x"\nopen = { on = "purchase" }\nwait = "1h"\nsend = "moving"\n', "utf-8")
    assert not pack().messages["moving"].approved and "a larger store" in pack().messages["moving"].html
    code, _, err = person(call, name="programme-education")
    assert code == 1 and "one of 4 things, each under a title of its own; --plain takes a layout of headline and text alone" in err
    assert person(call, {**GOOD, "text": "Read the reviews in the middle."}, "--plain", name="programme-education")[0] == 0


def test_texts_and_pushes_are_drafted_too(call: Call) -> None:
    told = {"text": "{{ shop.name }}: your cart is still there. {{ window.products[0].url }}"}
    assert person(call, told, name="sms-fallback")[0] == 0
    lines = text("sms-fallback.sms.txt").splitlines()
    assert lines[0] == "approval: draft" and lines[2] == "---" and lines[4] == "No more texts: {{ unsubscribe_url }}"
    code, out, _ = person(call, {**told, "subject": "x"}, "--force", name="sms-fallback")
    assert code == 1 and "subject: there is none in a message by sms" in out
    push = {"subject": "Still there", "text": "Your cart is as you left it."}
    assert person(call, push, "--channel", "push", name="sms-fallback")[0] == 0
    found = pack().messages["sms-fallback"]
    assert (found.push, found.push_title, found.approved) == ("Your cart is as you left it.", "Still there", False)
    assert found.sms.startswith("{{ shop.name }}: your cart") and "approval" not in found.sms
    assert ask(call, "review", name="sms-fallback")[0] == 0
    assert ask(call, "approve", "--by", "Bea", name="sms-fallback")[0] == 0, "both texts at once: a message is one thing"
    assert pack().messages["sms-fallback"].approved
    for name in ("sms-fallback.sms.txt", "sms-fallback.push.txt"):
        assert "approval: approved" in text(name)


def test_every_layout_takes_its_own_wording_back() -> None:
    """A draft changes words alone: the present ones put in again are the same files, where markup and plain text say the same."""
    same, unplaced = 0, []
    for file in sorted(SHIPPED.glob("[!_]*.mjml")):
        markup, plain = file.read_text("utf-8"), file.with_suffix(".txt").read_text("utf-8")
        try:
            words = layout.present(markup, plain)
        except NoPlace:
            unplaced.append(file.stem)
            continue
        again, text = layout.worded(words, markup, plain)
        assert text == plain, file
        same += again == markup
    assert same >= 45 and all(name.startswith("programme-") or name in ("still-interested", "limited-time-offer") for name in unplaced), (
        unplaced
    )


# --- review, approval, edit ------------------------------------------------------------------------------------------------------------


def decided(source: MessageSource) -> tuple[Decision, list[str]]:
    """What the renderer makes of a plan of this message."""
    one = replace(pack(), messages={source.name: source})
    program = RendererProgram(lambda ref: one, SECRET, "https://kairos.example")
    made = outputs(plan(source.name), program)
    return msgspec.json.decode(next(one.value for one in made if one.topic == "decisions"), type=Decision), [one.topic for one in made]


def test_from_draft_to_review_to_approved_to_edited(call: Call) -> None:
    # human review and approval before deployment; interface.md section 4: not_approved
    def now() -> tuple[str, str | None, object]:
        decision, topics = decided(pack().messages[MESSAGE])
        assert ("message_sends" in topics) is (decision.outcome == "sent") and "journal" in topics
        return decision.outcome, decision.reason, decision.values.get("approval")

    assert person(call, GOOD, "--by", "Ada Lovelace")[0] == 0
    assert now() == ("not_sent", "not_approved", "draft")
    code, _, err = ask(call, "approve", "--by", "Bea")
    assert code == 1 and f"'{MESSAGE}' was not reviewed as it is" in err
    code, out, _ = ask(call, "review", "--by", "Bea")
    assert code == 0 and "+subject: " + GOOD["subject"] in out and "-preheader: Yours if you want it." in out
    hashed = content(pack().messages[MESSAGE])
    outcome, reason, state = now()
    assert (outcome, reason) == ("not_sent", "not_approved") and str(state).startswith(f"review {hashed} by Bea on ")
    code, _, err = ask(call, "approve", "--by", "ada  LOVELACE")
    assert code == 1 and "somebody else approves it" in err
    code, _, err = ask(call, "approve")
    assert code == 2 and "--by" in err
    code, out, _ = ask(call, "approve", "--by", "Grace Hopper")
    assert code == 0 and out.startswith(f"{MESSAGE}: approved {hashed} by Grace Hopper on ")
    assert now() == ("sent", None, None)
    assert "by Ada Lovelace" in text(), "who drafted it stays told"
    code, out, _ = call("policy", "check", PACK)
    assert code == 0 and "warning" not in out
    assert ask(call, "diff")[1].startswith("the same as")

    file = Path("messages", f"{MESSAGE}.txt")
    file.write_text(text().replace("that is fine too", "just say so"), "utf-8")
    outcome, reason, state = now()
    assert (outcome, reason) == ("not_sent", "not_approved") and str(state).endswith(", but changed since")
    code, out, _ = call("policy", "check", PACK)
    line = next(n for n, one in enumerate(text().splitlines(), 1) if one.startswith("approval:"))
    assert code == 0 and f"{MESSAGE}.txt:{line}: warning: message '{MESSAGE}' is not sent: what Grace Hopper approved on" in out
    code, out, _ = ask(call, "diff", "--words")
    assert out == "text: If you have changed your mind, [-that is fine too.-]{+just say so.+}\n", "against what was approved last"
    file.write_text(text().replace("just say so", "that is fine too"), "utf-8")
    assert now() == ("sent", None, None), "an approval is for a text, not for a time"

    assert ask(call, "withdraw", "--by", "Bea")[0] == 0
    assert now()[:2] == ("not_sent", "not_approved")
    assert ask(call, "approve", "--by", "Bea", "--force")[0] == 0 and now() == ("sent", None, None)
    code, _, err = ask(call, "approve", "--by", "Bea")
    assert code == 1 and "already" in err


def test_what_changed_since_it_was_reviewed_is_reviewed_again(call: Call) -> None:
    assert person(call)[0] == 0 and ask(call, "review")[0] == 0
    Path("messages", f"{MESSAGE}.mjml").write_text(text(f"{MESSAGE}.mjml").replace("As you left it", "Hurry"), "utf-8")
    code, _, err = ask(call, "approve", "--by", "Bea")
    assert code == 1 and "has changed since it was reviewed" in err
    assert "+mail: Hurry" in ask(call, "review")[1] and ask(call, "approve", "--by", "Bea")[0] == 0


def test_what_is_at_fault_is_neither_reviewed_nor_approved(call: Call) -> None:
    assert person(call)[0] == 0 and ask(call, "review")[0] == 0
    file = Path("messages", f"{MESSAGE}.txt")
    good = text()
    for bad, word in (
        ("{{ customers.name }}", "unknown variable customers"),
        ("{{ order.order_id }}", "never has"),
        ("{% if x", "Expected"),
    ):
        file.write_text(good.replace("that is fine too.", bad), "utf-8")
        for what in (("review",), ("approve", "--by", "Bea", "--force")):
            code, out, err = ask(call, *what)
            assert code == 1 and (word in out or word == "Expected") and "problem" in err
    file.write_text(good.replace("approval: review", "approval: aproved"), "utf-8")
    code, out, _ = call("policy", "check", PACK)
    assert code == 1 and re.search(rf"{MESSAGE}\.txt:\d+: approval: `draft`, `review HASH`, or `approved HASH by NAME on DATE`", out)
    code, _, err = ask(call, "review", name="no-such")
    assert code == 1 and "no message 'no-such'" in err


def test_a_message_written_by_hand_needs_no_approval_until_somebody_stops_it(call: Call) -> None:
    Path("messages").mkdir()
    for end in (".txt", ".mjml"):
        Path("messages", f"{MESSAGE}{end}").write_text((SHIPPED / f"{MESSAGE}{end}").read_text("utf-8"), "utf-8")
    assert pack().messages[MESSAGE] == shipped()[MESSAGE]
    for what in (("review",), ("approve", "--by", "Bea")):
        code, _, err = ask(call, *what)
        assert code == 1 and "needs no approval" in err
    assert ask(call, "withdraw")[0] == 0 and not pack().messages[MESSAGE].approved
    Path("messages", f"{MESSAGE}.txt").write_text(text().replace("If not", "{{ custmer }}"), "utf-8")
    code, out, _ = person(call, {**GOOD, "text": "{{ custmer }}"}, "--force")
    assert code == 1 and "custmer" in out, "what is wrong already excuses nothing"


@pytest.mark.parametrize("name", ["x" * 100, "Ada on Sunday", "a\x1b[2J", "Ada; rm", "approved by Bob"])
def test_names_that_would_break_the_line_are_refused(call: Call, name: str) -> None:
    code, _, err = person(call, GOOD, "--by", name)
    assert code == 2 and "--by" in err and not Path("messages").exists()


def test_what_a_line_says() -> None:
    line = "approved 0123456789ab by Ada Lovelace on 2026-11-30"
    assert parse(line) == approval.Approval("approved", "0123456789ab", "Ada Lovelace", "2026-11-30") and str(parse(line)) == line
    for bad in ("", "approved", "approved by Ada on 2026-11-30", "approved 0123456789ab", "Approved", "draft please", "review 12"):
        with pytest.raises(ValueError, match="approval"):
            parse(bad)
    source = shipped()[MESSAGE]
    assert standing(source) == "" and stated(source, []) is source, "what says nothing needs none"
    line = f"approved {content(source)} by Ada on 2026-11-30"
    assert stated(source, [line]).approved and not stated(source, [line, "draft"]).approved
    assert not stated(replace(source, subject="Another"), [line]).approved
    assert not stated(replace(source, name="another"), [line]).approved, "a line copied to another message approves nothing"
    assert content(stated(source, [line])) == content(source)
    assert msgspec.json.encode(source) == msgspec.json.encode(replace(source, approved=True, approval="", drafted="")), (
        "artifacts' bytes stay"
    )


def test_rules_of_a_wording() -> None:
    assert complaints(Wording(**GOOD), "email") == []
    price = Wording("It is {{ event.price | money: event.currency }}{% if profile.orders > 1 %} again{% endif %}.", "A", "B")
    assert complaints(price, "email") == [], "a price that is a variable, and a figure in a condition, are no promise"
    date = Wording('Since {{ profile.last_purchase_at | date: "%-d %B" }}: {{ recent[0].product_name }}.', "A", "B")
    assert complaints(date, "email") == []
    assert any("number" in one for one in complaints(Wording("½ der Preis", "A", "B"), "email"))
    assert complaints(Wording("Nur noch Brüssel, 一緒に", "A", "B"), "email") == []
    with pytest.raises(NoWording):
        read(b'{"text": 5}')
    assert read('{"text": "{{ customer.first_name | default: “you” }}"}'.encode()).text == '{{ customer.first_name | default: "you" }}'


# --- stories ---------------------------------------------------------------------------------------------------------------------------


def played(call: Call) -> list[tuple[str, int, str, str | None]]:
    """(trigger, step, outcome, reason) of all that ended."""
    cart = event("cart_add", HOUR, product_id="p1", product_name="Mug", price=9.5, currency="EUR", url="https://shop.example/p1")
    written([*known(), cart, *known(3 * DAY, "c2")])
    code, _, err = call(
        "simulate", "events.jsonl", "--policy", PACK, "--until", "2026-03-06T12:00:00Z", "--decisions", "d.jsonl", "--sends", "s.jsonl"
    )
    assert code == 0, err
    made = [json.loads(line) for line in Path("d.jsonl").read_text("utf-8").splitlines()]
    return [(one["trigger"], one["step"], one["outcome"], one["reason"]) for one in made if one["outcome"] in ("sent", "not_sent")]


def test_a_follow_up_that_nobody_approved_is_not_sent_and_everything_else_is(call: Call) -> None:
    before = played(call)
    assert ("cart_abandonment", 0, "sent", None) in before and ("cart_abandonment", 1, "sent", None) in before
    assert person(call, GOOD, "--by", "Ada")[0] == 0
    after = played(call)
    assert ("cart_abandonment", 0, "sent", None) in after and ("cart_abandonment", 1, "not_sent", "not_approved") in after
    assert {one for one in after if one[2] == "sent"} == {one for one in before if one[2] == "sent"} - {
        ("cart_abandonment", 1, "sent", None)
    }
    sends = [json.loads(line)["message"] for line in Path("s.jsonl").read_text("utf-8").splitlines()]
    assert MESSAGE not in sends and "cart-reminder" in sends

    code, out, _ = call("explain", "--person", "c1", "--events", "events.jsonl", "--policy", PACK)
    assert code == 0 and "not_approved – the message has not been approved" in out
    ask_it = ("preview", "--events", "events.jsonl", "--policy", PACK, "--person", "c1", "--trigger", "cart_abandonment", "--step", "1")
    code, out, _ = call(*ask_it, "--at", "2026-03-02T13:30:00Z")
    assert code == 1 and "approval: draft" in out and "not_approved" in out, out[:900]
    assert "the message it would have been:" in out and "cart is as you left it" in out, "it is shown, and marked"

    assert ask(call, "review")[0] == 0 and ask(call, "approve", "--by", "Bea")[0] == 0
    assert ("cart_abandonment", 1, "sent", None) in played(call)
    sends = [json.loads(line) for line in Path("s.jsonl").read_text("utf-8").splitlines()]
    assert next(one for one in sends if one["message"] == MESSAGE)["subject"].endswith("cart is as you left it")


RIVALS = """\
name = "shop"
why  = "two messages for one place"

[sender]
from = "a@shop.example"
name = "Shop"

[consent]
email       = "opt_in"
personalise = "opt_in"

[[cap]]
name = "day"
why  = "one message a day"
most = 1
per  = "1d"

[[trigger]]
name     = "first"
why      = "goes first"
open     = { on = "cart_add" }
priority = 1
wait     = "1h"
send     = "cart-last-call"

[[trigger]]
name     = "second"
why      = "goes if there is room"
open     = { on = "cart_add" }
priority = 2
wait     = "1h"
send     = "cart-reminder"
"""


def test_who_lost_to_what_is_not_approved_goes_out_instead(call: Call) -> None:
    """The place that was reserved for it is free again, as of whatever cannot be rendered."""
    Path(PACK).write_text(RIVALS, "utf-8")
    assert [one[0] for one in played(call) if one[2] == "sent"] == ["first"]
    assert person(call)[0] == 0
    ended = played(call)
    assert ("first", 0, "not_sent", "not_approved") in ended and ("second", 0, "sent", None) in ended


def test_a_pack_says_who_approved_which_text(call: Call) -> None:
    assert person(call, GOOD, "--by", "Ada")[0] == 0
    row = '[[trigger]]\nname = "mine"\nwhy = "x"\nopen = { on = "cart_add" }\nwait = "1h"\nsend = "cart-last-call"\n'
    Path(PACK).write_text(SHOP + row, "utf-8")
    code, out, _ = call("policy", "check", PACK)
    assert code == 0, "a pack with a draft can be published: everything else goes on"
    assert f"{PACK}:{SHOP.count(chr(10)) + 6}: warning: message '{MESSAGE}' is not approved (draft): mine does not send it" in out
    draft, _ = build(PACK)
    code, out, _ = call("policy", "show", PACK)
    assert f"#   {MESSAGE}: {GOOD['subject']} (drafted by Ada on " in out and "draft; not sent)" in out
    assert ask(call, "review")[0] == 0 and ask(call, "approve", "--by", "Bea")[0] == 0
    ref, data = build(PACK)
    assert ref != draft and b'"approval":"approved ' in data, "what is published says who approved it"
    code, out, _ = call("policy", "show", PACK)
    assert re.search(rf"#   {MESSAGE}: .* \(drafted by Ada on .*; approved {content(pack().messages[MESSAGE])} by Bea on ", out)
    code, out, _ = call("copy", "list", "--policy", PACK)
    assert (
        code == 0 and out.startswith(f"{MESSAGE}") and " sent      approved" in out and "1 of 61 messages with a state, 0 not sent" in out
    )
    listed = json.loads(call("copy", "list", "--policy", PACK, "--json")[1])
    assert [(one["message"], one["approved"]) for one in listed] == [(MESSAGE, True)]
    Path("messages", f"{MESSAGE}.txt").write_text(text().replace("that is", "it is"), "utf-8")
    Path("old.toml").write_text(SHOP + row, "utf-8")
    code, out, _ = call("policy", "diff", "merged", PACK)
    assert f"message {MESSAGE} is not sent any more: nobody has approved it as it is" in out
