"""`kairos copy draft`: a wording for a message, from a model or from a person, put into its layout as a draft."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import orjson

from app.commands.copy.desk import OUT, POLICY, Desk, desk, person, today, write
from app.commands.outcome import No, Outage, WrongUse
from app.edges.chat import ChatFailed, Endpoint, answer
from app.policy import approvals, commission, layout, wording
from app.policy.commission import Commission, personal
from app.policy.layout import NoPlace
from app.policy.wording import MAX_JSON, NoWording, Wording
from app.settings import load

TRIES = 3
"""Answers of a model that are looked at; after each but the last it is told what is wrong."""
CHANNELS = {"email": ".mjml", "sms": ".sms.txt", "push": ".push.txt"}


@click.command()
@click.argument("message")
@POLICY
@OUT
@click.option("--endpoint", metavar="URL", help="An OpenAI-compatible API, such as https://api.example/v1; default: KAIROS_COPY_URL.")
@click.option("--model", metavar="NAME", help="The model it is asked for; default: KAIROS_COPY_MODEL.")
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=60.0, show_default=True, metavar="SECONDS", help="For each answer.")
@click.option("--from", "given", metavar="FILE", help="Ask no model: the wording as JSON from a file, or - for stdin.")
@click.option("--brief", default="", metavar="TEXT", help="What it should say, for whoever writes it; no personal data.")
@click.option("--tone", default="", metavar="TEXT", help="How; default: the brand's voice and the tones of the pack's tiers.")
@click.option("--channel", type=click.Choice(list(CHANNELS)), help="Which of its texts; default: its mail, if it is one.")
@click.option("--by", metavar="NAME", help="Who drafts it; somebody else must approve it then.")
@click.option("--plain", is_flag=True, help="A layout of headline and text alone, for a new message or one without a place for a wording.")
@click.option("--force", is_flag=True, help="Write over a message of your own.")
@click.option("--dry-run", is_flag=True, help="Print what a model would be asked, and ask nobody.")
def draft(
    message: str,
    policy: str | None,
    out: Path | None,
    endpoint: str | None,
    model: str | None,
    timeout: float,
    given: str | None,
    brief: str,
    tone: str,
    channel: str | None,
    by: str | None,
    plain: bool,
    force: bool,
    dry_run: bool,
) -> None:
    """Drafts subject, preheader, headline and text of MESSAGE; its layout, products and buttons stay.

    The wording comes from a model, or with --from from a person: {"subject": …, "preheader": …, "headline": …, "text": …}. It is held to
    what every message is held to, and may have no figure, price or link but a variable's. The model is told the message's purpose, present
    text and variables: nothing of any person. Written is a draft, which is not sent before it is reviewed and approved.
    Exit 1: no wording that can be taken. 2: wrong use. 3: the endpoint gave no answer.
    """
    here = desk(policy, out)
    folder, name = here.folder(), person(by)
    for text in (brief, tone):
        if (found := personal(text)) is not None:
            raise WrongUse(f"{found!r} looks like a person's address or number: nobody's data goes into a brief")
        if len(text) > commission.MAX_BRIEF:
            raise WrongUse(f"a brief of {len(text):,} characters; at most {commission.MAX_BRIEF:,}")
    kind = channel or next((one for one, end in CHANNELS.items() if here.find()(message + end) is not None), "email")
    place = _Place(here, message, kind, plain)
    told = commission.commission(here.source, message, kind, place.present(), brief, tone)
    if not told.purposes and told.present is None and not brief:
        raise WrongUse(f"nothing sends {message!r}, and it has no text yet: --brief says what it is for")
    if dry_run:
        click.echo(orjson.dumps(commission.asked(told), option=orjson.OPT_INDENT_2).decode())
        return
    if not force and (taken := [folder / file for file in place.files if (folder / file).is_file()]):
        raise WrongUse(f"{taken[0]} is there already: --force writes over it")
    settings = load(copy_url=endpoint, copy_model=model)
    if given is not None:
        files = _from(given, told, place, _drafted(name, ""))
    elif not settings.copy_url:
        raise WrongUse(
            'no endpoint (KAIROS_COPY_URL or --endpoint): --from FILE takes {"subject": …, "preheader": …, "text": …} from a person'
        )
    elif not settings.copy_model:
        raise WrongUse("which model? KAIROS_COPY_MODEL or --model")
    else:
        asking = Endpoint(settings.copy_url, settings.copy_key, settings.copy_model, timeout)
        files = _asked(asking, told, place, _drafted(name, settings.copy_model))
    for file, text in files.items():  # the text file first: with it the message is a draft, whatever comes in between
        write(folder / file, text)
        click.echo(str(folder / file))
    click.echo(f"{message} is a draft and is not sent: kairos copy review {message}, then kairos copy approve {message} --by NAME")


def _drafted(name: str, model: str) -> str:
    by = f"by {name} " if name else ""
    return f"{by}{'with ' + '-'.join(model.split())[:100] + ' ' if model else ''}on {today()}"


class _Place:
    """Where a wording goes: the message's layout in a channel."""

    def __init__(self, here: Desk, name: str, channel: str, plain: bool) -> None:
        self.here, self.name, self.channel = here, name, channel
        ends = (".txt", ".mjml") if channel == "email" else (CHANNELS[channel],)
        self.files = [f"{name}{end}" for end in ends]
        found = [here.find()(file) for file in self.files]
        texts = [one.read_text("utf-8") if one is not None and not plain else None for one in found]
        self._text, self._markup = texts[0], texts[-1]
        if channel == "email" and (self._text is None or self._markup is None):
            self._text, self._markup = layout.PLAIN_TEXT, layout.PLAIN_MARKUP
        self._new = all(one is None for one in found)
        self._plain = plain
        # What is odd about a layout that can be sent is not the wording's fault.
        sound = not self._new and not plain and here.build(name)[0] is not None
        self._known = {one.message for one in here.faults(name)} if sound else set[str]()

    def present(self) -> Wording | None:
        """The present wording, if there is one. Raises `No` for a layout that has no place for another."""
        if self.channel != "email" or self._new or self._plain:
            return None
        try:
            return layout.present(self._markup or "", self._text or "")
        except NoPlace as error:
            raise No(f"message {self.name!r}: {error}; --plain takes a layout of headline and text alone") from error

    def fill(self, words: Wording, told: Commission, drafted: str) -> tuple[dict[str, str], list[str]]:
        """(files by name, what is wrong with them): built and proofread as a message that was written by hand."""
        if found := wording.complaints(words, self.channel) or commission.unknown(words, told):
            return {}, found
        try:
            if self.channel == "email":
                if self._new or self._plain:
                    words = Wording(words.text, words.subject, words.preheader, words.headline or words.subject)
                markup, text = layout.worded(words, self._markup or "", self._text or "")
            else:
                markup, text = "", layout.short(words, self.channel, self._text)
        except NoPlace as error:
            return {}, [str(error)]
        files = {self.files[0]: approvals.marked(text, approval="draft", drafted=drafted)}
        if markup:
            files[self.files[1]] = markup
        with tempfile.TemporaryDirectory() as folder:
            for file, source in files.items():
                (Path(folder) / file).write_text(source, "utf-8")
            problems = self.here.faults(self.name, [Path(folder)])
        new = [one for one in problems if one.message not in self._known]
        return files, [f"{Path(one.file).name}{f':{one.line}' if one.line else ''}: {one.message}" for one in new]


def _from(given: str, told: Commission, place: _Place, drafted: str) -> dict[str, str]:
    """The files of what a person wrote. Raises `WrongUse`, `No`."""
    try:
        if given == "-":
            data = sys.stdin.buffer.read(MAX_JSON + 1)
        else:
            with Path(given).open("rb") as file:
                data = file.read(MAX_JSON + 1)
        words = wording.read(data)
    except OSError as error:
        raise WrongUse(f"{given}: {error.strerror or error}") from error
    except NoWording as error:
        raise WrongUse(f"{given}: {error}") from error
    files, complaints = place.fill(words, told, drafted)
    if complaints:
        raise _no(place.name, complaints)
    return files


def _asked(endpoint: Endpoint, told: Commission, place: _Place, drafted: str) -> dict[str, str]:
    """The files of what a model wrote. Raises `Outage`, `No`."""
    chat = commission.asked(told)
    complaints: list[str] = []
    for _ in range(TRIES):
        try:
            said = answer(endpoint, chat)
        except ChatFailed as error:
            raise Outage(str(error)) from error
        try:
            files, complaints = place.fill(wording.read(said.encode()), told, drafted)
        except NoWording as error:
            complaints = [str(error)]
        if not complaints:
            return files
        chat += commission.refused(said[:MAX_JSON], complaints)
    raise _no(place.name, complaints, f" in {TRIES} answers")


def _no(name: str, complaints: list[str], where: str = "") -> No:
    for one in complaints:
        click.echo(one)
    return No(f"{name}: no wording that can be taken{where}; nothing is written")
