"""`kairos bench`: the figures of the performance goal, measured on the reader's own machine against a real Kafka.

Worker CPU is what counts: wall time on a shared machine tells as much about its other tenants. Every run gets topics and a datadir of
its own and removes them; repeats are reported as median (min-max).
"""

from __future__ import annotations

import click

from app.commands.bench.gate import gate
from app.commands.bench.latency import latency
from app.commands.bench.pipeline import pipeline
from app.commands.bench.recovery import recovery
from app.commands.bench.render import render
from app.commands.bench.scale import scale
from app.commands.bench.stage import stage
from app.commands.bench.table import table
from app.commands.bench.timers import timers


@click.group()
def bench() -> None:
    """The figures of the performance goal, on this machine."""


for _command in (stage, pipeline, timers, recovery, latency, scale, gate, render, table):
    bench.add_command(_command)
