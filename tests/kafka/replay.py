"""A replay: the journal that real workers wrote, run again through the product's own turns, gives the messages they published.

Deliberately not the oracle: this runs app/engine's turn over a memory store, in batches of any size, the oracle shares nothing with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.renderer_program import RendererProgram
from app.domain.catalogue import Item, decode
from app.engine.memory import MemoryStore
from app.engine.partition import partition_of
from app.engine.program import Output, Program
from app.engine.turn import Turn
from tests.kafka.logs import Logs, Message


def sends(logs: Logs, packs: Callable[[str], Any], secret: str, public_url: str, batch: int = 500) -> dict[str, set[bytes]]:
    """Topic → bytes of every record that the replay would publish on it (`message_sends`, both kinds of plans, `decisions`).

    Who of several was first at an address is a matter of its topic's order, as it lies.
    """
    outputs: list[Output] = []
    plans: dict[int, list[Output]] = {partition: [] for partition in logs["journal"]}
    for partition, messages in logs["journal"].items():
        outputs += _run(PersonProgram(packs), partition, messages, batch)
    for partition, messages in logs["addressed_plans"].items():
        taken = _run(PostmasterProgram(), partition, messages, batch)
        for output in taken:
            if output.topic == "message_plans" and output.key is not None:
                plans[partition_of(output.key, len(plans))].append(output)
        outputs += taken
    for partition, some in plans.items():
        renderer = RendererProgram(packs, secret, public_url, _catalogue(logs).get)
        again = [Message("message_plans", partition, n, 0, plan.key, plan.value) for n, plan in enumerate(some)]
        outputs += _run(renderer, partition, again, batch)
    topics = ("message_sends", "message_plans", "addressed_plans", "decisions")
    return {topic: {output.value for output in outputs if output.topic == topic} for topic in topics}


def _catalogue(logs: Logs) -> dict[str, Item]:
    """The products as they stand in the end, which in these runs is as they stood when anybody was told of one."""
    messages = [message for partition in logs["products"].values() for message in partition]
    return {message.key.decode(): decode(message.value) for message in messages if message.key and message.value}


def _run(program: Program, partition: int, messages: list[Message], batch: int) -> list[Output]:
    store = MemoryStore()
    turn = Turn(program, partition, store)
    outputs: list[Output] = []
    for start in range(0, len(messages), batch):
        for segment in turn.segments(messages[start : start + batch]):
            assert not segment.defects
            outputs += segment.outputs
            store.keep(segment.rows, segment.marks, 0)
    return outputs
