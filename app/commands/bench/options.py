"""Options that several benches take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    for one in (value or "").split(",") if value is not None else ():
        host, _, port = one.strip().rpartition(":")
        if not host or not port.isdigit():
            raise click.BadParameter(f"{one!r} is not HOST:PORT")
    return value


class Sizes(click.ParamType):
    """Whole numbers above 0, comma separated."""

    name = "N,N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = str(value).replace("_", "").split(",")
        if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is no list of sizes, such as 10000,100000", param, ctx)
        return tuple(int(part) for part in parts)


broker = click.option(
    "--broker", metavar="HOST:PORT", callback=_address, help="A running Kafka; default: KAIROS_BROKER, as for every command."
)
partitions = click.option("--partitions", default=8, show_default=True, type=click.IntRange(1, 1024))
repeats = click.option("--repeats", default=3, show_default=True, type=click.IntRange(1), help="Runs; figures are median (min-max).")
json_file = click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, too; `bench table` reads it."
)
