"""For whoever writes a pack: what is wrong with it, what it changes, what it looks like, what can be said in it."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from app.commands.outcome import No, WrongUse
from app.commands.policy.chosen import chosen, count, refused
from app.domain.trigger import Pack
from app.edges.svg import svg
from app.policy.difference import Change, difference
from app.policy.graph import mermaid, pack_graph, trigger_graph
from app.policy.pack import BadPack
from app.policy.reference import markdown
from app.policy.review import Review, review

PACK = "A pack is a shipped name, a file, `active`, or a published NAME@VERSION."


@click.command()
@click.argument("pack")
def check(pack: str) -> None:
    """Check PACK (a shipped name or a file) with its messages.

    Prints `file:line: message` and exits 1 if something is wrong; what is only odd is a warning.
    """
    found = reviewed(pack)
    summary = f"{count(len(found.pack.triggers), 'trigger')}, {count(len(found.pack.messages), 'message')}, {len(found.data):,} bytes"
    click.echo(f"{found.ref}: {summary}")


def reviewed(pack: str) -> Review:
    """The pack, with its warnings printed; with an error printed it is refused."""
    try:
        found = review(pack)
    except BadPack as error:
        raise refused(pack, error) from error
    for problem in found.problems:
        click.echo(str(problem))
    if found.errors:
        raise No(f"{pack}: {count(len(found.errors), 'problem')}")
    return found


@click.command(help=f"What changes from pack OLD to pack NEW, in sentences.\n\n{PACK}")
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Each change with its place and both values.")
def diff(old: str, new: str, as_json: bool) -> None:
    before, after = chosen(old), chosen(new)
    changes = difference(before.pack, after.pack)
    if as_json:
        told = [{"path": one.path, "old": one.old, "new": one.new, "text": one.text} for one in changes]
        click.echo(orjson.dumps({"old": before.ref, "new": after.ref, "changes": told}, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(f"{before.ref} → {after.ref}")
    click.echo("\n".join(sentences(before.ref == after.ref, changes)))


def sentences(same: bool, changes: list[Change]) -> list[str]:
    """As a list; of no change, why there is none."""
    if changes:
        return [f"- {one.text}" for one in changes]
    return ["nothing: they are the same" if same else "nothing that decides or writes anything: comments, order or layout alone"]


@click.command(help=f"Draw the decision tree of a pack, or of one of its triggers.\n\n{PACK}")
@click.argument("pack")
@click.option("--trigger", metavar="NAME", help="One trigger, from its event to its last message.")
@click.option("--format", "form", type=click.Choice(["mermaid", "svg"]), default="mermaid", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to; else it is printed.")
def graph(pack: str, trigger: str | None, form: str, output: Path | None) -> None:
    found = chosen(pack).pack
    drawing = pack_graph(found) if trigger is None else trigger_graph(found, _named(found, trigger).by_name[trigger])
    text = mermaid(drawing) if form == "mermaid" else svg(drawing)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise WrongUse(f"{output}: {error.strerror}") from error
    click.echo(f"{output}: {count(len(drawing.nodes), 'node')}, {len(text):,} characters")


def _named(pack: Pack, trigger: str) -> Pack:
    if trigger not in pack.by_name:
        raise WrongUse(f"{pack.name} has no trigger {trigger}: {', '.join(pack.by_name)}")
    return pack


@click.command()
def reference() -> None:
    """Print the reference of every field of a pack, as Markdown; the README's appendix is this."""
    click.echo(markdown(), nl=False)
