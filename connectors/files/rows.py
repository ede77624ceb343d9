"""A file's form and its rows; a row to messages for Kafka: pure.

In:   a file's content, what was chosen of its form; a row.  Out: rows; for each row its messages, at least one.
Rows of tables become the item that the same event is in a delivery, by the vendor; JSON is read as a delivery is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import Delivery, Translated, Translator
from connectors.collect.translation import Refusal, Vendor
from connectors.files.settings import Form
from connectors.files.source import Content
from connectors.files.tables import Row, Table
from connectors.files.values import Values
from connectors.producer.source import LINE_BYTES_MAX, every_line
from pipeline.core.reasons import Reject

_MARK = b"\xef\xbb\xbf"


class Chosen(NamedTuple):
    """What an option says of a file's form, or the vendor's habit does."""

    form: Form
    delimiters: str


class Rows(NamedTuple):
    """A file's rows, its form and, of a table, the delimiter."""

    rows: Iterable[Row]
    form: Form
    delimiter: str | None = None


class Reader(NamedTuple):
    """Rows to messages, for an endpoint and its vendor."""

    translator: Translator
    endpoint: Endpoint
    vendor: Vendor

    def messages(self, row: Row, received_at: int) -> list[Translated]:
        """A row's messages, never none; `received_at` in UTC microseconds."""
        endpoint, vendor = self.endpoint, self.vendor
        if row.fault:
            refusal = Refusal(Reject.UNDECODABLE, f"the row at line {row.line} {row.fault}")
            return [self.translator.refuse(refusal, row.content, endpoint, received_at)]
        if row.columns is None:
            found = self.translator.messages(row.content, endpoint, vendor, received_at)
            nothing = Refusal(Reject.UNDECODABLE, f"the row at line {row.line} is an empty list")
            return found or [self.translator.refuse(nothing, row.content, endpoint, received_at)]
        item = dict(vendor.row(row.columns, endpoint))
        return self.translator.translated(Delivery([item], lambda _: row.content), endpoint, vendor, received_at)


def rows(content: Content, chosen: Chosen) -> Rows:
    """The rows of a file, in the form chosen or else in the one that it begins with.

    Raises:
        Unreadable: it has none.
    """
    form = form_of(content.head) if chosen.form is Form.AUTO else chosen.form
    if form is Form.LIST:
        return Rows(Values(content.file), form)
    if form is Form.LINES:
        return Rows(_lines(content), form)
    table = Table(content.file, chosen.delimiters, content.encoding)
    return Rows(table, form, table.delimiter)


def form_of(head: bytes) -> Form:
    """The form of a file that begins so: JSON by its first bracket; a first line that is whole JSON is one of many."""
    begins = head.removeprefix(_MARK).lstrip()
    if not begins.startswith((b"{", b"[")):
        return Form.CSV
    line, newline, behind = begins.partition(b"\n")
    if not newline or not behind.strip():
        return Form.LIST
    try:
        json.loads(line)
    except (ValueError, RecursionError):  # a value that goes on in the next line
        return Form.LIST
    return Form.LINES


def _lines(content: Content) -> Iterable[Row]:
    for line in every_line(content.file):
        if line.content is None:
            yield Row(line.number, b"", None, f"is longer than {LINE_BYTES_MAX:,} bytes")
        elif not line.content.isspace():
            yield Row(line.number, line.content.rstrip(b"\r\n"))
