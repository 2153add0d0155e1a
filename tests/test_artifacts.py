"""Artifacts from the topic: what is damaged, cut short or of a later version, and what a lane does about it."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app import events
from app.agents.kinds import compilers, encode_budgets
from app.domain.budgets import BUDGETS, Budgets
from app.edges.campaigns import newest
from app.engine.artifacts import POPULATION, Artifacts, chunks
from app.events import Artifact

OURS = Budgets(4, "EUR", {"spring-sale": 50_000_000})
OTHERS = Budgets(4, "EUR", {"spring-sale": 10_000})


def held() -> Artifacts:
    return Artifacts("artifacts", {}, compilers(1))


def record(kind: str, ref: str, data: bytes, number: int = 0, of: int = 1) -> tuple[bytes, bytes]:
    one = Artifact(kind, ref, number, of, base64.b64encode(data).decode())
    return f"{ref}/{number}".encode(), events.encode_json(one)


def damaged_budgets() -> tuple[str, tuple[bytes, bytes]]:
    """Budgets under the hash of others, as a slip of the hand or somebody else's program would publish them."""
    ref, _ = encode_budgets(OURS)
    return ref, record(BUDGETS, ref, encode_budgets(OTHERS)[1])


async def test_budgets_that_are_not_those_of_their_hash_are_not_used_and_no_lane_waits_for_them() -> None:
    artifacts = held()
    ref, told = damaged_budgets()
    artifacts.take(*told)
    begun = time.monotonic()
    await artifacts.wait(ref)
    assert time.monotonic() - begun < 1
    with pytest.raises(KeyError):
        artifacts.packs(ref)  # the renderer takes it as budgets of nothing


async def test_the_right_bytes_take_the_place_of_damaged_ones() -> None:
    artifacts = held()
    ref, told = damaged_budgets()
    artifacts.take(*told)
    await artifacts.wait(ref)
    for output in chunks(BUDGETS, ref, encode_budgets(OURS)[1], 20):
        artifacts.take(output.key, output.value)
    await artifacts.wait(ref)
    assert artifacts.packs(ref) == OURS


async def test_figures_that_are_not_those_of_their_hash_stop_the_lane_that_would_rank_by_them_until_they_are_mended() -> None:
    artifacts = held()
    artifacts.take(*record(POPULATION, "population@1", b"{}"))
    with pytest.raises(RuntimeError, match="not those of this hash"):
        await artifacts.wait("population@1")


async def test_a_budget_can_be_set_over_damaged_ones() -> None:
    ref, whole = encode_budgets(OURS)
    later, _ = encode_budgets(OTHERS)

    class Scan:
        async def read(self, topic: str) -> AsyncIterator[Any]:
            for key, value in (record(BUDGETS, ref, whole), record(BUDGETS, later, b"nonsense"), (b"x/0", b"not json")):
                yield type("Record", (), {"key": key, "value": value, "timestamp": 0})

    scan: Any = Scan()
    assert await newest(scan) == OURS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"x@1/0", b"not json"),
        (b"x@1/0", events.encode_json(Artifact(BUDGETS, "x@1", 0, 1, "%%%"))),
        (b"\xff\xfe/0", None),
        (b"nothing of ours", None),
        record(BUDGETS, "budgets@1", b"{}", 7, 2),
        record(BUDGETS, "budgets@1", b"{}", -1, 1),
        record(BUDGETS, "budgets@1", b"{}", 0, 0),
        record(BUDGETS, "budgets@1", b"{}", 0, 10**12),
        record("weather", "weather@1", b"{}"),
    ],
)
async def test_whatever_is_on_the_topic_takes_no_worker_down(key: bytes, value: bytes | None) -> None:
    artifacts = held()
    artifacts.take(key, value)
    ref, data = encode_budgets(OURS)
    artifacts.take(*record(BUDGETS, ref, data))
    await artifacts.wait(ref)
    assert artifacts.packs(ref) == OURS
