"""The five programs wired for simulation: constants instead of settings, artifacts at hand, no broker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from app.agents.analyst_program import AnalystProgram
from app.agents.intake_program import IntakeProgram
from app.agents.kinds import compile_population, encode_budgets
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.product_watcher_program import ProductWatcherProgram
from app.agents.renderer_program import RendererProgram
from app.domain.budgets import Budgets
from app.domain.catalogue import Families, Item, Items, decode, id_of
from app.domain.trigger import Pack
from app.engine.artifacts import COMPILED, POLICY
from app.engine.program import Incoming, Output
from app.engine.simulation import Simulation
from app.policy.pack import compile_artifact
from app.settings import Settings

NO_MODELS: Mapping[str, Any] = {}


def simulator(
    artifact: tuple[str, bytes],
    settings: Settings,
    on_output: Callable[[str, Output], None],
    assume: frozenset[str] = frozenset(),
    items: Items | None = None,
    on_line: Callable[[Incoming], None] | None = None,
    figures: dict[str, Any] | None = None,
    models: Mapping[str, Any] = NO_MODELS,
    budgets: Budgets | None = None,
) -> Simulation:
    """A simulation that decides with one pack. `artifact`: (ref, data) from `app.policy.pack.build`; activate it before the first line.

    `items`: a catalogue that stands still; without one the simulation keeps its own of what `Simulation.change` tells. `assume`: see
    `app.domain.person.See.assume`. `figures`: is given the figures of everybody, by ref, as they become active. `models`: ref → compiled
    model, for who activates one. `budgets`: of campaigns, once their ref is made active.
    """
    ref, data = artifact
    packs = {ref: compile_artifact(ref, data)}.__getitem__
    return simulation(packs, settings, on_output, assume, items, on_line, figures, models, budgets)


def simulation(
    packs: Callable[[str], Pack],
    settings: Settings,
    on_output: Callable[[str, Output], None],
    assume: frozenset[str] = frozenset(),
    items: Items | None = None,
    on_line: Callable[[Incoming], None] | None = None,
    figures: dict[str, Any] | None = None,
    models: Mapping[str, Any] = NO_MODELS,
    budgets: Budgets | None = None,
    families: Families | None = None,
) -> Simulation:
    """A simulation over compiled packs, by ref; see `simulator`."""
    known: dict[str, Any] = {} if figures is None else figures
    if budgets is not None:
        known[encode_budgets(budgets)[0]] = budgets

    def artifact(ref: str) -> Any:
        found = known.get(ref) or models.get(ref)
        return packs(ref) if found is None else found

    newest: deque[str] = deque()

    def on_figures(ref: str, data: bytes) -> None:
        known[ref] = compile_population(ref, data)
        newest.append(ref)
        if figures is None and len(newest) > COMPILED:
            known.pop(newest.popleft())

    def place(partition: int, incoming: Incoming) -> str:
        return f"line/{incoming.offset + 1}"

    def pack() -> Pack | None:
        return packs(made.active[POLICY]) if POLICY in made.active else None

    kept: dict[str, Item] = {}
    members: dict[str, dict[str, Item]] = {}

    def keep(product_id: str, now: Item | None) -> None:
        if (before := kept.pop(product_id, None)) is not None:
            members.get(before.group_id, {}).pop(product_id, None)
        if now is not None:
            kept[product_id] = members.setdefault(now.group_id, {})[product_id] = now

    def family(group_id: str) -> list[Item]:
        return list(members.get(group_id, {}).values()) if group_id else []

    def follow(topic: str, output: Output) -> None:
        if topic == "products" and output.key is not None:
            keep(id_of(output.key), decode(output.value) if output.value else None)
        on_output(topic, output)

    catalogue = items or kept.get
    intake = IntakeProgram(settings.secret, settings.bot_events_per_hour, place, partition_of_key=lambda key: 0, items=catalogue)
    renderer = RendererProgram(artifact, settings.secret, settings.public_url, catalogue, families=families or family)
    watcher = ProductWatcherProgram(pack, 1)
    lane, postmaster = PersonProgram(artifact, assume), PostmasterProgram()
    made = Simulation(intake, lane, postmaster, renderer, follow, on_line, AnalystProgram(), on_figures, watcher)
    return made
