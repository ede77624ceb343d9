"""A schema id means one schema for ever."""

from __future__ import annotations

import copy

import pytest

import schemas
from pipeline import schema_ids, settings
from pipeline.core import framing

CHANNEL = "events/channel.v1.avsc"


def entry() -> schema_ids.Committed:
    return next(one for one in schema_ids.parse(schemas.text("ids.lock")) if one.file == CHANNEL)


def test_the_committed_schemas_are_those_of_the_lock() -> None:
    assert schema_ids.committed() == {
        "events/channel.v1.avsc": 1,
        "events/profile.v1.avsc": 2,
        "events/account.v1.avsc": 3,
        "events/crm.v1.avsc": 4,
        "journal.v1.avsc": 5,
        "alert.v1.avsc": 6,
        "receipt.v1.avsc": 7,
    }


@pytest.mark.parametrize("change", ["type", "default", "logicalType", "name"])
def test_a_changed_schema_is_refused_and_the_message_says_how_to_mend_it(change: str) -> None:
    schema = copy.deepcopy(schemas.avro(CHANNEL))
    fields = {field["name"]: field for field in schema["fields"]}
    if change == "type":
        fields["account_id"]["type"] = "long"
    elif change == "default":
        fields["is_test"]["default"] = True
    elif change == "logicalType":
        fields["occurred_at"]["type"]["logicalType"] = "timestamp-millis"
    else:
        fields["link"]["name"] = "url"
    with pytest.raises(schema_ids.SchemaChanged, match="take the change back and make it in a new file, ") as refusal:
        schema_ids.verify(entry(), schema)
    assert "schemas/events/channel.v2.avsc" in str(refusal.value)


def test_a_better_doc_changes_nothing() -> None:
    schema = copy.deepcopy(schemas.avro(CHANNEL))
    schema["doc"] = schema["fields"][0]["doc"] = "Better words."
    schema_ids.verify(entry(), schema)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("1\tevents/crm.v1.avsc", "line 2: must be <id> <file> <fingerprint>"),
        ("x\tevents/crm.v1.avsc\tabc", "line 2: must be <id> <file> <fingerprint>"),
        ("2\tevents/crm.avsc\tabc", "line 2: must be <id> <file> <fingerprint>"),
        ("1\tevents/crm.v1.avsc\tabc", "line 2: id 1 or file events/crm.v1.avsc stands there twice"),
        ("2\tevents/channel.v1.avsc\tabc", "line 2: id 2 or file events/channel.v1.avsc stands there twice"),
    ],
)
def test_a_faulty_lock_is_refused_with_its_line(line: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        schema_ids.parse(f"1\tevents/channel.v1.avsc\tabc\n{line}\n")


def test_the_newest_version_is_what_producers_write_with() -> None:
    ids = {"events/crm.v10.avsc": 9, "events/crm.v9.avsc": 12, "events/channel.v1.avsc": 1, "journal.v1.avsc": 5}
    assert schema_ids.newest(ids) == {"channel": 1, "crm": 9}


def test_writer_schemas_are_those_of_events_under_the_given_ids() -> None:
    found = schema_ids.writer_schemas({"events/channel.v1.avsc": 17, "journal.v1.avsc": 5})
    assert {schema_id: writer.kind for schema_id, writer in found.items()} == {17: "channel"}


def test_a_frame_is_a_zero_byte_the_id_and_the_body() -> None:
    assert framing.frame(0x01020304, b"body") == b"\x00\x01\x02\x03\x04body"


def test_without_a_registry_the_lock_decides() -> None:
    assert schema_ids.resolve(settings.Settings()) == schema_ids.committed()
