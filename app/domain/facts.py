"""What is known of a person as of an instant: every figure that conditions, scores, ladders, segments and the `profiles` record read.

Each is computed when it is asked for, once; and whoever asks learns until when, if no event comes, all that he asked for stays as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.curves import Curve
from app.domain.days import FOREVER
from app.domain.figures import How
from app.domain.paths import BY_NAME, CONTINUOUS, OF_STANDING, OPEN, STEP, STILL
from app.domain.scoring import DEFAULT, Scoring

if TYPE_CHECKING:
    from app.domain.person_row import Person, See
    from app.domain.population import Population
    from app.domain.treatments import Treating

__all__ = ["CONTINUOUS", "FOREVER", "STEP", "Facts", "known", "of"]

OPERATORS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

UNASKED: Any = object()


class Facts:
    """Of `person` as of `now` (ms). `until`: the earliest ms > now at which something asked for so far changes by time alone."""

    __slots__ = ("_known", "_passing", "now", "pack", "person", "population", "scoring", "until")

    def __init__(
        self,
        person: Person,
        now: int,
        scoring: Scoring = DEFAULT,
        population: Population | None = None,
        pack: Treating | None = None,
    ) -> None:
        self.person, self.now, self.scoring, self.population, self.pack = person, now, scoring, population, pack
        self.until = FOREVER
        self._known: dict[Any, Any] = {}
        """What follows from her parts but where she stands, and stays until `until`."""
        self._passing: dict[Any, Any] = {}
        """What another judgement, or the next ms, may change."""

    def get(self, path: str) -> Any:
        """A step fact's exact value; None: not known. Raises KeyError for an unknown path, and for one that is never still."""
        read = STILL.get(path)
        if read is not None:
            return read(self.person)
        known = self._known.get(path, UNASKED)
        if known is not UNASKED:
            return known
        how = STEP.get(path)
        if how is not None:
            if path in OF_STANDING:
                return self._standing(path, how)
            value, until = how(self)
            if until < self.until:
                self.until = until
            self._known[path] = value
            return value
        base, _, name = path.rpartition(".")
        if base not in OPEN:
            raise KeyError(path)
        return self.get(base).get(name)

    def _standing(self, path: str, how: How) -> Any:
        known = self._passing.get(path, UNASKED)
        return self._keep(self._passing, path, how(self)) if known is UNASKED else known

    def note(self, path: str, value: Any) -> None:
        """A step fact that the caller has read himself, who cannot tell for how long it stays so: nothing stays, then."""
        self._known[path], self.until = value, min(self.until, self.now + 1)

    def anew(self, person: Person, now: int, population: Population | None, pack: Treating | None) -> Facts:
        """The facts of `person` as of `now`, with what is known of her already and cannot be another by then."""
        fresh, was = Facts(person, now, self.scoring, population, pack), self.person
        if (
            self.now <= now < self.until
            and person.profile is was.profile
            and person.intent is was.intent
            and person.churn is was.churn
            and population is self.population
        ):
            fresh._known, fresh.until = self._known.copy(), self.until
        return fresh

    def once(self, how: Callable[[Facts], tuple[Any, int]]) -> Any:
        """What several facts are made of, computed once, too."""
        known = self._known.get(how, UNASKED)
        return self._keep(self._known, how, how(self)) if known is UNASKED else known

    def compare(self, path: str, op: str, value: float) -> bool | None:
        """How a figure stands to a number; None: it is not known. Of one that moves all the time `until` is the ms at which this flips."""
        asked = (path, op, value)
        known: bool | None = self._passing.get(asked, UNASKED)
        if known is not UNASKED:
            return known
        holds = OPERATORS[op]
        if path in STEP:
            step = self.get(path)
            return None if step is None else holds(step, value)
        curve = self.curve(path)
        if curve is None:
            return self._keep(self._passing, asked, (None, FOREVER))  # type: ignore[no-any-return]
        verdict = holds(curve.at(self.now), value)
        if holds(curve.at(self.until), value) is verdict:  # it flips once at most, and not before something else changes
            self._passing[asked] = verdict
            return verdict
        return self._keep(self._passing, asked, (verdict, _flip(curve, holds, value, self.now, verdict)))  # type: ignore[no-any-return]

    def peek(self, path: str) -> Any:
        """Either kind of fact as it is at this ms; of one that moves all the time `until` does not tell."""
        if path in STEP:
            return self.get(path)
        try:
            curve = self.curve(path)
        except KeyError:
            return self.get(path)
        return None if curve is None else curve.at(self.now)

    def curve(self, path: str) -> Curve | None:
        """How a figure moves while no event comes; None: not known. Raises KeyError for an unknown path."""
        asked = (path,)
        known: Curve | None = self._passing.get(asked, UNASKED)
        if known is not UNASKED:
            return known
        how = CONTINUOUS.get(path)
        if how is None:
            base, _, name = path.rpartition(".")
            found = BY_NAME[base](self, name)
        else:
            found = how(self)
        self._passing[asked] = found
        return found

    def _keep(self, kept: dict[Any, Any], key: Any, found: tuple[Any, int]) -> Any:
        value, until = found
        if until < self.until:
            self.until = until
        kept[key] = value
        return value


class Known(NamedTuple):
    """What a path is, for whoever checks conditions. `moves`: only `compare` may be asked."""

    path: str
    moves: bool


def of(see: See) -> Facts:
    """Of the person as she stands at this record, by the active pack; what several ask about her as she is now is computed once."""
    known = see.known
    if known is None:
        known = see.known = Facts(see.person, see.now, see.scoring, see.population, see.pack)
    elif known.person is not see.person or known.now != see.now or known.pack is not see.pack:
        known = see.known = known.anew(see.person, see.now, see.population, see.pack)
    return known


def known(path: str) -> Known | None:
    """The path as a pack may name it, or None."""
    base, _, name = path.rpartition(".")
    if path in STEP or (base in OPEN and name):
        return Known(path, False)
    return Known(path, True) if path in CONTINUOUS or (base in BY_NAME and name) else None


def _flip(curve: Curve, holds: Callable[[float, float], bool], value: float, now: int, verdict: bool) -> int:
    """The first ms after `now` at which the verdict is another. A curve only rises or only falls, so there is one at most."""
    at = curve.at
    if holds(at(FOREVER), value) is verdict:
        return FOREVER
    low, high = now, FOREVER  # the verdict still holds at `low`, no longer at `high`
    # The formula turned round tells it to a few ms, floats being what they are; from there steps double until they have it between them.
    guess = min(max(curve.when(value), now + 1), FOREVER - 1)
    step = 1
    if holds(at(guess), value) is verdict:
        low = guess
        while low + step < high and holds(at(low + step), value) is verdict:
            low, step = low + step, step * 2
        high = min(high, low + step)
    else:
        high = guess
        while high - step > low and holds(at(high - step), value) is not verdict:
            high, step = high - step, step * 2
        low = max(low, high - step)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(at(middle), value) is verdict:
            low = middle
        else:
            high = middle
    return high
