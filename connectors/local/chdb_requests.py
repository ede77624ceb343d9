"""Requests of ClickHouse's HTTP interface, understood: statement, parameters, settings, session, rows to insert.

Pure: takes the query string and the body's pieces, reads no socket. The front serves what clickhouse-connect's
client sends; external data is not served.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from email.parser import BytesParser
from email.policy import HTTP
from typing import NamedTuple
from urllib.parse import parse_qs

from connectors.local.chdb_codecs import bounded
from connectors.local.chdb_errors import NOT_IMPLEMENTED, RequestFault

STATEMENT_BYTES_MAX = 16 * 1024 * 1024  # kept in memory; ClickHouse parses 256 KiB of a query, VALUES may be longer
HEAD_BYTES = 64 * 1024  # a statement in front of its rows ends within
# Parameters of the interface that are no settings of the engine.
TRANSPORT = frozenset(
    (
        "query",
        "database",
        "default_format",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "compress",
        "decompress",
        "wait_end_of_query",
        "buffer_size",
        "quota_key",
        "user",
        "password",
        "role",
        "client_protocol_version",
        "stacktrace",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "http_zlib_compression_level",
        "cancel_http_readonly_queries_on_client_close",
        "add_http_cors_header",
    )
)
_COMMENTS = r"^\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*+"  # possessive: hundreds of comments must not be tried in groups
_INSERT = re.compile(_COMMENTS + r"INSERT\s+INTO\b", re.I | re.S)
_SELECT = re.compile(r"(?<![`\"'])\bSELECT\b", re.I)
_ANSWERING = "SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|VALUES|FROM|CHECK"
_READ = re.compile(_COMMENTS + rf"\(*\s*({_ANSWERING})\b", re.I | re.S)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.I)
_FORMAT_LINE = re.compile(rb"\bFORMAT\s+(\w+)[ \t]*(?:;[ \t]*)?\r?\n", re.I)
_SETTING = re.compile(r"(?!param_)\w+")
_SETTINGS_CLAUSE = re.compile(r"\bSETTINGS\b", re.I)
SESSION_SECONDS = 60  # ClickHouse's default
SESSION_SECONDS_MAX = 3600  # and its bound


class Statement(NamedTuple):
    """A statement for the engine. With `rows` it is an insert whose rows, in `format`, come from there."""

    sql: str
    format: str
    answers: bool
    rows: Iterator[bytes] | None = None

    def from_file(self, name: str) -> str:
        """The insert, reading its rows from a file (a clause that stands before SETTINGS)."""
        found = _SETTINGS_CLAUSE.search(self.sql)
        place = found.start() if found else len(self.sql)
        source = f"FROM INFILE {quote(name)} COMPRESSION 'none'"
        return f"{self.sql[:place]} {source} {self.sql[place:]} FORMAT {self.format}"


class Request(NamedTuple):
    """One request: a statement and the surroundings that it runs in."""

    statement: Statement
    query_id: str
    database: str
    session: str
    session_seconds: int
    settings: dict[str, str]
    parameters: dict[str, str]
    compress: bool


def quote(value: str) -> str:
    """A text as SQL literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A name as SQL identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def parse(query_string: str, content_type: str, body: Iterator[bytes]) -> Request:
    """Understand a request.

    Raises:
        RequestFault: external data, or a statement that is too long.
    """
    values = {name: found[-1] for name, found in parse_qs(query_string, keep_blank_values=True).items()}
    if content_type.startswith("multipart/form-data"):
        values |= _form(content_type, b"".join(bounded(body, STATEMENT_BYTES_MAX)))
        body = iter(())
    seconds = values.get("session_timeout", "")
    return Request(
        statement=statement(values.get("query", ""), values.get("default_format", "TabSeparated"), body),
        query_id=values.get("query_id", ""),
        database=values.get("database", ""),
        session=values.get("session_id", ""),
        session_seconds=min(int(seconds), SESSION_SECONDS_MAX) if seconds.isdigit() else SESSION_SECONDS,
        settings={name: value for name, value in values.items() if name not in TRANSPORT and _SETTING.fullmatch(name)},
        parameters={name[6:]: value for name, value in values.items() if name.startswith("param_")},
        compress=values.get("enable_http_compression") in ("1", "true"),
    )


def statement(sql: str, default_format: str, body: Iterator[bytes]) -> Statement:
    """The statement of a request: given in the query string, or the beginning of the body, or all of it."""
    if not sql:
        return _from_body(default_format, body)
    found = _FORMAT.search(sql)
    if found and _takes_rows(sql):
        return Statement(sql[: found.start()], found[1], answers=False, rows=body)
    rest = _text(body)
    if rest:  # INSERT ... VALUES with the values in the body
        sql = f"{sql}\n{rest}"
    return _plain(sql, default_format)


def _from_body(default_format: str, body: Iterator[bytes]) -> Statement:
    head = b""
    for piece in body:
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    found = _FORMAT_LINE.search(head[:HEAD_BYTES])
    if found and found[1].lower() != b"values":
        sql = head[: found.start()].decode("utf-8", errors="replace")
        if _takes_rows(sql):
            rows = itertools.chain((head[found.end() :],), body)
            return Statement(sql, found[1].decode("ascii"), answers=False, rows=rows)
    return _plain(_text(itertools.chain((head,), body)), default_format)


def _takes_rows(sql: str) -> bool:
    """Whether a statement that ends with a format inserts rows that follow it."""
    return bool(_INSERT.match(sql)) and not _SELECT.search(sql)


def _plain(sql: str, default_format: str) -> Statement:
    found = _FORMAT.search(sql)
    answers = bool(found) or bool(_READ.match(sql))
    return Statement(sql, found[1] if found else default_format, answers=answers)


def _text(body: Iterable[bytes]) -> str:
    return b"".join(bounded(body, STATEMENT_BYTES_MAX)).decode("utf-8")


def _form(content_type: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    values = {}
    for part in message.iter_parts():
        if part.get_filename():
            raise RequestFault(NOT_IMPLEMENTED, "external data is not served by this front", "NOT_IMPLEMENTED")
        name = str(part.get_param("name", header="content-disposition"))
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes), "a part of a form is not itself of several parts"
        values[name] = payload.decode("utf-8")
    return values
