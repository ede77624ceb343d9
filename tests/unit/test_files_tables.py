"""Tables: delimiters, quotes, line ends, what is broken, and that every byte comes back as some row's."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.files import tables
from connectors.files.settings import COLUMNS_MAX, ROW_BYTES_MAX, ROW_LINES_MAX
from connectors.files.source import Unreadable
from connectors.files.tables import Row, Table

AMONG = ",;\t"


def table(text: str | bytes, delimiters: str = AMONG, encoding: str = "utf-8") -> Table:
    content = text.encode() if isinstance(text, str) else text
    return Table(io.BytesIO(content), delimiters, encoding)


def rows(text: str | bytes, delimiters: str = AMONG, encoding: str = "utf-8") -> list[Row]:
    return list(table(text, delimiters, encoding))


@pytest.mark.parametrize("delimiter", list(AMONG))
def test_the_delimiter_is_the_one_that_makes_most_columns_of_the_header(delimiter: str) -> None:
    header = delimiter.join(["type", "a b", '"x, y; z"'])
    made = table(f"{header}\nopen{delimiter}1{delimiter}2\n")
    assert made.delimiter == delimiter
    assert [row.columns for row in made] == [{"type": "open", "a b": "1", "x, y; z": "2"}]


def test_a_delimiter_that_is_given_is_the_only_one() -> None:
    assert [row.columns for row in rows("a,b|c\n1,2|3\n", "|")] == [{"a,b": "1,2", "c": "3"}]


@pytest.mark.parametrize("delimiters", [AMONG, ",", "|"])
def test_a_header_of_one_column_is_refused_with_a_given_delimiter_too(delimiters: str) -> None:
    with pytest.raises(Unreadable, match=r"one column, 'a x'.*--delimiter"):
        table("a x\n1\n", delimiters)
    with pytest.raises(Unreadable, match=r"'a,b': '\|' is not its delimiter"):
        table("a,b\n1,2\n", "|")


def test_a_byte_order_mark_and_blank_lines_are_no_part_of_the_header_or_of_rows() -> None:
    assert rows(b"\xef\xbb\xbf\r\n\na,b\r\n\r\n1,2\r\n  \n") == [Row(5, b"1,2\r\n", {"a": "1", "b": "2"})]


def test_a_quoted_text_may_have_delimiters_quotes_and_line_ends_and_keeps_its_bytes() -> None:
    text = 'a,b\r\n"x,\r\n\r\n""y""",2\r\n3,4\r\n'
    assert rows(text) == [
        Row(2, b'"x,\r\n\r\n""y""",2\r\n', {"a": 'x,\r\n\r\n"y"', "b": "2"}),
        Row(5, b"3,4\r\n", {"a": "3", "b": "4"}),
    ]


def test_a_header_that_stands_there_again_is_no_row_and_counted() -> None:
    made = table("a,b\n1,2\na,b\n3,4\na,b\n")
    assert [row.columns for row in made] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert made.repeated == 2


def test_a_header_that_names_a_column_twice_is_refused_by_its_name() -> None:
    with pytest.raises(Unreadable, match="'b' twice"):
        table("a,b, b\n1,2,3\n")


def test_columns_without_a_name_are_left_out() -> None:
    assert [row.columns for row in rows("a,,b,\n1,2,3,\n")] == [{"a": "1", "b": "3"}]


@pytest.mark.parametrize(("line", "columns"), [("1", 1), ("1,2,3", 3)])
def test_a_row_with_missing_or_more_columns_is_a_fault_that_says_both_numbers(line: str, columns: int) -> None:
    fault, good = rows(f"a,b\n{line}\n1,2\n")
    assert fault == Row(2, f"{line}\n".encode(), None, f"has {columns} columns, and the header 2")
    assert good.columns == {"a": "1", "b": "2"}


def test_a_quote_that_nobody_closes_costs_one_line() -> None:
    broken, *good = rows('a,b\n"1,2\n3,4\n5,6\n')
    assert broken.content == b'"1,2\n'
    assert "is no row" in broken.fault
    assert [row.columns for row in good] == [{"a": "3", "b": "4"}, {"a": "5", "b": "6"}]


def test_a_quote_that_another_rows_quote_closes_costs_one_line() -> None:
    broken, *good = rows('a,b\n"1,2\n3,4\n"5",6\n')
    assert broken.content == b'"1,2\n'
    assert [row.columns for row in good] == [{"a": "3", "b": "4"}, {"a": "5", "b": "6"}]


def test_a_row_of_as_many_lines_as_may_be_is_one_and_of_one_more_none() -> None:
    inside = "\n" * (ROW_LINES_MAX - 1)
    (row,) = rows(f'a,b\n"{inside}",2\n')
    assert row.columns == {"a": inside, "b": "2"}
    broken, end = rows(f'a,b\n"{inside}\n",2\n')
    assert (broken.content, end.content) == (b'"\n', b'",2\n')
    assert f"{ROW_LINES_MAX:,} lines" in broken.fault


def test_a_row_of_as_many_bytes_as_may_be_is_one_and_of_one_more_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_BYTES_MAX", 20)
    (row,) = rows('a,b\n"1234567\n890",12345\n')
    assert row.columns == {"a": "1234567\n890", "b": "12345"}
    assert rows('a,b\n"1234567\n890",123456\n')[0].fault


def test_a_line_that_is_too_long_is_a_fault_and_the_next_one_a_row() -> None:
    long, good = rows(b"a,b\n" + b"x" * (ROW_BYTES_MAX + 1) + b"\n1,2\n")
    assert (long.line, long.content, good.line) == (2, b"", 3)
    assert f"{ROW_BYTES_MAX:,} bytes" in long.fault


def test_a_long_line_inside_quotes_ends_the_row_that_began_there() -> None:
    broken, long, good = rows(b'a,b\n"1,2\n' + b"x" * (ROW_BYTES_MAX + 1) + b"\n1,2\n")
    assert (broken.content, long.content, good.columns) == (b'"1,2\n', b"", {"a": "1", "b": "2"})


def test_bytes_of_another_encoding_are_a_fault_and_with_it_text() -> None:
    text = "имя,b\nЮля,2\n"
    assert [row.columns for row in rows(text.encode("cp1251"), AMONG, "cp1251")] == [{"имя": "Юля", "b": "2"}]
    broken, good = rows(b"a,b\n\xff,2\n3,4\n")
    assert "is no utf-8: byte 0xff" in broken.fault
    assert good.columns == {"a": "3", "b": "4"}


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe,a\n", b'"a,b\n', b"x" * (ROW_BYTES_MAX + 1)]
)
def test_a_file_without_a_header_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable):
        table(content)


def test_as_many_columns_as_may_be_are_taken_and_one_more_is_not() -> None:
    names = [f"c{number}" for number in range(COLUMNS_MAX)]
    assert len(table(",".join(names)).header) == COLUMNS_MAX
    with pytest.raises(Unreadable, match="columns"):
        table(",".join([*names, "more"]))


class _Broken(io.RawIOBase):
    """Bytes, behind which a file is broken."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        found = self._content.read(len(buffer))
        if not found:
            raise Unreadable("is cut off")
        buffer[: len(found)] = found
        return len(found)


def test_lines_between_a_quote_that_nobody_closes_and_the_files_damage_are_rows() -> None:
    found: list[Row] = []
    made = Table(io.BufferedReader(_Broken(b'a,b\n1,2\n"3,4\n5,6\n7,')), AMONG, "utf-8")
    with pytest.raises(Unreadable, match="cut off"):
        found.extend(made)
    assert [(row.line, row.columns) for row in found] == [
        (2, {"a": "1", "b": "2"}),
        (3, None),
        (4, {"a": "5", "b": "6"}),
    ]


_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@given(st.lists(st.lists(_CELLS, min_size=3, max_size=3), max_size=8), st.sampled_from(AMONG))
def test_what_pythons_writer_writes_is_read_row_for_row_and_byte_for_byte(
    cells: list[list[str]], delimiter: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["h 1", "h 2", "h 3"])
    writer.writerows(cells)
    whole = out.getvalue().encode()
    made = table(whole)
    found = list(made)
    assert [list((row.columns or {}).values()) for row in found] == cells
    assert whole.endswith(b"".join(row.content for row in found))


@given(st.binary(max_size=200).map(lambda junk: b"a,b\n" + junk))
def test_no_bytes_make_it_fail_and_each_byte_is_in_a_row_or_blank(content: bytes) -> None:
    found = rows(content, ",")
    kept = b"".join(row.content for row in found)
    blank = [line for line in content[4:].split(b"\n") if line.isspace() or not line]
    assert len(kept) >= len(content) - 4 - sum(len(line) + 1 for line in blank) - len(b"a,b\n") * content[4:].count(
        b"a,b"
    )
