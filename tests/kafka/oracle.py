"""The judge of a run: reads the topics and the stores left behind, and shares nothing with app/engine.

It folds the journal as it lies, record by record and person by person, with the pure domain step and its own reading of origins, ticks and
rows, and compares everything that the workers published and kept. Invariants I1-I5 and I8-I12 of the proof plan; tests/kafka/stories.py
has the naive checks that know no domain code at all.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import orjson

from app import events
from app.agents.analyst_program import GROUP, AnalystProgram
from app.agents.kinds import compilers
from app.agents.reader_program import ReaderProgram, decision_program, send_program
from app.domain import address, facts, mailbox, news, person
from app.domain.effects import Address, Conclude, Decide, PlanMessage, PublishProfile, Tell
from app.domain.mailbox import Mailbox
from app.domain.population import Population, changed
from app.domain.profile_view import record as view_of
from app.domain.publishing import Told
from app.settings import Settings
from tests.kafka.logs import HANDED, LANE, LINK, REKEY, Logs, Message
from tests.kafka.stores import Local
from tests.naive_mailbox import NaiveMailbox

TOPICS = (
    "customer_events",
    "control",
    "journal",
    "addressed_plans",
    "message_plans",
    "message_sends",
    "decisions",
    "artifacts",
    "dead_letters",
    "facts",
    "profiles",
    "products",
    "identifiers-changelog",
    "people-changelog",
    "mailboxes-changelog",
    "renders-changelog",
    "figures-changelog",
    "decided-changelog",
    "sent-changelog",
)
READ = {"decided": ("decisions", decision_program()), "sent": ("message_sends", send_program())}
"""Table of the reader → what it is to have whole."""
_told = msgspec.msgpack.Decoder(Told).decode
SHOWN = 20
"""Differences of one kind that are printed."""


class Verdict:
    """What did not hold, and what was counted."""

    def __init__(self) -> None:
        self.differences: list[str] = []
        self.figures: dict[str, Any] = {}

    def differ(self, what: str, found: object = "") -> None:
        self.differences.append(f"{what} {found}".strip())

    def same(self, what: str, expected: set[Any], seen: set[Any]) -> None:
        """Two sets must be equal; the first few on each side are named."""
        for label, rest in (("missing", expected - seen), ("extra", seen - expected)):
            if rest:
                self.differ(f"{what}: {len(rest)} {label}", sorted(map(str, rest))[:SHOWN])

    def __str__(self) -> str:
        return "\n".join(self.differences) or "exact"


class Fold:
    """One partition of the journal, folded in order by the pure domain step."""

    def __init__(self, packs: Callable[[str], Any]) -> None:
        self._packs = packs
        self.groups: dict[str, person.Group] = {}
        self.due: dict[str, int] = {}
        """When who waits for something is to be woken: half an hour has ten thousand ticks, and a shop tens of thousands of people."""
        self.applied: dict[str, int] = {}
        self.plans: dict[str, bytes] = {}
        self.addressed: Counter[tuple[bytes | None, bytes]] = Counter()
        """(key, record) of what addresses are told."""
        self.decisions: dict[str, bytes] = {}
        self.conclusions: dict[bytes, int] = defaultdict(int)
        self.facts: Counter[bytes] = Counter()
        self.profiles: dict[str, list[bytes | None]] = defaultdict(list)
        self.read_back: set[bytes] = set()
        self.accepted: list[tuple[events.Event, Message]] = []
        self.answers: dict[str, str] = {}
        self.repeats = 0
        self.now = self.low_water = self.interval = 0
        self.active: dict[str, str] = {}
        self._origins: dict[tuple[int, int], tuple[int, int]] = {}

    def run(self, messages: list[Message], upto: int) -> None:
        """Applies every record with offset ≤ `upto`; after it only ticks and repeats may stand."""
        for message in messages:
            if message.origin is not None and message.origin[0] == HANDED:
                assert message.value is not None
                self.read_back.add(message.value)
                continue
            record = events.journal.decode(message.value)
            if message.offset > upto:
                if not isinstance(record, events.Tick) and not self._repeated(message):
                    raise AssertionError(f"journal {message.partition}/{message.offset} was never applied: {type(record).__name__}")
            elif isinstance(record, events.Tick):
                self._tick(record, message.offset)
            elif self._repeated(message):
                self.repeats += 1
            elif isinstance(record, events.Activation):
                self.active[record.kind] = record.ref
            elif isinstance(record, events.Broadcast):
                self._hear(record, message.offset)
            else:
                self._apply(record, message)

    def _repeated(self, message: Message) -> bool:
        if message.origin is None:
            return False
        stage, partition, offset, index = message.origin
        last = self._origins.get((stage, partition), (-1, -1))
        if (offset, index) <= last:
            return True
        self._origins[stage, partition] = (offset, index)
        return False

    def _see(self, group: person.Group, now: int) -> person.See:
        pack, population = (None if (ref := self.active.get(kind)) is None else self._packs(ref) for kind in ("policy", "population"))
        return person.See(group, now, self.low_water, self.interval, pack, self._packs, frozenset(), population, True, self.active)

    def _apply(self, record: Any, message: Message) -> None:
        if message.origin is not None and message.origin[0] == LANE:
            pass  # sent on to the person she became; it was counted where it came first
        elif isinstance(record, events.Event):
            self.accepted.append((record, message))
        elif isinstance(record, events.Rendered | events.NotRendered):
            if record.send_id in self.answers:
                raise AssertionError(f"plan {record.send_id} was answered twice")
            self.answers[record.send_id] = getattr(record, "reason", "rendered")
        now = max(self.now, min(record.at, self.now + self.interval)) if self.now else record.at
        group = self.groups.get(record.person_id) or person.load(record.person_id, None, None)
        see = self._see(group, now)
        self._keep(group, *person.step(group, record, see), message.offset, see)

    def _hear(self, record: events.Broadcast, offset: int) -> None:
        """Everybody is asked whether the news has one of her tags: what the index is there to spare."""
        now = max(self.now, min(record.at, self.now + self.interval)) if self.now else record.at
        ref = self.active.get("policy")
        asked = set(news.asked(record)) if ref is not None and record.change in self._packs(ref).opens else set()
        for _, group in sorted(self.groups.items()):
            hers = news.tags(group.person)
            if not asked.isdisjoint(hers[at : at + 8] for at in range(0, len(hers), 8)):
                see = self._see(group, now)
                self._keep(group, *person.step(group, record, see), offset, see)

    def _tick(self, tick: events.Tick, offset: int) -> None:
        self.now, self.low_water = max(self.now, tick.at), max(self.low_water, tick.low_water)
        self.interval = tick.interval
        for person_id in sorted([one for one, due in self.due.items() if due <= self.low_water]):
            group = self.groups[person_id]
            see = self._see(group, self.now)
            self._keep(group, *person.wake(group, see), offset, see, woken=True)
            if self.due.get(person_id, self.low_water + 1) <= self.low_water:
                raise AssertionError(f"{person_id} has something due after her wake-up")

    def _keep(
        self, before: person.Group, after: person.Group, effects: list[Any], offset: int, see: person.See, woken: bool = False
    ) -> None:
        if after is before and not effects and not woken:
            return
        person_id = after.person.person_id
        self.groups[person_id], self.applied[person_id] = after, offset
        if (due := person.next_due(after)) == person.NEVER:
            self.due.pop(person_id, None)
        else:
            self.due[person_id] = due
        for effect in effects:
            if isinstance(effect, PlanMessage):
                plan = effect.plan
                self._once(self.plans, plan.send_id, events.encode(plan))
                self.addressed[address.key(plan.channel, plan.to_address), events.encode(address.addressed(plan, see))] += 1
            elif isinstance(effect, Address):
                self.addressed[effect.key, events.encode(effect.record)] += 1
            elif isinstance(effect, Decide):
                self._once(self.decisions, effect.decision.decision_id, events.encode_json(effect.decision))
            elif isinstance(effect, Conclude):
                self.conclusions[events.encode(effect.conclusion)] += 1
            elif isinstance(effect, Tell):
                self.facts[events.encode(effect.counted)] += 1
            elif isinstance(effect, PublishProfile):
                gone = person.is_stub(after.person)
                self.profiles[person_id].append(None if gone else events.encode_json(view_of(facts.of(see))))

    @staticmethod
    def _once(kept: dict[str, bytes], name: str, value: bytes) -> None:
        if name in kept:
            raise AssertionError(f"the domain gave id {name} twice")
        kept[name] = value


def judge(logs: Logs, committed: dict[tuple[str, int], int], stores: list[Local]) -> Verdict:
    """Everything that must hold after a quiet stop. `stores`: what all workers left on their disks."""
    verdict = Verdict()
    packs = packs_of(logs)
    tables = {table: _restored(logs, table, verdict) for table in ("identifiers", "people", "mailboxes", "renders", "figures", *READ)}
    folds: dict[int, Fold] = {}
    for partition, messages in logs["journal"].items():
        fold = folds[partition] = Fold(packs)
        marks = tables["people"].marks.get(partition)
        try:
            fold.run(messages, -1 if marks is None else marks[0])
        except AssertionError as error:
            verdict.differ(f"journal {partition}:", error)
        if marks is not None and marks[1]:
            verdict.differ(f"journal {partition}: stopped inside a tick, cursor {marks[1]}")
    _inputs(logs, folds, verdict)
    _outputs(logs, folds, _addressed(logs, folds, tables["mailboxes"], verdict), verdict)
    _rows(folds, tables["people"], verdict)
    _profiles(logs, folds, verdict)
    _figures(logs, folds, tables["figures"], verdict)
    sources = {"identifiers": "customer_events", "people": "journal", "mailboxes": "addressed_plans", "renders": "message_plans"}
    sources["figures"] = "facts"
    for table, (source, program) in READ.items():
        sources[table] = source
        _read(logs, source, program, tables[table], verdict)
    for table, source in sources.items():
        _commits(logs, source, tables[table], committed, verdict)
    for table in ("identifiers", "people", "mailboxes", "figures", *READ):
        _stores(logs, table, tables[table], stores, verdict)
    return verdict


def packs_of(logs: Logs) -> Callable[[str], Any]:
    """Compiled packs and figures of everybody from the artifacts topic, their hash checked."""
    chunks: dict[str, dict[int, bytes]] = defaultdict(dict)
    kinds: dict[str, str] = {}
    for message in logs["artifacts"][0]:
        if message.value:
            artifact = msgspec.json.decode(message.value, type=events.Artifact)
            if artifact.data:
                kinds[artifact.ref] = artifact.kind
                chunks[artifact.ref][artifact.chunk] = base64.b64decode(artifact.data)
    compiled: dict[str, Any] = {}
    compiler = compilers(Settings().model_mb)

    def pack(ref: str) -> Any:
        if ref not in compiled:
            compiled[ref] = compiler[kinds[ref]](ref, b"".join(chunks[ref][n] for n in sorted(chunks[ref])))
        return compiled[ref]

    return pack


def _inputs(logs: Logs, folds: dict[int, Fold], verdict: Verdict) -> None:
    """I1, I11: every input event is in the fold exactly once under the broker's time, or a dead letter exactly once; never both."""
    meant: dict[str, set[int]] = defaultdict(set)
    bad: set[tuple[int, int]] = set()
    moved = 0
    for partition, messages in logs["customer_events"].items():
        for message in messages:
            moved += message.origin is not None and message.origin[0] == REKEY
            if message.origin is not None and message.origin[0] == LINK:
                continue  # intake's own word, no event
            if message.load == "bad":
                bad.add((partition, message.offset))
            else:
                meant[orjson.loads(message.value or b"")["event_id"]].add(message.timestamp)
    seen: dict[str, int] = defaultdict(int)
    for fold in folds.values():
        for event, _ in fold.accepted:
            seen[event.event_id] += 1
            if event.at not in meant.get(event.event_id, ()):
                verdict.differ(f"event {event.event_id} has a time that the broker never gave it:", event.at)
    verdict.same("events", set(meant), set(seen))
    twice = [event_id for event_id, count in seen.items() if count > 1]
    if twice:
        verdict.differ(f"{len(twice)} events applied more than once:", sorted(twice)[:SHOWN])
    letters: dict[tuple[int, int], set[str]] = defaultdict(set)
    for message in (one for messages in logs["dead_letters"].values() for one in messages):
        letter = msgspec.json.decode(message.value or b"", type=events.DeadLetter)
        if letter.reason not in ("contract", "too_large"):
            verdict.differ("dead letter:", (letter.reason, letter.stage, letter.violations[:2]))
        letters[letter.partition, letter.offset].add(letter.letter_id)
    verdict.same("dead letters", bad, set(letters))
    if any(len(ids) > 1 for ids in letters.values()):
        verdict.differ("a record has two different dead letters")
    repeats = sum(fold.repeats for fold in folds.values())
    verdict.figures |= {"events": len(seen), "bad": len(bad), "moved": moved, "journal_repeats": repeats}


Barred = dict[str, dict[str, Any]]
"""send_id of a plan that its address did not take → why."""


def _addressed(logs: Logs, folds: dict[int, Fold], boxes: _Table, verdict: Verdict) -> Barred:
    """What addresses are told is the fold's, each once; which plans they took the naive rules say, of the order as it lies."""
    expected = sum((fold.addressed for fold in folds.values()), Counter[tuple[bytes | None, bytes]]())
    found: Counter[tuple[bytes | None, bytes]] = Counter()
    barred: Barred = {}
    unwritten: set[str] = set()
    for partition, messages in logs["addressed_plans"].items():
        naive: dict[bytes, NaiveMailbox] = defaultdict(NaiveMailbox)
        rows: dict[bytes, Mailbox] = {}
        first: dict[Any, Message] = {}
        for message in messages:
            first.setdefault(message.origin, message)
        for message in first.values():
            assert message.key is not None and message.value is not None and message.origin is not None
            record = events.addressed.decode(message.value)
            if message.origin[0] == LANE:
                found[message.key, message.value] += 1
            elif isinstance(record, events.Unwritten):
                unwritten.add(record.send_id)
            why = naive[message.key].take(record)
            if why is not None:
                barred[record.send_id] = why
            before = rows.get(b"p" + message.key, mailbox.EMPTY)
            after = mailbox.took(before, record)
            if after is not before or isinstance(record, events.Addressed):
                rows[b"p" + message.key] = after
        kept = {key: value[17:] for key, value in boxes.rows[partition].items()}
        verdict.same(f"mailboxes {partition}", {(key, msgspec.msgpack.encode(box)) for key, box in rows.items()}, set(kept.items()))
    if found != expected:
        verdict.differ(f"addresses were told {(found - expected).total()} things too many, {(expected - found).total()} are missing")
    refused = {name for fold in folds.values() for name, answer in fold.answers.items() if answer != "rendered"}
    verdict.same("what could not be written", refused - set(barred), unwritten)
    verdict.figures["barred"] = len(barred)
    return barred


def _outputs(logs: Logs, folds: dict[int, Fold], barred: Barred, verdict: Verdict) -> None:
    """I3, I4, I8: plans, decisions, conclusions and sends are exactly those of the fold; the same id is always the same bytes."""
    plans = _by_id(logs, "message_plans", lambda value: events.plans.decode(value).send_id, verdict)
    decisions = _by_id(logs, "decisions", lambda value: orjson.loads(value)["decision_id"], verdict)
    sends = _by_id(logs, "message_sends", lambda value: orjson.loads(value)["send_id"], verdict)
    expected_plans = {name: value for fold in folds.values() for name, value in fold.plans.items()}
    expected = {name: value for fold in folds.values() for name, value in fold.decisions.items()}
    answers = {name: value for fold in folds.values() for name, value in fold.answers.items()}
    verdict.same("plans", set(expected_plans) - set(barred), set(plans))
    verdict.same("answers to plans", set(expected_plans), set(answers))
    verdict.same("sends", {name for name, answer in answers.items() if answer == "rendered"}, set(sends))
    for name, value in expected_plans.items():
        if name in plans and plans[name] != value:
            verdict.differ(f"plan {name} has other bytes than the fold's")
    theirs = {name: orjson.loads(value) for name, value in decisions.items() if name not in expected}
    verdict.same("decisions of the scheduler", set(expected), set(decisions) - set(theirs))
    for name, value in expected.items():
        if name in decisions and orjson.loads(decisions[name]) != orjson.loads(value):
            verdict.differ(f"decision {name} is not the fold's")
    verdict.same("decisions of renderer and postmaster", set(answers), {decision["send_id"] for decision in theirs.values()})
    if len(theirs) != len(answers):
        verdict.differ(f"{len(theirs)} decisions of renderer and postmaster for {len(answers)} plans")
    for decision in theirs.values():
        told = "rendered" if decision["outcome"] == "sent" else decision["reason"]
        if told != answers.get(decision["send_id"]):
            verdict.differ(f"decision {decision['decision_id']} says {told}, the answer was", answers.get(decision["send_id"]))
        if decision["values"].get("address") != barred.get(decision["send_id"]):
            verdict.differ(f"decision {decision['decision_id']} tells of its address", decision["values"].get("address"))
    for fold in folds.values():
        if extra := fold.read_back - set(fold.conclusions):
            verdict.differ(f"{len(extra)} conclusions on the journal are not the fold's", list(extra)[:2])
        if lost := set(fold.conclusions) - fold.read_back:
            verdict.differ(f"{len(lost)} conclusions are not on the journal", list(lost)[:2])
    # What waits for nothing goes out in the step of its opening, which a lane that is behind takes before the opening's own time.
    waited = [sent for sent in map(orjson.loads, sends.values()) if sent["due_at"] != sent["opened_at"]]
    late = [_ms(sent["decided_at"]) - _ms(sent["due_at"]) for sent in waited]
    if late and min(late) < 0:
        verdict.differ("a message was sent before it was due, by ms:", -min(late))
    outcomes = [(one["outcome"], one["reason"]) for one in map(orjson.loads, decisions.values())]
    verdict.figures |= {f"held_{reason}": outcomes.count(("held", reason)) for reason in ("frequency_cap", "lost_to_trigger")}
    verdict.figures |= {
        "refused": sum(answer != "rendered" for answer in answers.values()),
        "news": sum(orjson.loads(value)["trigger"] == "price_drop" for value in sends.values()),
        "plans": len(plans),
        "sends": len(sends),
        "decisions": len(decisions),
        "send_repeats": sum(map(len, logs["message_sends"].values())) - len(sends),
        "late_ms_p50": sorted(late)[len(late) // 2] if late else 0,
        "late_ms_max": max(late, default=0),
    }


def _profiles(logs: Logs, folds: dict[int, Fold], verdict: Verdict) -> None:
    """Every profile that the fold publishes is there in its order; a crash may repeat some, which are then the same."""
    expected = {name: told for fold in folds.values() for name, told in fold.profiles.items()}
    seen: dict[str, dict[Any, bytes | None]] = defaultdict(dict)
    for message in (one for messages in logs["profiles"].values() for one in messages):
        assert message.key is not None
        if seen[message.key.decode()].setdefault(message.origin, message.value) != message.value:
            verdict.differ(f"profile of {message.key.decode()}: one origin, two contents")
    verdict.same("people with a profile", set(expected), set(seen))
    wrong = [name for name, told in expected.items() if told != list(seen[name].values())]
    if wrong:
        verdict.differ(f"{len(wrong)} profiles are not the fold's:", sorted(wrong)[:SHOWN])
    verdict.figures["profiles"] = sum(map(len, seen.values()))


def _figures(logs: Logs, folds: dict[int, Fold], figures: _Table, verdict: Verdict) -> None:
    """Facts are the fold's, each once; their sums are what the analyst keeps."""
    expected = sum((fold.facts for fold in folds.values()), Counter[bytes]())
    first = {one.origin: one.value or b"" for one in logs["facts"][0] if one.origin is not None}
    found = Counter(first.values())
    if found != expected:
        verdict.differ(f"facts: {len(expected - found)} missing, {len(found - expected)} extra")
    counted = Population()
    for value in first.values():
        for fact in events.facts.decode(value).facts:
            counted = changed(counted, fact)
    kinds = AnalystProgram.row_kinds
    bodies = [None if (row := figures.rows[0].get(kind + GROUP)) is None else row[17:] for kind in kinds]
    if (kept := AnalystProgram().load(GROUP, bodies).population) != counted:
        verdict.differ("the analyst's figures are not the sum of its facts:", kept)
    verdict.figures["facts"] = expected.total()


def _by_id(logs: Logs, topic: str, name: Callable[[bytes], str], verdict: Verdict) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for message in (one for messages in logs[topic].values() for one in messages):
        assert message.value is not None
        if found.setdefault(key := name(message.value), message.value) != message.value:
            verdict.differ(f"{topic}: two different records with id {key}")
    return found


class _Table:
    """A table as its changelog has it: rows by highest applied offset, marks by (applied, cursor)."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        self.marks: dict[int, tuple[int, int]] = {}
        self.marked: dict[int, list[tuple[int, int]]] = defaultdict(list)
        """(time of writing, applied) of every marks record."""


def _restored(logs: Logs, table: str, verdict: Verdict) -> _Table:
    restored = _Table()
    overtaken = 0
    for partition, messages in logs[f"{table}-changelog"].items():
        rows = restored.rows[partition]
        for message in messages:
            assert message.key is not None and message.value is not None
            if message.key == b"m":
                applied, cursor = msgspec.msgpack.decode(message.value[1:])[:2]
                restored.marked[partition].append((message.timestamp, applied))
                restored.marks[partition] = max(restored.marks.get(partition, (-1, 0)), (applied, cursor))
            elif message.key not in rows or _applied(message.value) >= _applied(rows[message.key]):
                rows[message.key] = message.value
            else:
                overtaken += 1
    verdict.figures[f"{table}_overtaken"] = overtaken
    return restored


def marks(logs: Logs, table: str) -> dict[int, list[tuple[int, int]]]:
    """Partition → (time of writing, applied) of every marks record of a table's changelog."""
    return _restored(logs, table, Verdict()).marked


def behind(logs: Logs) -> int:
    """People whose profile as it stands is still to be published."""
    rows = _restored(logs, "people", Verdict()).rows.values()
    return sum(key[:1] == b"d" and _told(value[17:]).behind for some in rows for key, value in some.items())


def _applied(value: bytes) -> int:
    return int.from_bytes(value[1:9], "big", signed=True)


def _due(value: bytes) -> int:
    return int.from_bytes(value[9:17], "big", signed=True)


def _read(logs: Logs, topic: str, program: ReaderProgram, table: _Table, verdict: Verdict) -> None:
    """What the reader has is what stands on its topic, each record once and as it was written."""
    for partition, messages in logs[topic].items():
        expected: dict[bytes, bytes] = {}
        for message in messages:
            key, body = program.read(message)
            assert key is not None
            expected.setdefault(b"p" + key, body)
        kept = {key: value[17:] for key, value in table.rows[partition].items()}
        verdict.same(f"what the reader has of {topic} {partition}", set(expected.items()), set(kept.items()))


def _rows(folds: dict[int, Fold], people: _Table, verdict: Verdict) -> None:
    """I2: every row of every person, byte for byte, with the offset it was last touched at."""
    for partition, fold in folds.items():
        # Who has no tags any more keeps an empty row of them.
        kept = {key: value for key, value in people.rows[partition].items() if key[:1] != person.TAGS or value[17:]}
        wrong = 0
        expected: dict[bytes, bytes] = {}
        for person_id, group in fold.groups.items():
            for kind, body in person.dump(group, None):
                expected[kind + person_id.encode()] = body
            main = kept.get(person.ROWS[0] + person_id.encode())
            wrong += main is not None and _applied(main) != fold.applied[person_id]
        verdict.same(f"rows of journal {partition}", set(expected), set(kept))
        wrong += sum(1 for key, body in expected.items() if key in kept and kept[key][17:] != body)
        if wrong:
            verdict.differ(f"journal {partition}: {wrong} of {len(expected)} rows are not the fold's")
    verdict.figures["people"] = sum(len(fold.groups) for fold in folds.values())


def _commits(logs: Logs, topic: str, table: _Table, committed: dict[tuple[str, int], int], verdict: Verdict) -> None:
    """I9, I12: commits stand where the marks stand, and nothing is left but ticks."""
    for partition, messages in logs[topic].items():
        applied = table.marks.get(partition, (-1, 0))[0]
        offset = committed.get((topic, partition), 0)
        if offset > applied + 1:
            verdict.differ(f"{topic} {partition}: committed {offset}, but only up to {applied} is applied")
        left = [one for one in messages if one.offset >= offset]
        if any(topic != "journal" or not _is_tick(one) for one in left):
            verdict.differ(f"{topic} {partition}: {len(left)} records lie behind the committed offset {offset}")


def _is_tick(message: Message) -> bool:
    return isinstance(events.journal.decode(message.value), events.Tick)


def _stores(logs: Logs, name: str, table: _Table, stores: list[Local], verdict: Verdict) -> None:
    """I10: after a clean stop the RocksDB of a partition's last owner holds the rows of the changelog, and the due index they imply."""
    for partition, rows in table.rows.items():
        changelog = logs[f"{name}-changelog"][partition]
        end = changelog[-1].offset + 1 if changelog else 0
        last = [one for one in stores if one.table == name and one.partition == partition and one.next == end]
        if not last:
            verdict.differ(f"{name} {partition}: no store has come to the changelog's end {end}")
        for local in last:
            if local.rows != rows:
                wrong = [key for key in rows.keys() | local.rows.keys() if rows.get(key) != local.rows.get(key)]
                verdict.differ(f"{name} {partition}: {len(wrong)} rows differ between RocksDB and changelog", wrong[:3])
            due = {(at, key[1:]) for key, value in rows.items() if (at := _due(value)) != person.NEVER}
            verdict.same(f"due index of {name} {partition}", due, local.due)
            tags = {(value[at : at + 8], key[1:]) for key, value in rows.items() if key[:1] == b"w" for at in range(17, len(value), 8)}
            verdict.same(f"tags of {name} {partition}", tags, local.tags)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
