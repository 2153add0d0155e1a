"""`kairos templates check|gallery`: a pack's messages rendered for people of every kind, proofread, and shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import orjson

from app.commands.outcome import No, WrongUse
from app.domain.message import MessageSource
from app.domain.plural import count
from app.edges import gallery as pages
from app.policy import pack as packs
from app.policy.messages import SHIPPED
from app.policy.proof import problems, proofs, variant_problems
from app.policy.schema import Source
from app.policy.tried_on import PEOPLE
from app.settings import load

POLICY = click.option("--policy", metavar="PACK", help="A shipped pack or a file; default: KAIROS_POLICY.")


@click.group()
def templates() -> None:
    """Messages of a pack: proofread them, look at them."""


@templates.command()
@POLICY
@click.option("--json", "as_json", is_flag=True, help="Every problem with its file and line.")
def check(policy: str | None, as_json: bool) -> None:
    """Renders every message for people of every kind and proofreads what comes out.

    The people: known, unknown, by tier, with one of each, without a catalogue, with long names, with HTML and Liquid in names. Each other
    subject, picture and button (`[[variant]]`) is rendered for all of them as well. What is looked at: links, plurals of one, the
    way out, alt texts, pictures' widths, contrast in light and dark (WCAG AA), size, length of the subject, plain text, tags left over.
    Prints `file:line: problem` and exits 1 if there is one. How long a message has stood unchanged is not told: files' dates are those of
    a checkout.
    """
    source, messages, name, find = _messages(policy)
    found = []
    if source.sender is not None:
        shop = source.brand.name or source.sender.name
        found = problems(messages, shop, find)
        found += variant_problems(messages, [(one, source.file, line) for one, line in source.own_variants], shop)
    if as_json:
        told = {
            "policy": name,
            "messages": sorted(messages),
            "people": list(PEOPLE),
            "problems": [{"file": one.file, "line": one.line, "message": one.message} for one in found],
        }
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        what = f"{name}: {count(len(messages), 'message')} for {len(PEOPLE)} kinds of people"
        click.echo("".join(f"{one}\n" for one in found) + what)
    if found:
        raise No(f"{name}: {count(len(found), 'problem')}")


@templates.command()
@POLICY
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write; index.html is the page.")
def gallery(policy: str | None, out: Path) -> None:
    """Writes one page with every mail of a pack: subject, preheader, light and dark, desktop and phone, plain text. Loads nothing."""
    source, messages, name, _ = _messages(policy)
    shop = source.brand.name or (source.sender.name if source.sender is not None else "")
    mails = [(proof.message, proof.rendered) for proof in proofs(messages.values(), shop) if proof.person == "known" and proof.rendered]
    try:
        page = pages.write(out, f"Messages of {name}", mails)
    except OSError as error:
        raise WrongUse(f"{out}: {error.strerror or error}") from error
    click.echo(f"{page}: {count(len(mails), 'message')}")


def _messages(policy: str | None) -> tuple[Source, dict[str, MessageSource], str, Callable[[str], Path | None]]:
    """The pack, its messages, its name, and where their sources lie. Raises `WrongUse` where there is no pack, `No` for one at fault."""
    asked = policy or load().policy
    try:
        path = packs.find(asked)
        source, _, messages, faults = packs.check(path)
    except packs.BadPack as error:
        raise WrongUse("; ".join(map(str, error.problems))) from error
    if faults:
        raise No("\n".join(map(str, faults)))

    def find(file: str) -> Path | None:
        return next((folder / file for folder in (path.parent / "messages", SHIPPED) if (folder / file).is_file()), None)

    return source, messages, source.name, find
