"""`kairos copy list|diff|review|approve|withdraw`: who stands for which text."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
import orjson

from app.commands.copy.desk import OUT, POLICY, Desk, desk, faulty, person, today, write
from app.commands.outcome import No, WrongUse
from app.domain.approval import APPROVED, DRAFT, REVIEW, Approval, content, drafter, parse, same_person, standing
from app.domain.message import MessageSource
from app.policy import approvals
from app.policy.messages import ENDS, SHIPPED, build_messages
from app.policy.redline import unified, words

RECORDS = "approved"
"""The folder, within that of the messages, that keeps what was approved last, as it was then."""
BY = click.option("--by", metavar="NAME", help="Who does it.")


@click.command(name="list")
@POLICY
@OUT
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(policy: str | None, out: Path | None, as_json: bool) -> None:
    """Every message with a state: which one, who drafted and who approved it. All others need no approval."""
    here = desk(policy, out)
    rows = [_row(here, name) for name in _names(here)]
    told = [one for one in rows if one["approval"] or one["drafted"] or one["problem"]]
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    for one in told:
        state = one["problem"] or one["approval"] or "needs no approval"
        click.echo(
            f"{one['message']:<28} {'sent    ' if one['approved'] else 'not sent'}  {state}"
            + (f"; drafted {one['drafted']}" if one["drafted"] else "")
        )
    click.echo(f"{here.path.stem}: {len(told)} of {len(rows)} messages with a state, {sum(not one['approved'] for one in told)} not sent")


def _names(here: Desk) -> list[str]:
    mine = [file.name.removesuffix(end) for end in ENDS for file in (here.own.glob(f"[!_]*{end}") if here.own is not None else ())]
    return sorted({*here.source.messages, *mine})


def _row(here: Desk, name: str) -> dict[str, object]:
    found, faults = here.build(name)
    if found is None:
        return {"message": name, "approved": False, "approval": "", "drafted": "", "problem": str(faults[0]) if faults else "not there"}
    return {"message": name, "approved": found.approved, "approval": standing(found), "drafted": found.drafted, "problem": ""}


@click.command()
@click.argument("message")
@POLICY
@OUT
@click.option("--words", "by_words", is_flag=True, help="Word by word: [-out-], {+in+}.")
def diff(message: str, policy: str | None, out: Path | None, by_words: bool) -> None:
    """What MESSAGE says now against what was approved last; if nothing was, against the message that ships."""
    here = desk(policy, out)
    lines = _changes(here, here.message(message), by_words)
    click.echo("\n".join(lines))


def _changes(here: Desk, now: MessageSource, by_words: bool = False) -> list[str]:
    old, what = _before(here, now.name)
    lines = words(old, now) if by_words else unified(old, now, what, f"{now.name} ({standing(now) or 'needs no approval'})")
    return lines or [f"the same as {what}"]


def _before(here: Desk, name: str) -> tuple[MessageSource | None, str]:
    """(message, what it is) to hold the present one against."""
    record = here.own / RECORDS / f"{name}.json" if here.own is not None else None
    if record is not None and record.is_file():
        try:
            known = msgspec.json.decode(record.read_bytes(), type=MessageSource)
        except (OSError, msgspec.MsgspecError) as error:
            raise WrongUse(f"{record}: no record of an approved message: {error}") from error
        return known, f"{name} ({known.approval})"
    shipped, _ = build_messages([name], [SHIPPED], here.source.sensitive, here.source.brand)
    return (shipped[name], f"{name} (ships with Kairos)") if name in shipped else (None, "nothing")


@click.command()
@click.argument("message")
@POLICY
@OUT
@BY
def review(message: str, policy: str | None, out: Path | None, by: str | None) -> None:
    """Shows how MESSAGE differs from what was approved last, and marks exactly this text as reviewed: it waits for approval."""
    here, name = desk(policy, out), person(by)
    files, now = here.mine(message), _sound(here, message)
    if not now.approval:
        raise No(f"message {message!r} has no `approval:` line and needs no approval; `approval: draft` in {files[0].name} begins one")
    if now.approved:
        raise No(f"message {message!r} is {now.approval} already")
    click.echo("\n".join(_changes(here, now)))
    _mark(files, Approval(REVIEW, content(now), name, today()))
    click.echo(f"{message} waits for approval: kairos copy approve {message} --by NAME")


@click.command()
@click.argument("message")
@POLICY
@OUT
@click.option("--by", metavar="NAME", required=True, help="Who approves it: not who drafted it, where that is known.")
@click.option("--force", is_flag=True, help="Approve what was not reviewed, or changed since.")
def approve(message: str, policy: str | None, out: Path | None, by: str, force: bool) -> None:
    """Approves MESSAGE exactly as it stands, by name: once the pack is published it is sent. A later edit ends the approval."""
    here, name = desk(policy, out), person(by)
    if not name:
        raise WrongUse("--by: a name")
    files, now = here.mine(message), _sound(here, message)
    if not now.approval:
        raise No(f"message {message!r} has no `approval:` line and needs no approval")
    if now.approved:
        raise No(f"message {message!r} is {now.approval} already")
    if same_person(name, drafter(now)):
        raise No(f"{name} drafted {message!r}: somebody else approves it")
    told = parse(now.approval)
    if not force and (told.state != REVIEW or told.of not in ("", content(now))):
        why = "has changed since it was reviewed" if told.state == REVIEW else "was not reviewed as it is"
        raise No(f"message {message!r} {why}: kairos copy review {message}, or --force")
    approval = Approval(APPROVED, content(now), name, today())
    _mark(files, approval)
    done = here.message(message)
    if not done.approved:  # somebody wrote while we did
        raise No(f"message {message!r} changed while it was being approved: {standing(done)}")
    record = msgspec.json.format(msgspec.json.encode(done), indent=2)
    write(files[0].parent / RECORDS / f"{message}.json", record.decode() + "\n")
    click.echo(f"{message}: {approval}; kairos policy publish sends it")


def _sound(here: Desk, name: str) -> MessageSource:
    """The message, if nothing is wrong with it. Raises `No`."""
    if faults := here.faults(name):
        raise faulty(name, faults)
    return here.message(name)


@click.command()
@click.argument("message")
@POLICY
@OUT
@BY
def withdraw(message: str, policy: str | None, out: Path | None, by: str | None) -> None:
    """Makes MESSAGE a draft again: once the pack is published it is not sent any more, and everything else is."""
    here, name = desk(policy, out), person(by)
    files = here.mine(message)
    _mark(files, Approval(DRAFT, "", name, today() if name else ""))
    click.echo(f"{message} is a draft; kairos policy publish stops it")


def _mark(files: list[Path], approval: Approval) -> None:
    """Into each file of a message that tells a state, else into the first."""
    texts = {file: file.read_text("utf-8") for file in files}
    stating = [file for file, text in texts.items() if approvals.states(text)] or files[:1]
    for file in stating:
        write(file, approvals.marked(texts[file], approval=str(approval)))
