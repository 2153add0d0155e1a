"""`kairos train recommend`: the methods compared on what people turned to next, and the best one's model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import orjson
from aiokafka.errors import KafkaError

from app.agents import similarity
from app.agents.kinds import encode_model
from app.agents.table import NothingToLearn, NotInstalled, table
from app.commands.asked import INPUT, OUTPUT, write
from app.commands.instant import Instant
from app.commands.outcome import No, Outage, WrongUse
from app.commands.policy.chosen import ACTIVE, chosen
from app.domain.consent import silence_tracks
from app.domain.neighbours import decode
from app.domain.recommendation import Recommendations
from app.edges import catalog_file, models, trial
from app.edges.events_file import Unreadable
from app.edges.likings_file import Likings, from_file, from_journal
from app.edges.pictures import seen
from app.edges.progress import Bar
from app.edges.rankers import NAMES, Popularity, Ranker, every
from app.edges.topic_scan import ScanFailed
from app.edges.trial import Trial
from app.edges.trial_page import Report, html, lines, told
from app.policy.phrases import duration
from app.settings import Settings, load

JOURNAL = "journal"
FOLDER = click.Path(exists=True, file_okay=False, readable=True, path_type=Path)


@click.command()
@click.option(
    "--from", "source", required=True, metavar="FILE|journal", help="Events as `kairos simulate` reads them, or a cluster's journal."
)
@click.option("--products", type=INPUT, help="With a file: the catalogue; without it what events tell of products.")
@click.option("--images", type=FOLDER, metavar="DIR", help="Pictures of products, to compare them, too.")
@click.option("--train-until", "until", type=Instant(), help="Judge by what came after; default: by the last new item of everybody.")
@click.option("--model", "method", type=click.Choice(NAMES), help="Take this one; default: the best, of which NCF is tried only by name.")
@click.option("--policy", metavar="PACK", help="Whose [recommendations] to go by; default: KAIROS_POLICY, of the journal the active one.")
@click.option("--out", type=OUTPUT, metavar="F", help="Write the model here, for `kairos simulate --recommendations`.")
@click.option("--publish", is_flag=True, help="Put it on the broker and make it active.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--html", "page", type=OUTPUT, metavar="F", help="Write a page for a browser here.")
def recommend(
    source: str,
    products: Path | None,
    images: Path | None,
    until: int | None,
    method: str | None,
    policy: str | None,
    out: Path | None,
    publish: bool,
    as_json: bool,
    page: Path | None,
) -> None:
    """Learn which products go with which, say how well (HR@10, NDCG@10, coverage, against popularity), and make the model.

    The model is judged on a part that it has not seen, and then learned from all. The same input gives the same bytes.
    """
    settings = load()
    pack = chosen(policy or (ACTIVE if source == JOURNAL else settings.policy), settings).pack
    said = pack.recommendations
    try:
        found = _read(source, products, settings)
        found.settle(silence_tracks(pack))
        report, data = _learned(found, said, method, until, images, settings)
        ref, data = encode_model(data, settings.model_mb)
    except NotInstalled as error:
        raise WrongUse(str(error)) from error
    except (NothingToLearn, ValueError) as error:
        raise No(f"{source}: {error}") from error
    if out is not None:
        try:
            out.write_bytes(data)
        except OSError as error:
            raise WrongUse(f"{out}: {error.strerror}") from error
    if page is not None:
        write(page, html(report))
    shown = {**told(report), "ref": ref}
    click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join([*lines(report), ref]))
    if publish:
        try:
            asyncio.run(models.make_active(settings, ref, data))
        except (KafkaError, OSError, ScanFailed) as error:
            raise Outage(f"broker {settings.broker}: {error}") from error
        click.echo(f"{ref} is published; the workers make it active", err=as_json)
        if said.refresh:
            click.echo(f'an insight worker learns anew each {duration(said.refresh)} and replaces it; refresh = "0s" keeps it', err=True)


def _read(source: str, products: Path | None, settings: Settings) -> Likings:
    """Raises `WrongUse`, `Outage`."""
    if source == JOURNAL:
        if products is not None:
            raise click.UsageError("--products goes with a file: a cluster has its own catalogue")
        try:
            with Bar("reading", 0) as bar:
                return asyncio.run(from_journal(settings, lambda done, total: bar.at(done, f"{done:,} of {total:,} records")))
        except ScanFailed as error:
            raise Outage(str(error)) from error
    path = Path(source)
    if not path.is_file():
        raise WrongUse(f"{source}: no such file; or say journal")
    try:
        catalogue = catalog_file.items(products) if products is not None else None
        with Bar("reading", path.stat().st_size) as bar:
            return from_file(path, catalogue, bar.at)
    except Unreadable as error:
        raise WrongUse(str(error)) from error


def _learned(
    found: Likings, said: Recommendations, method: str | None, until: int | None, images: Path | None, settings: Settings
) -> tuple[Report, bytes]:
    notes: list[str] = []
    rankers = [one for one in every() if one.name in (method, Popularity.name) or (method is None and one.name != "ncf")]
    trials: list[Trial] = []
    split = None
    try:
        split = trial.split(found.log, found.known, said.weights, until)
        with Bar("trying", 0) as bar:
            trials = trial.tried(split, rankers, lambda name: bar.at(0, name))
    except NothingToLearn as error:
        if method is None and until is not None:
            raise
        notes.append(f"not judged: {error}")
    if method is not None and (left := next((one.left_out for one in trials if one.name == method and one.left_out), "")):
        raise NotInstalled(f"{method}: {left}")
    name = method or trial.best(trials)
    whole = table(found.log, found.known, said.weights)
    hashes = None
    if images is not None:
        pictures = seen(whole.columns, images)
        hashes = pictures.hashes
        notes.append(f"pictures of {len(hashes):,} items; {pictures.missing:,} have none")
        notes += (
            [f"{len(pictures.broken):,} files are no picture that can be read: {', '.join(pictures.broken[:3])}"] if pictures.broken else []
        )
    data = similarity.model(whole, said, _neighbours(name, rankers, whole.matrix, said.k), name, hashes)
    if split is not None:
        base = next((one for one in rankers if one.name == name and not any(t.left_out for t in trials if t.name == name)), None)
        if base is not None and name != Popularity.name:
            trials.append(trial.served(split, said, _neighbours(name, rankers, split.table.matrix, said.k)))
    names = {product: item.name for product, item in found.known.items() if item.name}
    judged = 0 if split is None else len(split.rows)
    return Report(trials, "" if split is None else split.how, judged, name, decode(data), len(data), names, notes), data


def _neighbours(name: str, rankers: list[Ranker], matrix: object, k: int) -> similarity.Lists | None:
    """Of a method, learned from this matrix; None: cosine's, which the model makes itself. Popularity has none at all."""
    if name == "cosine":
        return None
    ranker = next(one for one in rankers if one.name == name)
    ranker.fit(matrix)
    found = ranker.neighbours(k)
    return [[] for _ in range(matrix.shape[1])] if found is None else found  # type: ignore[attr-defined]
