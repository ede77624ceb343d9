"""How far a file has come: one small file for each, in <home>/imports, until it has come to its end.

It is of the file's content, of what its rows become (endpoint, form) and of the topics they go to: where any of it is
another, an import begins anew. A row counts once Kafka has acknowledged it and every row before it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from connectors.collect.endpoint import Endpoint
from connectors.collect.translation import minted
from connectors.files.rows import Rows

FORMAT = 1
FOLDER = "imports"  # of a home


@dataclass(frozen=True, slots=True)
class Position:
    """The state file of one import; `name` is the imported file's, for people."""

    path: Path
    name: str

    def rows(self) -> int:
        """Rows that Kafka has acknowledged; 0 where nothing is known."""
        try:
            found = json.loads(self.path.read_bytes())
            rows = found["rows"] if found["format"] == FORMAT else 0
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return 0  # a file that says nothing costs copies, and nothing else
        return rows if type(rows) is int and rows > 0 else 0

    def save(self, rows: int) -> None:
        """So many rows are acknowledged.

        Raises:
            OSError: it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        aside.write_text(json.dumps({"format": FORMAT, "file": self.name, "rows": rows}) + "\n", encoding="utf-8")
        aside.replace(self.path)

    def forget(self) -> None:
        """The file has come to its end, or is to begin anew."""
        self.path.unlink(missing_ok=True)


def position(home: Path, name: str, whole: str, made_of: tuple[object, ...]) -> Position:
    """`whole` is the file's fingerprint, `made_of` all else that another import of it would differ by."""
    return Position(home / FOLDER / f"{minted(FORMAT, whole, *made_of)}.json", name)


def identity(endpoint: Endpoint, found: Rows, encoding: str) -> tuple[object, ...]:
    """What a file's rows become depends on."""
    said = (endpoint.vendor, endpoint.account, endpoint.source, endpoint.event, endpoint.time_zone)
    return (endpoint.id, *said, dict(endpoint.fields), str(found.form), found.delimiter, encoding)
