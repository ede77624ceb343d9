"""The calls to ClickHouse: the connector's only ones. Two faults: it was away, or it refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from connectors.clickhouse.settings import CONNECT_SECONDS_MAX, Target, insert_settings
from pipeline.failpoints import Failpoint, reached

# Errors of ClickHouse that pass: overload, time-outs, a full disk, a keeper or replica that is away.
_FLAKY_CODES = frozenset({159, 202, 203, 209, 210, 241, 242, 243, 252, 285, 286, 319, 425, 473, 999})
_AUTHENTICATION_CODES = frozenset({192, 193, 194, 516})
ABSENT = frozenset({81, 60})  # codes of a database or a table that is not there
_UNKNOWN_PARAMETER = 456
_PARAMETER = re.compile(r"\{(?P<name>[A-Za-z_]\w*):\s*(?P<type>[^}]+)\}")
_NESTED = ("Array", "Tuple", "Map")
_EXCEPTION = re.compile(r"DB::Exception: (.*?)(?:\(version [^)]*\))?\s*(?:\(for url .*)?$", re.DOTALL)
_NO_CONNECTION = re.compile(
    r"(Connection refused|Name or service not known|timed out|Connection reset by peer|No route to host)"
)


class Unavailable(Exception):
    """ClickHouse did not answer, or not now: trying again may help."""


class Refused(Exception):
    """ClickHouse answered no: trying again does not help. `code` is its error code."""

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


class Answer(NamedTuple):
    """A query's result."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class _Literal:
    """A parameter's value in ClickHouse's notation; the client would escape the quotes in a text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


class UnknownParameters(ValueError):
    """Values were given for parameters that the statement does not have."""


def parameters(sql: str, texts: Mapping[str, str]) -> dict[str, object]:
    """Values for the parameters {name:Type} of a statement, given as text: lists, tuples and maps in ClickHouse's
    notation (['a', 'b']), all others as they stand.

    Raises:
        UnknownParameters: the statement has no parameter of a name; the message lists those that it has.
    """
    types = {found["name"]: found["type"] for found in _PARAMETER.finditer(sql)}
    if unknown := sorted(texts.keys() - types.keys()):
        has = f"it has {', '.join(sorted(types))}" if types else "it has none; one is written {name:Type}"
        raise UnknownParameters(f"the statement has no parameter {', '.join(unknown)}: {has}")
    return {name: _Literal(text) if types[name].startswith(_NESTED) else text for name, text in texts.items()}


class Service:
    """A connection to one ClickHouse, made at the first call and made anew after a fault. Not for several threads."""

    def __init__(self, target: Target, seconds_max: int, database: str | None = None) -> None:
        """`seconds_max` bounds a call; `database` is where names without one are looked for."""
        self.target = target
        self._seconds_max = seconds_max
        self._database = database
        self._made: Client | None = None
        for client in ("clickhouse_connect", "urllib3"):
            logging.getLogger(client).setLevel(logging.CRITICAL)  # their faults are told by ours, once

    def insert(self, table: str, columns: list[str], content: bytes, token: str) -> int:
        """Insert one Arrow stream under a deduplication token; returns the rows that ClickHouse says it took.

        Raises:
            Unavailable, Refused: nothing, part or all of it may have arrived; the same call again makes it whole.
        """
        place = f"{self.target.database}.{table}"
        try:
            client = self._client()
            settings = {**insert_settings(client.server_settings), "insert_deduplication_token": token}
            summary = client.raw_insert(place, columns, content, settings=settings, fmt="ArrowStream")
        except ClickHouseError as error:
            raise self._fault(error) from None
        reached(Failpoint.SINK_MID_INSERT)
        return summary.written_rows

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> Answer:
        """Ask.

        Raises:
            Unavailable, Refused
        """
        try:
            found = self._client().query(sql, parameters=dict(parameters or {}))
        except ClickHouseError as error:
            raise self._fault(error) from None
        return Answer(list(found.column_names), [tuple(row) for row in found.result_rows])

    def blocks(self, sql: str, parameters: Mapping[str, object] | None = None) -> Iterator[Answer]:
        """Ask, and get the answer block by block, in bounded memory; the first block has the columns alone.

        Raises:
            Unavailable, Refused: also between two blocks.
        """
        try:
            client = self._client()
            given = dict(parameters or {})
            if client.create_query_context(sql, parameters=given).is_command:
                yield self.query(sql, given)
                return
            with client.query_row_block_stream(sql, parameters=given) as stream:
                columns = list(stream.source.column_names)
                yield Answer(columns, [])
                for block in stream:
                    yield Answer(columns, block)
        except ClickHouseError as error:
            raise self._fault(error) from None

    def columns(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[str]:
        """The columns of a select, whose answer names none where it has no rows; none where it is no select.

        Raises:
            Unavailable
        """
        try:
            described = self.query(f"DESCRIBE TABLE (\n{sql.strip().rstrip(';')}\n)", parameters)
            return [str(row[0]) for row in described.rows]
        except Refused:
            return []

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Do.

        Raises:
            Unavailable, Refused
        """
        try:
            self._client().command(sql, parameters=dict(parameters or {}))
        except ClickHouseError as error:
            raise self._fault(error) from None

    def close(self) -> None:
        """Give the connection back."""
        if self._made is not None:
            self._made.close()
            self._made = None

    def _client(self) -> Client:
        if self._made is None:
            t = self.target
            self._made = clickhouse_connect.get_client(
                host=t.host,
                port=t.port,
                secure=t.secure,
                username=t.username,
                password=t.password,
                connect_timeout=CONNECT_SECONDS_MAX,
                send_receive_timeout=self._seconds_max,
                query_retries=0,
                autogenerate_session_id=False,  # a session would make ClickHouse lock it for a call's time
                client_name="tally",
            )
            self._made.database = self._database
        return self._made

    def _fault(self, error: ClickHouseError) -> Unavailable | Refused:
        """What a fault of the client means; the connection is made anew after it."""
        self.close()
        code = getattr(error, "code", None)
        said = _sentence(str(error))
        if code is None or code in _FLAKY_CODES:
            return Unavailable(f"ClickHouse at {self.target.address}: {said}")
        if code in _AUTHENTICATION_CODES:
            mend = "set TALLY_CLICKHOUSE__USERNAME and TALLY_CLICKHOUSE__PASSWORD to a user that may read and write"
            return Refused(f"ClickHouse at {self.target.address} does not let {self.target.username} in; {mend}", code)
        if code in ABSENT:
            mend = "run `tally migrate`; where that has nothing to do, it was dropped: run `tally rebuild clickhouse`"
            return Refused(f"{said}; if it is a table of tally's, {mend}", code)
        if code == _UNKNOWN_PARAMETER:
            return Refused(
                f"{said.rstrip('.')}: a parameter of the statement lacks its value (--param NAME=VALUE)", code
            )
        return Refused(said, code)


def _sentence(text: str) -> str:
    """ClickHouse's own words, without the client's wrapping."""
    if found := _EXCEPTION.search(text):
        return found[1].strip()
    if found := _NO_CONNECTION.search(text):
        return f"no connection ({found[1].strip()})"
    return text.splitlines()[0] if text else "no answer"
