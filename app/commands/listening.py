"""Where a process listens for HTTP, if it is asked to."""

from __future__ import annotations

import click

from app.commands.outcome import WrongUse

LAST_PORT = 65_535
http_option = click.option(
    "--http", metavar="HOST:PORT", help="Serve /healthz, /readyz, /metrics and, of role insight, /reader there; without it nothing listens."
)


def address(text: str) -> tuple[str, int]:
    """Raises `WrongUse`."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > LAST_PORT:
        raise WrongUse(f"--http wants HOST:PORT, not {text!r}")
    return host, int(port)
