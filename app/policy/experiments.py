"""Experiments of a pack's TOML: arms with their shares, or a grid of factors (A-205, X-22)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from itertools import product
from typing import Any

from app.domain.trigger import Arm, Experiment
from app.policy import conditions
from app.policy.fields import SNAKE, Fields
from app.policy.place import Path

EXPERIMENT = ("name", "why", "enabled", "triggers", "arm", "factors")
ARM = ("name", "share", "control", "wait", "send", "when")
MAX_ARMS = 100
SHARES_SUM = 1e-6
"""By so much shares may miss 1: 0.1 ten times over does."""


def idle(text: str) -> list[str]:
    """Experiments that stand in a pack's TOML and are not switched on: they draw nobody."""
    told = tomllib.loads(text).get("experiment", ())
    return [str(one.get("name")) for one in told if isinstance(one, dict) and one.get("enabled") is not True]


class Experiments:
    """Reads experiments. `sends`: messages that arms name, with their lines."""

    def __init__(self, fields: Fields, triggers: Iterable[str]) -> None:
        self._fields, self._triggers = fields, frozenset(triggers)
        self.sends: list[tuple[str, int]] = []

    def experiment(self, told: dict[str, Any], at: Path) -> tuple[Experiment, bool] | None:
        """An experiment, and whether it is switched on."""
        read, before = self._fields, len(self._fields.problems)
        read.known(told, at, EXPERIMENT, required=("name", "why", "triggers"))
        name = read.text(told, at, "name", SNAKE, "snake_case")
        read.text(told, at, "why")
        enabled = read.flag(told, at, "enabled")
        triggers = read.list(told, at, "triggers", str)
        for one in triggers:
            if one not in self._triggers:
                read.wrong((*at, "triggers"), f"triggers: this pack has no trigger {one!r}")
        if "triggers" in told and not triggers:
            read.wrong((*at, "triggers"), "triggers: an experiment runs on at least one")
        if ("arm" in told) == ("factors" in told):
            read.wrong(at, "an experiment has either arm or factors")
        arms = self._arms(told, at) if "arm" in told else self._grid(told, at)
        if len(read.problems) > before or name is None:
            return None
        return Experiment(name, tuple(triggers), arms), enabled

    def _arms(self, told: dict[str, Any], at: Path) -> tuple[Arm, ...]:
        read = self._fields
        arms: list[Arm] = []
        listed = read.list(told, at, "arm", dict)
        for n, one in enumerate(listed):
            place: Path = (*at, "arm", n)
            read.known(one, place, ARM, required=("name", "share"))
            name = read.text(one, place, "name", SNAKE, "snake_case")
            share = read.share(one, place, "share")
            control = read.flag(one, place, "control")
            wait = read.duration(one, place, "wait") if "wait" in one else None
            message = read.text(one, place, "send")
            when = conditions.told(self._fields, one, place, conditions.OPENING)
            if control and when is not None:
                read.wrong((*place, "when"), "when: a control arm gets no message, whatever holds")
            if control and (wait is not None or message is not None):
                read.wrong(place, "a control arm gets no message, so it has neither wait nor send")
            if message is not None:
                self.sends.append((message, read.places.line((*place, "send"))))
            if name is not None and share is not None:
                arms.append(Arm(name, share, control, wait, message, when))
        names = [one.get("name") for one in listed]
        if len(set(names)) < len(names):
            read.wrong((*at, "arm"), "two arms of one name")
        if len(arms) == len(listed) and abs(sum(one.weight for one in arms) - 1) > SHARES_SUM:
            read.wrong((*at, "arm"), f"shares of the arms add to {sum(one.weight for one in arms):g}, not to 1")
        return tuple(arms)

    def _grid(self, told: dict[str, Any], at: Path) -> tuple[Arm, ...]:
        """Every combination of the levels, with equal shares."""
        read = self._fields
        factors = read.table(told, at, "factors")
        place: Path = (*at, "factors")
        levels = {name: read.list(factors, place, name, str) for name in factors}
        for name, told_levels in levels.items():
            if len(set(told_levels)) < 2:
                read.wrong((*place, name), f"{name}: at least two different levels")
        combinations = list(product(*levels.values())) if levels and all(levels.values()) else []
        if len(combinations) > MAX_ARMS:
            read.wrong(place, f"{len(combinations)} combinations; at most {MAX_ARMS}, or no arm gets enough people")
            return ()
        return tuple(Arm("/".join(one), 1 / len(combinations), factors=tuple(zip(levels, one, strict=True))) for one in combinations)
