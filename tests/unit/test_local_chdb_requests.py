"""Requests of the ClickHouse front, understood without an engine."""

from __future__ import annotations

import pytest

from connectors.local.chdb_errors import RequestFault, describe
from connectors.local.chdb_requests import (
    HEAD_BYTES,
    SESSION_SECONDS,
    SESSION_SECONDS_MAX,
    STATEMENT_BYTES_MAX,
    Request,
    identifier,
    parse,
    quote,
)


def ask(query: str, *body: bytes, content_type: str = "") -> Request:
    return parse(query, content_type, iter(body))


def rows_of(request: Request) -> bytes:
    assert request.statement.rows is not None
    return b"".join(request.statement.rows)


def test_an_insert_in_the_query_string_takes_its_rows_from_the_body() -> None:
    request = ask("query=INSERT+INTO+t+FORMAT+ArrowStream", b"row", b"s")
    assert request.statement.sql.strip() == "INSERT INTO t"
    assert request.statement.format == "ArrowStream"
    assert rows_of(request) == b"rows"


@pytest.mark.parametrize("sizes", [[5, 1000], [HEAD_BYTES * 2, 3]])
def test_an_insert_in_the_body_ends_with_its_format_and_the_rows_follow(sizes: list[int]) -> None:
    body = b"/* why */ INSERT INTO t (a) FORMAT Native\n" + bytes(range(256)) * 600
    pieces = []
    while body:
        size = sizes.pop(0) if sizes else len(body)
        pieces.append(body[:size])
        body = body[size:]
    request = ask("", *pieces)
    assert request.statement.sql.endswith("INSERT INTO t (a) ")
    assert request.statement.format == "Native"
    assert rows_of(request) == bytes(range(256)) * 600


def test_rows_are_read_from_a_file_before_the_settings_of_the_insert() -> None:
    statement = ask("query=INSERT+INTO+t+SETTINGS+async_insert=0+FORMAT+TSV", b"").statement
    assert " ".join(statement.from_file("/x'y").split()) == (
        "INSERT INTO t FROM INFILE '/x\\'y' COMPRESSION 'none' SETTINGS async_insert=0 FORMAT TSV"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT 1 FORMAT Null",
        "SELECT 'INSERT INTO t' FORMAT JSON",
        "CREATE TABLE t (a Int8) ENGINE = Null",
    ],
)
def test_other_statements_take_no_rows(sql: str) -> None:
    for request in (ask("", sql.encode() + b"\n"), parse(f"query={sql}", "", iter(()))):
        assert request.statement.rows is None
        assert request.statement.sql.strip() == sql


def test_values_in_the_body_belong_to_the_statement() -> None:
    assert ask("query=INSERT+INTO+t+VALUES", b"(1), (2)").statement.sql == "INSERT INTO t VALUES\n(1), (2)"


def test_settings_parameters_and_transport_are_told_apart() -> None:
    request = ask(
        "database=d&max_threads=1&param_x=2&session_id=s&query_id=q&enable_http_compression=1&bad-name=1", b"SELECT 1"
    )
    assert request.settings == {"max_threads": "1"}
    assert request.parameters == {"x": "2"}
    assert (request.database, request.session, request.query_id, request.compress) == ("d", "s", "q", True)


@pytest.mark.parametrize(
    ("given", "seconds"), [("", SESSION_SECONDS), ("7", 7), ("9999999", SESSION_SECONDS_MAX), ("-1", SESSION_SECONDS)]
)
def test_a_session_lives_as_long_as_asked_within_the_bound(given: str, seconds: int) -> None:
    assert ask(f"session_id=s&session_timeout={given}", b"SELECT 1").session_seconds == seconds


def test_parameters_may_come_as_a_form_and_external_data_is_refused() -> None:
    def part(disposition: str, text: str) -> str:
        return f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{text}\r\n"

    form = "multipart/form-data; boundary=b"
    body = part('name="query"', "SELECT {x:String}") + part('name="param_x"', "ü") + "--b--\r\n"
    request = ask("", body.encode(), content_type=form)
    assert (request.statement.sql, request.parameters) == ("SELECT {x:String}", {"x": "ü"})
    with pytest.raises(RequestFault, match="external data"):
        ask("query=SELECT+1", (part('name="t"; filename="f"', "1") + "--b--\r\n").encode(), content_type=form)


def test_a_statement_may_be_as_long_as_the_bound() -> None:
    longest = b"SELECT 1".ljust(STATEMENT_BYTES_MAX)
    assert len(ask("", longest).statement.sql) == STATEMENT_BYTES_MAX
    with pytest.raises(RequestFault, match="larger than"):
        ask("", longest, b" ")


def test_hundreds_of_comments_in_front_cost_nothing() -> None:
    sql = "/* a */ -- b\n" * 500 + "OPTIMIZE TABLE t"
    assert ask("", sql.encode()).statement.sql == sql


def test_names_and_texts_are_quoted() -> None:
    assert quote("a'b\\c") == "'a\\'b\\\\c'"
    assert identifier("a`b") == "`a\\`b`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Code: 60. DB::Exception: no t (UNKNOWN_TABLE)", (404, "60")),
        ("wrapped: Code: 62. DB::Exception: (SYNTAX_ERROR)", (400, "62")),
        ("Code: 241. DB::Exception: (MEMORY_LIMIT_EXCEEDED)", (500, "241")),
        ("something else", (500, "1002")),
    ],
)
def test_an_error_has_clickhouses_status_and_code(text: str, expected: tuple[int, str]) -> None:
    status, code, described = describe(RuntimeError(text))
    assert (status, code) == expected
    assert described.startswith(f"Code: {code}. DB::Exception")
