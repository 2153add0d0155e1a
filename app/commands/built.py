"""The pack that a command decides with, when what is wrong with it is the caller's to mend."""

from __future__ import annotations

from app.commands.outcome import WrongUse
from app.policy.pack import BadPack, build


def artifact(policy: str) -> tuple[str, bytes]:
    """(ref, artifact) of a shipped pack's name or a file. Raises `WrongUse`."""
    try:
        return build(policy)
    except BadPack as error:
        raise WrongUse("; ".join(map(str, error.problems))) from error
