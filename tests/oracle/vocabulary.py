"""What types there are: the committed table, read plainly."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

CHANNELS = ("email", "sms", "push", "telegram", "whatsapp", "viber", "popup", "web")
_TABLE = Path(__file__).parents[2] / "schemas" / "vocabulary" / "types.tsv"


class Type(NamedTuple):
    """`channel` is empty for profile, account and crm types."""

    topic: str
    channel: str
    verb: str
    is_activity: bool
    is_by_person: bool


def _types() -> dict[str, Type]:
    found = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines()[1:]:
        name, activity, by_person = line.split("\t")[:3]
        prefix, _, verb = name.partition("_")
        channel = prefix if prefix in CHANNELS else ""
        found[name] = Type(f"events.{prefix}", channel, verb, activity == "yes", by_person == "yes")
    return found


TYPES = _types()
