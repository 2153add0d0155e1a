"""The person lane's program: how the five agents' pure steps (app/domain/person.py) meet the engine.

Reads journal; keeps the rows of a person; writes addressed_plans (plans, and what their addresses have to know), decisions, its
conclusions on the journal, facts, profiles, catalog_changes (what people bought and rated), dead_letters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app import events
from app.domain import address, facts, news, person
from app.domain.catalog_change import notice
from app.domain.catalogue import key_of
from app.domain.effects import Address, Conclude, Decide, Effect, Notice, PassOn, PlanMessage, PublishProfile, Tell, Unopened
from app.domain.person import Group, See
from app.domain.profile_view import record
from app.engine.artifacts import POLICY, POPULATION
from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused, journal_now
from app.events import Activation, Broadcast, Retry, Tick, Undecodable, derived_id
from app.flow import Stage


class PersonProgram:
    """`packs(ref)`: a pack, or figures of everybody, compiled, of an artifact already loaded. `counts`: the worker's.

    `assume`: for simulations, `See.assume`. `publishes`: whether profiles go to their topic; no decision depends on it.
    """

    stage = Stage.LANE
    row_kinds = person.ROWS
    checks_origin = True

    def __init__(
        self,
        packs: Callable[[str], Any],
        assume: frozenset[str] = frozenset(),
        counts: Counts | None = None,
        publishes: bool = False,
    ) -> None:
        self._packs, self._assume, self._counts, self._publishes = packs, assume, counts or Counts(), publishes

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        try:
            record = events.journal.decode(incoming.value)
            if isinstance(record, Retry):
                events.journal.decode(record.record)  # a letter that cannot be read is refused now, not in the step
        except Undecodable as error:
            raise Refused("undecodable", [{"path": "", "message": str(error)}]) from error
        if isinstance(record, Tick | Activation | Broadcast):
            return None, record
        return record.person_id.encode(), record

    def now(self, record: Any, marks: Marks) -> int:
        return journal_now(record.at, marks)

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Group:
        first, main, second = bodies
        return person.load(key.decode(), main, second, first)

    def step(self, group: Group | None, record: Any, moment: Moment) -> tuple[Group | None, list[Output]]:
        if group is None:
            return None, []
        if isinstance(record, Retry) and not person.is_stub(group.person):
            if record.letter_id not in group.person.faults:
                return group, []  # fed back before: a letter counts once however often it is replayed
            group = group.replaced(person.resolved(group.person, record.letter_id), {})
            record = events.journal.decode(record.record)
            if isinstance(record, Tick):
                return group, []  # a wake-up that raised: what is due wakes at the next tick
        see = self._see(group, moment)
        group, effects = person.step(group, record, see)
        return group, self._outputs(group, effects, see)

    def asked(self, record: Broadcast, moment: Moment) -> Sequence[bytes]:
        """Whom something new of a product may concern; nobody, where no row of the active pack opens on it."""
        ref = moment.active.get(POLICY)
        return news.asked(record) if ref is not None and record.change in self._packs(ref).opens else ()

    def wake(self, group: Group, moment: Moment) -> tuple[Group, list[Output]]:
        see = self._see(group, moment)
        group, effects = person.wake(group, see)
        return group, self._outputs(group, effects, see)

    def due(self, group: Group) -> int:
        return person.next_due(group)

    def dump(self, group: Group, loaded: Group | None) -> list[tuple[bytes, bytes]]:
        return person.dump(group, loaded)

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        self._counts.buried("lane", reason)
        letter_id = _letter_id(incoming, moment.partition)
        return dead_letter(letter_id, "lane", "journal", moment.partition, incoming, reason, detail, moment.now)

    def fault(self, group: Group | None, incoming: Incoming) -> Group | None:
        if group is None:
            return None
        return group.replaced(person.faulted(group.person, _letter_id(incoming, 0)), {})

    def _see(self, group: Group, moment: Moment) -> See:
        active = moment.active
        ref, figures = active.get(POLICY), active.get(POPULATION)
        pack = None if ref is None else self._packs(ref)
        population = None if figures is None else self._packs(figures)
        now, low_water, interval = moment.now, moment.low_water, moment.interval
        return See(group, now, low_water, interval, pack, self._packs, self._assume, population, self._publishes, active)

    def _outputs(self, group: Group, effects: list[Effect], see: See) -> list[Output]:
        outputs = []
        for effect in effects:
            if isinstance(effect, PlanMessage):
                plan = effect.plan
                told_to = address.key(plan.channel, plan.to_address)
                outputs.append(Output("addressed_plans", told_to, events.encode(address.addressed(plan, see))))
            elif isinstance(effect, Address):
                outputs.append(Output("addressed_plans", effect.key, events.encode(effect.record)))
            elif isinstance(effect, Decide):
                self._counts.decided(effect.decision)
                outputs.append(Output("decisions", effect.decision.person_id.encode(), events.encode_json(effect.decision)))
            elif isinstance(effect, Conclude):
                drawn = effect.conclusion
                outputs.append(Output("journal", drawn.person_id.encode(), events.encode(drawn), stage=Stage.HANDED))
            elif isinstance(effect, PassOn):
                outputs.append(Output("journal", effect.record.person_id.encode(), events.encode(effect.record)))
            elif isinstance(effect, Unopened):
                self._counts.unopened(effect.trigger, effect.reason)
            elif isinstance(effect, Notice):
                told = notice(effect.product_id, effect.happened, effect.at)
                outputs.append(Output("catalog_changes", key_of(effect.product_id), told))
            elif isinstance(effect, Tell):
                outputs.append(Output("facts", None, events.encode(effect.counted), partition=0))
            elif isinstance(effect, PublishProfile) and self._publishes:
                outputs.append(_profile(group, see))
        return outputs


def _letter_id(incoming: Incoming, partition: int) -> str:
    # A person's key implies the partition; only a keyless record needs it named.
    place = str(partition) if incoming.key is None else incoming.key.decode("utf-8", "replace")
    return derived_id("dead", "journal", place, str(incoming.offset))


def _profile(group: Group, see: See) -> Output:
    """Her profile as it stands now; of who has become somebody else a tombstone."""
    value = b"" if person.is_stub(group.person) else events.encode_json(record(facts.of(see)))
    return Output("profiles", group.person.person_id.encode(), value)
