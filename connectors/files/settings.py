"""The bounds of reading exported files and of sending their rows."""

from __future__ import annotations

from enum import StrEnum

from connectors.producer.source import LINE_BYTES_MAX

ROW_BYTES_MAX = LINE_BYTES_MAX  # of a row, whatever lines it takes
ROW_LINES_MAX = 10_000  # of a row of a table: a quote that nobody closes ends there
COLUMNS_MAX = 2_000  # of a table; an export has some 100
HEAD_BYTES = 64 * 1024  # of a file, by which its form is told
CHUNK_BYTES = 256 * 1024  # read at once
CHECKPOINT_SECONDS = 2.0  # between two waits for Kafka's acknowledgement, behind which the state file is written
FAULTS_KEPT_MAX = 1_000  # of a summary; all are counted
FAULTS_SHOWN_MAX = 10  # as lines on a terminal


class Form(StrEnum):
    """How rows stand in a file."""

    AUTO = "auto"  # as the file begins
    CSV = "csv"  # a table with a header
    LINES = "lines"  # one JSON value a line
    LIST = "list"  # a JSON list of rows, or JSON values behind one another
