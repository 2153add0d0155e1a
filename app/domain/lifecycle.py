"""Stage schemes: where in her life as a customer she is, as ordered predicates of which the first that holds counts (A-070–A-079, X-03)."""

from __future__ import annotations

from msgspec import Struct

from app.domain.segments import Predicate


class Stage(Struct, frozen=True):
    """One stage of a scheme."""

    name: str
    why: str
    when: Predicate | None = None
    """Who is in it, unless an earlier stage has her; without it, everybody who is left."""


class StageScheme(Struct, frozen=True):
    """An ordered list of stages; the first whose predicate holds is hers."""

    name: str
    why: str
    stages: tuple[Stage, ...]
    """In the order in which they are asked."""
    hold: int = 0
    """A stage is left only after so many ms in it, except by an order."""


def held(scheme: StageScheme, current: tuple[str, int] | None, candidate: str | None, now: int, ordered: bool) -> int:
    """Until when (ms) she stays where she is though another stage would be hers; 0: she goes there at once."""
    if current is None or current[0] == candidate or not scheme.hold or ordered:
        return 0
    if current[0] not in [stage.name for stage in scheme.stages]:
        return 0  # a stage of an earlier version of the pack
    until = current[1] + scheme.hold
    return until if now < until else 0
