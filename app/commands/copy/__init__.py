"""`kairos copy draft|list|diff|review|approve|withdraw`: texts from a model or a person, and who stands for them (A-183, A-184)."""

from __future__ import annotations

import click

from app.commands.copy.draft import draft
from app.commands.copy.states import approve, diff, list_, review, withdraw


@click.group()
def copy() -> None:
    """Texts of messages: drafted, reviewed, approved. What nobody has approved is not sent; everything else is."""


for command in (draft, list_, diff, review, approve, withdraw):
    copy.add_command(command)
