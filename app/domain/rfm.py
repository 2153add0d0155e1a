"""RFM: where her recency, frequency and money stand among everybody's who ever ordered, in fifths, 5 the best (A-059)."""

from __future__ import annotations

from app.domain.population import Population, placed, quintile


def scores(population: Population | None, last_order_at: int, orders: int, spent: int) -> dict[str, int | None]:
    """`recency`, `frequency`, `monetary`, each 1–5 by the day's population; None without one, and for who has not ordered."""
    values = {"recency": last_order_at, "frequency": orders, "monetary": spent}
    if population is None or not orders:
        return dict.fromkeys(values)
    return {figure: quintile(population, figure, placed(population, figure, value)) for figure, value in values.items()}
