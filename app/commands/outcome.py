"""How a command ends: 0 done, 1 the answer is no, 2 wrong use or unreadable input, 3 the infrastructure failed (interface.md section 2).

One line on stderr, no traceback; a traceback is only ever ours to mend.
"""

from __future__ import annotations

import click


class No(click.ClickException):
    """The question was understood and the answer is no: a check failed, nothing was found."""

    exit_code = 1


class WrongUse(click.ClickException):
    """Wrong arguments, or input that cannot be read."""

    exit_code = 2


class Outage(click.ClickException):
    """A broker, a disk or another part of the world did not do its work."""

    exit_code = 3
