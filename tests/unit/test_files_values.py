"""JSON lists and values behind one another: cut at any chunk, with their own bytes, broken ones told."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.files import values
from connectors.files.settings import ROW_BYTES_MAX
from connectors.files.source import Unreadable
from connectors.files.tables import Row
from connectors.files.values import Values


def rows(text: str | bytes) -> list[Row]:
    return list(Values(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def contents(text: str | bytes) -> list[bytes]:
    return [row.content for row in rows(text)]


def test_a_lists_elements_are_rows_with_their_lines_and_bytes() -> None:
    assert rows('[\n {"a": [1, "]"]},\n\n {"b":\n "}\\""},7, "x,y" ,null]\n') == [
        Row(2, b'{"a": [1, "]"]}'),
        Row(4, b'{"b":\n "}\\""}'),
        Row(5, b"7"),
        Row(5, b'"x,y"'),
        Row(5, b"null"),
    ]


def test_values_behind_one_another_are_rows_and_lists_among_them_are_opened() -> None:
    assert contents('{"a":\n1}\n{"b": 2} [{"c": 3}, {"d": 4}]\n[{"e": 5}]') == [
        b'{"a":\n1}',
        b'{"b": 2}',
        b'{"c": 3}',
        b'{"d": 4}',
        b'{"e": 5}',
    ]


@pytest.mark.parametrize("text", ["", "[]", " [ ]\n", "\n\n", "[] []", b"\xef\xbb\xbf[]"])
def test_where_no_element_is_there_is_no_row(text: str | bytes) -> None:
    assert rows(text) == []


def test_a_list_inside_the_list_is_one_row() -> None:
    assert contents('[[{"a": 1}], [2]]') == [b'[{"a": 1}]', b"[2]"]


@pytest.mark.parametrize("text", ['[{"a": 1}, {"b": ', '[{"a": 1}, {"b": "x', '[{"a": 1}, {"b": "\\'])
def test_a_list_that_is_cut_off_gives_what_there_is_and_says_so(text: str) -> None:
    found: list[Row] = []
    with pytest.raises(Unreadable, match="line 1"):
        _take(found, text)
    assert [row.fault == "" for row in found] == [True, False]
    assert found[1].content == text.removeprefix('[{"a": 1}, ').encode()


def _take(found: list[Row], text: str) -> None:
    """The rows, those before a fault too."""
    found.extend(Values(io.BytesIO(text.encode())))


def test_a_list_that_lacks_its_end_alone_is_whole() -> None:
    assert contents('[{"a": 1}') == [b'{"a": 1}']


def test_a_row_of_as_many_bytes_as_may_be_is_one_and_of_many_more_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "CHUNK_BYTES", 1)
    monkeypatch.setattr(values, "ROW_BYTES_MAX", 12)
    assert contents('["1234567890"]') == [b'"1234567890"']
    found: list[Row] = []
    with pytest.raises(Unreadable, match="--form lines"):
        _take(found, '["123456789012"]')
    assert found[0].content == b'"12345678901'
    with pytest.raises(Unreadable, match="--form lines"):
        rows("[" + "1" * 14 + "]")


def test_memory_is_bounded_by_the_row() -> None:
    with pytest.raises(Unreadable):
        rows(b'[{"a": "' + b"x" * (ROW_BYTES_MAX * 2))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_wherever_chunks_end_the_elements_are_those_of_the_list(
    elements: list[Any], chunk: int, indent: int | None, ascii_: bool
) -> None:
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "CHUNK_BYTES", chunk)
        assert [json.loads(content) for content in contents(text)] == elements


@given(st.binary(max_size=80), st.integers(1, 9))
def test_no_bytes_make_it_fail_but_for_what_it_says(content: bytes, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "CHUNK_BYTES", chunk)
        try:
            found = contents(content)
        except Unreadable:
            return
        assert all(part in content for part in found)
