"""The analyst: facts add up, each once, and a day's figures are published once, in bytes that depend on nothing but the facts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from app import events
from app.agents.analyst_program import GROUP, KEPT_DAYS, KEPT_LEAST, AnalystProgram
from app.agents.kinds import compile_population, compilers
from app.domain.population import Population, rank
from app.engine.artifacts import COMPILED, Artifacts
from app.engine.memory import MemoryStore
from app.engine.origin import pack_origin
from app.engine.program import Output
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.events import Activate, Artifact, Counted, Tick
from app.flow import DAY_MS, Stage

DAY = 20_000 * DAY_MS
SECOND = 1000


class Lane:
    """The analyst's program over turns in memory; a turn of which nothing was kept is done again."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.turn = Turn(AnalystProgram(), 0, self.store)
        self.lines: list[Logged] = []
        self.done = 0

    def fact(self, at: int, figure: str, old: int | str | None, new: int | str | None, origin: int) -> None:
        headers = pack_origin(Stage.LANE, 3, origin, 0)
        self.lines.append(Logged(len(self.lines), 0, None, events.encode(Counted(at, ((figure, old, new),))), headers))

    def tick(self, at: int) -> None:
        self.lines.append(Logged(len(self.lines), 0, None, events.encode(Tick(at, at, SECOND))))

    def run(self, *, crash: bool = False) -> list[Output]:
        """What comes out of the lines that are not done yet. `crash`: right before the first local write."""
        outputs: list[Output] = []
        for segment in self.turn.segments(self.lines[self.done :]):
            assert not segment.defects
            outputs += segment.outputs
            if crash:
                return outputs
            self.store.keep(segment.rows, segment.marks, 0)
        self.done = len(self.lines)
        return outputs

    @property
    def population(self) -> Population:
        kinds = AnalystProgram.row_kinds
        return AnalystProgram().load(GROUP, self.store.bodies(GROUP, kinds)).population


def artifact(outputs: Sequence[Output]) -> tuple[str, Population]:
    """(ref, figures) of what was published, its hash checked; and that it was asked to become active behind it."""
    chunks = [msgspec.json.decode(one.value, type=Artifact) for one in outputs if one.topic == "artifacts" and one.value]
    (ref,) = {one.ref for one in chunks}
    data = b"".join(base64.b64decode(one.data) for one in chunks)
    (ask,) = [events.control.decode(one.value) for one in outputs if one.topic == "control"]
    assert isinstance(ask, Activate) and (ask.kind, ask.ref) == ("population", ref)
    return ref, compile_population(ref, data)


def test_figures_are_published_at_the_end_of_the_day_and_only_if_they_changed() -> None:
    lane = Lane()
    lane.tick(DAY)
    lane.fact(DAY + 1, "clv", None, 700, 1)
    lane.fact(DAY + 2, "clv", 700, 800, 2)
    lane.fact(DAY + 2, "frequency", None, 1, 3)
    assert lane.run() == [], "the day is not over"
    lane.tick(DAY + DAY_MS)
    ref, figures = artifact(lane.run())
    assert ref.startswith("population@")
    assert (figures.as_of, figures.figures) == (DAY + DAY_MS, {"clv": {800: 1}, "frequency": {1: 1}})
    lane.tick(DAY + 2 * DAY_MS)
    assert lane.run() == [], "nobody has changed"


def test_the_first_tick_after_midnight_publishes_once_also_where_others_follow() -> None:
    lane = Lane()
    lane.fact(DAY + 1, "clv", None, 700, 1)
    for after in (0, 1, 2):
        lane.tick(DAY + DAY_MS + after)
    lane.fact(DAY + DAY_MS + 5, "clv", None, 900, 2)
    lane.tick(DAY + DAY_MS + 6)
    published = lane.run()
    assert artifact(published)[1].figures == {"clv": {700: 1}}
    lane.tick(DAY + 2 * DAY_MS)
    assert artifact(lane.run())[1].figures == {"clv": {700: 1, 900: 1}}


def test_a_fact_of_yesterday_that_comes_after_midnight_is_in_the_next_figures() -> None:
    lane = Lane()
    lane.tick(DAY + 2 * DAY_MS)
    lane.fact(DAY + 1, "clv", None, 700, 1)
    lane.tick(DAY + 2 * DAY_MS + 1)
    assert lane.run() == []
    lane.tick(DAY + 3 * DAY_MS)
    assert artifact(lane.run())[1].figures == {"clv": {700: 1}}


def test_a_fact_repeated_after_a_crash_counts_once() -> None:
    lane = Lane()
    lane.fact(DAY, "clv", None, 700, 5)
    lane.run(crash=True)
    lane.run()
    lane.fact(DAY, "clv", None, 700, 5)  # written again by the lane it came from, behind a crash of that
    lane.fact(DAY, "clv", None, 700, 6)
    lane.run()
    assert lane.population.figures == {"clv": {700: 2}}


def test_a_crash_after_publishing_publishes_the_same_bytes_again() -> None:
    lane = Lane()
    lane.fact(DAY, "clv", None, 700, 5)
    lane.run()
    lane.tick(DAY + DAY_MS)
    once, again = lane.run(crash=True), lane.run()
    assert [(one.topic, one.key, one.value) for one in once] == [(one.topic, one.key, one.value) for one in again] != []


def test_the_same_facts_in_another_order_are_the_same_artifact() -> None:
    refs = set()
    for order in ((1, 2, 3), (3, 1, 2)):
        lane = Lane()
        for n, value in enumerate(order):
            lane.fact(DAY, "clv", None, value, n)
        lane.tick(DAY + DAY_MS)
        refs.add(artifact(lane.run())[0])
    assert len(refs) == 1


def test_only_the_row_of_the_figure_that_changed_is_written() -> None:
    lane = Lane()
    for n, figure in enumerate(("clv", "frequency", "recency", "monetary", "hours", "stage/s1")):
        lane.fact(DAY, figure, None, "new" if "/" in figure else 1, n)
    lane.run()
    assert {key[:1] for key in lane.store.rows} == set(AnalystProgram.row_kinds)
    lane.fact(DAY, "monetary", 1, 2, 9)
    (segment,) = lane.turn.segments(lane.lines[lane.done :])
    assert {row.key[:1] for row in segment.rows} == {b"p", b"s"}


def test_a_big_population_stays_below_what_a_row_and_an_output_may_be() -> None:
    """Every bin that money has up to 10^15, 3,000 days, 200 stages that everybody wanders through."""
    lane = Lane()
    n = 0
    for figure, bins in (("clv", 5600), ("recency", 3000)):
        for bin in range(bins):
            lane.fact(DAY, figure, None, bin, n := n + 1)
    for day in range(35):
        for one in range(200):
            old, new = (f"a stage with a long name {number}" for number in (one, (one + day) % 200))
            lane.fact(DAY + day * DAY_MS, "stage/s1", old, new, n := n + 1)
    lane.run()
    assert max(map(len, lane.store.rows.values())) < 128 * 1024
    lane.tick(DAY + 40 * DAY_MS)
    assert all(len(one.value) < 512 * 1024 for one in lane.run())


def test_old_figures_are_taken_off_the_topic_but_never_the_newest() -> None:
    lane = Lane()
    published = []
    for day in (0, 1, KEPT_DAYS - 5, KEPT_DAYS + 10, KEPT_DAYS + 11):
        lane.fact(DAY + day * DAY_MS, "clv", None, day, day)
        lane.tick(DAY + (day + 1) * DAY_MS)
        outputs = lane.run()
        published.append((artifact(outputs)[0], [one.key for one in outputs if not one.value]))
    assert [len(gone) for _, gone in published] == [0, 0, 0, 1, 1]
    assert published[3][1] == [f"{published[0][0]}/0".encode()]
    assert len(published) - 2 == KEPT_LEAST


def test_a_record_that_is_no_fact_is_buried() -> None:
    lane = Lane()
    lane.lines.append(Logged(0, 0, None, b"\x01nonsense"))
    (letter,) = lane.run()
    told = msgspec.json.decode(letter.value, type=events.DeadLetter)
    assert (letter.topic, told.stage, told.topic, told.reason) == ("dead_letters", "analyst", "facts", "undecodable")


# --- artifacts by kind ---------------------------------------------------------------------------------------------------------------


async def test_artifacts_are_compiled_by_their_kind_and_only_the_newest_figures_stay_so() -> None:
    lane, artifacts = Lane(), Artifacts("artifacts", {}, compilers(1))
    refs = []
    for day in range(COMPILED + 2):
        lane.fact(DAY + day * DAY_MS, "clv", None, day, day)
        lane.tick(DAY + (day + 1) * DAY_MS)
        outputs = lane.run()
        for one in outputs:
            if one.topic == "artifacts":
                artifacts.take(one.key, one.value)
        refs.append(artifact(outputs)[0])
        await artifacts.wait(refs[-1])
    assert rank(artifacts.packs(refs[-1]), "clv", 0) == (COMPILED + 2, COMPILED + 2)
    assert len(artifacts._compiled) == COMPILED
    assert rank(artifacts.packs(refs[0]), "clv", 0) == (1, 1), "compiled again when somebody asks"
    artifacts.take(f"{refs[0]}/0".encode(), None)
    with pytest.raises(KeyError):
        artifacts.packs(refs[0])


async def test_what_a_later_version_activates_beside_ours_stops_no_lane() -> None:
    artifacts = Artifacts("artifacts", {}, compilers(1))
    told: Any = Artifact("weather", "weather@1", 0, 1, "")
    artifacts.take(b"weather@1/0", events.encode_json(told))
    await artifacts.wait("weather@1")
