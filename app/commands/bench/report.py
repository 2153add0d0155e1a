"""What the benches tell: median (min-max) of the repeats as lines and as JSON, with machine and versions."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from app import __version__
from app.edges import process
from app.events import iso

VERSIONS = ("aiokafka", "faust-streaming", "rocksdict", "msgspec", "orjson", "jsonschema-rs", "cel-expr-python", "python-liquid")

Figures = Mapping[str, Mapping[str, float]]
"""Row (a stage, a system, a size) → figure with its unit (`cpu_us`, `per_s`, `rss_mb`) → value."""


def tell(what: str, options: Mapping[str, Any], runs: Iterable[Figures], file: Path | None) -> None:
    """Prints the figures of the repeats and writes them to `file`."""
    report = {"what": what, "at": iso(time.time_ns() // 1_000_000), "options": dict(options), "machine": machine(), "figures": spread(runs)}
    click.echo("\n".join(lines(report)))
    if file is not None:
        try:
            file.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        except OSError as error:
            raise click.FileError(str(file), error.strerror) from error


def spread(runs: Iterable[Figures]) -> dict[str, dict[str, dict[str, float]]]:
    """Median, least and most of each figure over the repeats that have it."""
    seen: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for row, figures in run.items():
            for figure, value in figures.items():
                seen.setdefault(row, {}).setdefault(figure, []).append(value)
    return {
        row: {name: {"median": statistics.median(values), "min": min(values), "max": max(values)} for name, values in figures.items()}
        for row, figures in seen.items()
    }


def shown(one: Mapping[str, float]) -> str:
    """`median (min-max)`, without the bounds where they say nothing."""
    text = number(one["median"])
    return text if one["min"] == one["max"] else f"{text} ({number(one['min'])}-{number(one['max'])})"


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def lines(report: Mapping[str, Any]) -> list[str]:
    """A table for each kind of rows, then the machine."""
    blocks: dict[tuple[str, ...], list[str]] = {}
    for row, figures in report["figures"].items():
        blocks.setdefault(tuple(figures), []).append(row)
    text = []
    for names, rows in blocks.items():
        wide = max(len(row) for row in [*rows, report["what"]])
        cells = [[shown(report["figures"][row][name]) for name in names] for row in rows]
        widths = [max(len(name), *(len(line[at]) for line in cells)) + 2 for at, name in enumerate(names)]
        text.append(report["what"].ljust(wide) + "".join(name.rjust(width) for name, width in zip(names, widths, strict=True)))
        for row, line in zip(rows, cells, strict=True):
            text.append(row.ljust(wide) + "".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
        text.append("")
    here = report["machine"]
    return [*text, f"{here['cpu']}, {here['cores']} cores, load {here['load']}, Python {here['python']}"]


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cpu": process.cpu_model(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kairos": __version__,
        **{name: version(name) for name in VERSIONS},
    }
