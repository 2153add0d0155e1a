"""`kairos schemas`: writes the JSON Schemas of everything outsiders send and read and the AsyncAPI document, or says where they differ."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec
import orjson
from msgspec import Struct

from app.domain import schema
from app.domain.catalog_change import TOPIC, CatalogChange, change_schema
from app.domain.catalogue import Item
from app.domain.person import Person
from app.domain.profile import Profile
from app.domain.profile_view import view
from app.edges import asyncapi
from app.events import DeadLetter, Decision, PolicyName, Send

_POLICY = PolicyName("merged", "3f9a0c2b7d11")
_CAUSE = ["e-product_view"]

RECORDS: dict[str, tuple[type[Struct], Struct]] = {
    "message_sends": (
        Send,
        Send(
            send_id="5a0e7f0c2d6b4a19b3c8d1e2f3a4b5c6",
            window_id="0b1c2d3e4f5061728394a5b6c7d8e9f0",
            person_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
            customer_id="0042",
            channel="email",
            trigger="product_page_abandonment",
            step=0,
            message="product-details",
            policy=_POLICY,
            opened_at="2026-03-02T10:15:00.000Z",
            due_at="2026-03-02T12:15:00.000Z",
            decided_at="2026-03-02T12:15:01.000Z",
            expires_at="2026-03-03T12:15:00.000Z",
            to={"email": "ada@example.invalid", "name": "Ada"},
            from_="Shop <shop@shop.example>",
            reply_to=None,
            subject="Still thinking about the Trail shoe?",
            preheader="Everything about it in one mail",
            html="<p>Trail shoe</p>",
            text="Trail shoe",
            headers={"List-Unsubscribe": "<https://shop.example/u/token>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
            arms=[],
            offer=None,
            recommendations=["0030"],
            cause=_CAUSE,
            versions={"template": "product-details@3f9a0c2b7d11", "models": {}},
        ),
    ),
    "decisions": (
        Decision,
        Decision(
            decision_id="c1d2e3f405162738495a6b7c8d9e0f1a",
            window_id="0b1c2d3e4f5061728394a5b6c7d8e9f0",
            person_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
            customer_id="0042",
            trigger="product_page_abandonment",
            step=0,
            outcome="cancelled",
            reason="cancelled_by_event",
            at="2026-03-02T11:00:00.000Z",
            due_at="2026-03-02T12:15:00.000Z",
            cause=[*_CAUSE, "e-purchase"],
            values={"event_type": "purchase"},
            policy=_POLICY,
            send_id=None,
        ),
    ),
    "products": (
        Item,
        Item(
            "0017",
            name="Trail shoe",
            group_id="trail",
            category="shoes",
            price=890_000,
            sale_price=790_000,
            currency="EUR",
            stock=12,
            image="https://shop.example/i/0017.jpg",
            url="https://shop.example/p/0017",
            attributes={"colour": "moss"},
            rating=4.6,
            ratings=31,
            changed_at=1_772_446_500_000,
        ),
    ),
    "dead_letters": (
        DeadLetter,
        DeadLetter(
            letter_id="d1e2f30415263748596a7b8c9d0e1f2a",
            stage="intake",
            reason="contract",
            violations=[{"path": "/properties/price", "message": '"free" is not of types "null", "number"'}],
            at="2026-03-02T10:15:00.000Z",
            topic="customer_events",
            partition=3,
            offset=1204,
            key="MDA0Mg==",
            value="eyJldmVudF90eXBlIjoicHJvZHVjdF92aWV3In0=",
        ),
    ),
}
"""Outside topics that are written, their struct, and an example."""
_PROFILE = view(
    Person(
        "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        profile=Profile(
            customer_id="0042", first_seen=1_772_446_500_000, last_seen=1_772_450_000_000, orders=1, spent=454_500, currency="EUR"
        ),
    ),
    1_772_450_000_000,
)


def documents() -> dict[str, bytes]:
    """Every file that is made from the code, by its path below `schemas/`, in the bytes it must have."""
    found = schema.schemas(RECORDS)
    found["profiles.v1.json"] = schema.view_schema("profiles", "A person as conditions and templates see her, too.", _PROFILE)
    found[f"{TOPIC}.v1.json"] = change_schema()
    found[asyncapi.FILE] = asyncapi.document({TOPIC: CatalogChange, **{topic: struct for topic, (struct, _) in RECORDS.items()}})
    return {path: orjson.dumps(msgspec.to_builtins(document), option=orjson.OPT_INDENT_2) + b"\n" for path, document in found.items()}


def differences(folder: Path) -> list[str]:
    """What `folder` lacks, has of its own, or has otherwise than the code, one line each."""
    wanted = documents()
    there = {str(file.relative_to(folder)) for pattern in ("*.v1.json", asyncapi.FILE) for file in folder.rglob(pattern)}
    lines = [f"{folder / path}: missing" for path in wanted if path not in there]
    lines += [f"{folder / path}: no event type or record of this name" for path in sorted(there - wanted.keys())]
    lines += [
        f"{folder / path}: differs from the code" for path in wanted if path in there and (folder / path).read_bytes() != wanted[path]
    ]
    return lines


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 naming each file that differs from the code.")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=Path("schemas"), help="Folder (default: schemas).")
def schemas(check: bool, into: Path) -> None:
    """Write or check the JSON Schemas (2020-12) of events in and records out, and the AsyncAPI 3 document of all topics."""
    if check:
        found = differences(into)
        for line in found:
            click.echo(line)
        if found:
            sys.exit(1)
        click.echo(f"{len(documents())} files agree with the code")
        return
    for path, content in documents().items():
        file = into / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    click.echo(f"{len(documents())} files written to {into}")
