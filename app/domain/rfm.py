"""RFM: where her recency, frequency and money stand among everybody's who ever ordered, in fifths, 5 the best (A-059)."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.population import Population, placed, quintile

SCORED = ("recency", "frequency", "monetary")


def scores(population: Population | None, mine: Mapping[str, int]) -> dict[str, int | None]:
    """`recency`, `frequency`, `monetary`, each 1–5 by the day's population; None without one, and for who never ordered.

    `mine`: what she is counted as (`ranks.figures_of`): by any other figure she would be compared with herself.
    """
    if population is None or SCORED[0] not in mine:
        return dict.fromkeys(SCORED)
    return {figure: quintile(population, figure, placed(population, figure, mine[figure])) for figure in SCORED}
