"""Kinds of artifacts, and what lanes are given of each: a pack to decide by, figures of everybody to rank by."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from app.domain import neighbours
from app.domain.budgets import BUDGETS, Budgets
from app.domain.fingerprint import ref_of
from app.domain.neighbours import BadModel, Model
from app.domain.population import Population
from app.domain.recommended import RECOMMENDATIONS, Unusable
from app.engine.artifacts import POLICY, POPULATION, Compilers
from app.policy.pack import compile_artifact

log = logging.getLogger("kairos.artifacts")

_budgets = msgspec.json.Decoder(Budgets).decode
_population = msgspec.json.Decoder(Population).decode


def encode_population(population: Population) -> tuple[str, bytes]:
    """(ref, artifact) of figures: the same figures are the same bytes."""
    data = msgspec.json.encode(
        replace(
            population,
            figures=_sorted(population.figures),
            names=_sorted(population.names),
            moves=_sorted(population.moves),
        )
    )
    return ref_of(POPULATION, data), data


def _sorted(counts: Any) -> Any:
    """By key on every level: msgspec orders text keys only."""
    return {key: _sorted(counts[key]) for key in sorted(counts)} if isinstance(counts, dict) else counts


def compile_population(ref: str, data: bytes) -> Population:
    """The figures of an artifact, ready to rank by. Raises ValueError."""
    population = _population(data)
    _ = population.ladders  # made here, in a thread, and not in a lane's first step
    return population


def encode_budgets(budgets: Budgets) -> tuple[str, bytes]:
    """(ref, artifact) of what campaigns may give away."""
    data = msgspec.json.encode(replace(budgets, campaigns=_sorted(budgets.campaigns)))
    return ref_of(BUDGETS, data), data


def compile_budgets(ref: str, data: bytes) -> Budgets | Unusable:
    """The budgets of an artifact. Where they cannot be read no campaign has any, and messages go out without its offers."""
    try:
        return _budgets(data)
    except msgspec.MsgspecError as error:
        log.error("%s is not used: %s", ref, error)
        return Unusable(str(error))


def encode_model(data: bytes, model_mb: int) -> tuple[str, bytes]:
    """(ref, artifact) of a model's bytes. Raises ValueError above the limit: better the last one than none in any worker."""
    if reason := too_large(data, model_mb):
        raise ValueError(reason)
    return ref_of(RECOMMENDATIONS, data), data


def compile_model(model_mb: int, ref: str, data: bytes) -> Model | Unusable:
    """The model of an artifact. One that cannot be used is said once, and messages go out without it: it is worth no standstill."""
    try:
        if reason := too_large(data, model_mb):
            raise ValueError(reason)
        return neighbours.decode(data)
    except (ValueError, BadModel) as error:
        log.error("%s is not used: %s", ref, error)
        return Unusable(str(error))


def too_large(data: bytes, model_mb: int) -> str:
    """Why it is more than a worker takes; empty: it is not."""
    size = len(data) / 1_000_000
    return f"a model of {size:.1f} MB; KAIROS_MODEL_MB allows {model_mb}" if size > model_mb else ""


def compilers(model_mb: int) -> Compilers:
    """By kind; models up to so many MB."""
    return {
        POLICY: compile_artifact,
        POPULATION: compile_population,
        RECOMMENDATIONS: partial(compile_model, model_mb),
        BUDGETS: compile_budgets,
    }
