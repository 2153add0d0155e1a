"""`kairos policy check|diff|graph|publish|list|show|rollback|reference`: policy packs, one file per few commands."""

from __future__ import annotations

import click

from app.commands.policy.author import check, diff, graph, reference
from app.commands.policy.versions import list_, publish, rollback, show


@click.group()
def policy() -> None:
    """Policy packs: what a business may change, as data."""


for command in (check, diff, graph, reference, publish, list_, show, rollback):
    policy.add_command(command)
