"""The rows of views as plain values, for comparison with what the oracle says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from connectors.clickhouse.service import Service

# Of dead letters the bytes as hex: a client shows bytes that are no text as it likes.
COLUMNS = {"dead_letters": "* REPLACE (lower(hex(raw)) AS raw, lower(hex(base64Decode(raw_base64))) AS raw_base64)"}
_DAY_ZERO, _SECOND = date(1970, 1, 1), 1_000_000


def rows(service: Service, view: str) -> list[dict[str, Any]]:
    """A view's rows with all columns, times as UTC microseconds, days as UTC days."""
    answer = service.query(f"SELECT {COLUMNS.get(view, '*')} FROM {service.target.database}.{view}")
    return [dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return _microseconds(value)
    if isinstance(value, date):
        return (value - _DAY_ZERO).days
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def _microseconds(value: datetime) -> int:
    at = value if value.tzinfo else value.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds
