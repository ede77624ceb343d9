"""The core's Avro encoder writes what fastavro writes."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest

from pipeline.core.avro import encoder

ROW = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "hash", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "many", "type": {"type": "array", "items": "double"}},
        {"name": "named", "type": {"type": "map", "values": "string"}},
        {"name": "yes", "type": "boolean"},
        {"name": "raw", "type": "bytes"},
    ],
}


def by_fastavro(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


@pytest.mark.parametrize("number", [0, 1, -1, 63, 64, -64, -65, 8191, 8192, (1 << 31), (1 << 63) - 1, -(1 << 63)])
def test_a_number_is_a_zigzag_varint(number: int) -> None:
    assert encoder("long")(number) == by_fastavro("long", number)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 1 << 64])
def test_a_number_of_more_than_64_bits_is_refused(number: int) -> None:
    with pytest.raises(AssertionError, match="64 bits"):
        encoder("long")(number)


@pytest.mark.parametrize("text", ["", "a", "é漢\0", "x" * 64, "x" * 10_000])
def test_a_text_is_its_length_and_its_utf_8(text: str) -> None:
    assert encoder("string")(text) == by_fastavro("string", text)


@pytest.mark.parametrize(
    ("text", "many", "named", "raw"),
    [
        (None, [], {}, b""),
        ("t", [0.1, -2.0], {"b": "2", "a": "1"}, b"\0\xff"),
        ("", [float("inf")], {"": ""}, b"r" * 200),
    ],
)
def test_a_row_has_its_fields_in_the_schema_s_order(
    text: str | None, many: list[float], named: dict[str, str], raw: bytes
) -> None:
    row = (-7, 8, text, many, named, True, raw)
    names = [str(field["name"]) for field in ROW["fields"]]  # type: ignore[index]
    assert encoder(ROW)(row) == by_fastavro(ROW, dict(zip(names, row, strict=True)))


def test_a_hash_is_written_as_two_s_complement() -> None:
    row = (-7, (1 << 64) - 5, None, [], {}, False, b"")
    assert encoder(ROW, {"hash"})(row) == encoder(ROW)((row[0], -5, *row[2:]))


def test_a_row_with_a_field_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        encoder(ROW)((1, 2))


def test_a_type_that_the_journal_does_not_use_is_refused() -> None:
    with pytest.raises(KeyError, match="float"):
        encoder("float")
    with pytest.raises(AssertionError, match="null and one type"):
        encoder(["string", "null"])
