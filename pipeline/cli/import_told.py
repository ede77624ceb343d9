"""What `tally import` says of the files it has read: as JSON, or as tables and lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.cli import console
from pipeline.cli.printable import one_line
from pipeline.settings_sources import env_name

if TYPE_CHECKING:
    from connectors.files.rows import Rows
    from connectors.files.sink import Span, Tally
    from pipeline.settings_tree import Rules

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class File:
    """A file, and what has become of its rows; `failure` ended it."""

    name: str
    rows: Rows | None = None
    tally: Tally | None = None
    failure: str = ""


@dataclass
class Told:
    """A whole run."""

    files: list[File]
    rules: Rules
    dry_run: bool
    sent: int = 0  # messages that Kafka acknowledged
    seconds: float = 0.0

    @property
    def tallies(self) -> list[Tally]:
        """Of the files that were read."""
        return [file.tally for file in self.files if file.tally is not None]

    @property
    def is_whole(self) -> bool:
        """Every row is an event within the window."""
        return not any(t.refused or t.too_late.events or t.in_the_future.events for t in self.tallies)


def as_json(told: Told) -> None:
    """All of it."""
    console.facts(
        {
            "files": [_file(file) for file in told.files],
            "dry_run": told.dry_run,
            "sent": told.sent,
            "window_days": told.rules.window_days,
            "seconds": round(told.seconds, 3),
        }
    )


def as_tables(told: Told, most: int) -> None:
    """Tables of files, types and reasons; the first `most` faults of each file and what is outside the window."""
    columns = ["file", "form", "rows", "skipped", "events", "refused", "too late", "in the future"]
    if told.tallies:
        console.table([_line(file) for file in told.files if file.tally is not None], columns)
    types: Counter[str] = sum((tally.types for tally in told.tallies), Counter())
    reasons: Counter[str] = sum((tally.reasons for tally in told.tallies), Counter())
    for name, counted in (("type", types), ("reason of refusal", reasons)):
        if counted:
            console.table([{name: key, "rows": n} for key, n in counted.most_common()], [name, "rows"])
    for file in told.files:
        _tell_faults(file, most)
    _tell_window(told)
    verb = "would be sent" if told.dry_run else "read and sent"
    refused = reasons.total()
    console.say(f"{types.total():,} events and {refused:,} refusals {verb}; {told.seconds:.1f} s")


def _tell_faults(file: File, most: int) -> None:
    if file.tally is None:
        return
    for fault in file.tally.faults[:most]:
        console.say(one_line(f"{file.name}: line {fault.line}: {fault.reason}: {fault.detail}"))
    if file.tally.refused > most:
        kept = len(file.tally.faults)
        console.say(f"and {file.tally.refused - most:,} more: --format json tells the first {kept:,}")


def _tell_window(told: Told) -> None:
    late = _together([tally.too_late for tally in told.tallies])
    if late is not None:
        console.say(
            f"{late}: older than the acceptance window of {told.rules.window_days} days. The worker will reject them "
            "as too_late (an estimate: the stream's time decides); they stay in dead_letters, with their bytes. To "
            f"accept them set {env_name('rules.window_days')} for the workers before; in a deployment that runs "
            "already a window that was made larger grows by a day each day"
        )
    early = _together([tally.in_the_future for tally in told.tallies])
    if early is not None:
        console.say(
            f"{early}: of the future. The worker will reject them as in_the_future; they stay in dead_letters, with "
            "their bytes. Is the endpoint's time zone the file's?"
        )


def _together(spans: list[Span]) -> str | None:
    """How many, from which day to which; None: none."""
    found = [span for span in spans if span.first is not None and span.last is not None]
    if not found:
        return None
    first, last = (min(s.first or 0 for s in found), max(s.last or 0 for s in found))
    events = sum(span.events for span in found)
    return f"{events:,} {'event' if events == 1 else 'events'} from {_instant(first)[:10]} to {_instant(last)[:10]}"


def _line(file: File) -> dict[str, object]:
    assert file.tally is not None and file.rows is not None
    tally = file.tally
    return {
        "file": file.name,
        "form": str(file.rows.form),
        "rows": tally.rows,
        "skipped": min(tally.skipped, tally.rows),
        "events": tally.types.total(),
        "refused": tally.refused,
        "too late": tally.too_late.events,
        "in the future": tally.in_the_future.events,
    }


def _file(file: File) -> dict[str, Any]:
    if file.tally is None or file.rows is None:
        return {"file": file.name, "failure": file.failure}
    tally = file.tally
    return {
        "file": file.name,
        "form": str(file.rows.form),
        "delimiter": file.rows.delimiter,
        "rows": tally.rows,
        "skipped": min(tally.skipped, tally.rows),
        "events": tally.types.total(),
        "types": dict(tally.types.most_common()),
        "refused": tally.refused,
        "reasons": dict(tally.reasons.most_common()),
        "faults": [fault._asdict() for fault in tally.faults],
        "too_late": _span(tally.too_late),
        "in_the_future": _span(tally.in_the_future),
        "failure": file.failure or None,
    }


def _span(span: Span) -> dict[str, object]:
    instants = {"first": span.first, "last": span.last}
    return {"events": span.events} | {k: None if at is None else _instant(at) for k, at in instants.items()}


def _instant(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
