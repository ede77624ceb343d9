"""The topics: their names, order, and which schema each one carries.

Partition p of all of them belongs together. In Kafka a name carries the settings' prefix; everywhere else it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pipeline.core.vocabulary import TOPICS

Schema = Literal["channel", "profile", "account", "crm"]

_OTHERS: dict[str, Schema] = {"events.profile": "profile", "events.account": "account", "events.crm": "crm"}

SOURCE_TOPICS: tuple[str, ...] = TOPICS
JOURNAL = "journal"
ALL_TOPICS: tuple[str, ...] = (*SOURCE_TOPICS, JOURNAL)  # what a worker requires
ALERTS = "allowance.alerts"  # a projection of the journal, for others to read
RECEIPTS = "allowance.receipts"  # what became of each alert at the webhook
NOTIFY_TOPICS: tuple[str, ...] = (ALERTS, RECEIPTS)  # what `tally notify` alone requires
SCHEMAS: tuple[Schema, ...] = ("channel", "profile", "account", "crm")


def schema_of(topic: str) -> Schema:
    """The schema of a source topic's events (unprefixed name).

    Raises:
        KeyError: not a source topic.
    """
    if topic not in SOURCE_TOPICS:
        raise KeyError(f"{topic} is no source topic; there are {', '.join(SOURCE_TOPICS)}")
    return _OTHERS.get(topic, "channel")


def physical(prefix: str, topic: str) -> str:
    """The name in Kafka."""
    return prefix + topic


def logical(prefix: str, name: str) -> str:
    """The name without the prefix.

    Raises:
        ValueError: the name does not carry the prefix.
    """
    if not name.startswith(prefix):
        raise ValueError(f"topic {name} does not carry the prefix {prefix}")
    return name[len(prefix) :]


def listed(names: Sequence[str]) -> str:
    """One or several topics in a sentence: `topic journal`; `topics journal, a and b`."""
    *first, last = names
    return f"topics {', '.join(first)} and {last}" if first else f"topic {last}"
