"""Schema files, structs and examples are one thing said three times; here they are held together."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
from click.testing import CliRunner

from app.commands.schemas import RECORDS, differences, documents, schemas
from app.domain.contract import accept
from app.domain.event_types import EVENT_TYPES
from app.domain.schema import ENVELOPE
from app.events import encode_json

SCHEMAS = Path(__file__).parent.parent / "schemas"
DOCUMENTS = {path: json.loads(content) for path, content in documents().items() if path.endswith(".v1.json")}
NAMES = """
page_view product_view page_leave category_view search search_click filter_use product_compare content_view content_download
cart_add cart_remove cart_view checkout_start purchase order_shipped order_delivered refund wishlist_add wishlist_remove review_write
email_sent email_delivered email_open email_click email_bounce email_complaint email_unsubscribe email_forward
social_engagement ad_view ad_click ad_conversion ad_video_complete support_ticket support_chat support_call store_visit store_purchase
referral sms_sent sms_click push_open
identify alias profile_update consent_give consent_withdraw preference_set survey_answer erase_request
context_update
"""
CONTRACT = NAMES.split()


def test_files_agree_with_the_code() -> None:
    assert differences(SCHEMAS) == [], "run: kairos schemas"


def test_every_event_type_of_the_contract_has_struct_and_schema() -> None:
    assert list(EVENT_TYPES) == CONTRACT
    assert {f"customer_events/{name}.v1.json" for name in [*CONTRACT, "_any"]} <= DOCUMENTS.keys()


def test_an_event_type_is_spelled_like_its_struct() -> None:
    for name, kind in EVENT_TYPES.items():
        assert kind.name == name == re.sub(r"(?<!^)(?=[A-Z])", "_", kind.properties.__name__).lower()


def test_no_property_hides_behind_an_envelope_name() -> None:
    for kind in EVENT_TYPES.values():
        assert not ENVELOPE & {field.encode_name for field in msgspec.structs.fields(kind.properties)}, kind.name


@pytest.mark.parametrize("path", DOCUMENTS)
def test_schemas_are_2020_12_and_their_examples_keep_them(path: str) -> None:
    document = DOCUMENTS[path]
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(document)
    assert document["examples"] and document["description"]
    validator = jsonschema_rs.Draft202012Validator(document)
    for example in document["examples"]:
        validator.validate(example)
        if path.startswith("customer_events/"):
            accepted = accept(json.dumps(example).encode(), 1_772_446_500_000, "p")
            if accepted.event_type in EVENT_TYPES:
                msgspec.convert(accepted.properties, EVENT_TYPES[accepted.event_type].properties)


def test_every_event_schema_refuses_a_wrong_type() -> None:
    for name in EVENT_TYPES:
        validator = jsonschema_rs.Draft202012Validator(DOCUMENTS[f"customer_events/{name}.v1.json"])
        for wrong in ({"session_id": 5}, {"properties": {"session_id": 5}}):
            assert not validator.is_valid({"event_type": name, "customer_id": "c", **wrong})


def test_outside_records_keep_their_schemas() -> None:
    for topic, (struct, example) in RECORDS.items():
        validator = jsonschema_rs.Draft202012Validator(DOCUMENTS[f"{topic}.v1.json"])
        record = json.loads(encode_json(example))
        validator.validate(record)
        assert DOCUMENTS[f"{topic}.v1.json"]["properties"].keys() == {field.encode_name for field in msgspec.structs.fields(struct)}
        del record[next(iter(record))]
        assert not validator.is_valid(record)


def test_segment_names_lead_to_event_types_of_the_contract() -> None:
    segment = json.loads((SCHEMAS / "segment.json").read_text("utf-8"))
    assert {*segment["events"].values(), *segment["calls"].values()} <= EVENT_TYPES.keys()
    told = {"Product Viewed": "product_view", "Products Searched": "search", "Product Added": "cart_add"}
    told |= {"Order Completed": "purchase", "Email Link Clicked": "email_click"}
    assert told.items() <= segment["events"].items()
    assert segment["calls"].keys() == {"identify", "group", "alias", "page", "screen"}


def test_check_names_each_difference(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(schemas, ["--into", str(tmp_path)]).exit_code == 0
    assert run(schemas, ["--check", "--into", str(tmp_path)]).exit_code == 0
    (tmp_path / "decisions.v1.json").write_text("{}")
    (tmp_path / "customer_events/search.v1.json").unlink()
    (tmp_path / "customer_events/gone.v1.json").write_text("{}")
    result = run(schemas, ["--check", "--into", str(tmp_path)])
    assert result.exit_code == 1
    assert [Path(line.split(": ")[0]).name for line in result.output.splitlines()] == [
        "search.v1.json",
        "gone.v1.json",
        "decisions.v1.json",
    ]
