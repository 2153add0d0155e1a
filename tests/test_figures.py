"""The day's figures in a simulation: when they become active, and how far ranks by histogram are from exact ones (A-059, A-086, A-088)."""

from __future__ import annotations

from random import Random
from typing import Any

from app import events
from app.agents.simulator import simulator
from app.domain import ranks
from app.domain.person import Person
from app.domain.population import ACTIVE_BY_MS, FIGURES, Population, bin_of, placed, quintile
from app.domain.profile_view import view
from app.engine.program import Incoming, Output
from app.events import Activation, Fact, Tick
from app.policy.pack import compile_artifact
from app.settings import Settings
from tests.shop import DAY, HOUR, MINUTE, MONDAY, artifact

REF, DATA = artifact("merged")
PACK = compile_artifact(REF, DATA)


class Story:
    """Customers who buy, in virtual time; `t` in ms after Monday midnight."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.facts: list[Fact] = []
        self.figures: dict[str, Population] = {}
        self.simulation = simulator((REF, DATA), Settings(), self._collect, on_line=self._see, figures=self.figures)
        self.simulation.activate(MONDAY, REF)
        self._count = 0

    def _collect(self, topic: str, output: Output) -> None:
        if topic == "facts":
            self.facts += events.facts.decode(output.value).facts

    def _see(self, line: Incoming) -> None:
        self.lines.append(events.journal.decode(line.value))

    def buys(self, t: int, who: str, total: float) -> None:
        self._count += 1
        line = {"event_id": f"e{self._count}", "event_type": "purchase", "customer_id": who, "timestamp": events.iso(MONDAY + t)}
        order = {"order_id": f"o{self._count}", "total": total, "currency": "EUR"}
        self.simulation.feed(MONDAY + t, who.encode(), events.encode_json({**line, "properties": order}))

    def until(self, t: int) -> None:
        self.simulation.run_until(MONDAY + t)

    @property
    def people(self) -> dict[str, Person]:
        return {str(group.person.profile.customer_id): group.person for group in self.simulation.groups()}

    @property
    def activated(self) -> list[tuple[int, Any, str]]:
        """(ms after Monday midnight, the line before, ref) of every activation of figures."""
        lines = self.lines
        found = [n for n, one in enumerate(lines) if isinstance(one, Activation) and one.kind == "population"]
        return [(lines[n].at - MONDAY, lines[n - 1], lines[n].ref) for n in found]


def test_the_figures_of_a_day_are_active_right_after_the_tick_that_ends_it_and_tiers_follow() -> None:
    story = Story()
    for n in range(20):
        story.buys(9 * HOUR + n * MINUTE, f"c{n}", 10.0 * (n + 1))
    story.until(DAY - 1)
    assert story.activated == []
    assert {person.standing.tiers.get("s0") for person in story.people.values()} == {None}
    story.until(DAY)
    ((at, before, ref),) = story.activated
    assert (at, before) == (DAY, Tick(MONDAY + DAY, MONDAY + DAY, 1000))
    assert story.figures[ref].figures["frequency"] == {1: 20}
    story.until(DAY + ACTIVE_BY_MS)
    people = story.people
    tiers = [people[f"c{n}"].standing.tiers["s0"] for n in reversed(range(20))]
    sizes = [tiers.count(tier.name) for tier in PACK.tier_schemes["s0"].tiers]
    assert sizes == [1, 3, 6, 10], "5, 15, 30 and 50 % of 20"
    assert tiers == sorted(tiers, key=[tier.name for tier in PACK.tier_schemes["s0"].tiers].index)


def test_a_day_on_which_nobody_changes_publishes_nothing() -> None:
    story = Story()
    story.buys(9 * HOUR, "ann", 10.0)
    story.until(6 * HOUR + 3 * DAY)
    changed = {(one.at - MONDAY) // DAY for one in story.facts}
    assert {at // DAY - 1 for at, _, _ in story.activated} == changed


def test_the_same_story_gives_the_same_figures() -> None:
    refs = []
    for _ in range(2):
        story = Story()
        for n in range(10):
            story.buys(9 * HOUR + n * MINUTE, f"c{n}", 7.5 * (n + 1))
        story.until(2 * DAY)
        refs.append([ref for _, _, ref in story.activated])
    assert refs[0] == refs[1] != []


def test_ranks_by_histogram_are_exact_but_for_those_who_share_a_bin_with_a_cut() -> None:
    rng, story = Random(7), Story()
    for n in range(400):
        story.buys(8 * HOUR + n * MINUTE // 4, f"c{n % 300}", round(rng.lognormvariate(4, 1), 2))
    story.until(DAY + ACTIVE_BY_MS)
    people = list(story.people.values())
    (figures,) = story.figures.values()
    exact = ranks.everybody(people, MONDAY + DAY)
    for figure in FIGURES:
        values = [(ranks.figures_of(person.profile)[figure], person) for person in people]
        assert sum(figures.figures[figure].values()) == len(values) == 300
        wrong = 0
        for value, _ in values:
            mine = placed(figures, figure, value), placed(exact, figure, value)
            by_bin, by_value = quintile(figures, figure, mine[0]), quintile(exact, figure, mine[1])
            assert by_bin is not None and by_value is not None and 0 <= by_bin - by_value <= 1, "who shares a bin shares the best rank"
            wrong += by_bin != by_value
        assert wrong <= 4 * max(figures.figures[figure].values()), "at most a bin at each of the four cuts"
        if figure in ("frequency", "recency"):
            assert wrong == 0, "numbers and days have a bin each"
    for scheme in PACK.tier_schemes:
        told = [(person.standing.tiers[scheme], ranks.ranked(person, PACK.tier_schemes, exact).standing.tiers[scheme]) for person in people]
        assert sum(one != other for one, other in told) <= 3 * max(figures.figures["clv"].values())


def test_profiles_of_a_simulation_rank_exactly_as_of_their_instant() -> None:
    """Three who share a bin are three ranks all the same."""
    story = Story()
    for n, total in enumerate((1000.0, 1000.1, 1000.2, 5.0, 6.0)):
        story.buys(9 * HOUR, f"c{n}", total)
    assert len({bin_of("clv", int(10_000 * total)) for total in (1000.0, 1000.1, 1000.2)}) == 1
    people = story.people
    among = ranks.everybody(people.values(), MONDAY + 10 * HOUR)
    seen = {
        name: view(ranks.ranked(person, PACK.tier_schemes, among), MONDAY + 10 * HOUR, PACK.scoring, among)
        for name, person in people.items()
    }
    assert [seen[f"c{n}"]["rfm"]["monetary"] for n in range(5)] == [3, 4, 5, 1, 2]
    assert [set(one["clv"]["tier"]) for one in seen.values()] == [{"s0", "s1"}] * 5
