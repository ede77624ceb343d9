"""A file's form by its beginning, and a row to its messages."""

from __future__ import annotations

import io
import json

import pytest

from connectors.files.rows import Chosen, Rows, form_of, rows
from connectors.files.settings import HEAD_BYTES, Form
from connectors.files.source import Content
from connectors.files.tables import Row
from pipeline.core import refused
from pipeline.core.reasons import Reject
from tests.plain_vendor import ENDPOINT, reader

OPENED = {"type": "email_opened", "occurred_at": "2026-11-21T10:00:00Z", "event_id": "1", "profile_id": "p"}
NOW = 1_795_000_000_000_000


def found(text: str, form: Form = Form.AUTO) -> Rows:
    content = text.encode()
    return rows(Content(content[:HEAD_BYTES], io.BytesIO(content), "utf-8", lambda: None), Chosen(form, ",;\t"))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a,b\n1,2\n", Form.CSV),
        ("", Form.CSV),
        ('{"a": 1}\n{"a": 2}\n', Form.LINES),
        ('\ufeff\n\n{"a": 1}\n{"a": 2}', Form.LINES),
        ("[1]\n[2]\n", Form.LINES),
        ('[\n{"a": 1}]', Form.LIST),
        ('[{"a": 1},\n{"a": 2}]', Form.LIST),
        ('{"a": 1}\n', Form.LIST),  # one value: both forms are the same
        ('{\n"a": 1}\n', Form.LIST),
        ('[{"a": "' + "x" * HEAD_BYTES + '"}]', Form.LIST),
        ("[" * HEAD_BYTES + "\nx", Form.LIST),
    ],
)
def test_the_form_follows_from_how_a_file_begins(text: str, form: Form) -> None:
    assert form_of(text.encode()[:HEAD_BYTES]) is form


def test_every_form_gives_the_same_rows() -> None:
    events = [{**OPENED, "event_id": str(number)} for number in range(3)]
    table = "\n".join([",".join(OPENED), *(",".join(event.values()) for event in events)])
    lines = "\n".join(json.dumps(event) for event in events)
    read = reader()
    made = [
        [one.message for row in found(text).rows for one in read.messages(row, NOW)]
        for text in (table, lines, json.dumps(events), json.dumps(events, indent=1))
    ]
    assert made[0] == made[1] == made[2] == made[3]
    assert [len(messages) for messages in made] == [3, 3, 3, 3]


def test_a_form_that_is_chosen_is_taken_whatever_the_file_begins_with() -> None:
    assert [row.content for row in found('{"a": 1}\n\n{"b":\n', Form.LINES).rows] == [b'{"a": 1}', b'{"b":']
    assert found("[a,b\n1,2\n", Form.CSV).delimiter == ","


def test_a_row_with_a_fault_is_a_refusal_with_its_bytes() -> None:
    (one,) = reader().messages(Row(7, b'"1,2\n', None, "is no row"), NOW)
    assert one.refusal is not None
    assert (one.refusal.reason, one.message.topic) == (Reject.UNDECODABLE, refused.TOPIC)
    assert "line 7 is no row" in one.refusal.detail
    assert one.message.key == ENDPOINT.account.encode()


@pytest.mark.parametrize("content", [b"{", b"7", b"\xff", b"[]", b"NaN"])
def test_a_line_that_is_no_delivery_is_one_refusal(content: bytes) -> None:
    (one,) = reader().messages(Row(1, content), NOW)
    assert one.refusal is not None
    assert one.refusal.reason is Reject.UNDECODABLE


def test_a_line_with_several_items_is_as_many_messages() -> None:
    items = [OPENED, {**OPENED, "type": ""}, {**OPENED, "event_id": "2"}]
    made = reader().messages(Row(1, json.dumps(items).encode()), NOW)
    assert [one.refusal is None for one in made] == [True, False, True]
    assert [one.event and one.event.fields["event_id"] for one in made] == ["1", None, "2"]
