"""For whoever writes a pack: what is wrong with it, what it changes, what it looks like, what can be said in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import click
import orjson

from app.commands.outcome import No, WrongUse
from app.commands.policy.chosen import chosen, refused
from app.domain.plural import count
from app.domain.trigger import Pack
from app.edges.svg import svg
from app.policy.difference import Change, difference
from app.policy.drawing import Graph, mermaid
from app.policy.experiments import idle
from app.policy.graph import pack_graph, trigger_graph
from app.policy.ladder import segments_graph, stages_graph, tiers_graph
from app.policy.pack import BadPack
from app.policy.reference import markdown
from app.policy.review import Review, review

Row = TypeVar("Row")
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
    if off := idle(found.text):
        click.echo(f"not enabled, so it runs nothing: {', '.join(f'experiment {name}' for name in off)}")


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
        both = {"old": before.ref, "new": after.ref, "changes": told, "not_enabled": idle(after.text)}
        click.echo(orjson.dumps(both, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(f"{before.ref} → {after.ref}")
    click.echo("\n".join(sentences(before.ref == after.ref, changes)))
    for name in idle(after.text):
        click.echo(f"note: experiment {name} of {after.ref} is not enabled: it runs nothing")


def sentences(same: bool, changes: list[Change]) -> list[str]:
    """As a list; of no change, why there is none."""
    if changes:
        return [f"- {one.text}" for one in changes]
    return ["nothing: they are the same" if same else "nothing that decides or writes anything: comments, order or layout alone"]


@click.command(help=f"Draw the decision tree of a pack, of one of its triggers, or of how it sorts people.\n\n{PACK}")
@click.argument("pack")
@click.option("--trigger", metavar="NAME", help="One trigger, from its event to its last message.")
@click.option("--stages", metavar="SCHEME", help="The ladder of a stage scheme, question by question.")
@click.option("--tiers", metavar="SCHEME", help="The shares of a tier scheme.")
@click.option("--segments", is_flag=True, help="Every segment and band: who is in it, and what opens on it.")
@click.option("--format", "form", type=click.Choice(["mermaid", "svg"]), default="mermaid", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to; else it is printed.")
def graph(pack: str, trigger: str | None, stages: str | None, tiers: str | None, segments: bool, form: str, output: Path | None) -> None:
    if sum([trigger is not None, stages is not None, tiers is not None, segments]) > 1:
        raise click.UsageError("one drawing at a time: --trigger, --stages, --tiers or --segments")
    drawing = _drawn(chosen(pack).pack, trigger, stages, tiers, segments)
    text = mermaid(drawing) if form == "mermaid" else svg(drawing)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise WrongUse(f"{output}: {error.strerror}") from error
    click.echo(f"{output}: {count(len(drawing.nodes), 'node')}, {len(text):,} characters")


def _drawn(pack: Pack, trigger: str | None, stages: str | None, tiers: str | None, segments: bool) -> Graph:
    if trigger is not None:
        return trigger_graph(pack, _named(pack, "trigger", pack.by_name, trigger))
    if stages is not None:
        return stages_graph(pack, _named(pack, "stage scheme", pack.stage_schemes, stages))
    if tiers is not None:
        return tiers_graph(pack, _named(pack, "tier scheme", pack.tier_schemes, tiers))
    return segments_graph(pack) if segments else pack_graph(pack)


def _named(pack: Pack, what: str, rows: Mapping[str, Row], name: str) -> Row:
    if name not in rows:
        raise WrongUse(f"{pack.name} has no {what} {name}: {', '.join(rows) or 'it has none'}")
    return rows[name]


@click.command()
def reference() -> None:
    """Print the reference of every field of a pack, as Markdown; the README's appendix is this."""
    click.echo(markdown(), nl=False)
