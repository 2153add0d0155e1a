"""The analyst's program: counts facts, and at the first tick of a UTC day publishes the figures of all that came before it.

Reads facts; keeps one group, a row per figure; writes artifacts, control, dead_letters. A day on which nobody changed publishes nothing:
the figures of the day before still hold. A fact repeated after a crash is known by its origin, so it counts once; what a repeated turn
publishes has the same bytes, and so the same ref.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import events
from app.agents.kinds import encode_population
from app.domain.population import Moves, Names, Population, changed
from app.engine.artifacts import POPULATION, chunk_key, chunks
from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER
from app.events import Activate, Counted, Tick, Undecodable, derived_id
from app.flow import DAY_MS, Stage

GROUP = b"everybody"
CHUNK_BYTES = 256 * 1024
"""Base64 of it stays below what a turn's output may be."""
KEPT_DAYS = 40
"""Longer than the journal is kept: by then no record of it can name the artifact."""
KEPT_LEAST = 3
"""Whatever their age: a lane that stands still may not have come to the newest yet."""
ROWS = {b"c": "clv", b"f": "frequency", b"r": "recency", b"s": "monetary", b"b": "hours"}
"""Row kinds; `m` is the marks' own."""


class Published(Struct, frozen=True, array_like=True):
    """Figures that stand on the artifacts topic: as of when (ms), in how many chunks."""

    as_of: int
    ref: str
    chunks: int


class Diary(Struct, frozen=True, array_like=True):
    """The main row. `due`: the end of the first day of which something is not published yet."""

    due: int = NEVER
    published: tuple[Published, ...] = ()


class Figures(Struct, frozen=True):
    """The group."""

    diary: Diary = Diary()
    population: Population = Population()


class AnalystProgram:
    """`counts`: the worker's."""

    stage = Stage.ANALYST
    row_kinds = (b"p", *ROWS, b"n", b"v")
    checks_origin = True

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts or Counts()

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        try:
            record = events.facts.decode(incoming.value)
        except Undecodable as error:
            raise Refused("undecodable", [{"path": "", "message": str(error)}]) from error
        return (None if isinstance(record, Tick) else GROUP), record

    def now(self, record: Counted, marks: Marks) -> int:
        return max(marks.now, record.at)

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Figures:
        diary, *rest = bodies
        counts = {name: _counts(body) for name, body in zip(ROWS.values(), rest, strict=False) if body is not None}
        names, moves = rest[-2:]
        population = Population(figures=counts, names={} if names is None else _names(names), moves={} if moves is None else _moves(moves))
        return Figures(Diary() if diary is None else _diary(diary), population)

    def step(self, group: Figures, record: Counted, moment: Moment) -> tuple[Figures, list[Output]]:
        diary = group.diary
        if diary.due == NEVER:
            diary = replace(diary, due=(max(record.at, moment.low_water) // DAY_MS + 1) * DAY_MS)
        population = group.population
        for fact in record.facts:
            population = changed(population, fact)
        return Figures(diary, population), []

    def wake(self, group: Figures, moment: Moment) -> tuple[Figures, list[Output]]:
        population = replace(group.population, as_of=moment.low_water)
        ref, data = encode_population(population)
        outputs = chunks(POPULATION, ref, data, CHUNK_BYTES)
        outputs.append(Output("control", None, events.encode(Activate(moment.now, POPULATION, ref)), partition=0))
        published = (*group.diary.published, Published(moment.low_water, ref, len(outputs) - 1))
        old = [one for one in published[:-KEPT_LEAST] if one.as_of < moment.low_water - KEPT_DAYS * DAY_MS]
        for one in old:
            outputs += [Output("artifacts", chunk_key(one.ref, number), b"", partition=0) for number in range(one.chunks)]
        return Figures(Diary(NEVER, published[len(old) :]), group.population), outputs

    def due(self, group: Figures) -> int:
        return group.diary.due

    def dump(self, group: Figures, loaded: Figures | None) -> list[tuple[bytes, bytes]]:
        rows = [] if loaded is not None and group.diary is loaded.diary else [(b"p", _encode(group.diary))]
        now, before = group.population, Population() if loaded is None else loaded.population
        parts: list[tuple[bytes, Any, Any]] = [(kind, now.figures.get(name), before.figures.get(name)) for kind, name in ROWS.items()]
        parts += [(b"n", now.names or None, before.names), (b"v", now.moves or None, before.moves)]
        return rows + [(kind, _encode(part)) for kind, part, kept in parts if part is not None and part is not kept]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        self._counts.buried("analyst", reason)
        letter_id = derived_id("dead", "facts", str(moment.partition), str(incoming.offset))
        return dead_letter(letter_id, "analyst", "facts", moment.partition, incoming, reason, detail, moment.now)

    def fault(self, group: Figures, incoming: Incoming) -> Figures:
        """One change is missing from the sums; a day that could not be published is tried again at the next tick after a fact."""
        return group


_encode = msgspec.msgpack.Encoder().encode
_diary = msgspec.msgpack.Decoder(Diary).decode
_counts = msgspec.msgpack.Decoder(dict[int, int]).decode
_names = msgspec.msgpack.Decoder(dict[str, Names]).decode
_moves = msgspec.msgpack.Decoder(dict[str, Moves]).decode
