"""What the topics hold of one person: found by any of her names, followed through merges, and honest about what is no longer there."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from app import events
from app.agents.kinds import encode_model, encode_population
from app.domain.identity import person_id
from app.domain.population import Population
from app.domain.recommended import RECOMMENDATIONS, Unusable
from app.edges.dossier import Dossier, candidates, of_topics, shelf
from app.engine.artifacts import chunks
from app.engine.partition import partition_of
from app.engine.program import Output
from app.engine.simulation import Logged
from app.events import Artifact, Event, MergeOut
from app.policy.pack import build
from app.settings import Settings
from tests.her import UNGATED
from tests.test_explain import DAY, HOUR, NOON, journal, known, view

SETTINGS = Settings()
ANN, BEN = (person_id(SETTINGS.secret, f"c:{name}") for name in ("c1", "c2"))


class Topics:
    """Topics as lists, read like the cluster's: what `Scanner` promises, over memory."""

    def __init__(self, partitions: int = 1) -> None:
        self.records: dict[str, list[Logged]] = {"journal": [], "decisions": [], "message_sends": [], "artifacts": []}
        self.counts, self.first = partitions, 0

    def partitions(self, topic: str) -> int:
        return self.counts

    async def starts_at(self, topic: str, partition: int) -> int:
        return self.first

    async def read(
        self, topic: str, partitions: Iterable[int] | None = None, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> AsyncIterator[Any]:
        for record in self.records[topic]:
            if partitions is None or record.key is None or partition_of(record.key, self.counts) in partitions:
                yield record

    def put(self, topic: str, key: bytes | None, value: bytes) -> None:
        self.records[topic].append(Logged(len(self.records[topic]), NOON, key, value))


def topics(day: list[dict[str, Any]], published: bool = True) -> Topics:
    found = Topics()
    lines, decisions, packs = journal(day)
    found.records["journal"] = lines
    for one in decisions:
        found.put("decisions", one.person_id.encode(), events.encode_json(one))
    if published:
        ref, data = build(UNGATED)
        chunk = Artifact("policy", ref, 0, 1, base64.b64encode(data).decode())
        found.put("artifacts", f"{ref}/0".encode(), events.encode_json(chunk))
        found.put("artifacts", b"active/policy", events.encode_json(Artifact("policy", ref)))
        for output in [one for figures in packs.values() if isinstance(figures, Population) for one in chunks_of(figures)]:
            found.put("artifacts", output.key, output.value)
    return found


def chunks_of(figures: Population) -> list[Output]:
    return chunks("population", *encode_population(figures))


async def read(found: Topics, asked: str = "c1", until: int | None = None) -> Dossier | None:
    return await of_topics(found, SETTINGS, asked, candidates(SETTINGS, asked), until)  # type: ignore[arg-type]


async def test_she_is_found_by_each_of_her_names_and_nothing_is_to_note() -> None:
    found = topics([*known(), view(HOUR)])
    for asked in ("c1", ANN):
        one = await read(found, asked)
        assert one is not None and (one.person_id, one.name, one.notes) == (ANN, "c1", [])
        assert one.past.active == build(UNGATED)[0]
    assert await read(found, "nobody") is None


async def test_where_she_stands_is_told_by_the_packs_of_the_topics() -> None:
    one = await read(topics([*known(), view(HOUR)]))
    assert one is not None
    found = [entry.text for entry in one.story.entries(one.decisions, one.sends) if entry.kind == "standing"]
    assert "entered segment browsing: was in the shop within 30 d and never bought" in found


async def test_only_what_was_by_then_is_told() -> None:
    found = topics([*known(), view(HOUR), view(3 * DAY, "Hat")])
    one = await read(found, until=NOON + 2 * HOUR)
    assert one is not None and one.notes == [] and one.past.now <= NOON + 2 * HOUR
    assert len([record for record in one.story.records if isinstance(record, Event)]) == 3


async def test_a_cut_journal_is_noted_and_decides_by_the_pack_her_decisions_name() -> None:
    found = topics([*known(), view(HOUR), view(3 * DAY, "Hat")])
    found.records["journal"] = [line for line in found.records["journal"] if line.timestamp > NOON + 2 * DAY]
    found.first = found.records["journal"][0].offset
    one = await read(found)
    assert one is not None and one.past.active == build(UNGATED)[0]
    assert one.notes[0].startswith("the journal is kept from 2026-03-0")
    assert one.story.derived()


async def test_a_pack_that_was_never_published_is_noted() -> None:
    one = await read(topics([*known(), view(HOUR)], published=False))
    assert one is not None and one.past.active is None
    assert any("is not on the artifacts topic" in note for note in one.notes)
    assert any("recorded, and not derived" in note for note in one.notes)


async def test_a_decision_that_was_tampered_with_is_noted() -> None:
    found = topics([view(0)])
    kept = found.records["decisions"]
    found.records["decisions"] = [
        Logged(one.offset, one.timestamp, one.key, (one.value or b"").replace(b"no_consent", b"unsubscribed")) for one in kept
    ]
    one = await read(found)
    assert one is not None and any("recorded as unsubscribed, derived as no_consent" in note for note in one.notes)


async def test_who_became_somebody_else_is_followed_both_ways() -> None:
    before = {**view(0), "customer_id": None, "anonymous_id": "dev-1"}
    signs_in = {**known(HOUR)[0], "anonymous_id": "dev-1"}
    found = topics([before, signs_in, known(HOUR)[1], view(2 * HOUR, "Hat")])
    device = person_id(SETTINGS.secret, "a:dev-1")
    for asked in ("c1", "dev-1", device):
        one = await read(found, asked)
        assert one is not None and (one.person_id, one.name) == (ANN, "c1"), asked
        assert [before.person_id for before in one.earlier] == [device]
        assert [each.notes for each in one.everybody] == [[], []]


async def test_people_who_became_each_other_end_somewhere() -> None:
    found = topics([*known(), *known(2 * HOUR, "c2")])
    last = found.records["journal"][-1].offset
    for number, (old, new) in enumerate(((ANN, BEN), (BEN, ANN)), 1):
        merge = events.encode(MergeOut(NOON + 40 * DAY, old, new, "e-link"))
        found.records["journal"].append(Logged(last + number, NOON + 40 * DAY, old.encode(), merge))
    assert await read(found) is not None


async def test_a_model_is_as_usable_as_the_workers_of_the_cluster_find_it() -> None:
    """The limit is the setting's: with one of its own, a command would call a model unusable that all workers recommend by."""
    ref, data = encode_model(b"no model" * 200_000, 2)
    found = Topics()
    for output in chunks(RECOMMENDATIONS, ref, data):
        found.put("artifacts", output.key, output.value)
    for limit, why in ((1, "a model of 1.6 MB; KAIROS_MODEL_MB allows 1"), (2, "no model of recommendations: Expected `array`")):
        told: object = (await shelf(found, Settings(model_mb=limit))).pack(ref)  # type: ignore[arg-type]
        assert isinstance(told, Unusable) and told.why.startswith(why), told
